"""Hands mails to the recipient's own servers: found in the DNS, tried in their order, encrypted as their domain says.

For bootstrap, which builds it, and the use cases that send. One attempt is one pass over the hosts' addresses (decision
0018): the next one is tried as long as the final dot was not due and no server has decided about the mail. Clauses: RFC
5321 5.1, RFC 7505 (null MX), RFC 8461 (MTA-STS), RFC 7672 (DANE), RFC 8689 (REQUIRETLS).
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sealpost.mail.connections import IDLE_SECONDS, Connections, IdleRoom
from sealpost.mail.dane import tlsa_of
from sealpost.mail.destinations import Destinations, End
from sealpost.mail.dns import Dns
from sealpost.mail.itinerary import Itinerary, Target
from sealpost.mail.mta_sts import MtaSts, StsPolicy, matches
from sealpost.mail.relay import check_our_name
from sealpost.mail.route import Exchange, Host, Route, find_route
from sealpost.mail.session import Peer, Timeouts, TlsMode
from sealpost.mail.transport import REPLIED, By, Envelope, Handover, Mx, Policy, Reason, Why, check_handover

HOSTS = 5
"""Whose addresses are looked up."""
MOST_IDLE = 200
"""Connections kept open for a next mail, to all servers together."""
RESTS = Why("resting", "left alone for a while: it could not be reached a moment ago")
_BEFORE_THE_MAIL = frozenset({"route", "connect", "greeting", "ehlo", "starttls"})
_WHILE_OFFERING = frozenset({"mail", "rcpt", "data"})


@dataclass(frozen=True, slots=True)
class _Way:
    """How to go to one host, or why not."""

    policy: Policy
    peer: Peer | None
    why: Why = REPLIED


class Direct:
    """A ``Transport`` to the servers that the recipient's domain names."""

    def __init__(
        self,
        *,
        dns: Dns,
        sts: MtaSts | None,
        our_name: str,
        clock: Callable[[], datetime],
        shuffle: Callable[[list[Exchange]], None],
        port: int = 25,
        private: bool = False,
        context: ssl.SSLContext | None = None,
        timeouts: Timeouts | None = None,
        max_connections: int = 20,
    ) -> None:
        """Opens nothing yet.

        Args:
            dns: where to ask.
            sts: keeps the policies of domains; None: they are not asked for.
            our_name: for EHLO; a server of this name is ourselves.
            clock: gives the time of every line.
            shuffle: puts hosts of the same preference into any order.
            port: of all servers.
            private: also to addresses that are not public.
            context: certificate authorities other than the system's.
            timeouts: seconds per stage.
            max_connections: to one address at a time, whatever the names of the hosts there.

        Raises:
            ValueError: ``our_name`` is no host name.
        """
        check_our_name(our_name)
        self._dns, self._sts, self._shuffle = dns, sts, shuffle
        self._port, self._private, self._most = port, private, max_connections
        self._peer = Peer("", port, our_name, clock, context=context, timeouts=timeouts or Timeouts())
        self._connections: dict[Peer, Connections] = {}
        self._limits: dict[str, tuple[asyncio.Semaphore, IdleRoom]] = {}
        self._idle_room = IdleRoom(MOST_IDLE)
        self._destinations, self._addresses = Destinations(self._monotonic), Destinations(self._monotonic)
        self._swept_at = 0.0

    async def book(self, recipient: str, *, pressing: bool = False) -> float:
        """See ``Transport.book``."""
        return await self._destinations.book(_domain(recipient), pressing=pressing)

    def unbook(self, recipient: str) -> None:
        """See ``Transport.unbook``."""
        self._destinations.unbook(_domain(recipient))

    async def hand_over(self, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]) -> Handover:
        """See ``Transport.hand_over``."""
        check_handover(envelope, mail)
        await self._sweep()
        domain, since = _domain(envelope.rcpt_to), self._monotonic()
        handover = await self._pass(domain, envelope, mail, before_dot)
        reached = any(one.stage == "route" or _spoken_to(one) for one in (*handover.earlier, handover))
        self._destinations.told(domain, since, _end_of(handover) if reached else "silent")
        return handover

    async def _pass(
        self, domain: str, envelope: Envelope, mail: bytes, before_dot: Callable[[], Awaitable[None]]
    ) -> Handover:
        """Goes from address to address until one has decided, or enough were asked."""
        started_at = self._peer.clock()
        route = await self._route(domain)
        if route.none:
            none = route.none
            return self._nowhere(started_at, route, none.outcome, none.reason, none.enhanced, none.why)
        policy = await self._sts.policy(domain) if self._sts else None
        tried: list[Handover] = []
        itinerary, ways = Itinerary(route.hosts), dict[str, _Way]()
        while not (tried and _decided(tried[-1])) and (target := itinerary.next()):
            host = target.host
            if host.name not in ways:
                ways[host.name] = await self._way(host, route, policy, demanded=envelope.tls_verified)
            tried.append(await self._try(target, ways[host.name], route, envelope, mail, before_dot))
            if ways[host.name].peer is None:
                itinerary.leave_out(host)
            elif tried[-1].why.code != RESTS.code:
                itinerary.note(target, session=tried[-1].stage in _WHILE_OFFERING)
        return _told(tried, started_at, _mx(route))

    async def _route(self, domain: str) -> Route:
        ours = frozenset({self._peer.our_name.lower()})
        return await find_route(self._dns, domain, ours, private=self._private, shuffle=self._shuffle, most=HOSTS)

    async def _try(
        self,
        target: Target,
        way: _Way,
        route: Route,
        envelope: Envelope,
        mail: bytes,
        before_dot: Callable[[], Awaitable[None]],
    ) -> Handover:
        """Goes to one address, unless its host may not be used, or it could not be reached a moment ago."""
        started_at, address = self._peer.clock(), target.address
        if way.peer is None:
            refused = self._nowhere(started_at, route, "delayed", "policy", "4.7.5", way.why)
            return replace(refused, host=target.host.name, policy=way.policy)
        slots, connections = self._to(replace(way.peer, addresses=(address,)))
        with connections.used():
            async with slots:
                if self._addresses.rests(address):  # asked here: others may have found it so while this one waited
                    resting = self._nowhere(started_at, route, "delayed", "unreachable", "4.4.1", RESTS)
                    return replace(resting, stage="connect", host=target.host.name, address=address, policy=way.policy)
                since = self._monotonic()
                handover = await connections.hand_over(envelope, mail, before_dot)
                self._addresses.told(address, since, _end_of(handover) if _spoken_to(handover) else "silent")
        return replace(handover, policy=way.policy, address=handover.address or address)

    async def _way(self, host: Host, route: Route, sts: StsPolicy | None, *, demanded: bool) -> _Way:
        """The strictest of what the host's DNS, the domain's policy and the sender demand (RFC 8461 2, RFC 7672 2)."""
        peer = replace(self._peer, host=host.name)
        if host.secure:
            answer = await tlsa_of(self._dns, host.name, self._port)
            if answer.status == "failed":
                return _Way(
                    Policy("dane", demanded=demanded), None, Why("lookup-failed", "its TLSA records cannot be had")
                )
            if answer.status == "usable":
                by_name = any(record.usage != 3 for record in answer.records)
                # Without a need for names, one connection serves all domains of the host.
                names = frozenset({host.name, route.mx.domain, answer.name} - {""} if by_name else {host.name})
                dane = replace(peer, tls="dane", tlsa=answer.records, names=names, sni=answer.name)
                return _Way(Policy("dane", demanded=demanded), dane)
            if answer.status == "unusable" and not demanded and not (sts and sts.mode == "enforce"):
                return _Way(Policy("dane", mode="unusable"), replace(peer, tls="encrypted"))
        if sts and sts.mode != "none":
            return _by_sts(peer, sts, demanded=demanded)
        mode: TlsMode = "required" if demanded else "opportunistic"
        return _Way(Policy("demanded" if demanded else "none", demanded=demanded), replace(peer, tls=mode))

    def _to(self, peer: Peer) -> tuple[asyncio.Semaphore, Connections]:
        """All ways to one address share its slots and its room for idle connections."""
        (address,) = peer.addresses
        if address not in self._limits:
            self._limits[address] = asyncio.Semaphore(self._most), IdleRoom(self._most, self._idle_room)
        slots, room = self._limits[address]
        if peer not in self._connections:
            self._connections[peer] = Connections(peer, None, room)
        return slots, self._connections[peer]

    def _nowhere(
        self,
        started_at: datetime,
        route: Route,
        outcome: str,
        reason: Reason,
        enhanced: str,
        why: Why,
    ) -> Handover:
        """An attempt in which no server was spoken to."""
        return Handover(
            outcome="failed" if outcome == "failed" else "delayed",
            stage="route",
            code=None,
            enhanced=enhanced,
            final=b"",
            reason=reason,
            host="",
            address=None,
            port=self._port,
            our_name=self._peer.our_name,
            tls=None,
            transcript=(),
            started_at=started_at,
            ended_at=self._peer.clock(),
            mx=_mx(route),
            why=why,
        )

    async def _sweep(self) -> None:
        """Now and then ends connections that nobody uses any more, and forgets their servers."""
        now = self._monotonic()
        if now - self._swept_at < IDLE_SECONDS / 3:
            return
        self._swept_at = now
        for one in list(self._connections.values()):
            await one.close_idle(older=IDLE_SECONDS)
        self._connections = {peer: one for peer, one in self._connections.items() if not one.unused}
        used = {address for peer in self._connections for address in peer.addresses}
        self._limits = {address: limits for address, limits in self._limits.items() if address in used}

    def _monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def close(self) -> None:
        """See ``Transport.close``."""
        await asyncio.gather(*(one.close() for one in self._connections.values()))


def _spoken_to(handover: Handover) -> bool:
    """Whether the server said something in this attempt: one that takes connections and keeps silent cannot be reached."""
    return any(line.by is By.server and line.at >= handover.started_at for line in handover.transcript)


def _end_of(handover: Handover) -> End:
    """What an attempt says of how much more a destination takes; that there is no such mailbox says nothing of it."""
    if handover.outcome == "accepted":
        return "taken"
    about_the_mail = handover.outcome == "failed" and handover.reason not in {"policy", "reputation", "server"}
    return "answered" if about_the_mail else "refused"


def _domain(recipient: str) -> str:
    return recipient.rpartition("@")[2].lower()


def _by_sts(peer: Peer, sts: StsPolicy, *, demanded: bool) -> _Way:
    """RFC 8461 5: in *enforce* a host that the policy does not name is not used; *testing* changes nothing."""
    policy = Policy("mta-sts", sts.id, sts.mode, demanded)
    if sts.mode == "enforce" and not matches(sts, peer.host):
        return _Way(policy, None, Why("not-in-policy", "the domain's MTA-STS policy does not name it"))
    mode: TlsMode = "required" if demanded or sts.mode == "enforce" else "opportunistic"
    return _Way(policy, replace(peer, tls=mode))


def _decided(handover: Handover) -> bool:
    """Whether no further address is to be tried: the mail was taken or refused, may have been taken, or waits here."""
    if handover.outcome in {"accepted", "uncertain"}:
        return True
    if handover.stage in _BEFORE_THE_MAIL:
        return False
    if handover.stage in _WHILE_OFFERING:  # without a reply it was this server that could not take it (SMTPUTF8, SIZE)
        return (handover.outcome == "failed" and handover.code is not None) or handover.reason == "greylisted"
    return True  # the dot was due, or the mail was on its way


def _told(tried: list[Handover], started_at: datetime, mx: Mx) -> Handover:
    """The one that decided, else the last that gave hope, else the last; the others stand before it.

    What is no decision is final only if every one that was asked says so.
    """
    last = tried[-1]
    softer = [one for one in tried if one.outcome == "delayed"]
    offered = [one for one in softer if one.stage not in _BEFORE_THE_MAIL]
    chosen = last if _decided(last) else (offered or softer or tried)[-1]
    earlier = tuple(one for one in tried if one is not chosen)
    return replace(chosen, started_at=started_at, mx=mx, earlier=earlier)


def _mx(route: Route) -> Mx:
    answer = route.mx
    exchanges = tuple((one.preference, one.name) for one in answer.exchanges)
    return Mx(answer.domain, exchanges, answer.implicit, answer.secure, answer.status)
