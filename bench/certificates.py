"""Certificates and whole bundles per second on one core, warm: seven records, two contents; median of five rounds.

The time token comes from a local authority in the same process, so its cost is in the figures. Run:
`PYTHONPATH=src:. python bench/certificates.py`.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from sealpost.seal.bundle.bundle import BundleParts, File, SealedRecord, StampedCheckpoint, written
from sealpost.seal.certificate.certificate import certificate
from sealpost.seal.certificate.pades import sealed
from tests.seal.bundle.lives import BODY, MAIL, NOTICE, NOW, Office, chunks, evidence, office

COUNT, ROUNDS, WARM_UP = 20, 5, 5


async def rate(work: Callable[[], Awaitable[object]]) -> str:
    """Calls per second, and of each round."""
    for _ in range(WARM_UP):
        await work()
    rates: list[float] = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(COUNT):
            await work()
        rates.append(COUNT / (time.process_time() - start))
    shown = " ".join(f"{one:.0f}" for one in rates)
    return f"{statistics.median(rates):5.1f}/s of one core's time ({shown})"


async def whole(at: Office, records: list[SealedRecord], checkpoints: list[StampedCheckpoint]) -> int:
    """One bundle from records to the last octet, the certificate included."""
    pdf = await document(at, records)
    contents = [File(1, "message_body", chunks(BODY)), File(2, "notice.pdf", chunks(NOTICE))]
    mails = [File(3, "announcement.eml", chunks(MAIL))]
    parts = BundleParts("K.Zk3vQ9pR7mX2sL8tYb4wHd", records, checkpoints, mails, contents, at.trust, pdf)
    pieces = written(parts, at.keys.signer("pdf-seal"), at.client.stamp, NOW)
    return sum([len(one) async for one in pieces])


def drawn(records: list[SealedRecord]) -> bytes:
    """The certificate without its seal."""
    url = "https://sealpost.example/verify"
    return certificate(records, language="nl", verify_url=url, zone=ZoneInfo("Europe/Amsterdam"))


async def document(at: Office, records: list[SealedRecord]) -> bytes:
    """The sealed certificate."""
    return await sealed(drawn(records), at.keys.signer("pdf-seal"), at.client.stamp, NOW)


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        at = office(Path(folder))
        records, checkpoints = await evidence(at)

        async def only_drawn() -> bytes:
            return drawn(records)

        print("certificates, not sealed:  ", await rate(only_drawn))
        print("certificates, sealed B-T:  ", await rate(lambda: document(at, records)))
        print("whole bundles:             ", await rate(lambda: whole(at, records, checkpoints)))
        await at.client.close()


if __name__ == "__main__":
    asyncio.run(main())
