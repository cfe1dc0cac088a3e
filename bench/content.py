"""Content store: durable appends per second, 64 callers, 75 kB each, sealing included; median of five rounds.

Run: `PYTHONPATH=src python bench/content.py [folder]`. The folder decides the disk; the default is the current one.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID, uuid4

import uvloop

from sealpost.content.segments import LocalSegments
from sealpost.content.vault import Vault

CALLERS, SIZE, PER_CALLER, ROUNDS = 64, 75_000, 100, 5


async def nothing_committed(_: UUID) -> int:
    return 0


async def one_round(store: LocalSegments, vault: Vault, body: bytes) -> float:
    async def caller() -> None:
        for _ in range(PER_CALLER):
            ciphertext, _sealed = vault.seal(uuid4(), body)
            await store.append(ciphertext)

    start = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return CALLERS * PER_CALLER / (time.perf_counter() - start)


async def main(parent: str) -> None:
    vault = Vault({1: os.urandom(32)}, 1, b"content")
    body = os.urandom(SIZE)
    rates: list[float] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            store = LocalSegments(Path(folder) / "content", nothing_committed)
            await store.open()
            rates.append(await one_round(store, vault, body))
            await store.close()
    shown = " ".join(f"{rate:.0f}" for rate in rates)
    print(f"{statistics.median(rates):.0f} appends/s, {CALLERS} callers, {SIZE} bytes, sealed and durable ({shown})")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1] if len(sys.argv) > 1 else "."))
