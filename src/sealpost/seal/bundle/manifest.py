"""The list of all files in a bundle with their fingerprints: ASiCManifest (ETSI EN 319 162-1 V1.1.1, annex A.4).

One file is one line, always in the same form, so that a shell can check it and the same files give the same octets.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from sealpost.domain.canonical import SHA256_URI
from sealpost.seal.bundle.names import SIGNATURE

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">\n'
    f'<asic:SigReference URI="{SIGNATURE}" MimeType="application/pkcs7-signature"/>\n'
)
_TAIL = "</asic:ASiCManifest>\n"
_TYPES = {
    "json": "application/json",
    "pdf": "application/pdf",
    "txt": "text/plain; charset=utf-8",
    "tsr": "application/timestamp-reply",
    "eml": "message/rfc822",
    "pem": "application/x-pem-file",
    "crl": "application/pkix-crl",
    "der": "application/pkix-cert",
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A member and its fingerprint.

    Args:
        name: inside the bundle, ASCII without what a URI would escape.
        sha256: 32 octets.
    """

    name: str
    sha256: bytes


def manifest(members: Sequence[Listed]) -> bytes:
    """The manifest's octets.

    Args:
        members: every file but ``mimetype`` and META-INF, in the bundle's order.
    """
    return (_HEAD + "".join(map(_line, members)) + _TAIL).encode()


def _line(member: Listed) -> str:
    kind = _TYPES.get(member.name.rpartition(".")[2], "application/octet-stream")
    if member.name.startswith("content/"):
        kind = "application/octet-stream"  # what it was declared as stands in the records
    return (
        f"<asic:DataObjectReference URI={quoteattr(member.name)} MimeType={quoteattr(kind)}>"
        f'<ds:DigestMethod Algorithm="{SHA256_URI}"/>'
        f"<ds:DigestValue>{b64encode(member.sha256).decode()}</ds:DigestValue>"
        "</asic:DataObjectReference>\n"
    )
