"""The SMTP line between the service and the catcher: it lets a dialogue pass, and cuts it where the fault wants it.

Acts: ``connect`` (before the greeting), ``rcpt`` (answered, nothing more), ``body`` (in DATA, before the dot), ``dot``.
A broken act is done when the catcher has heard it and its answer is lost on the way back.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter

from tests.faults.breaking import Faults, Killed

LOCAL = "127.0.0.1"


class Cut(Exception):
    """This dialogue ends here."""


class Line:
    """A proxy; ``given`` are the catcher's answers to final dots, literally."""

    def __init__(self, catcher_port: int, faults: Faults) -> None:
        self.faults = faults
        self.given: list[str] = []
        self._catcher_port = catcher_port
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._talk, LOCAL, 0, limit=1 << 20)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.ensure_future(self._passed_on(reader, writer))
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)
        await asyncio.wait([task])

    async def _passed_on(self, reader: StreamReader, writer: StreamWriter) -> None:
        ours = writer.transport
        up: StreamWriter | None = None
        try:
            answers, up = await asyncio.open_connection(LOCAL, self._catcher_port)
            await _Dialogue(self, reader, writer, answers, up).run()
        except (Cut, Killed, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            ours.abort()
            if up:
                up.transport.abort()


class _Dialogue:
    def __init__(
        self, line: Line, client: StreamReader, to_client: StreamWriter, server: StreamReader, to_server: StreamWriter
    ) -> None:
        self._line = line
        self._client, self._to_client = client, to_client
        self._server, self._to_server = server, to_server

    async def run(self) -> None:
        await self._act("connect", b"")
        while command := await self._client.readline():
            verb = command[:4].upper()
            if verb == b"RCPT":
                await self._act("rcpt", command)
            elif await self._exchange(command) and verb == b"DATA":
                await self._body()

    async def _exchange(self, sent: bytes) -> bool:
        reply = await self._ask(sent)
        self._to_client.write(reply)
        return reply.startswith(b"354")

    async def _ask(self, sent: bytes) -> bytes:
        self._to_server.write(sent)
        lines = [await self._server.readline()]
        while lines[-1][3:4] == b"-":
            lines.append(await self._server.readline())
        if not lines[-1]:
            raise Cut
        return b"".join(lines)

    async def _act(self, name: str, sent: bytes) -> None:
        """Passes on what the act is made of, and its answer, unless one of them is to be lost."""
        mode = self._line.faults.next(f"smtp: {name}")
        if mode is None or mode.done:
            reply = await self._ask(sent)
            if name == "dot":
                self._line.given.append(reply.decode().strip())
            if mode is None:
                self._to_client.write(reply)
                return
        if mode.kills:
            self._line.faults.dead.set()
        raise Cut

    async def _body(self) -> None:
        first = await self._client.readline()
        mode = self._line.faults.next("smtp: body")
        if mode:
            self._to_server.write(first if mode.done else b"")
            if mode.kills:
                self._line.faults.dead.set()
            raise Cut
        line = first
        while line != b".\r\n":
            if not line:
                raise Cut
            self._to_server.write(line)
            line = await self._client.readline()
        await self._act("dot", line)
