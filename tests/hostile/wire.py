"""Raw requests over connections that stay open, and answers read strictly: what a library would tidy up stays as it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answered:
    """An answer as it came; 0 where the connection just ended."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    seconds: float = 0.0

    def header(self, name: str) -> str:
        return ", ".join(value for key, value in self.headers if key == name)

    def members(self) -> dict[str, Any]:
        return json.loads(self.body)


def request(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The octets of a request; header values are written in UTF-8, the target as it stands."""
    framing = {"content-length": str(len(body))} if body or method in {"POST", "PUT"} else {}
    lines = "".join(f"{name}: {value}\r\n" for name, value in ({"host": "127.0.0.1"} | framing | headers).items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def read(reader: asyncio.StreamReader, *, head_only: bool = False) -> Answered:
    """One answer; status 0 where none came before the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        assert not ended.partial, ended.partial
        return Answered(0)
    first, *lines = head.decode("latin-1")[:-4].split("\r\n")
    assert first.startswith("HTTP/1.1 "), first
    headers = tuple((name.lower(), value) for name, _, value in (line.partition(": ") for line in lines))
    status, known = int(first.split()[1]), dict(headers)
    body = b""
    if not head_only and status >= 200:
        chunked = known.get("transfer-encoding") == "chunked"
        body = await _chunks(reader) if chunked else await reader.readexactly(int(known["content-length"]))
    return Answered(status, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks; one that is cut says so."""
    found = b""
    while (size := await reader.readline()) not in {b"0\r\n", b""}:
        found += (await reader.readexactly(int(size, 16) + 2))[:-2]
    await reader.readline()
    return found if size else found + b"(the rest is missing)"


class Line:
    """One connection to a port of this machine, opened again whenever the service has ended it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, octets: bytes, *, head_only: bool = False) -> Answered:
        """Sends a request and gives its answer with its time."""
        reader, writer = self._streams or await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        self._streams = reader, writer
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):  # an answer may have come before everything was written
            writer.write(octets)
            await writer.drain()
        try:
            async with asyncio.timeout(20):
                got = await read(reader, head_only=head_only)
        except ConnectionError:
            got = Answered(0)
        seconds = asyncio.get_running_loop().time() - began
        if got.status == 0 or got.header("connection") == "close":
            await self.close()
        return Answered(got.status, got.headers, got.body, seconds)

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(ConnectionError):
                await self._streams[1].wait_closed()
            self._streams = None


async def raw(port: int, *pieces: bytes, end: bool = False) -> Answered:
    """One broken request on a connection of its own; what the service first says to it.

    Args:
        port: of this machine.
        pieces: written one by one.
        end: the caller says that nothing more follows, but still reads.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    began = asyncio.get_running_loop().time()
    try:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if end:
                writer.write_eof()
        async with asyncio.timeout(10):
            got = await read(reader)
    except (ConnectionError, TimeoutError) as error:
        got = Answered(-1 if isinstance(error, TimeoutError) else 0)
    finally:
        writer.close()
    return Answered(got.status, got.headers, got.body, asyncio.get_running_loop().time() - began)
