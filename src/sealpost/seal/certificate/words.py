"""What the certificate says: headings, the names of events, what is proven and what is not. Texts for translation.

Sentences are short, claim no more than the records, and never call the service qualified.
"""
# ruff: noqa: RUF001 - typographic quotes, as in all texts for people

from __future__ import annotations

from sealpost.text.catalogue import marked

TITLE = marked("Certificate about a message")

# Names in the template → text.
HEADINGS = {
    "reference": marked("Reference"),
    "as_of": marked("State of"),
    "scan": marked("Scan to check this document"),
    "test_sentence": marked("Made in a test environment. It proves nothing."),
    "parties": marked("Sender and recipient"),
    "contents": marked("Contents and fingerprints"),
    "number": marked("Number"),
    "name": marked("Name and fingerprint"),
    "type": marked("Kind of file"),
    "size": marked("Size"),
    "fingerprint": marked("The fingerprint (SHA-256) proves that a file is exactly the one that was sent."),
    "timeline": marked("What happened, and when"),
    "when": marked("Claimed time"),
    "not_later": marked("Proven not later than"),
    "what": marked("Event"),
    "pending": marked("NOT YET IN THE LOG"),
    "proven": marked("What this proves"),
    "not_proven": marked("What this does not prove"),
    "checking": marked("How to check it"),
    "record_print": marked("Fingerprint (SHA-256) of the record"),
    "log_place": marked("Entry in the log"),
    "log": marked("Log"),
    "log_size": marked("Entries"),
    "log_root": marked("Root hash"),
    "page": marked("page %(page)s of %(pages)s"),
}

SUBMITTED, REACHED, REACHED_RELAY, KNEW = (
    marked("Submitted"),
    marked("Reached the recipient’s mail server"),
    marked("Accepted by a relay server"),
    marked("First sign of a person on the page"),
)
END, STILL_OPEN, NOT_REACHED, NO_SIGN = (
    marked("Outcome"),
    marked("Open: no decision yet"),
    marked("No mail server has accepted an announcement so far"),
    marked("None so far"),
)

SENDER, RECIPIENT = marked("Sender"), marked("Recipient")
NAME, EMAIL, SENT_BY, IDENTIFIED = marked("Name"), marked("E-mail address"), marked("Sent by"), marked("Identified")
CLIENT, USER = marked("program “%(name)s” of the sender"), marked("user “%(name)s”")
SIGNED_IN = marked("signed in to its account (%(method)s) on %(time)s")
OWN_REFERENCE, ADDRESS_BASIS = marked("Sender’s own reference"), marked("Address from")
NAMED_BY_SENDER = marked("%(name)s (named by the sender)")
NOT_IDENTIFIED = marked("not by this service: who had access to this mailbox had the link")
IDENTIFIED_BY = marked("by %(method)s on %(time)s")
BODY = marked("Text of the message")

ENCRYPTED = marked("encrypted with %(version)s")
UNENCRYPTED = marked("not encrypted")
FROM_NETWORK = marked("Form sent on the service’s page, from network %(network)s")
RECORDED = marked("Recorded only at %(time)s")
QR = marked("QR code that leads to the verifier’s page at %(address)s")
NOT_LATER = marked("Proven: not later than %(time)s.")
NOT_DATED, DATED_LATE, DATED_BY_ITSELF = (
    marked("Not proven yet"),
    marked("Much later: the claimed time is not proven"),
    marked("Not proven: the service’s own time stamp"),
)
"""What is proven of a time, where that is not much."""
TIMES = marked(
    "Claimed is the time of the service’s clock. Proven is that of the first time stamp over the record, by another authority."
)
TRUST = marked("Fingerprint (SHA-256) of the service’s trust folder, to compare with the one that you use:")
ZONE = marked("Local time in %(zone)s; below it universal time (UTC).")
ISSUED_BY = marked("Issued by %(issuer)s with %(software)s. Not a qualified service.")

PROVES_CONTENT = marked("The sender handed the contents with these fingerprints to the service on %(time)s.")
PROVES_REACHED = marked(
    "The mail server %(server)s took over the announcement for %(recipient)s on %(time)s. Its answer is quoted literally."
)
PROVES_RELAYED = marked(
    "The relay server %(server)s took over the announcement for %(recipient)s on %(time)s. Its answer is quoted literally."
)
PROVES_KNEW = marked("Somebody with the link that was sent to %(recipient)s used the service’s page on %(time)s.")
PROVES_ACCEPTED = marked("Somebody with the link that was sent to %(recipient)s accepted the message on %(time)s.")
PROVES_REFUSED = marked("Somebody with the link that was sent to %(recipient)s refused the message on %(time)s.")
PROVES_EXPIRED = marked("It was neither accepted nor refused within the collection period, which ended on %(time)s.")
PROVES_WITHDRAWN = marked("The sender withdrew it on %(time)s, before a decision.")
ONLY_CLAIMED = marked("This time is claimed, not proven.")
PROVES_RECORDS = marked(
    "No record was changed after it was sealed, and none before the last is missing (records: %(count)s)."
)
PROVES_LOG = marked(
    "Records with an entry in the log cannot be changed or taken back, not even by the service, without this being found out by whoever keeps a copy of the log."
)

NOT_READ = marked("That anybody read the announcement or the contents.")
NOT_ADDRESSEE = marked("That the person who used the mailbox was the addressee.")
NOT_INBOX = marked(
    "That the announcement was shown to anybody: a mail server may file what it has accepted as spam, or delete it."
)
NOT_MX = marked(
    "That the mail server was the one responsible for the recipient’s domain: the records hold no answer of the DNS."
)
NOT_RELAYED = marked(
    "That the recipient’s mail server took what a relay server accepted: the relay server only promised to pass it on."
)
NOT_RETURNED = marked("That what a returned mail says is true: whoever has the mail can write one.")
NOT_PERSON = marked("That a person did what bears signs of a program: a program may have sent the form.")
NOT_SIGNED = marked(
    "That what a signed returned mail says is true: the signature shows only which domain’s servers signed it."
)
NOT_CONTENT = marked("That what the contents say is true.")
NOT_QUALIFIED = marked(
    "That this is a qualified electronic registered delivery service (Regulation (EU) No 910/2014, article 44). It is not, and the presumption of article 43(2) does not apply."
)
NOT_PENDING = marked(
    "That the service itself has not changed the records marked “not yet in the log”. A later certificate can show their entries."
)
NOT_ADOPTED = marked(
    "What records %(numbers)s say, before %(time)s: an earlier release made them without seals, and they were adopted then."
)
NOT_DATED_THEN = marked(
    "That what has no proven time in the time line happened when that is claimed: this is the service’s word."
)
NOT_TIME = marked(
    "That the service’s clock was right: the records name no second source of time. Compare with the time stamps in the evidence file."
)

CHECK_RECORDS = marked(
    "The records, their seals and their entries in the log are embedded in this PDF. They are the evidence; if this text says something else, the records decide."
)
CHECK_FILE = marked(
    "The evidence file (.asice) that came with this certificate is checked by the verifier, without the service and without a network:"
)
CHECK_SEAL = marked("This PDF is sealed: a PDF reader shows whether it was changed afterwards.")
CHECK_LETTERS = marked(
    "A character that cannot be printed, or that hides something, is shown by its number, as \u27e8U+202E\u27e9."
)

RECORD_FILE, SEAL_FILE = marked("Record %(number)s"), marked("Seal of record %(number)s")
SALT_FILE, PROOF_FILE = marked("Salt of record %(number)s"), marked("Log entry of record %(number)s")
