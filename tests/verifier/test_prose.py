"""The certificate's text against the records: not checked by default, and the head says so; set again, PASS or FAIL."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from sealpost.cli import verify as command
from sealpost.seal.certificate import again, making, pades, view
from sealpost.seal.certificate.again import set_again
from sealpost.seal.certificate.pades import sealed
from sealpost.text.statuses import STATUS_TEXTS
from sealpost.verifier.report import Report
from sealpost.verifier.tables import LANGUAGES, WORDS
from sealpost.verifier.trust import Trust
from sealpost.verifier.verify import verify
from tests.verifier.lives import Plan, World, _stamper, bundled, certified, closing, make_bundle, plan, seal_records
from tests.verifier.story import write_life

Forge = Callable[[World, Plan], bytes]


def text_of(report: Report) -> list[str]:
    return [one.why for one in report.claims if one.check == "text"]


def heads(report: Report) -> list[str]:
    return [one.why for one in report.heads]


@pytest.fixture(scope="session")
def unlogged(world: World) -> bytes:
    """A right bundle whose last records wait for the log and for their time."""
    return make_bundle(world, write_life(), pending=2)


def of(world: World, right: Plan, pdf: bytes) -> bytes:
    """The bundle with another certificate, sealed and listed by the operator's own keys."""
    return bundled(world, replace(right, certificate=pdf))


def certificate_of(world: World, right: Plan, language: str = "nl") -> bytes:
    return certified(world, right.records, language, checkpoints=right.checkpoints, trust=right.trust)


@pytest.mark.parametrize("language", ["nl", "en", "de", "fr"])
def test_what_the_records_give_is_right(world: World, right: Plan, trust: Trust, language: str) -> None:
    report = verify(of(world, right, certificate_of(world, right, language)), trust, reset=set_again)
    assert (report.exit_code, text_of(report), report.verdict("text")) == (0, ["text.ok"], "PASS")
    assert "head.prose" not in heads(report)


def test_also_where_something_is_not_proven_yet(unlogged: bytes, trust: Trust) -> None:
    report = verify(unlogged, trust, reset=set_again)
    assert (report.exit_code, text_of(report)) == (2, ["text.ok"])


def lie_about_the_end(world: World, right: Plan) -> bytes:
    with patch.dict(STATUS_TEXTS, accepted=STATUS_TEXTS["refused"]):
        return certificate_of(world, right)


def lie_about_a_time(world: World, right: Plan) -> bytes:
    with patch.object(view, "_when", lambda at, *_: {"date": "1", "local": "2", "utc": "3"}):
        return certificate_of(world, right)


def leave_out_what_is_not_proven(world: World, right: Plan) -> bytes:
    with patch.object(view, "not_proven", lambda *_: ["Nothing."]):
        return certificate_of(world, right)


def name_another_trust_folder(world: World, right: Plan) -> bytes:
    return certified(world, right.records, checkpoints=right.checkpoints, trust={"policy": b"another\n"})


def leave_out_a_time_token(world: World, right: Plan) -> bytes:
    return certified(world, right.records, checkpoints=(), trust=right.trust)


def cover_it_with_another_page(world: World, right: Plan) -> bytes:
    """The text is as the records give; what is seen is drawn over it, in an update below the seal."""
    bare = dict[str, bytes]()

    async def keep(pdf: bytes, *_: Any) -> bytes:
        bare["pdf"] = pdf
        return b""

    with patch("tests.verifier.lives.sealed", keep):
        certificate_of(world, right)
    writer: Any = IncrementalPdfFileWriter(io.BytesIO(bare["pdf"]))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Rotate"] = type(page["/StructParents"])(180)
    writer.update_container(page)
    made = io.BytesIO()
    writer.write(made)
    at = closing(right.records)
    return asyncio.run(sealed(made.getvalue(), world.pdf_seal, _stamper(world, at), at))


def turn_a_page_in_the_seals_own_update(world: World, right: Plan) -> bytes:
    """One update, as ours has one, that holds more than the seal."""

    class Turning(pades._Writer):
        def __init__(self, pdf: io.BytesIO) -> None:
            super().__init__(pdf)
            opened: Any = self
            page = opened.root["/Pages"]["/Kids"][0]
            page["/Rotate"] = type(page["/StructParents"])(180)
            opened.update_container(page)

    with patch.object(pades, "_Writer", Turning):
        return certificate_of(world, right)


FORGED: dict[str, Forge] = {
    one.__name__: one
    for one in (
        lie_about_the_end,
        lie_about_a_time,
        leave_out_what_is_not_proven,
        name_another_trust_folder,
        leave_out_a_time_token,
        cover_it_with_another_page,
        turn_a_page_in_the_seals_own_update,
    )
}


@pytest.mark.parametrize("name", FORGED)
def test_prose_that_says_something_else(world: World, right: Plan, trust: Trust, name: str) -> None:
    bundle = of(world, right, FORGED[name](world, right))
    plain = verify(bundle, trust)
    assert (plain.exit_code, heads(plain)[-1]) == (0, "head.prose"), "nobody can tell from the records alone"
    report = verify(bundle, trust, reset=set_again)
    assert (report.exit_code, text_of(report)) == (1, ["text.differs"])
    assert "head.prose" not in heads(report)


def test_a_certificate_that_tells_of_another_life(world: World, trust: Trust) -> None:
    told, other = write_life(), write_life(("submitted", "announcement_offered", "announcement_accepted", "refused"))
    report = verify(
        make_bundle(world, told, prose=plan(world, seal_records(world, other)).records), trust, reset=set_again
    )
    assert (report.exit_code, text_of(report)) == (1, ["text.differs"])
    assert text_of(verify(make_bundle(world, told), trust, reset=set_again)) == ["text.ok"]


def renamed(pdf: bytes, **values: str) -> making.Making:
    found = making.read_making(pdf)
    assert found is not None
    return replace(found, **values)


@pytest.mark.parametrize(
    ("values", "code", "exit_code"),
    [
        ({"zone": "Pacific/Kiritimati"}, "text.inputs", 1),
        ({"language": "xx"}, "text.inputs", 1),
        ({"verify": "https://evil.example/verify"}, "text.differs", 1),
        ({"typst": "0.14.0"}, "text.ok", 0),  # what it names does not matter where all else is the same
    ],
)
def test_what_else_goes_into_it_is_held_against_the_records(
    world: World, right: Plan, trust: Trust, values: dict[str, str], code: str, exit_code: int
) -> None:
    named = renamed(certificate_of(world, right), **values)
    with patch("sealpost.seal.certificate.certificate.made_here", return_value=named):
        bundle = of(world, right, certificate_of(world, right))
    report = verify(bundle, trust, reset=set_again)
    assert (text_of(report), report.exit_code) == ([code], exit_code)


def test_another_verifiers_page_is_not_proven(world: World, right: Plan, trust: Trust) -> None:
    with patch.object(again, "_addresses", return_value={"https://other.example/verify"}):
        report = verify(of(world, right, certificate_of(world, right)), trust, reset=set_again)
    assert (text_of(report), report.exit_code, heads(report)[-1]) == (["text.address"], 2, "head.prose")


def test_other_versions_are_named_and_prove_nothing(world: World, right: Plan, trust: Trust) -> None:
    named = renamed(certificate_of(world, right), template="0.0.9-abc", typst="0.14.0")
    with patch("sealpost.seal.certificate.certificate.made_here", return_value=named):
        bundle = of(world, right, lie_about_the_end(world, right))
    report = verify(bundle, trust, reset=set_again)
    (claim,) = [one for one in report.claims if one.check == "text"]
    assert (claim.why, report.exit_code, heads(report)[-1]) == ("text.versions", 2, "head.prose")
    for language in LANGUAGES:
        assert "template 0.0.9-abc, typst 0.14.0" in claim.words(language)
        assert making.template_version() in claim.words(language)


def test_a_certificate_of_before_names_nothing(world: World, right: Plan, trust: Trust) -> None:
    with patch.object(making.Making, "keywords", ["old"]):
        bundle = of(world, right, certificate_of(world, right))
    report = verify(bundle, trust, reset=set_again)
    assert (text_of(report), report.exit_code) == (["text.unnamed"], 2)


def test_nothing_is_set_from_a_file_that_is_wrong(world: World, right: Plan, good: bytes, trust: Trust) -> None:
    def never(_: object) -> Any:
        raise AssertionError("it was set")

    report = verify(good[:-1], trust, reset=never)
    assert report.exit_code == 1
    wrong = bundled(world, replace(right, mails=((2, "announcement.eml", b"another"),)))
    report = verify(wrong, trust, reset=never)
    assert (text_of(report), heads(report)[-1]) == (["text.skipped"], "head.prose")


def test_the_command(good: bytes, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle, folder = tmp_path / "e.asice", tmp_path / "trust"
    bundle.write_bytes(good)
    for name, octets in world.trust_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(octets)
    asked = [str(bundle), "--trust", str(folder), "--language", "en"]
    assert command.run(asked) == 0
    said = capsys.readouterr().out
    assert WORDS["head.prose"]["en"] in said.partition("[+]")[0], "in the head"
    assert re.search(r"Fingerprint of your trust folder: [0-9a-f]{64}", said.partition("[+]")[0])
    assert command.run([*asked, "--reset-certificate"]) == 0
    said = capsys.readouterr().out
    assert WORDS["head.prose"]["en"] not in said
    assert WORDS["text.ok"]["en"] in said


def test_without_the_service_it_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with patch.dict("sys.modules", {"sealpost.seal.certificate.again": None}):
        assert command.run([str(tmp_path / "e.asice"), "--reset-certificate", "--language", "en"]) == 3
    assert "sealpost[server]" in capsys.readouterr().err
