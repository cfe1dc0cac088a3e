"""Questions to the DNS, and answers that can be relied on as far as their ``secure`` says.

For ``mail/route``, ``mail/mta_sts``, ``mail/dane`` and the checks of a sender's domain. Clauses: RFC 1035, RFC 2308
(what is empty, what does not exist), RFC 6891 (EDNS), RFC 6840 5.7 and RFC 7672 2.1 (the AD bit, and whom to believe
it). This is a stub: a resolver near us follows delegations and validates; we read what it says with suspicion.
"""

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import islice
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset

from sealpost.mail import dns_wire

Kind = Literal["MX", "A", "AAAA", "TXT", "TLSA", "CNAME"]
Status = Literal["found", "empty", "nxdomain", "failed"]
"""``empty``: the name is there without such records; ``failed``: SERVFAIL, silence, a lame server, garbage."""

MALFORMED = "malformed"
MOST_VALUES = 100
MOST_ALIASES = 10
MOST_TTL = 300.0
MOST_KNOWN = 10_000
_AT_A_TIME = 500
_ROUNDS = 3
_PAYLOAD = 1232  # what passes everywhere unfragmented (DNS flag day 2020)
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}")
_NAME_LIMIT = 253

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the DNS says to one question.

    ``values``, at most 100, are texts: MX ``10 mx.example.com`` (lower case, no final dot; the null MX is ``0 .``),
    addresses, TXT the joined strings (octets as Latin-1), TLSA ``3 1 1 hex`` (or ``MALFORMED``), CNAME the target.
    ``secure``: validated by a resolver on this machine. ``name`` is the one asked for after its aliases.
    """

    status: Status
    values: tuple[str, ...]
    secure: bool
    name: str


class Dns(Protocol):
    """Where questions go."""

    async def look_up(self, name: str, kind: Kind) -> Answer:
        """Asks; never raises for anything that the network or a server does.

        Args:
            name: in A-labels, any case, with or without the final dot.
            kind: of record.
        """
        ...


class Shared(Generic[_K, _V]):
    """Makes one call of equal calls at the same time; who gives up waiting does not stop it for the others."""

    def __init__(self) -> None:
        self._running: dict[_K, asyncio.Task[_V]] = {}

    async def ask(self, key: _K, call: Callable[[], Coroutine[Any, Any, _V]]) -> _V:
        """Returns or raises what ``call`` does, or the call for the same key that is under way already."""
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(call())
            running.add_done_callback(lambda task: self._done(key, task))
        return await asyncio.shield(running)

    def _done(self, key: _K, task: asyncio.Task[_V]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # seen, even if everybody has stopped waiting


@dataclass(frozen=True, slots=True)
class _Part:
    """What one message says: a status (``alias``: nothing yet about ``name``), and for how long."""

    status: Status | Literal["alias"]
    values: tuple[str, ...]
    name: str
    ttl: float


class Resolver:
    """A ``Dns`` that asks resolvers over UDP, over TCP where an answer is too long, and remembers for five minutes.

    Where one of the servers is on this machine, only such are asked: another one's unvalidated answer would let an
    attacker who can silence the validating one choose what is believed.
    """

    def __init__(
        self,
        servers: Sequence[str] = (),
        *,
        port: int = 53,
        timeout: float = 5.0,
        lifetime: float = 20,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Asks nothing yet.

        Args:
            servers: addresses of resolvers; none: those of the system (/etc/resolv.conf), read once.
            port: of all servers.
            timeout: seconds for one try with one server.
            lifetime: seconds for a question altogether.
            monotonic: seconds from anywhere; what is remembered ages by it.
        """
        wanted = list(servers) or _of_the_system()
        self._servers = [server for server in wanted if on_this_machine(server)] or wanted
        self._port, self._timeout, self._lifetime, self._monotonic = port, timeout, lifetime, monotonic
        self._known: dict[tuple[str, Kind], tuple[Answer, float]] = {}
        self._shared = Shared[tuple[str, Kind], Answer]()
        self._slots = asyncio.Semaphore(_AT_A_TIME)

    async def look_up(self, name: str, kind: Kind) -> Answer:
        """See ``Dns.look_up``."""
        plain = name.lower().removesuffix(".")
        if not is_name(plain):
            return Answer("nxdomain", (), secure=False, name=plain)
        known = self._known.get((plain, kind))
        if known is not None and self._monotonic() < known[1]:
            return known[0]
        return await self._shared.ask((plain, kind), lambda: self._find(plain, kind))

    async def _find(self, name: str, kind: Kind) -> Answer:
        try:
            async with asyncio.timeout(self._lifetime), self._slots:
                answer, ttl = await self._follow(name, kind)
        except TimeoutError:
            answer, ttl = _failed(name), 0.0
        if answer.status != "failed" and ttl > 0:
            self._known[name, kind] = (answer, self._monotonic() + ttl)
            while len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
        return answer

    async def _follow(self, name: str, kind: Kind) -> tuple[Answer, float]:
        """Asks on where a resolver gives only the alias; returns the answer and how many seconds it may be kept."""
        seen, at, secure, ttl = [name], name, True, MOST_TTL
        while True:
            heard = await self._exchange(at, kind)
            if heard is None:
                return _failed(name), 0
            message, believed = heard
            part = _read(message, kind, seen)
            at, ttl = part.name, min(ttl, part.ttl)
            secure = secure and believed and bool(message.flags & dns.flags.AD)
            if part.status == "failed" or (part.status == "alias" and not is_name(at)):
                return _failed(name), 0
            if part.status != "alias":
                return Answer(part.status, part.values, secure, at), ttl

    async def _exchange(self, name: str, kind: Kind) -> tuple[dns.message.Message, bool] | None:
        """The first usable message of any server, and whether its AD bit is believed."""
        left = list(self._servers)
        for _ in range(_ROUNDS):
            for server in tuple(left):
                try:
                    message = await self._ask(server, name, kind)
                except TimeoutError:
                    continue  # lost on the way, perhaps
                except (OSError, EOFError, ValueError):
                    message = None
                if message is not None and _usable(message):
                    return message, on_this_machine(server)
                left.remove(server)
        return None

    async def _ask(self, server: str, name: str, kind: Kind) -> dns.message.Message:
        query = dns.message.make_query(f"{name}.", kind, use_edns=0, want_dnssec=True, payload=_PAYLOAD)
        query.flags |= dns.flags.AD
        return await dns_wire.ask(query, server, self._port, self._timeout)


def is_name(text: str) -> bool:
    """Whether this is a name in lower case that we would ask for: letters, digits, hyphens and underscores."""
    return len(text) <= _NAME_LIMIT and _NAME.fullmatch(text) is not None


def covers(pattern: str, name: str) -> bool:
    """Whether a published name is this one; ``*`` stands for exactly one label, the leftmost (RFC 6125 6.4.3)."""
    wanted, plain = pattern.lower(), name.lower().removesuffix(".")
    if wanted.startswith("*."):
        label, _, rest = plain.partition(".")
        return bool(label) and rest == wanted[2:]
    return plain == wanted


def on_this_machine(server: str) -> bool:
    """Whether nobody stands between us and this resolver (RFC 7672 2.1: else its AD bit says nothing)."""
    try:
        return ip_address(server).is_loopback
    except ValueError:
        return False


def _of_the_system() -> list[str]:
    try:
        servers = cast("list[object]", dns.resolver.Resolver().nameservers)
    except dns.resolver.NoResolverConfiguration:
        servers = []
    return [server for server in servers if isinstance(server, str)] or ["127.0.0.1"]  # resolv.conf(5)


def _failed(name: str) -> Answer:
    return Answer("failed", (), secure=False, name=name)


def _usable(message: dns.message.Message) -> bool:
    """Not an error, and not a referral or another answer of a server that neither recurses nor knows."""
    if message.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return False
    if not message.flags & (dns.flags.RA | dns.flags.AA):
        return False
    kinds = {rrset.rdtype for rrset in message.authority}
    referral = dns.rdatatype.NS in kinds and dns.rdatatype.SOA not in kinds
    return bool(message.answer) or not referral


def _read(message: dns.message.Message, kind: Kind, seen: list[str]) -> _Part:
    """Follows the aliases in one message, from the last name in ``seen``, which grows by them."""
    name, ttl, start = dns.name.from_text(f"{seen[-1]}."), MOST_TTL, seen[-1]
    missing = message.rcode() == dns.rcode.NXDOMAIN
    while True:
        found = _rrset(message, name, dns.rdatatype.from_text(kind))
        if found is not None:
            records = islice(cast("Iterable[dns.rdata.Rdata]", found), MOST_VALUES)
            values = tuple(_text(rdata) for rdata in records)
            # A name that does not exist has no records: one of the two is a lie.
            return _Part("failed" if missing else "found", values, seen[-1], min(ttl, found.ttl))
        alias = _rrset(message, name, dns.rdatatype.CNAME)
        if alias is None:
            break
        name, ttl = cast("dns.name.Name", cast("Any", alias[0]).target), min(ttl, alias.ttl)
        if _plain(name) in seen or len(seen) > MOST_ALIASES:
            return _Part("failed", (), seen[-1], 0)
        seen.append(_plain(name))
    if kind == "TLSA" and dns_wire.malformed(message):  # there are records, though nobody can use them
        return _Part("found", (MALFORMED,), seen[-1], 0)
    if not missing and seen[-1] != start:
        return _Part("alias", (), seen[-1], ttl)
    return _Part("nxdomain" if missing else "empty", (), seen[-1], min(ttl, _negative_ttl(message)))


def _rrset(message: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
    return message.get_rrset(message.answer, name, dns.rdataclass.IN, kind)


def _negative_ttl(message: dns.message.Message) -> float:
    """RFC 2308 5: the smaller of the SOA's own and its minimum; without one, nothing is remembered."""
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA:
            return min(rrset.ttl, cast("Any", rrset[0]).minimum)
    return 0


def _plain(name: dns.name.Name) -> str:
    return name.to_text().lower().removesuffix(".") or "."


def _text(rdata: dns.rdata.Rdata) -> str:
    fields = cast("Any", rdata)  # the library's records have no types
    match rdata.rdtype:
        case dns.rdatatype.MX:
            return f"{fields.preference} {_plain(fields.exchange)}"
        case dns.rdatatype.TXT:
            return b"".join(fields.strings).decode("latin-1")
        case dns.rdatatype.TLSA:
            return f"{fields.usage} {fields.selector} {fields.mtype} {fields.cert.hex()}"
        case dns.rdatatype.CNAME:
            return _plain(fields.target)
        case _:
            return str(fields.address)
