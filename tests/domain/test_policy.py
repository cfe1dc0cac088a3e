"""Policies: the specification's example, quorums against a plain recursion, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.note import verifier_key
from sealpost.domain.policy import Group, LogKey, NoPolicy, Policy, Witness, is_independent, read_policy


def key(number: int, kind: int = 4, name: str = "w.example/1") -> str:
    return verifier_key(name, kind, number.to_bytes(1312 if kind == 6 else 32))


LOG = key(200, 1, "log.example/2026")
NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
EXAMPLE = "\n".join(
    [
        f"log {LOG}", "",
        *(f"witness {name} {key(place)}" for place, name in enumerate(NAMES[:3], 1)),
        "group X-witnesses 2 X1 X2 X3", "",
        *(f"witness {name} {key(place)}" for place, name in enumerate(NAMES[3:], 4)),
        "group Y-witnesses any Y1 Y2 Y3", "",
        "group X-and-Y all X-witnesses Y-witnesses", "quorum X-and-Y", "",
    ]
)  # fmt: skip


def test_the_example_of_the_specification() -> None:
    policy = read_policy(EXAMPLE)
    assert policy.logs == (LogKey("log.example/2026", 1, (200).to_bytes(32), ""),)
    assert policy.witnesses[3] == Witness("Y1", "w.example/1", 4, (4).to_bytes(32), "")
    assert policy.groups[0] == Group("X-witnesses", 2, ("X1", "X2", "X3"))
    assert [group.least for group in policy.groups] == [2, 1, 2]
    for labels, met in (
        ("X1 X2 Y1", True), ("X1 X3 Y3", True), (" ".join(NAMES), True), ("X1 Y1 Y2", False), ("X1 X2 X3", False),
        ("", False), ("X-and-Y", False), ("X-witnesses Y-witnesses", False), ("none", False), ("x1 x2 y1", False),
    ):  # fmt: skip
        assert policy.is_met(set(labels.split())) is met, labels


def test_a_line_may_have_an_address_and_stand_anywhere() -> None:
    policy = read_policy(
        f"# comment + anything \u2603\n\t \nquorum none\n \twitness\t W  {key(1, 6)} \thttps://w.example/x?#y \n"
        f"  # another\nlog {key(9, 6, 'l.example')} https://l.example/log/2026/\ngroup all any W\n"
    )
    assert policy.logs == (LogKey("l.example", 6, (9).to_bytes(1312), "https://l.example/log/2026/"),)
    assert policy.witnesses == (Witness("W", "w.example/1", 6, (1).to_bytes(1312), "https://w.example/x?#y"),)
    assert policy.groups == (Group("all", 1, ("W",)),)
    assert policy.quorum is None
    assert policy.is_met(set())


def test_names_are_compared_as_they_stand() -> None:
    text = f"witness K {key(1)}\nwitness \u212a {key(2)}\nwitness a\u00a0b {key(3)}\nquorum \u212a\n"
    policy = read_policy(text)
    assert [one.label for one in policy.witnesses] == ["K", "\u212a", "a\u00a0b"]
    assert not policy.is_met({"K"})
    assert policy.is_met({"\u212a"})


def test_a_witness_and_a_log_may_have_the_same_key_but_not_two_of_a_kind() -> None:
    raw = (7).to_bytes(1312)
    text = f"log {verifier_key('l.example', 6, raw)}\nwitness W {verifier_key('w.example', 6, raw)}\nquorum W\n"
    assert len(read_policy(text).logs) == 1


W1, W2 = f"witness W1 {key(1)}\n", f"witness W2 {key(2)}\n"
REFUSED = [
    ("", 0), ("quorum none", 0), ("\n", 0), (W1, 0), ("\ufeffquorum none\n", 1), ("quorum none\n\ud800\n", 0), ("quorum none\r\n", 1),
    ("quorum none\n#\0\n", 2), ("quorum none\n#\x7f\n", 2), ("quorum none\n#\x0b\n", 2), ("quorum none\n#\x1b[0m\n", 2),
    ("Quorum none\n", 1), ("quorum\n", 1), ("quorum none none\n", 1), ("quorum\u00a0none\n", 1), ("quorum none # no\n", 1), ("quorum None\n", 1),
    ("quorum none\nquorum none\n", 2), (f"{W1}quorum W1\nquorum none\n", 3), (f"quorum W1\n{W1}", 1), ("quorum W1\n", 1), ("none\n", 1),
    (f"{W1}{W1}quorum none\n", 2), (f"{W1}witness W2 {key(1)}\nquorum none\n", 2), (f"{W1}witness W1 {key(2)}\nquorum none\n", 2),
    (f"{W1}witness W2 {key(1, 4, 'another.name')}\nquorum none\n", 2), (f"witness none {key(1)}\nquorum none\n", 1),
    (f"witness {key(1)}\nquorum none\n", 1), (f"witness W {key(1)} u u\nquorum none\n", 1), (f"witness W {key(1, 1)}\nquorum none\n", 1),
    (f"witness W {key(1, 2)}\nquorum none\n", 1), (f"witness W {verifier_key('w', 4, bytes(31))}\nquorum none\n", 1), (f"witness W {verifier_key('w', 6, bytes(32))}\nquorum none\n", 1),
    (f"witness W {verifier_key('w' * 256, 4, bytes(32))}\nquorum none\n", 1), (f"witness W {key(1)[:-1]}\nquorum none\n", 1), ("witness W x\nquorum none\n", 1),
    (f"log {LOG}\nlog {LOG}\nquorum none\n", 2), (f"log {LOG}\nlog {key(200, 1, 'other')}\nquorum none\n", 2), (f"log {key(1, 4)}\nquorum none\n", 1),
    ("log\nquorum none\n", 1), (f"log {LOG} u u\nquorum none\n", 1), (f"log {LOG.replace('log.example', 'log.example2')}\nquorum none\n", 1),
    (f"{W1}group g all\nquorum g\n", 2), (f"{W1}group g\nquorum g\n", 2), (f"{W1}group g W1\nquorum g\n", 2), (f"{W1}group g 0 W1\nquorum g\n", 2), (f"{W1}group g 2 W1\nquorum g\n", 2),
    (f"{W1}group g 01 W1\nquorum g\n", 2), (f"{W1}group g +1 W1\nquorum g\n", 2), (f"{W1}group g -1 W1\nquorum g\n", 2), (f"{W1}group g 1.0 W1\nquorum g\n", 2), (f"{W1}group g \u0661 W1\nquorum g\n", 2),
    (f"{W1}group g 99999999999999999999 W1\nquorum g\n", 2), (f"{W1}group g ANY W1\nquorum g\n", 2), (f"{W1}group g any W1 W1\nquorum g\n", 2), (f"{W1}group g any g\nquorum g\n", 2),
    (f"{W1}group g any none\nquorum g\n", 2), (f"{W1}group g any W2\n{W2}quorum g\n", 2), (f"{W1}group none any W1\nquorum none\n", 2), (f"{W1}group W1 any W1\nquorum W1\n", 2),
    (f"{W1}{W2}group g any W1\ngroup h any W1 W2\nquorum h\n", 4), (f"{W1}group g any W1\ngroup g any g\nquorum g\n", 3), (f"{W1}group g any W1\nwitness g {key(2)}\nquorum g\n", 3),
    ("".join(f"witness w{one} {key(one)}\n" for one in range(257)) + "quorum none\n", 257), ("#" * 1_000_001 + "\nquorum none\n", 0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line"), REFUSED)
def test_what_is_no_policy(text: str, line: int) -> None:
    with pytest.raises(NoPolicy) as refused:
        read_policy(text)
    assert refused.value.line == line
    assert str(refused.value).startswith(f"line {line}: ") is bool(line)


def test_what_the_specification_asks_implementations_to_take() -> None:
    lines = [f"log {key(one, 6, f'l{one}.example')}" for one in range(32)]
    lines += [f"witness w{one} {key(one + 40, 6)} https://w.example/{one}" for one in range(32)]
    lines += [f"group g{one} any w{one}" for one in range(31)]
    lines += ["group g31 31 w31 " + " ".join(f"g{one}" for one in range(31)), "quorum g31", ""]
    policy = read_policy("\n".join(lines))
    assert policy.is_met({f"w{one}" for one in range(31)})
    assert not policy.is_met({f"w{one}" for one in range(30)})


def met(policy: Policy, label: str, seen: set[str]) -> bool:
    """The definition: a witness by itself, a group by its members."""
    for group in policy.groups:
        if group.label == label:
            return sum(met(policy, one, seen) for one in group.members) >= group.least
    return label in seen


@given(st.data())
def test_quorums_are_what_their_definition_says(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    lines, free = [f"witness w{one} {key(one)}" for one in range(count)], [f"w{one}" for one in range(count)]
    for number in range(data.draw(st.integers(0, 5))):
        members = data.draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        least = data.draw(st.sampled_from(["any", "all", *map(str, range(1, len(members) + 1))]))
        lines.append(f"group g{number} {least} {' '.join(members)}")
        free = [one for one in free if one not in members] + [f"g{number}"]
    quorum = data.draw(st.sampled_from(free))
    policy = read_policy("\n".join([*lines, f"quorum {quorum}", ""]))
    seen = set(data.draw(st.lists(st.sampled_from([f"w{one}" for one in range(count)]))))
    assert policy.is_met(seen) is met(policy, quorum, seen)


@given(st.text())
def test_any_text_is_a_policy_or_none(text: str) -> None:
    try:
        read_policy(text)
    except NoPolicy:
        return
    assert "quorum" in text


@pytest.mark.parametrize(
    ("witness", "log", "independent"),
    [
        ("witness.example.org/w1", "log.example.com/log/2026", True), ("example.org", "example.com", True), ("w.example.org", "example.com/log", True),
        ("witness.example.com/w1", "log.example.com/log/2026", False), ("example.com", "log.example.com", False), ("a.b.example.com", "c.d.example.com", False),
        ("log.example.com/witness", "log.example.com/log", False), ("LOG.example.COM./w", "log.example.com", False), ("log.example.com:8026/w", "log.example.com:8025/l", False),
        ("alice.co.uk", "bob.co.uk", False), ("alice.uk", "bob.uk", True), ("notexample.com", "example.com", True), ("localhost:1/w", "localhost:2/l", False),
        ("127.0.0.1:8026/w", "localhost/l", False), ("[::1]:8026/w", "127.0.0.1/l", False), ("w.localhost", "localhost", False), ("[::ffff:127.0.0.1]", "localhost", False),
        ("10.0.0.1/w", "10.0.0.2/l", True), ("10.0.0.1:1/w", "10.0.0.1:2/l", False), ("[2001:db8::1]/w", "[2001:DB8:0::1]:443/l", False), ("[2001:db8::1]", "[2001:db8::2]", True),
        ("10.0.0.1", "log.example.com", True), ("localhost", "log.example.com", True), ("witness", "log", True), ("log", "log", False),
        ("", "log.example.com", False), ("/w", "log.example.com", False), ("..", "log.example.com", False), ("w..example", "log.example.com", False), ("w.example:x", "log.example.com", False),
        ("::1", "log.example.com", False), ("w.example.org", "", False),
    ],
)  # fmt: skip
def test_independence_by_name(witness: str, log: str, independent: bool) -> None:
    assert is_independent(witness, log) is independent
    assert is_independent(log, witness) is independent
