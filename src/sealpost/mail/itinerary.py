"""Which address of a domain's servers is tried next, and when enough were.

For ``mail/direct``. Clauses: RFC 5321 5.1 (each address in turn, within limits), RFC 8305 4 (IPv6 and IPv4 in turn).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sealpost.mail.route import Host

MOST_TRIED = 5
"""Addresses of all hosts together that are asked in one attempt."""
MOST_SESSIONS = 2
"""Of these, sessions in which the mail could be offered: EHLO and TLS stood."""


@dataclass(frozen=True, slots=True)
class Target:
    """One address of one host."""

    host: Host
    address: str

    @property
    def family(self) -> int:
        """6 or 4."""
        return 6 if ":" in self.address else 4


class Itinerary:
    """The addresses of one attempt, in the order of the hosts and of each host's addresses.

    One thing goes before that order: the last try that is left, or the last session, goes to the family (IPv6 or IPv4)
    that has had none yet. A server may refuse all that comes over one of them, for want of a reverse name for instance.
    """

    def __init__(self, hosts: Sequence[Host]) -> None:
        """``hosts``: those to try first first."""
        self._left = [Target(host, address) for host in hosts for address in host.addresses]
        self._tried: list[Target] = []
        self._sessions: list[Target] = []

    def next(self) -> Target | None:
        """The next address, or None: there is no other, or it was enough."""
        if not self._left or len(self._tried) >= MOST_TRIED or len(self._sessions) >= MOST_SESSIONS:
            return None
        last = len(self._tried) == MOST_TRIED - 1
        had = {one.family for one in self._sessions or (self._tried if last else ())}
        other = (one for one in self._left if had and one.family not in had)
        chosen = next(other, self._left[0])
        self._left.remove(chosen)
        return chosen

    def note(self, target: Target, *, session: bool) -> None:
        """The address was asked; ``session``: so far that the mail could be offered."""
        self._tried.append(target)
        if session:
            self._sessions.append(target)

    def leave_out(self, host: Host) -> None:
        """Nothing more of this host: its addresses may not be used."""
        self._left = [one for one in self._left if one.host.name != host.name]
