"""Who is connected and how much of unfinished mails is held: the limits that all conversations of a server share.

For ``inbound/server`` and ``inbound/conversing``. An IPv6 peer counts by its /64, since one host has all of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address
from typing import Protocol

from sealpost.inbound.destination import Conversation


class Here(Protocol):
    """One connection."""

    conversation: Conversation

    def make_room(self) -> None:
        """Asked to go, for somebody else's sake."""
        ...


class Places:
    """The places of one server."""

    def __init__(self, *, most: int, most_of_one: int, most_octets: int) -> None:
        """All free.

        Args:
            most: connections at a time.
            most_of_one: of these, from one address.
            most_octets: of mails that are coming in or being handed over, in all.
        """
        self._most, self._most_of_one, self._octets_left = most, most_of_one, most_octets
        self._here: dict[Here, str] = {}
        self._of_one: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Here]:
        return iter(list(self._here))

    def enter(self, one: Here) -> bool:
        """Takes a place; False: there is none."""
        group = _group(one.conversation.peer)
        if self._of_one[group] >= self._most_of_one:
            return False
        if len(self._here) >= self._most and not self._made_room(group):
            return False
        self._here[one] = group
        self._of_one[group] += 1
        return True

    def _made_room(self, group: str) -> bool:
        """Whoever has most places gives its oldest to somebody with fewer: ten addresses shall not keep all others out."""
        crowd, count = self._of_one.most_common(1)[0]
        if count <= self._of_one[group] + 1:
            return False
        oldest = next(one for one, theirs in self._here.items() if theirs == crowd)
        self.leave(oldest)
        oldest.make_room()
        return True

    def leave(self, one: Here) -> None:
        """Gives a place back."""
        group = self._here.pop(one, None)
        if group is None:
            return
        self._of_one[group] -= 1
        if not self._of_one[group]:
            del self._of_one[group]

    def hold(self, octets: int) -> bool:
        """Whether so much more may be held, which then counts as held."""
        if octets > self._octets_left:
            return False
        self._octets_left -= octets
        return True

    def give_back(self, octets: int) -> None:
        """So much is held no longer."""
        self._octets_left += octets


def _group(peer: str) -> str:
    try:
        known = ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if not isinstance(known, IPv6Address):
        return peer
    return str(known.ipv4_mapped or int(known) >> 64)
