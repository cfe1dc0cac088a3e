"""The one table of classes: known words of many servers, hostile words, and what is published of it."""

from __future__ import annotations

import ast
import json
import re
import time
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.mail.replies import Reply, reason_of
from sealpost.mail.reply_classes import class_in_bounce, class_of
from sealpost.mail.transport import Reason, Stage

ROOT = Path(__file__).resolve().parents[2]
CLASSES: set[str] = set(get_args(Reason)) - {"accepted"}
RULES: dict[str, Any] = json.loads((ROOT / "src/sealpost/verifier/rules.json").read_text("utf-8"))["agreement"]
SAID = [
    tuple(part.strip() for part in line.split(" | ", 2))
    for line in (Path(__file__).parent / "said.txt").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


def read(place: str, words: str) -> Reason:
    if place.startswith("bounce"):
        return class_in_bounce(place.partition(" ")[2], words)
    stage: Any = place
    lines = tuple(one.encode() for one in words.split("\\n"))
    return reason_of(stage, Reply(int(words[:3]), lines))


def test_the_words_of_many_servers() -> None:
    wrong = [(wanted, found, place, words) for wanted, place, words in SAID if (found := read(place, words)) != wanted]
    assert wrong == []


def test_a_server_that_answered_is_never_unreachable() -> None:
    """Whatever it says: all known words under each code, and every enhanced code without words."""
    said = [*(words for _, _, words in SAID), "", *("connection timed out", "no route to host", "message expired")]
    for words in said:
        for code, enhanced in ((550, None), (451, "4.4.1"), (550, "5.4.1"), (421, "4.3.2"), (451, "4.4.7")):
            assert class_of(words, code=code, enhanced=enhanced, stage="rcpt") != "unreachable", words


def test_before_a_recipient_is_named_nothing_is_about_one() -> None:
    for _, _, words in SAID:
        assert class_of(words, code=550, enhanced=None, stage="mail") not in {"unknown", "full"}


def rows(page: str) -> list[str]:
    section = (ROOT / "docs" / page).read_text("utf-8").partition("### Classes\n")[2].partition("\n### ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_each_class_has_its_row_in_the_published_table_and_no_other() -> None:
    assert sorted(rows("bounces.md")) == sorted(CLASSES)
    assert sorted(RULES["classes"]) == sorted(CLASSES)


PRODUCERS = ("mail/route.py", "mail/direct.py", "mail/connections.py", "mail/opening.py", "usecases/handover.py")


@pytest.mark.parametrize("name", PRODUCERS)
def test_where_no_server_decided_the_class_is_a_published_one(name: str) -> None:
    """The second word of each verdict of ours, or the third."""
    calls = [
        node for node in ast.walk(ast.parse((ROOT / "src/sealpost" / name).read_text())) if isinstance(node, ast.Call)
    ]
    words = [one.value for call in calls for one in call.args if isinstance(one, ast.Constant)]
    assert set(rows("bounces.md")) & {one for one in words if isinstance(one, str)}, (
        "it makes none: take it off the list"
    )


@given(
    st.text(max_size=200) | st.sampled_from([words for _, _, words in SAID]),
    st.integers(200, 599),
    st.none() | st.from_regex(r"[245]\.[0-9]{1,2}\.[0-9]{1,3}", fullmatch=True) | st.sampled_from(["5.7.13", "5.1.10"]),
    st.sampled_from(get_args(Stage)),
)
def test_any_words_have_a_published_class_that_the_verifier_takes(
    words: str, code: int, enhanced: str | None, stage: Stage
) -> None:
    """By the verifier's own rule (`agreement`), for replies: its table is the other side of ours."""
    line = f"{code} {enhanced or ''} {' '.join(words.split())}"
    reply = Reply(code, (line.encode("utf-8", "replace"),))
    named = reason_of(stage, reply)
    assert named in CLASSES or (named, stage, code // 100) == ("accepted", "dot", 2)
    assert class_in_bounce(enhanced or "", words) in CLASSES
    if code // 100 in {4, 5} and reply.enhanced:
        subject, detail = reply.enhanced.split(".")[1:]
        table = RULES["classesOfEnhanced"]
        allowed = table.get(f"{subject}.{detail}") or table.get(subject) or table["0"]
        assert named in allowed or (named == "greylisted" and code // 100 == 4)


BEFORE = {
    "1": "unknown", "1.7": "policy", "1.8": "policy", "1.10": "unreachable", "2": "other", "2.1": "unknown", "2.2": "full",
    "2.3": "too_large", "3": "unreachable", "3.1": "full", "3.4": "too_large", "4": "unreachable", "5": "other",
    "6": "content", "7": "policy",
}  # fmt: skip


def test_the_verifier_takes_what_was_recorded_before() -> None:
    """Records of the table of before keep their class, whatever code was beside it."""
    table = RULES["classesOfEnhanced"]
    for subject in range(10):
        for detail in range(1000):
            code = f"{subject}.{detail}"
            was = BEFORE.get(code) or BEFORE.get(str(subject)) or "other"
            assert was in (table.get(code) or table.get(str(subject)) or table["0"]), code


HOSTILE = (
    "user ",
    "mailbox ",
    "a",
    "ip ",
    "<a@",
    "550-",
    "host network ",
    "connect to ",
    "@",
    "5.1.1 ",
    "in reply to ",
    "\u0301",
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_words_cost_little(piece: str) -> None:
    """Twice as much costs twice as much, and beyond 4,000 characters nothing."""
    began = time.process_time()
    class_of(piece * (4000 // len(piece)), code=450, enhanced=None, stage="rcpt")
    class_in_bounce("5.0.0", piece * 100_000)
    assert time.process_time() - began < 1.0
