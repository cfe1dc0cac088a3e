"""DKIM signatures over mails that we built ourselves.

For the use cases that send. Clauses: RFC 6376 (3.4 canonical forms, 3.5 the field, 3.7 what is hashed, 5.4 which
fields, 8.15 signing a name once more than it is there), RFC 8301 (rsa-sha256, 2048 bits), RFC 8463 (ed25519-sha256).
``relaxed/relaxed``: servers fold and re-space headers, and some strip blanks in a body; in quoted-printable and base64 none
of them says anything. The bytes are ours (CRLF, no bare line ends), so nothing is parsed that ``build`` did not make, and
the body is hashed once for all keys.
No ``l=`` (a tail could be added), no ``x=`` (evidence does not end).
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from sealpost.mail.letter import UnsafeMail

SIGNED = (
    b"From", b"To", b"Cc", b"Reply-To", b"Subject", b"Date", b"Message-ID", b"MIME-Version", b"Content-Type",
    b"Content-Transfer-Encoding", b"Content-Language", b"Auto-Submitted",
)  # fmt: skip
_NEEDED = frozenset({b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"})
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9-]{0,75}")
_BLANKS = re.compile(rb"[ \t]+")
_DOMAIN = re.compile(r"(?=.{3,253}\Z)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_SELECTOR = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LINE = 76
_HEAD_LIMIT = 65_536
_RSA_BITS = 2048
_STRING = 255

SigningKey = RSAPrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A key and where its public half stands in the DNS.

    Args:
        domain: lower case, A-labels; the signature's ``d=``.
        selector: the signature's ``s=``; the record is at ``<selector>._domainkey.<domain>``.
        key: RSA of 2048 bits, or Ed25519.
    """

    domain: str
    selector: str
    key: SigningKey

    def __post_init__(self) -> None:
        if not is_signable(self.domain) or not _SELECTOR.fullmatch(self.selector):
            raise ValueError("not a domain and a selector as a signature can name them")


def is_signable(domain: str) -> bool:
    """Whether a key's record could stand there: not under ``localhost``, nor any other single label."""
    return _DOMAIN.fullmatch(domain) is not None


def signed(mail: bytes, keys: Sequence[DkimKey], at: datetime) -> bytes:
    """The mail with a signature of each key before it, in the order of the keys.

    Args:
        mail: as ``build`` made it.
        keys: whose signatures; none: the mail as it is.
        at: aware time, the signatures' ``t=``.

    Raises:
        UnsafeMail: these are not bytes that ``build`` makes; nothing may be sent then.
    """
    if not keys:
        return mail
    head, blank, _ = mail.partition(b"\r\n\r\n")
    if not blank or not mail.endswith(b"\r\n"):
        raise UnsafeMail("headers")
    fields = _fields(head)
    body_hash = b64encode(_body_hash(mail, len(head) + len(blank)))
    return b"".join([*(_signature(key, fields, body_hash, int(at.timestamp())) for key in keys), mail])


def _body_hash(mail: bytes, start: int) -> bytes:
    """SHA-256 of the body in its relaxed form (RFC 6376 3.4.4): one blank for many, none at the end of a line.

    By searching for pairs instead of matching a pattern: base64, most of a large mail, has none, and is passed at once.
    """
    body = mail[start:].replace(b"\t", b" ")
    while b"  " in body:
        body = body.replace(b"  ", b" ")
    body = body.replace(b" \r\n", b"\r\n")
    end = len(body)
    while body.endswith(b"\r\n\r\n", 0, end):  # empty lines at the end do not count
        end -= 2
    return sha256(b"" if body[:end] == b"\r\n" else memoryview(body)[:end]).digest()


def _fields(head: bytes) -> dict[bytes, bytes]:
    """Each field by its name in lower case, in its relaxed form (RFC 6376 3.4.2)."""
    ends = head.count(b"\r\n")
    if len(head) > _HEAD_LIMIT or head.count(b"\r") != ends or head.count(b"\n") != ends or b"\0" in head:
        raise UnsafeMail("headers")
    found = dict[bytes, bytes]()
    for field in head.replace(b"\r\n ", b" ").split(b"\r\n"):
        name, colon, value = field.partition(b":")
        if not colon or not _NAME.fullmatch(name) or name.lower() in found:
            raise UnsafeMail("headers")
        found[name.lower()] = name.lower() + b":" + _BLANKS.sub(b" ", value).strip(b" ")
    if not found.keys() >= _NEEDED or b"dkim-signature" in found:
        raise UnsafeMail("headers")
    return found


def _signature(key: DkimKey, fields: dict[bytes, bytes], body_hash: bytes, at: int) -> bytes:
    names = [*(name for name in SIGNED if name.lower() in fields), *SIGNED]  # the second time: nobody may add one
    algorithm = b"rsa-sha256" if isinstance(key.key, RSAPrivateKey) else b"ed25519-sha256"
    tags = (
        b"DKIM-Signature: v=1; a=%b; c=relaxed/relaxed;" % algorithm,
        b"d=%b;" % key.domain.encode("ascii"),
        b"s=%b; t=%d;" % (key.selector.encode("ascii"), at),
        *_folded(b"h=" + b":".join(names) + b";"),
        b"bh=%b;" % body_hash,
        b"b=",
    )
    unsigned = b"\r\n ".join(tags)
    name, _, value = unsigned.partition(b":")
    itself = name.lower() + b":" + _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    covered = [fields[name.lower()] for name in names[: len(names) - len(SIGNED)]]
    proof = b64encode(_sign(key.key, b"\r\n".join([*covered, itself])))  # the field itself without CRLF (3.7)
    return unsigned + b"\r\n ".join(_pieces(proof, _LINE - 3)) + b"\r\n"


def _sign(key: SigningKey, octets: bytes) -> bytes:
    if isinstance(key, RSAPrivateKey):
        return key.sign(octets, PKCS1v15(), SHA256())
    return key.sign(sha256(octets).digest())  # RFC 8463 3: PureEdDSA over the hash


def _folded(names: bytes) -> Iterator[bytes]:
    """Lines of at most 76 octets with the blank before them, broken before a colon."""
    line = b""
    for part in re.findall(rb":?[^:]+", names):
        if line and len(line) + len(part) > _LINE - 1:
            yield line
            line = b""
        line += part
    yield line


def _pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def new_key() -> RSAPrivateKey:
    """RSA of 2048 bits, which every receiver can check; takes about a tenth of a second of a core."""
    return generate_private_key(65537, _RSA_BITS)


def private_der(key: SigningKey) -> bytes:
    """PKCS #8, not encrypted: to be sealed before it is stored."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def read_private(der: bytes) -> SigningKey:
    """A key that ``private_der`` wrote.

    Raises:
        ValueError: it is none, or of a kind that DKIM does not know.
    """
    key = load_der_private_key(der, None)
    if isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        return key
    raise ValueError("not a key for DKIM")


def public_der(key: SigningKey) -> bytes:
    """SubjectPublicKeyInfo, as it is stored beside the sealed key."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_txt(key: SigningKey | bytes) -> str:
    """What the key's TXT record says (RFC 6376 3.6.1, RFC 8463 4).

    Args:
        key: a key, or a SubjectPublicKeyInfo in DER.

    Raises:
        ValueError: of a kind that DKIM does not know.
    """
    public = load_der_public_key(key) if isinstance(key, bytes) else key.public_key()
    if isinstance(public, Ed25519PublicKey):
        return "v=DKIM1; k=ed25519; p=" + b64encode(public.public_bytes_raw()).decode("ascii")
    if isinstance(public, RSAPublicKey):
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return "v=DKIM1; k=rsa; p=" + b64encode(der).decode("ascii")
    raise ValueError("not a key for DKIM")


def strings(text: str) -> tuple[str, ...]:
    """A TXT record's text in strings of at most 255 characters (RFC 1035 3.3), as a zone file has them."""
    return tuple(text[start : start + _STRING] for start in range(0, len(text), _STRING)) or ("",)
