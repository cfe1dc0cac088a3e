"""A scripted SMTP server on loopback: each stage answers what a test says."""

import asyncio
import ssl
from dataclasses import dataclass, field

DEFAULTS: dict[str, bytes | str] = {
    "greeting": b"220 mx.test ESMTP\r\n",
    "ehlo": b"250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 ENHANCEDSTATUSCODES\r\n",
    "starttls": b"220 2.0.0 go\r\n",
    "auth": b"235 2.7.0 welcome\r\n",
    "mail": b"250 2.1.0 Ok\r\n",
    "rcpt": b"250 2.1.5 Ok\r\n",
    "data": b"354 go on\r\n",
    "dot": b"250 2.0.0 Ok: queued as ABC\r\n",
    "quit": b"221 2.0.0 Bye\r\n",
    "rset": b"250 2.0.0 Ok\r\n",
}


@dataclass
class Scripted:
    """Answers each stage with bytes, or with "close" or "silence"; keeps what was said."""

    script: dict[str, bytes | str]
    context: ssl.SSLContext | None = None
    port: int = 0
    commands: list[bytes] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    connections: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    ended: list[asyncio.Event] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        self.ended.append(asyncio.Event())
        ended = self.ended[-1]
        try:
            if await self._answer("greeting", writer):
                while (line := await reader.readline()) and await self._command(line, reader, writer):
                    pass
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()
            ended.set()

    async def _command(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.commands.append(line.rstrip(b"\r\n"))
        verb = line.split(b" ")[0].strip().lower().decode("latin-1").replace("helo", "ehlo")
        if not await self._answer(verb, writer):
            return False
        if verb == "starttls" and self.context is not None:
            await writer.start_tls(self.context)
        if verb == "data" and str(self.script.get("data", b"354")).startswith("b'354"):
            return await self._data(reader, writer)
        return verb != "quit"

    async def _data(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        lines: list[bytes] = []
        while (line := await reader.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line)
        self.mails.append(b"".join(lines))
        return await self._answer("dot", writer)

    async def _answer(self, stage: str, writer: asyncio.StreamWriter) -> bool:
        answer = self.script.get(stage, DEFAULTS.get(stage, b"500 5.5.1 what\r\n"))
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
            return not answer.endswith(b"...")  # half a line, then the end
        if answer == "silence":
            await self.over.wait()
        return False
