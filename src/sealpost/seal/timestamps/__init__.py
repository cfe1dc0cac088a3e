"""Time from outside: RFC 3161 tokens (client, checks, a local authority) and the guard over the system's clock."""
