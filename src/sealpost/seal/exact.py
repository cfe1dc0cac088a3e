"""ASN.1 values that are written exactly as they were read, or once, to be put into signatures.

asn1crypto takes a length whose last octet is 0x80 for the mark of an indefinite one and then encodes the value anew; and it
encodes what is being built anew each time that somebody asks, two or three times at each level. Both together make one
signature in four take up to half a minute instead of milliseconds. Octets that somebody signed should not be encoded anew
anyway.
"""

from __future__ import annotations

from typing import Any

from asn1crypto import cms, core, x509

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


def encoded(value: Any) -> bytes:
    """The DER of a value that was built, from its leaves upwards, so that each part is encoded once.

    Args:
        value: built with asn1crypto; not to be changed afterwards.
    """
    _settle(value)
    return value.dump()


def _settle(value: Any) -> None:
    for part in _parts(value):
        if isinstance(part, core.Asn1Value):
            _settle(part)
    if getattr(value, "_mutated", False):
        value._set_contents()  # noqa: SLF001 - the library marks what was built as changed for ever
        value._mutated = False  # noqa: SLF001 - see above


def _parts(value: Any) -> list[Any]:
    """What a value is made of; what was not looked at yet is no value but a tuple, or none."""
    children: Any = getattr(value, "children", None)
    parsed: Any = getattr(value, "_parsed", None)
    # A parsed value is kept with how it was parsed.
    kept: list[Any] = [*parsed[:1]] if type(parsed) is tuple else [parsed]
    return [getattr(value, "_chosen", None), *kept, *(children if type(children) is list else [])]


def octets_of(value: Any) -> bytes:
    """The octets of a value that was read, as they were read.

    Args:
        value: loaded by asn1crypto and not changed; of a choice, what was chosen.
    """
    while hasattr(value, "chosen"):
        value = value.chosen
    return value._header + value._contents + value._trailer  # noqa: SLF001 - there is no other way to them
