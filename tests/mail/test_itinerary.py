"""Which address comes next: RFC 5321 5.1's order within limits, and no family hidden by what the other one's servers say."""

from collections.abc import Sequence

import pytest

from sealpost.mail.itinerary import MOST_SESSIONS, MOST_TRIED, Itinerary
from sealpost.mail.route import Host

SIX, FOUR = "2001:db8::{}", "192.0.2.{}"


def host(name: str, *addresses: str) -> Host:
    return Host(name, addresses, 10, secure=False)


def travelled(hosts: Sequence[Host], sessions: Sequence[str] = ()) -> list[str]:
    """The addresses in the order of the tries; at those of ``sessions`` the mail could be offered."""
    itinerary, went = Itinerary(hosts), list[str]()
    while target := itinerary.next():
        went.append(target.address)
        itinerary.note(target, session=target.address in sessions)
    return went


def many(form: str, first: int, count: int) -> list[str]:
    return [form.format(number) for number in range(first, first + count)]


def test_one_host_after_the_other_and_five_addresses_in_all():
    hosts = [host("a", *many(FOUR, 1, 3)), host("b", *many(FOUR, 11, 3)), host("c", *many(FOUR, 21, 3))]
    assert travelled(hosts) == [*many(FOUR, 1, 3), *many(FOUR, 11, 2)]
    assert len(travelled(hosts)) == MOST_TRIED


def test_two_sessions_are_enough():
    addresses = many(FOUR, 1, 5)
    assert travelled([host("a", *addresses)], addresses) == addresses[:MOST_SESSIONS]
    assert travelled([host("a", *addresses)], [addresses[1], addresses[3]]) == addresses[:4]


@pytest.mark.parametrize(
    ("hosts", "sessions", "wanted"),
    [
        # the last of five goes to the family that has had none
        ([host("a", *many(SIX, 1, 8)), host("b", FOUR.format(1))], (), [*many(SIX, 1, 4), FOUR.format(1)]),
        ([host("a", *many(FOUR, 1, 8)), host("b", SIX.format(1))], (), [*many(FOUR, 1, 4), SIX.format(1)]),
        # so does the second session, also where an address of it could not be reached before
        (
            [host("a", SIX.format(1)), host("b", SIX.format(2), FOUR.format(2))],
            many(SIX, 1, 2) + many(FOUR, 2, 1),
            [SIX.format(1), FOUR.format(2)],
        ),
        (
            [host("a", FOUR.format(1), SIX.format(1)), host("b", SIX.format(2), FOUR.format(2))],
            [SIX.format(1), SIX.format(2), FOUR.format(2)],
            [FOUR.format(1), SIX.format(1), FOUR.format(2)],
        ),
        # with one family alone there is nothing to prefer
        ([host("a", *many(SIX, 1, 3))], many(SIX, 1, 3), many(SIX, 1, 2)),
    ],
)
def test_a_refusal_over_one_family_does_not_hide_the_other(hosts, sessions, wanted):
    assert travelled(hosts, sessions) == wanted


def test_a_host_that_may_not_be_used_takes_no_try():
    hosts = [host("a", *many(FOUR, 1, 5)), host("b", *many(FOUR, 11, 2))]
    itinerary = Itinerary(hosts)
    assert itinerary.next()
    itinerary.leave_out(hosts[0])
    assert [target.address for _ in range(3) if (target := itinerary.next())] == many(FOUR, 11, 2)
