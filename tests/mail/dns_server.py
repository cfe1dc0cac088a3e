"""A DNS server on loopback, UDP and TCP: answers as a resolver would, from zones in a dict, or goes wrong as told."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

import dns.flags
import dns.message
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

Fault = Literal[
    "servfail", "refused", "silence", "garbage", "stranger", "lame", "referral", "deaf", "nxdomain_with_records"
]
Zones = Mapping[str, Mapping[str, list[str] | Fault]]
"""``{"example.com": {"MX": ["10 mx.example.com."], "A": "servfail"}}``; a name below another one makes that one exist."""

_SOA = "ns.test. root.test. 1 3600 600 86400 60"


@dataclass
class DnsServer:
    """``secure``: names whose answers have the AD bit, ``{"*"}`` for all. ``asked`` holds what came, in order."""

    zones: Zones
    secure: set[str] = field(default_factory=set)
    truncated: set[str] = field(default_factory=set)
    one_by_one: bool = False  # gives an alias alone, and leaves the following to whoever asks
    ttl: int = 60
    port: int = 0
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    queries: list[dns.message.Message] = field(default_factory=list)
    hold: asyncio.Event | None = None  # answers wait for it

    async def answer(self, wire: bytes, way: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        name, kind = query.question[0].name.to_text().lower()[:-1], dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((name, kind, way))
        self.queries.append(query)
        if self.hold is not None:
            await self.hold.wait()
        response = dns.message.make_response(query, recursion_available=True)
        records = self._records(name, kind)
        if not isinstance(records, list):
            return self._wrong(response, name, records)
        right = self._right(response, name, kind)
        return _cut(right, name) if way == "udp" and name in self.truncated else right

    def _records(self, name: str, kind: str) -> list[str] | Fault:
        return self.zones.get(name, {}).get(kind, [])

    def _exists(self, name: str) -> bool:
        return any(one == name or one.endswith("." + name) for one in self.zones)

    def _right(self, response: dns.message.Message, name: str, kind: str) -> bytes:
        passed: list[str] = []
        while True:
            passed.append(name)
            owned, alias = self._records(name, kind), self._records(name, "CNAME")
            shown, records = (kind, owned) if owned or kind == "CNAME" else ("CNAME", alias)
            if not isinstance(records, list):
                response.set_rcode(dns.rcode.SERVFAIL)
                return response.to_wire()
            if records:
                response.answer.append(self._rrset(name, shown, records))
            target = records[0].rstrip(".").lower() if records else ""
            if not records or shown == kind or self.one_by_one or target in passed:
                break
            name = target
        if not records:
            response.authority.append(dns.rrset.from_text("test.", self.ttl, "IN", "SOA", _SOA))
            if not self._exists(name):
                response.set_rcode(dns.rcode.NXDOMAIN)
        if "*" in self.secure or self.secure.issuperset(passed):
            response.flags |= dns.flags.AD
        return response.to_wire(max_size=65535)

    def _rrset(self, name: str, kind: str, records: list[str]) -> dns.rrset.RRset:
        """``\\# 030101`` is sent as it stands, also if it is no record of this kind."""
        rrset = dns.rrset.from_text_list(f"{name}.", self.ttl, "IN", kind, [one for one in records if one[0] != "\\"])
        for one in records:
            if one[0] == "\\":
                rrset.add(dns.rdata.GenericRdata(rrset.rdclass, rrset.rdtype, bytes.fromhex(one[2:])), self.ttl)
        return rrset

    def _wrong(self, response: dns.message.Message, name: str, fault: Fault) -> bytes | None:
        match fault:
            case "silence":
                return None
            case "garbage":
                return b"\xff" * 40
            case "stranger":
                response.id ^= 1
            case "deaf":
                response.flags &= ~dns.flags.RA
            case "lame" | "referral":
                if fault == "lame":
                    response.flags &= ~dns.flags.RA
                response.authority.append(dns.rrset.from_text("test.", self.ttl, "IN", "NS", "ns.test."))
            case "nxdomain_with_records":
                response.set_rcode(dns.rcode.NXDOMAIN)
                response.answer.append(dns.rrset.from_text(f"{name}.", self.ttl, "IN", "A", "192.0.2.1"))
            case "refused":
                response.set_rcode(dns.rcode.REFUSED)
            case _:
                response.set_rcode(dns.rcode.SERVFAIL)
        return response.to_wire()

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            wire = await self.answer(await reader.readexactly(length), "tcp")
            if wire is not None:
                writer.write(struct.pack("!H", len(wire)) + wire)
                await writer.drain()
        writer.close()


def _cut(wire: bytes, name: str) -> bytes:
    """Truncated as some servers do it: in the middle of a record."""
    question = 12 + len(name) + 2 + 4
    return wire[:2] + bytes([wire[2] | 0x02]) + wire[3 : (question + len(wire)) // 2]


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self.server = server
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.create_task(self._answer(data, addr))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        wire = await self.server.answer(data, "udp")
        if wire is not None and not self.transport.is_closing():
            self.transport.sendto(wire, addr)


@asynccontextmanager
async def running(server: DnsServer) -> AsyncGenerator[DnsServer]:
    """Starts it on 127.0.0.1, at ``server.port``, the same for UDP and TCP."""
    loop = asyncio.get_running_loop()
    while True:
        tcp = await asyncio.start_server(server.serve_tcp, "127.0.0.1", 0)
        server.port = tcp.sockets[0].getsockname()[1]
        try:
            udp, protocol = await loop.create_datagram_endpoint(
                lambda: _Udp(server), local_addr=("127.0.0.1", server.port)
            )
            break
        except OSError:  # taken for UDP by somebody else
            tcp.close()
    try:
        yield server
    finally:
        for task in tuple(protocol.tasks):
            task.cancel()
        udp.close()
        tcp.close()
        await tcp.wait_closed()
