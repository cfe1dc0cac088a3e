"""The log's writer beside a load: between a line `go` and the next line on its input it brings records into the log.

For `bench/accept.py --log`, as a process of its own like a worker. It writes a checkpoint each second, where a worker
under load does it each minute, and answers a line once nothing waits any more. Its time token would be one request to an
authority elsewhere.
"""

import asyncio
import sys

import structlog

from sealpost import bootstrap
from sealpost.settings import read_settings
from sealpost.usecases.extend_log import extend_log
from sealpost.usecases.service import Service


async def beside(service: Service) -> int:
    """Entries added until the line that ends it, and by then nothing waits."""
    ending = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
    added = 0
    while not ending.done():
        await asyncio.wait([ending], timeout=1)
        added += await extend_log(service) or 0
    return added


async def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # answers stand alone on its output
    settings = read_settings()
    async with bootstrap.database(settings) as dsn, bootstrap.opened(settings, dsn) as service:
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(await beside(service), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
