"""Verifies sealed records by the million, as an auditor with a whole database does: seals and the log's entries.

The signature is what it costs; the rest is kept small: a header of the same second and key is read once, a chain of
certificates judged once. Form and canonical bytes of records are left to `structure`, which costs more than the seal.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from sealpost.domain.merkle import leaf_hash
from sealpost.domain.seals import NoSeal, Seal, commitment, read
from sealpost.verifier.certificates import Certificates
from sealpost.verifier.report import Said
from sealpost.verifier.seals import is_sealed
from sealpost.verifier.tables import RULES, covers
from sealpost.verifier.trust import Trust

Sealed = tuple[bytes, bytes, bytes, int]
"""A record's canonical octets, its seal, its salt, and its index in the log (or -1 where it has none yet)."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A record that does not hold.

    Args:
        number: its place in what was given, from 0.
        why: a code of the words.
    """

    number: int
    why: str


def audit_records(
    records: Iterable[Sealed], trust: Trust, leaf: Callable[[int], bytes] | None = None
) -> tuple[int, list[Wrong]]:
    """Verifies seals, at the times that they claim, and the log's entries.

    Args:
        records: any number; read once, in their order.
        trust: whose roots count.
        leaf: the log's leaf hash at an index, for example out of `audit.audit_log`; None where only seals are judged.

    Returns:
        How many were looked at, and those that are wrong.
    """
    certificates, count, wrong = Certificates(trust.roots, trust.revocations), 0, list[Wrong]()
    for number, (record, octets, salt, index) in enumerate(records):
        count += 1
        try:
            seal = read_seal(octets)
            who = certificates.signatory("seal", seal.certificates)
            certificates.judge("seal", who, seal.sealed_at)
            if not _is_covered(seal.sealed_at.date()):
                wrong.append(Wrong(number, "seal.suite"))
            elif not is_sealed(seal, record, who.key):
                wrong.append(Wrong(number, "seal.signature"))
            elif leaf is not None and index >= 0 and leaf(index) != leaf_hash(commitment(salt, record, seal.signature)):
                wrong.append(Wrong(number, "audit.entry"))
        except Said as end:
            wrong.append(Wrong(number, end.code))
        except ValueError:
            wrong.append(Wrong(number, "seal.malformed"))
    return count, wrong


@lru_cache(maxsize=1024)
def _is_covered(day: date) -> bool:
    return any(covers(one, day) for one in RULES["suites"])


_PLAIN, _URL = bytes.maketrans(b"-_", b"+/"), bytes.maketrans(b"+/", b"-_")
_BEGIN, _MIDDLE, _END, _SIGNATURE = b'{"protected":"', b'","signature":"', b'"}', 86


def read_seal(octets: bytes) -> Seal:
    """A seal, by the one way in which ours are written (`domain.seals.written`); any other is read in full.

    Raises:
        NoSeal: it is none.
    """
    middle = len(octets) - len(_END) - _SIGNATURE - len(_MIDDLE)
    if not (octets.startswith(_BEGIN) and octets.endswith(_END) and octets.startswith(_MIDDLE, middle)):
        return read(octets)
    sample = _read_header(octets[:middle])
    signature = octets[middle + len(_MIDDLE) : -len(_END)]
    return Seal(sample.protected, sample.sealed_at, sample.certificates, _octets(signature))


@lru_cache(maxsize=1024)
def _read_header(head: bytes) -> Seal:
    """All but the signature, read in full with an empty one in its place."""
    return read(head + _MIDDLE + b"A" * _SIGNATURE + _END)


def _octets(signature: bytes) -> bytes:
    found = a2b_base64(signature.translate(_PLAIN) + b"==", strict_mode=True)
    if len(found) != 64 or b2a_base64(found, newline=False).translate(_URL)[:_SIGNATURE] != signature:
        raise NoSeal("a signature that is not 64 octets in base64url")
    return found
