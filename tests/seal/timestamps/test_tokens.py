"""Client and verifier over one table: what is right is taken by both, what is wrong is refused by both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.seal.timestamps.token import TimestampUnavailable, TimestampWrong, check
from sealpost.verifier.timestamps import BadToken, check_token
from tests.seal.timestamps.forge import NONCE, NOW, OCTETS, POLICY, bake
from tests.seal.timestamps.tables import ACCEPTED, GOOD, REFUSED, ROOT, Asked

ROOTS = (ROOT.certificate,)


@pytest.mark.parametrize("name", ACCEPTED)
def test_right_tokens_are_taken_by_both(name: str) -> None:
    asked = ACCEPTED[name]
    kept = check(asked.response, asked.octets, asked.roots, nonce=asked.nonce, policy=asked.policy)
    for octets in (asked.response, kept.octets):  # the answer, and the bare token that a seal carries
        shown = check_token(octets, asked.octets, asked.roots, nonce=asked.nonce, policy=asked.policy)
        assert (shown.at, shown.policy, shown.serial) == (kept.at, kept.policy, kept.serial)
        assert shown.anchor == ROOT.certificate
    assert abs((kept.at - NOW).total_seconds()) <= 0.25
    assert kept.octets in asked.response


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_tokens_are_refused_by_the_client(name: str) -> None:
    asked = REFUSED[name]
    with pytest.raises((TimestampWrong, TimestampUnavailable), match=r"\w+ \w+"):
        check(asked.response, asked.octets, asked.roots, nonce=asked.nonce, policy=asked.policy)


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_tokens_are_refused_by_the_verifier(name: str) -> None:
    asked = REFUSED[name]
    with pytest.raises(BadToken, match=r"\w+ \w+"):
        check_token(asked.response, asked.octets, asked.roots, nonce=asked.nonce, policy=asked.policy)


def test_the_table_is_long_enough() -> None:
    assert len(REFUSED) >= 60


@pytest.mark.parametrize("bit", [0, 6])
def test_no_octet_can_change(bit: int) -> None:
    good = bake(GOOD)
    survivors: list[int] = []
    for at in range(len(good)):
        wrong = good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :]
        survivors += [at for taken in (_client_takes, _verifier_takes) if taken(wrong)]
    assert survivors == []


@given(st.binary(max_size=200), st.integers(0, 1100), st.integers(0, 1100))
def test_spliced_octets_never_break_out(middle: bytes, start: int, end: int) -> None:
    good = bake(GOOD)
    wrong = good[:start] + middle + good[end:]
    if wrong != good:
        assert not _client_takes(wrong)
        assert not _verifier_takes(wrong)


def _client_takes(octets: bytes) -> bool:
    try:
        check(octets, OCTETS, ROOTS, nonce=NONCE, policy=POLICY)
    except (TimestampWrong, TimestampUnavailable):
        return False
    return True


def _verifier_takes(octets: bytes) -> bool:
    try:
        check_token(octets, OCTETS, ROOTS, nonce=NONCE, policy=POLICY)
    except BadToken:
        return False
    return True


def test_without_roots_the_path_is_left_open() -> None:
    shown = check_token(bake(GOOD), OCTETS)
    assert shown.anchor is None
    assert shown.authority == "CN=Test authority"


@pytest.mark.parametrize("name", ["expired", "no purpose", "flipped: signature", "bound to another certificate"])
def test_without_roots_everything_else_still_counts(name: str) -> None:
    with pytest.raises(BadToken):
        check_token(REFUSED[name].response, OCTETS)


def test_a_refusal_by_the_authority_is_told_apart() -> None:
    with pytest.raises(TimestampUnavailable, match="refuses: status 2"):
        check(bytes.fromhex("30053003020102"), OCTETS, ROOTS)


def test_an_answer_to_something_else_is_no_refusal() -> None:
    asked = Asked(bake(GOOD))
    with pytest.raises(TimestampWrong, match="Mismatch"):
        check(asked.response, b"else", asked.roots)
