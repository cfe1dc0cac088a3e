"""ASN.1 values that are written exactly as they were read, to be put into signatures.

asn1crypto takes a length whose last octet is 0x80 for the mark of an indefinite one, and then encodes the value anew, once
for each level above it that is being built: a signature with such a token or certificate in it takes up to half a minute
instead of milliseconds. One in fifty does. Octets that somebody signed should not be encoded anew anyway.
"""

from __future__ import annotations

from typing import Any

from asn1crypto import cms, x509

# asn1crypto has no types: read through Any.
_cms: Any = cms
_x509: Any = x509


class ExactContentInfo(_cms.ContentInfo):
    """A time token."""

    def dump(self, force: bool = False) -> bytes:  # noqa: ARG002 - the library's signature
        return self._header + self._contents + self._trailer


class ExactCertificate(_x509.Certificate):
    """A certificate."""

    def dump(self, force: bool = False) -> bytes:  # noqa: ARG002 - the library's signature
        return self._header + self._contents + self._trailer


def octets_of(value: Any) -> bytes:
    """The octets of a value that was read, as they were read.

    Args:
        value: loaded by asn1crypto and not changed; of a choice, what was chosen.
    """
    while hasattr(value, "chosen"):
        value = value.chosen
    return value._header + value._contents + value._trailer  # noqa: SLF001 - there is no other way to them
