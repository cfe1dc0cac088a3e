"""Keep the certificates that mail servers show, each once for the whole installation, beside the records that name them."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator

import msgspec

from sealpost.mail.transport import Handover, Presented
from sealpost.store import tls_certificates
from sealpost.store.pool import Runner

FOLDER = "tls/"
"""Within the trust folder of a bundle; never among what is published at ``/trust/``."""

MOST_KNOWN = 20_000
"""Hashes that a process remembers, of 32 octets each."""


class KeptCertificates:
    """What a process knows to be committed, so that a chain that was shown before costs no statement.

    It may forget: what it does not know is given to the database again, which keeps it once.
    """

    def __init__(self, most: int = MOST_KNOWN) -> None:
        self._known = dict[bytes, None]()
        self._most = most

    def unknown(self, handovers: Iterable[Handover]) -> dict[bytes, bytes]:
        """SHA-256 → octets of what was shown and is not known to be kept."""
        return {one.sha256: one.octets for one in _shown(handovers) if one.sha256 not in self._known}

    def remember(self, hashes: Iterable[bytes]) -> None:
        """Only after the commit: a record must never name a certificate that is not durable."""
        for sha256 in hashes:
            self._known[sha256] = None
        while len(self._known) > self._most:
            del self._known[next(iter(self._known))]


def _shown(handovers: Iterable[Handover]) -> Iterator[Presented]:
    for one in handovers:
        if one.tls:
            yield from one.tls.chain
        yield from _shown(one.earlier)


async def named_in(runner: Runner, records: Iterable[bytes]) -> dict[str, bytes]:
    """The certificates that records name and that are kept, by their names in a trust folder: ``tls/<SHA-256>.der``.

    Args:
        runner: a connection or the pool.
        records: their octets.
    """
    wanted = {sha256 for octets in records for sha256 in _hashes(octets)}
    found = await tls_certificates.octets_of(runner, sorted(wanted)) if wanted else {}
    return {f"{FOLDER}{sha256.hex()}.der": octets for sha256, octets in found.items()}


def _hashes(octets: bytes) -> Iterator[bytes]:
    """The chain of a record of ours; records of before chains were kept have none."""
    smtp = msgspec.json.decode(octets)["Extensions"][0]["sealpost/1"].get("smtp", {})
    for one in smtp.get("tls", {}).get("chain", ()):
        yield b64decode(one["DigestValue"])
