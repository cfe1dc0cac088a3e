"""Appends for ever and prints one line per acknowledgement: segment offset length number. Run by the tests, and killed."""

import asyncio
import hashlib
import os
import sys
from itertools import count
from pathlib import Path
from uuid import UUID

from sealpost.content.segments import LocalSegments


def payload(number: int) -> bytes:
    seed = hashlib.sha256(b"%d" % number).digest()
    return seed * (1 + seed[0] * seed[1] // 8)


async def nothing_committed(_: UUID) -> int:
    return 0


async def main(folder: Path, start: int) -> None:
    store = LocalSegments(folder, nothing_committed)
    await store.open()
    numbers = count(start)

    async def caller() -> None:
        for number in numbers:
            placed = await store.append(payload(number))
            os.write(1, f"{placed.segment} {placed.offset} {placed.length} {number}\n".encode())

    await asyncio.gather(*(caller() for _ in range(16)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
