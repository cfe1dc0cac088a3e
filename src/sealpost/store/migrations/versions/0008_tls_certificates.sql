-- What mail servers showed in TLS handshakes, each certificate once; records name them by their hashes.

create table tls_certificates (
    sha256          bytea primary key check (sha256 = sha256(octets)),
    octets          bytea not null                       -- DER as shown, whether or not anybody can read it
)
