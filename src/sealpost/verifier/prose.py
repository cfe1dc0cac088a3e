"""The certificate's text. No program can read what a text means, so by itself the verifier only says that it did not.

Where somebody gives it the means to set the certificate again from the records (the command's ``--reset-certificate``), it
says whether the PDF is what the records give. The means come from outside: the verifier stays alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from sealpost.verifier.case import Case
from sealpost.verifier.report import Said
from sealpost.verifier.tables import FAIL, MEMBERS

CERTIFICATE = MEMBERS["certificate"]
_KINDS = ("record", "seal", "salt", "proof", "checkpoint", "token", "trust")


class Comparison(Protocol):
    """What came of setting a certificate again."""

    @property
    def is_same(self) -> bool:
        """Whether the PDF is what the records give, but for its seal."""
        ...

    @property
    def made_with(self) -> str:
        """The versions that the PDF names; empty where it names none."""
        ...

    @property
    def installed(self) -> str:
        """The versions that set it again."""
        ...

    @property
    def fault(self) -> str:
        """What the PDF names and the records do not allow."""
        ...

    @property
    def address(self) -> str:
        """Of another host's verifier than the records name."""
        ...


Reset = Callable[[Mapping[str, bytes]], Comparison]
"""Sets the certificate of a bundle's members again, and compares."""


def check(case: Case, reset: Reset | None) -> None:
    """Says text where the certificate is set again; the head says where its text was not checked."""
    if CERTIFICATE not in case.members:
        return
    if reset is not None:
        with case.findings.about("text", CERTIFICATE):
            _compare(case, reset)
    if not any(one.why in {"text.ok", "text.differs", "text.inputs"} for one in case.findings.claims):
        case.findings.head("head.prose")


def _compare(case: Case, reset: Reset) -> None:
    """Says text; nothing is set from a file in which something else is wrong."""
    if any(one.verdict == FAIL for one in case.findings.claims):
        raise Said("text.skipped")
    wanted = [CERTIFICATE, *(name for kind in _KINDS for name, _ in case.named(kind))]
    found = reset({name: case.members.read(name) for name in wanted})
    if found.fault:
        raise Said("text.inputs", given=found.fault)
    if found.is_same and not found.address:
        case.findings.say("text.ok", CERTIFICATE)
    elif found.is_same:
        raise Said("text.address", address=found.address)
    elif not found.made_with:
        raise Said("text.unnamed", installed=found.installed)
    elif found.made_with != found.installed:
        raise Said("text.versions", made=found.made_with, installed=found.installed)
    else:
        raise Said("text.differs")
