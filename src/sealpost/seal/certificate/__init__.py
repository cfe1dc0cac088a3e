"""The certificate: a PDF/A-3 document made from a ticket's records, with the records in it, sealed."""
