"""One question to one resolver: over UDP, and over TCP if the answer does not fit (RFC 1035 4.2, RFC 7766).

For ``mail/dns``. dnspython makes and reads the messages. Its own sockets would drop a whole answer because of one
malformed TLSA record, and so take a careless domain for an unreachable one (RFC 7672 2.2: such a record is *unusable*).
"""

import asyncio
import struct
from typing import cast

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype

_MOST_WAITING = 32


class _Datagrams(asyncio.DatagramProtocol):
    """What arrives at a connected socket; a flood beyond a few is dropped."""

    def __init__(self) -> None:
        self.arrived = asyncio.Queue[bytes | Exception]()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - asyncio's signature
        self._put(data)

    def error_received(self, exc: Exception) -> None:
        self._put(exc)

    def _put(self, what: bytes | Exception) -> None:
        if self.arrived.qsize() < _MOST_WAITING:
            self.arrived.put_nowait(what)


async def ask(query: dns.message.Message, server: str, port: int, seconds: float) -> dns.message.Message:
    """Returns the answer to this very question.

    Args:
        query: one question.
        server: an address.
        port: of the server.
        seconds: for UDP, and again for TCP.

    Raises:
        TimeoutError: there was none in time.
        OSError: no way to the server.
        EOFError: it ended the connection.
        ValueError: its answer over TCP is no answer to this question.
    """
    async with asyncio.timeout(seconds):
        message = await _over_udp(query, server, port)
    if message.flags & dns.flags.TC:
        async with asyncio.timeout(seconds):
            message = await _over_tcp(query, server, port)
    return message


async def _over_udp(query: dns.message.Message, server: str, port: int) -> dns.message.Message:
    """What is no answer to the question is waited past: anybody can send that, with the server's address on it."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Datagrams, remote_addr=(server, port))
    try:
        transport.sendto(query.to_wire())
        while True:
            arrived = await protocol.arrived.get()
            if isinstance(arrived, Exception):
                raise arrived
            message = _read(query, arrived)
            if message is not None:
                return message
    finally:
        transport.close()


async def _over_tcp(query: dns.message.Message, server: str, port: int) -> dns.message.Message:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        writer.write(query.to_wire(prepend_length=True))
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        message = _read(query, await reader.readexactly(length))
    finally:
        writer.close()
    if message is None:
        raise ValueError("no answer to this question")
    return message


def _read(query: dns.message.Message, octets: bytes) -> dns.message.Message | None:
    """The message, if it answers the question and can be read; of TLSA records the malformed ones are left out."""
    try:
        message = dns.message.from_wire(octets, continue_on_error=True)
        if not query.is_response(message):
            return None
    except (dns.exception.DNSException, ValueError):
        return None
    forgiven = message.flags & dns.flags.TC or query.question[0].rdtype == dns.rdatatype.TLSA
    return message if forgiven or not malformed(message) else None


def malformed(message: dns.message.Message) -> bool:
    """Whether something in it could not be read, and was left out."""
    return bool(cast("list[object]", message.errors))
