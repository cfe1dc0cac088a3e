"""What a record says of the signatures on a returned mail: shown as recorded, held to its form, never a verdict of ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sealpost.cli.verify import run
from sealpost.verifier.tables import LANGUAGES
from sealpost.verifier.trust import Trust
from sealpost.verifier.verify import verify
from tests.verifier.lives import World, bounce, extension_of, make_bundle, plan, seal_records, write_life

DKIM = {"mechanism": "dkim", "domain": "mx.example.com", "selector": "s1", "result": "pass", "aligned": True}
WHOLE = {**DKIM, "key": "v=DKIM1; p=AAAA", "dnssec": "insecure", "fields": ["from", "subject"]}
ARC = {"mechanism": "arc", "domain": "forward.example.net", "result": "pass"}
BROKEN = {"mechanism": "dkim", "domain": "mx.example.com", "result": "fail"}
SAID: dict[str, tuple[dict[str, Any], tuple[str, list[str]]]] = {
    "signed": ({"result": "pass", "signatures": [WHOLE]}, ("pass", ["mx.example.com (DKIM)"])),
    "signed by two": (
        {"result": "pass", "signatures": [BROKEN, DKIM, ARC]},
        ("pass", ["mx.example.com (DKIM)", "forward.example.net (ARC)"]),
    ),
    "not signed": ({"result": "none"}, ("none", [])),
    "not to be found out": ({"result": "temperror", "signatures": [{**BROKEN, "result": "temperror"}]}, ("temperror", [])),
    "broken": ({"result": "fail", "signatures": [BROKEN]}, ("other", [])),
    "too many": ({"result": "policy", "leftOut": 1000}, ("other", [])),
    "valid by nobody": ({"result": "pass"}, ("other", [])),
    "valid in another way": ({"result": "pass", "signatures": [{**DKIM, "mechanism": "spf"}]}, ("other", [])),
    "fail, but one is valid": ({"result": "fail", "signatures": [DKIM]}, ("other", [])),
}  # fmt: skip
"""What is recorded → what is shown."""
MALFORMED: dict[str, Any] = {
    "a text": "pass",
    "nothing in it": {},
    "a list as result": {"result": ["none"]},
    "no list": {"result": "pass", "signatures": "none"},
    "an empty list": {"result": "none", "signatures": []},
    "texts in the list": {"result": "pass", "signatures": ["none"]},
    "a list as mechanism": {"result": "pass", "signatures": [{**DKIM, "mechanism": ["dkim"]}]},
    "a number as domain": {"result": "pass", "signatures": [{**DKIM, "domain": 1}]},
    "a text as number": {"result": "policy", "leftOut": "many"},
}


def values(world: World, **members: Any) -> list[Any]:
    """The records of a ticket whose announcement came back."""
    found = list(write_life(("submitted", "announcement_failed"), environment=world.environment))
    ours = extension_of(found[1])
    ours.pop("smtp", None)
    found[1].pop("TransactionLogInformation", None)
    ours["bounce"] = {**bounce("announcement", "failed", "5.1.1"), **members}
    return found


def bundle(world: World, authenticated: Any) -> bytes:
    """The certificate is of records in their form: it is not what is tried here."""
    prose = plan(world, seal_records(world, values(world))).records
    return make_bundle(world, values(world, authenticated=authenticated), prose=prose)


def bundles(world: World) -> Iterator[tuple[str, bytes]]:
    """All of them, for command and page."""
    for name, (told, _) in SAID.items():
        yield name, bundle(world, told)
    for name, told in MALFORMED.items():
        yield name, bundle(world, told)


@pytest.mark.parametrize("name", SAID)
def test_it_is_shown_as_recorded(world: World, trust: Trust, name: str) -> None:
    told, (result, by) = SAID[name]
    report = verify(bundle(world, told), trust)
    assert report.as_json()["timeLine"][-1]["authenticated"] == {"result": result, "by": by}
    words = [report.time_line[-1].signed_words(language) for language in LANGUAGES]
    assert len(set(words)) == 4
    assert all(one in said for one in by for said in words)
    assert not [one for one in report.claims if one.check == "structure" and one.verdict != "PASS"]


@pytest.mark.parametrize("name", MALFORMED)
def test_what_has_another_form_fails(world: World, trust: Trust, name: str) -> None:
    report = verify(bundle(world, MALFORMED[name]), trust)
    wrong = {
        (one.why, one.values.get("member"))
        for one in report.claims
        if one.check == "structure" and one.verdict == "FAIL"
    }
    assert len(wrong) == 1
    assert {why for why, _ in wrong} == {"structure.member"}


def test_of_older_records_nothing_is_said(world: World, trust: Trust) -> None:
    report = verify(make_bundle(world, values(world)), trust)
    assert "authenticated" not in report.as_json()["timeLine"][-1]
    assert report.time_line[-1].signed_words("en") == ""


def test_the_command_prints_it(world: World, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "evidence.asice"
    path.write_bytes(bundle(world, SAID["signed"][0]))
    run([str(path), "--language", "en"])
    assert "The service recorded: signed by mx.example.com (DKIM)." in capsys.readouterr().out
