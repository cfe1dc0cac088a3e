"""Which servers take a domain's mail, and in which order; or why none does.

For ``mail/direct`` and the record, which keeps the MX answer. Clauses: RFC 5321 5.1 (preference, implicit MX, loops),
RFC 7505 (null MX), RFC 3463 and RFC 7505 4.2 (enhanced codes). Only what the DNS says for certain is final: a domain
that is not there, a null MX, names without addresses. Whatever could not be found out is tried again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from itertools import chain, groupby, zip_longest
from typing import Literal

from sealpost.mail.dns import Answer, Dns, Status, is_name
from sealpost.mail.transport import Reason, Why

MOST_EXCHANGES = 50
MOST_ADDRESSES = 8
_PREFERENCE_LIMIT = 65_535
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One MX record; the name in lower case without the final dot, as strange as it was published."""

    preference: int
    name: str


@dataclass(frozen=True, slots=True)
class MxAnswer:
    """What the DNS said of the domain's servers, for the record; ``implicit``: no MX, so the domain itself."""

    domain: str
    exchanges: tuple[Exchange, ...]
    implicit: bool
    secure: bool
    status: Status


@dataclass(frozen=True, slots=True)
class Host:
    """A server to try, at most 8 addresses, those to try first first; ``secure``: MX and addresses were validated."""

    name: str
    addresses: tuple[str, ...]
    preference: int
    secure: bool


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Why there is no host, in the words that an SMTP reply would have used."""

    outcome: Literal["failed", "delayed"]
    reason: Reason
    enhanced: str
    why: Why


@dataclass(frozen=True, slots=True)
class Route:
    """Either ``hosts``, in the order to try them, or ``none``."""

    mx: MxAnswer
    hosts: tuple[Host, ...]
    none: NoRoute | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What came of the question for one exchange's addresses."""

    state: Literal["usable", "gone", "private", "failed"]
    host: Host


async def find_route(
    dns: Dns,
    domain: str,
    our_names: frozenset[str],
    *,
    private: bool,
    shuffle: Callable[[list[Exchange]], None],
    most: int = 5,
) -> Route:
    """Asks the DNS for the servers of a domain.

    Args:
        dns: where to ask.
        domain: lower case, A-labels.
        our_names: names of this service's own servers, lower case; mail is never sent to them or behind them.
        private: whether addresses that are not public may be used (tests, an organisation's own network).
        shuffle: puts exchanges of the same preference into any order, in place.
        most: so many hosts are enough; at most twice as many are looked up.
    """
    answer = await dns.look_up(domain, "MX")
    mx = _mx_answer(domain, answer)
    none = _none_by_mx(mx)
    if none is not None:
        return Route(mx, (), none)
    candidates = _candidates(mx, our_names, shuffle)
    if not candidates and any(one.name in our_names for one in mx.exchanges):
        why = Why("ourselves", f"the mail servers of {domain} are this service itself")
        return Route(mx, (), NoRoute("failed", "other", "5.4.6", why))
    asked = await _ask(dns, candidates[: 2 * most], most, secure=mx.secure, private=private)
    hosts = tuple(one.host for one in asked if one.state == "usable")[:most]
    unasked = len(asked) < len(candidates)
    return Route(mx, hosts, None if hosts else _none_by_addresses(mx, asked, unasked=unasked))


def _mx_answer(domain: str, answer: Answer) -> MxAnswer:
    if answer.status == "empty":
        return MxAnswer(domain, (Exchange(0, domain),), implicit=True, secure=answer.secure, status="empty")
    exchanges = sorted({one for value in answer.values if (one := _exchange(value))}, key=_order)
    kept = tuple(exchanges[:MOST_EXCHANGES])
    return MxAnswer(domain, kept, implicit=False, secure=answer.secure, status=answer.status)


def _exchange(value: str) -> Exchange | None:
    preference, _, name = value.partition(" ")
    if not preference.isascii() or not preference.isdecimal() or len(preference) > 5:
        return None
    return Exchange(int(preference), name) if int(preference) <= _PREFERENCE_LIMIT else None


def _order(exchange: Exchange) -> tuple[int, str]:
    return exchange.preference, exchange.name


def _none_by_mx(mx: MxAnswer) -> NoRoute | None:
    if mx.status == "nxdomain":
        return NoRoute("failed", "unknown", "5.1.2", Why("no-domain", f"{mx.domain} does not exist"))
    if mx.status == "failed":
        return NoRoute(
            "delayed",
            "unreachable",
            "4.4.3",
            Why("lookup-failed", f"the mail servers of {mx.domain} could not be looked up"),
        )
    if len(mx.exchanges) == 1 and mx.exchanges[0].name == ".":
        return NoRoute("failed", "unreachable", "5.1.10", Why("no-mail", f"{mx.domain} takes no mail (null MX)"))
    return None


def _candidates(
    mx: MxAnswer, our_names: frozenset[str], shuffle: Callable[[list[Exchange]], None]
) -> tuple[Exchange, ...]:
    """In the order to try them: only those that are nearer to the recipient than we are, each name once."""
    ours = min((one.preference for one in mx.exchanges if one.name in our_names), default=_PREFERENCE_LIMIT + 1)
    best: dict[str, Exchange] = {}
    for one in mx.exchanges:
        if one.preference < ours and is_host_name(one.name):
            best.setdefault(one.name, one)
    ordered: list[Exchange] = []
    for _, equal in groupby(best.values(), lambda one: one.preference):
        group = list(equal)
        shuffle(group)
        ordered += group
    return tuple(ordered)


def is_host_name(name: str) -> bool:
    """Whether a server can be called so; an address is no name, though some publish one."""
    return is_name(name) and not name.rpartition(".")[2].isdecimal()


async def _ask(dns: Dns, candidates: Sequence[Exchange], most: int, *, secure: bool, private: bool) -> list[_Asked]:
    """Asks for the addresses of as many candidates as are needed to get ``most`` usable ones, in rounds."""
    asked: list[_Asked] = []
    while len(asked) < len(candidates):
        needed = most - sum(one.state == "usable" for one in asked)
        if needed <= 0:
            break
        batch = candidates[len(asked) : len(asked) + needed]
        asked += await asyncio.gather(*(_addresses(dns, one, secure=secure, private=private) for one in batch))
    return asked


async def _addresses(dns: Dns, exchange: Exchange, *, secure: bool, private: bool) -> _Asked:
    answers = await asyncio.gather(dns.look_up(exchange.name, "AAAA"), dns.look_up(exchange.name, "A"))
    families = [_usable(answer.values, private=private) if answer.status == "found" else [] for answer in answers]
    interleaved = chain.from_iterable(zip_longest(*families))
    addresses = tuple(address for address in interleaved if address)[:MOST_ADDRESSES]
    # An answer that failed does not count: else whoever suppresses one family could switch DANE off.
    validated = secure and all(answer.secure for answer in answers if answer.status == "found")
    host = Host(exchange.name, addresses, exchange.preference, validated)
    if addresses:
        return _Asked("usable", host)
    statuses = {answer.status for answer in answers}
    return _Asked("failed" if "failed" in statuses else "private" if "found" in statuses else "gone", host)


def _usable(values: Sequence[str], *, private: bool) -> list[str]:
    found: dict[str, None] = {}
    for value in values:
        try:
            address = ip_address(value)
        except ValueError:
            continue
        if private or is_public(address):
            found[str(address)] = None
    return list(found)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether this is one machine on the public Internet, also behind a translation (mapped, NAT64, 6to4)."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not address.is_reserved
    embedded = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        embedded = IPv4Address(int(address) & 0xFFFFFFFF)
    if embedded is not None:
        return is_public(embedded)
    return address in _UNICAST and address.is_global


def _none_by_addresses(mx: MxAnswer, asked: Sequence[_Asked], *, unasked: bool) -> NoRoute:
    states = {one.state for one in asked}
    servers = mx.domain if mx.implicit else f"the mail servers of {mx.domain}"
    if "failed" in states or unasked:
        return NoRoute(
            "delayed", "unreachable", "4.4.3", Why("lookup-failed", f"no address of {servers} could be looked up")
        )
    if "private" in states:
        return NoRoute("failed", "unreachable", "5.4.4", Why("no-address", f"no public address: {servers}"))
    if mx.implicit:
        return NoRoute("failed", "unknown", "5.1.2", Why("no-domain", f"{mx.domain} has neither MX nor address"))
    return NoRoute("failed", "unreachable", "5.4.4", Why("no-address", f"no address: {servers}"))
