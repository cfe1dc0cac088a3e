"""Bounces without a report for programs: recognised, classed, in their own words, and never with somebody else's address.

`script/faults` prints the table of confusions.
"""

from __future__ import annotations

from collections import Counter
from time import process_time

import pytest

from sealpost.mail.bounces import ReturnedMail, read_returned
from tests.mail.bounce_texts import SAMPLES, B, Sample

BOUNCES = [one for one in SAMPLES if one.kind in {"failed", "delayed"}]
MISREAD = {"sendmail still trying"}  # the reporter's own 451 has the form of a server's reply


def reading(sample: Sample) -> ReturnedMail:
    return read_returned(sample.octets, B, "list-bounces@lists.example.com" if "mailman" in sample.name else "")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.name)
def test_samples(sample: Sample) -> None:
    read = reading(sample)
    assert read.kind == sample.kind, read
    assert sample.says in read.diagnostic
    assert sample.never not in read.diagnostic.lower()
    assert read.reason == sample.reason or sample.name in MISREAD, read


def test_rates_and_confusions(capsys: pytest.CaptureFixture[str]) -> None:
    kinds = Counter((one.kind, reading(one).kind) for one in SAMPLES)
    classes = Counter((one.reason, reading(one).reason) for one in BOUNCES)
    with capsys.disabled():
        for title, table in (("kind", kinds), ("class", classes)):
            wrong = {f"{meant} read as {got}": count for (meant, got), count in table.items() if meant != got}
            print(f"\nbounces in text, {title}: {sum(table.values())}, wrong {wrong or 'none'}")
    assert sum(count for (meant, got), count in kinds.items() if meant == got) >= 0.85 * len(SAMPLES)
    assert sum(count for (meant, got), count in classes.items() if meant == got) >= 0.9 * len(BOUNCES)
    assert not kinds["failed", "delayed"] + kinds["delayed", "failed"], "a failure is no delay"


@pytest.mark.parametrize(
    "piece", [b"-", b" ", b"a@", b"550 ", b"delivery mail ", b"> * = ", b"5.", b"could not ", b"bob@example.com "]
)
def test_hostile_text_is_read_in_bounds(piece: bytes) -> None:
    lines = (b"bob@example.com " + piece * (990 // len(piece)) + b"\r\n") * 400
    octets = b"From: MAILER-DAEMON@mx.example.com\r\nSubject: failure notice\r\n\r\nbob@example.com\r\n" + lines
    began = process_time()
    read_returned(octets, B)
    assert process_time() - began < 4
