"""What a large upload costs in memory: 100 of 10 MB at once, held at 90 %, then completed (design, section 10).

Run `script/bench memory`. Counted is memory of the two web processes above their idle after a warm-up: anonymous, which is
what a process costs; and all resident pages, in which mapped spool files and shared libraries count too.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from processes import memory, unnamed_files
from serving import SEND, Served, end_on_sigterm, file_system, load, pdf, send_body, served

ATTACHMENT = 10_000_000
SMALL = 100_000
PIECE = 1 << 16
HELD = 0.9


class Upload:
    """One client's connection, which sends its body in two parts."""

    def __init__(self, service: Served, body: bytes) -> None:
        self._service, self._body = service, body

    async def begin(self, part: float) -> None:
        """Sends the head and a part of the body, which the kernel has taken when this returns."""
        port = self._service.settings.port
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._writer.transport.set_write_buffer_limits(0)
        fields = {
            "Host": f"127.0.0.1:{port}",
            "Authorization": f"Bearer {self._service.token}",
            "Content-Type": "application/json",
            "Content-Length": len(self._body),
            "Connection": "close",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"POST {SEND} HTTP/1.1\r\n{head}\r\n".encode())
        self._sent = int(len(self._body) * part)
        await self._send(0, self._sent)

    async def finish(self) -> bytes:
        """Sends the rest; gives the status line."""
        await self._send(self._sent, len(self._body))
        status = await self._reader.readline()
        await self._reader.read()
        self._writer.close()
        return status

    async def _send(self, start: int, end: int) -> None:
        view = memoryview(self._body)
        for at in range(start, end, PIECE):
            self._writer.write(view[at : min(at + PIECE, end)])
            await self._writer.drain()


class Meter:
    """Memory of the web processes, and its peak while it watches."""

    def __init__(self, processes: list[int]) -> None:
        self._processes = processes
        self.idle = self.now()
        self.peak = self.idle

    def now(self) -> tuple[float, float]:
        """MiB: anonymous, all resident."""
        return memory(self._processes, "RssAnon"), memory(self._processes, "VmRSS")

    async def watch(self) -> None:
        while True:
            anonymous, resident = self.now()
            self.peak = max(self.peak[0], anonymous), max(self.peak[1], resident)
            await asyncio.sleep(0.02)

    async def during(self, act: Awaitable[Any]) -> Any:
        """Does an act; the peak of meanwhile stands in `peak` then."""
        self.peak = self.now()
        watching = asyncio.create_task(self.watch())
        try:
            return await act
        finally:
            watching.cancel()

    def show(self, what: str, found: tuple[float, float], uploads: int) -> None:
        above = [one - idle for one, idle in zip(found, self.idle, strict=True)]
        print(
            f"{what:24} anonymous {found[0]:6.0f} MiB ({above[0] / uploads:+.2f} each)   "
            f"resident {found[1]:6.0f} MiB ({above[1] / uploads:+.2f} each)",
            flush=True,
        )


async def complete(service: Served, bodies: list[bytes]) -> None:
    """Uploads at once, from beginning to end."""
    uploads = [Upload(service, body) for body in bodies]
    await asyncio.gather(*(upload.begin(HELD) for upload in uploads))
    await finish(uploads)


async def finish(uploads: list[Upload]) -> None:
    answers = await asyncio.gather(*(upload.finish() for upload in uploads))
    assert all(b" 200 " in answer for answer in answers), set(answers)


async def spooled(processes: list[int]) -> float:
    """Waits until the spool files have stopped growing; their MiB."""
    before, since = -1.0, time.monotonic()
    while time.monotonic() - since < 2:
        size = unnamed_files(processes)
        if size != before:
            before, since = size, time.monotonic()
        await asyncio.sleep(0.1)
    return before


async def measure(service: Served, uploads: int) -> None:
    large, small = send_body(pdf(ATTACHMENT)), send_body(pdf(SMALL))
    for _ in range(3):
        await complete(service, [small] * uploads)
        await complete(service, [large] * 4)
    await asyncio.sleep(1)
    meter = Meter(service.processes)
    print(f"{uploads} uploads, each a body of {len(large) / 1e6:.1f} MB with 10 MB decoded; load {load()}")
    meter.show("idle after warm-up", meter.idle, uploads)
    held = [Upload(service, large) for _ in range(uploads)]
    await meter.during(asyncio.gather(*(upload.begin(HELD) for upload in held)))
    meter.show("peak while arriving", meter.peak, uploads)
    spool = await spooled(service.processes)
    meter.show(f"held at {HELD:.0%}", meter.now(), uploads)
    print(
        f"{'':24} spool files {spool:6.0f} MiB ({spool / uploads:.2f} each) on the disk and, as long as there is room, in the page cache"
    )
    began = time.monotonic()
    await meter.during(finish(held))
    meter.show("peak while completing", meter.peak, uploads)
    print(f"{'':24} all {uploads} answered 200 after {time.monotonic() - began:.1f} s")
    await asyncio.sleep(1)
    meter.show("idle again", meter.now(), uploads)
    print("\nAim: at most +1 MiB each. Kernel memory of sockets and the page cache are not counted.")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--uploads", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="where to make the throw-away folder; decides the disk")
    options = parser.parse_args()
    end_on_sigterm()
    with (
        tempfile.TemporaryDirectory(prefix="sealpost-bench-", dir=options.folder) as folder,
        served(Path(folder)) as service,
    ):
        print(f"{file_system(Path(folder))}; two web processes")
        asyncio.run(measure(service, options.uploads))


if __name__ == "__main__":
    main()
