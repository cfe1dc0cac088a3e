"""Certificates that mail servers showed: facts that must fit the records, and nothing that anybody trusts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from sealpost.domain.canonical import digest
from sealpost.verifier.report import Report
from sealpost.verifier.trust import Trust
from sealpost.verifier.verify import verify
from tests.mail.test_dane import LEAF, MIDDLE, OTHER, ROOT
from tests.verifier.lives import World, bundled, entries, lines_of, plan

CHAIN = (LEAF.der, MIDDLE.der, ROOT.der)
Files = Mapping[str, bytes]


def named(*certificates: bytes) -> dict[str, bytes]:
    return {f"tls/{sha256(one).hexdigest()}.der": one for one in certificates}


def fingerprints(*certificates: bytes) -> list[dict[str, Any]]:
    return [digest(sha256(one).digest()) for one in certificates]


def told(tls: Any) -> Any:
    facts = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "nameCheck": "match"}
    return {**facts, **tls} if isinstance(tls, dict) else tls


def bundle(world: World, tls: Any, files: Files) -> bytes:
    """All dialogues over this TLS, and these files in the trust folder."""

    def change(_seq: int, value: dict[str, Any]) -> None:
        if "smtp" in (ours := value["Extensions"][0]["sealpost/1"]):
            ours["smtp"]["tls"] = told(tls)
        if tls is None and "TransactionLogInformation" in value:
            lines = lines_of(value)  # without STARTTLS and its answer
            begin = next(number for number, one in enumerate(lines) if one["line"] == "STARTTLS")
            del lines[begin : begin + 2]

    made = plan(world, entries(world, change=change))
    return bundled(world, replace(made, trust={**made.trust, **files}))


RIGHT: dict[str, Any] = {"certificate": fingerprints(LEAF.der)[0], "chain": fingerprints(*CHAIN)}
ALONE: dict[str, Any] = {"certificate": fingerprints(OTHER.der)[0], "chain": fingerprints(OTHER.der)}
OTHERS = named(OTHER.der)
FORGED: dict[str, tuple[Any, Files, str]] = {
    "a certificate is missing": (RIGHT, named(*CHAIN[:2]), "tls.absent"),
    "all are missing": (RIGHT, {}, "tls.absent"),
    "another one stands under the name": (RIGHT, {**named(*CHAIN[1:]), next(iter(named(LEAF.der))): OTHER.der}, "tls.hash"),
    "one that no record names": (RIGHT, named(*CHAIN, OTHER.der), "tls.unknown"),
    "one beside a record without a chain": ({"certificate": RIGHT["certificate"]}, OTHERS, "tls.unknown"),
    "one where there was no TLS": (None, OTHERS, "tls.unknown"),
    "a file of another name": (RIGHT, {**named(*CHAIN), "tls/README.txt": b"x"}, "tls.unknown"),
    "a name in capitals": (ALONE, {name.upper().replace("TLS/", "tls/"): one for name, one in OTHERS.items()}, "tls.unknown"),
    "the chain begins with another one": ({**RIGHT, "chain": fingerprints(*CHAIN[1:])}, named(*CHAIN[1:]), "tls.leaf"),
    "a chain without a certificate": ({"chain": RIGHT["chain"]}, named(*CHAIN), "tls.leaf"),
    "an empty chain": ({**RIGHT, "chain": []}, {}, "tls.malformed"),
    "a chain that is none": ({**RIGHT, "chain": "none"}, {}, "tls.malformed"),
    "a chain of texts": ({**RIGHT, "chain": ["a", "b"]}, {}, "tls.malformed"),
    "a chain that is null": ({**RIGHT, "chain": None}, {}, "tls.malformed"),
}  # fmt: skip
"""What the records say, what is in the file → the reason."""
GENUINE: dict[str, tuple[Any, Files]] = {
    "a chain of three": (RIGHT, named(*CHAIN)),
    "a chain of one": (ALONE, OTHERS),
    "one twice": ({**ALONE, "chain": fingerprints(OTHER.der, OTHER.der)}, OTHERS),
    "what nobody can read": (
        {"certificate": fingerprints(b"rubbish")[0], "chain": fingerprints(b"rubbish")},
        named(b"rubbish"),
    ),
    "more was shown than is kept": ({**ALONE, "shown": 12}, OTHERS),
}
OLD: dict[str, Any] = {
    "the server's own alone": {"certificate": RIGHT["certificate"]},
    "no certificate": {},
    "no TLS": None,
}


def bundles(world: World) -> Iterator[tuple[str, bytes]]:
    """All of them, for command and page."""
    for name, (tls, files, _) in FORGED.items():
        yield name, bundle(world, tls, files)
    for name, (tls, files) in GENUINE.items():
        yield name, bundle(world, tls, files)
    for name, tls in OLD.items():
        yield name, bundle(world, tls, {})


def reasons(report: Report, *verdicts: str) -> set[str]:
    return {one.why for one in report.claims if one.check == "tls" and one.verdict in verdicts}


@pytest.mark.parametrize("name", FORGED)
def test_what_does_not_fit(world: World, trust: Trust, name: str) -> None:
    tls, files, why = FORGED[name]
    report = verify(bundle(world, tls, files), trust)
    absent = why == "tls.absent"
    assert why in reasons(report, "NOT PROVEN" if absent else "FAIL")
    assert report.exit_code == (2 if absent else 1)
    assert {one.check for one in report.claims if one.verdict != "PASS"} == {"tls"}


@pytest.mark.parametrize("name", GENUINE)
def test_what_fits(world: World, trust: Trust, name: str) -> None:
    tls, files = GENUINE[name]
    report = verify(bundle(world, tls, files), trust)
    assert reasons(report, "PASS", "FAIL", "NOT PROVEN") == {"tls.ok"}
    assert report.exit_code == 0


@pytest.mark.parametrize("name", OLD)
def test_of_records_without_a_chain_nothing_is_said(world: World, trust: Trust, name: str) -> None:
    report = verify(bundle(world, OLD[name], {}), trust)
    assert not report.of("tls")
    assert report.exit_code == 0


def test_they_are_never_anchors(world: World) -> None:
    """Whose keys count is not for a file in the bundle to say, wherever it lies: without a trust folder nothing changes."""
    tls, files = GENUINE["a chain of three"]
    roots = {"tls/roots.pem": world.trust_files()["roots.pem"]}
    for extra in ({}, roots):
        report = verify(bundle(world, tls, {**files, **extra}), None)
        assert {"seal.signer", "log.trust", "time.trust"} <= {one.why for one in report.claims}
        assert report.exit_code == (1 if extra else 2)


FIRST_PATTERN = r"trust/(?:[A-Za-z0-9._-]+/)?[A-Za-z0-9._-]+"
"""What the first verifiers know as members of the trust folder; they are out there, and must not call these strangers."""


def test_the_first_verifiers_know_such_files() -> None:
    assert all(re.fullmatch(FIRST_PATTERN, f"trust/{name}") for name in named(*CHAIN))
