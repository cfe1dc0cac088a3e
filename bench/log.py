"""The log's writer: entries a second, from sealed rows in PostgreSQL to a signed checkpoint with its time token.

Run `script/bench evidence`. Rows are made beforehand; what is timed is `extend_log` and `stamp_pending`, as the worker
calls them: places, tiles onto the disk, signatures, token. To be compared with the accept rate of `bench/accept` times
the records of a ticket (five or six), and with one checkpoint a minute.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from sealpost import bootstrap
from sealpost.domain.canonical import sha256
from sealpost.domain.ids import uuid7
from sealpost.domain.records import Record
from sealpost.seal.jades import seal
from sealpost.settings import read_settings
from sealpost.store import records
from sealpost.store.tickets import insert
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.service import Service
from sealpost.usecases.stamp import stamp_pending

OCTETS = 3_300  # of a record, as measured


async def filled(service: Service, count: int) -> None:
    """So many sealed records without a place."""
    now = datetime.now(UTC)
    octets = os.urandom(OCTETS)
    sealed = seal(service.sealer, octets, now)
    async with service.pool.acquire() as connection:
        for begin in range(0, count, 5_000):
            rows = list[tuple[object, ...]]()
            for _ in range(min(5_000, count - begin)):
                evidence_id = uuid7(now, os.urandom)
                made = Record(evidence_id, 1, "announcement_opened", now, octets, sha256(octets))
                rows.append(records.row(UUID(bytes=os.urandom(16)), made, os.urandom(32), sealed))
            await insert(connection, records.INSERT, rows)


async def measured(service: Service, count: int) -> float:
    await filled(service, count)
    began = time.perf_counter()
    added = await extend_log(service)
    await stamp_pending(service)
    seconds = time.perf_counter() - began
    assert (added or 0) >= count, added
    return count / seconds


async def main(sizes: list[int], rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings({}, data=Path(folder), environment="test", tsa_url="own", mail_domain="x.example")
        async with bootstrap.database(settings) as dsn:
            await bootstrap.migrate(dsn)
            async with bootstrap.opened(settings, dsn) as service:
                await measured(service, 10)
                for size in sizes:
                    rates = [await measured(service, size) for _ in range(rounds)]
                    print(f"{size:>7} records a checkpoint: {statistics.median(rates):8,.0f} entries/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 100, 5_000, 50_000])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    asyncio.run(main(given.sizes, given.rounds))
