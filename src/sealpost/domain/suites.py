"""Cryptographic suites: which algorithms evidence of a time uses, and until when each set is held to be good.

For whoever seals, which stops when its suite has ended; the verifier and its page have the same table in `rules.json`. A
table with end dates in the manner of ETSI TS 119 312; a released line is never changed but for `until`, which may come
nearer when an algorithm weakens. What outlasts a suite is the log: a record whose checkpoint was
timestamped or witnessed before `until` stays proven afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime


class UnknownSuite(ValueError):
    """A name that is not in the table."""


EVIDENCE_PURPOSE = "2.25.43346117106797820637455271694789700351"
"""The extended key usage of certificates that seal evidence: a UUID of ours as an identifier (ITU-T X.667), once and for all."""
EVIDENCE_PURPOSE_SINCE = date(2027, 3, 1)
"""From this day, UTC, on seals count only by certificates of that purpose; older certificates had none."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One line of the table.

    Args:
        name: as records state it.
        since: first day, UTC, on which evidence may be made with it.
        until: last day, UTC, on which a signature of it, by its proven time, counts.
        record_seal: algorithm of JAdES seals (JOSE name).
        container_seal: of the certificate's and the bundle's seals (JOSE name).
        digest: of fingerprints, chain, commitments and the log's tree.
        log: of the lines on a checkpoint, all of them needed.
        time_digests: imprints that a time token may have.
        meaning: for people, one sentence.
    """

    name: str
    since: date
    until: date
    record_seal: str
    container_seal: str
    digest: str
    log: tuple[str, ...]
    time_digests: tuple[str, ...]
    meaning: str

    def covers(self, at: datetime) -> bool:
        """Whether evidence proven to be of this time counts.

        Args:
            at: aware.
        """
        return self.since <= at.astimezone(UTC).date() <= self.until


# `until` of 2026-1 is ours and careful: the end of 2030, by which the EU's roadmap on post-quantum cryptography wants
# long-lived secrets moved. ML-DSA-44 on checkpoints is for the time after it. 2026-2 has the same algorithms: its name says
# that a record gives reasons of refusals, failures and expiries alone, and the whole of a server's reply.
SUITES = (
    Suite(
        name="2026-1",
        since=date(2026, 1, 1),
        until=date(2030, 12, 31),
        record_seal="ES256",
        container_seal="ES256",
        digest="SHA-256",
        log=("Ed25519", "ML-DSA-44"),
        time_digests=("SHA-256", "SHA-512"),
        meaning="ECDSA on P-256 for seals; SHA-256; checkpoints signed with Ed25519 and, against quantum computers, ML-DSA-44.",
    ),
    Suite(
        name="2026-2",
        since=date(2026, 1, 1),
        until=date(2030, 12, 31),
        record_seal="ES256",
        container_seal="ES256",
        digest="SHA-256",
        log=("Ed25519", "ML-DSA-44"),
        time_digests=("SHA-256", "SHA-512"),
        meaning="ECDSA on P-256 for seals; SHA-256; checkpoints signed with Ed25519 and, against quantum computers, ML-DSA-44.",
    ),
)


def suite(name: str) -> Suite:
    """The suite of a name.

    Raises:
        UnknownSuite: there is none; evidence of an unknown suite is refused, never guessed at.
    """
    for one in SUITES:
        if one.name == name:
            return one
    raise UnknownSuite(f"no suite {name!r}")
