"""What is right is PASS, what is missing is NOT PROVEN, and whose keys count is for the trust folder to say."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from sealpost.cli.verify import run
from sealpost.domain import suites
from sealpost.domain.policy import read_policy
from sealpost.domain.records import EVENTS
from sealpost.seal import pki
from sealpost.verifier import tables
from sealpost.verifier.report import Report, Unusable
from sealpost.verifier.trust import Trust, read_trust, trust_of
from sealpost.verifier.verify import verify
from tests.verifier.lives import (
    LIFE,
    SPOKEN,
    START,
    WITNESS,
    Plan,
    World,
    bundled,
    entries,
    issuer,
    plan,
    spoken,
    whole_bundle,
)
from tests.verifier.tampering import cases, members_of, replaced, zipped


def verdicts(report: Report) -> dict[str, str]:
    return {one: found for one in tables.CHECKS if (found := report.verdict(one))}


def codes(report: Report, verdict: str) -> set[str]:
    return {one.why for one in report.claims if one.verdict == verdict}


def test_a_right_bundle_passes_every_check(good: bytes, trust: Trust) -> None:
    report = verify(good, trust)
    assert report.exit_code == 0
    assert verdicts(report) == dict.fromkeys(
        [one for one in tables.CHECKS if one not in {"trust", "text", "tls", "earlier", "audit"}], "PASS"
    )
    assert {one.why for one in report.remarks} == {"remark.later", "remark.read"}
    heads = ["head.as_of", "head.trust", "head.prose"]
    assert [one.why for one in report.heads] == heads
    assert [one["why"] for one in report.as_json()["heads"]] == heads
    assert [one.event for one in report.time_line][:3] == [
        "SubmissionAcceptance",
        "announcement_offered",
        "NotificationForAcceptance",
    ]
    assert report.time_line[2].line == "250 2.0.0 Ok: queued as 4XsT9k2n1zB"


def test_the_time_line_says_whose_word_it_is(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.asice"
    path.write_bytes(spoken(world, SPOKEN))
    report = verify(path.read_bytes())
    told = [(one["event"], one["by"]) for one in report.as_json()["timeLine"]]
    assert told == [
        ("SubmissionAcceptance", ""),
        ("announcement_offered", ""),
        ("NotificationForAcceptance", "relay"),
        ("NotificationForAcceptanceFailure", "bounce"),
        ("NotificationDelivered", "bounce"),
        ("NotificationAccessTracking", "program"),
        ("ConsignmentAcceptance", ""),
        ("content_offered", ""),
        ("RelayToNonERDS", "relay"),
        ("RelayToNonERDSFailure", "bounce"),
    ]
    run([str(path), "--lang", "en"])
    printed = capsys.readouterr().out
    assert printed.count("by a relay server (not by the recipient’s mail server)") == 2
    assert printed.count("says a returned mail (whoever has the mail could have written it)") == 3
    assert "accepted by the recipient’s mail server" not in printed


def test_the_recipients_own_server_stays_what_it_is(world: World) -> None:
    said = {"announcement_accepted": {"smtp": {"by": "direct"}}, "announcement_failed": {"smtp": {"by": ["relay"]}}}
    assert [one.event for one in verify(spoken(world, said)).time_line][1:] == [
        "NotificationForAcceptance",
        "NotificationForAcceptanceFailure",
    ]


def test_other_lives_pass(world: World, trust: Trust) -> None:
    for kinds in (LIFE[:1], LIFE[:3], (*LIFE[:3], "refused"), (*LIFE[:3], "expired"), (*LIFE[:3], "withdrawn")):
        report = verify(whole_bundle(world, kinds), trust)
        assert codes(report, "FAIL") == set(), kinds
        assert report.exit_code == 0, (kinds, codes(report, "NOT PROVEN"))


def test_without_trust_consistency_is_all_there_is(good: bytes) -> None:
    report = verify(good)
    assert report.exit_code == 2
    assert codes(report, "FAIL") == set()
    wanted = {
        "seal.signer",
        "log.trust",
        "witness.trust",
        "time.trust",
        "dating.trust",
        "container.signer",
        "pdf.signer",
    }
    wanted |= {"signer.unknown", "dating.trust"}
    assert codes(report, "NOT PROVEN") == wanted


def test_keys_of_somebody_else_never_pass(good: bytes, world: World, tmp_path: Path) -> None:
    charlie = World(tmp_path / "keys")
    report = verify(good, charlie.trust())
    assert codes(report, "FAIL") >= {"seal.chain", "log.signature", "container.token", "pdf.token"}
    only_seals = replace(world.trust(), roots=charlie.trust().roots)
    assert codes(verify(good, only_seals), "FAIL") == {"seal.chain", "container.chain", "pdf.chain"}
    whole = whole_bundle(charlie)  # made anew from first to last with other keys
    assert verify(whole, world.trust()).exit_code == 1
    assert verify(whole).exit_code == 2
    mixed = replace(world.trust(), policy=charlie.trust().policy)
    assert codes(verify(good, mixed), "FAIL") == {"log.signature"}
    assert codes(verify(good, replace(world.trust(), tsa_roots=charlie.trust().roots)), "FAIL") == {
        "time.authority",
        "container.token",
        "pdf.token",
    }
    assert "time.authority" in codes(verify(good, replace(world.trust(), tsa_roots=())), "FAIL")


def test_another_log_is_not_known(good: bytes, world: World) -> None:
    unknown = World.policy(replace_origin(world))
    assert "log.unknown" in codes(verify(good, replace(world.trust(), policy=read_policy(unknown))), "FAIL")


def replace_origin(world: World) -> World:
    made = object.__new__(World)
    for name in ("log_keys", "witness_keys", "witness_name"):
        setattr(made, name, getattr(world, name))
    made.origin = "log.other.example/log/2026"
    return made


def test_pending_records_are_not_proven(world: World, trust: Trust) -> None:
    report = verify(bundled(world, plan(world, pending=2)), trust)
    assert report.exit_code == 2
    assert codes(report, "NOT PROVEN") == {"inclusion.pending", "seal.time", "dating.none"}


def test_what_is_left_out_is_not_proven(world: World, right: Plan, trust: Trust) -> None:
    report = verify(bundled(world, replace(right, contents=right.contents[:1], mails=())), trust)
    assert report.exit_code == 2
    assert codes(report, "NOT PROVEN") == {"content.absent", "mail.absent"}
    silent = replace(right.checkpoints[0], tokens=())
    report = verify(bundled(world, replace(right, checkpoints=(silent, *right.checkpoints[1:]))), trust)
    assert codes(report, "NOT PROVEN") == {"time.missing", "seal.time", "dating.none"}
    assert report.exit_code == 2


def test_a_renewed_time_token(world: World, right: Plan, trust: Trust) -> None:
    first = right.checkpoints[0]
    again = world.stamp(first.text + first.tokens[0], START + timedelta(days=300))
    third = world.stamp(first.text + first.tokens[0] + again, START + timedelta(days=600))
    renewed = replace(first, tokens=(*first.tokens, again, third))
    report = verify(bundled(world, replace(right, checkpoints=(renewed, *right.checkpoints[1:]))), trust)
    assert report.exit_code == 0
    assert len(report.of("time")) == 5


def test_a_second_log_of_a_year(tmp_path: Path) -> None:
    moved = World(tmp_path / "keys", origin="log.sealpost.example/log/2026-2")
    made = plan(moved)
    named = replace(made, checkpoints=tuple(replace(one, log="2026-2") for one in made.checkpoints))
    assert verify(bundled(moved, named), moved.trust()).exit_code == 0


@pytest.mark.parametrize("name", ["２０２６", "20_26", "-2026", "٢٠٢٦", "2026-２", "20260", "2026-00001"])
def test_a_log_whose_name_is_no_number(tmp_path: Path, name: str) -> None:
    """`int` takes more than the digits of ASCII; which log comes first must not hang on that."""
    found = World(tmp_path / "keys", origin=f"log.sealpost.example/log/{name}")
    failed = codes(verify(whole_bundle(found), found.trust()), "FAIL")
    assert {"log.several", "order.malformed"} <= failed


def test_a_seal_with_a_content_of_no_octets(world: World, right: Plan, good: bytes, trust: Trust) -> None:
    """It is detached, or it is not: two readers must not differ on what it is over."""
    made = dict(cases(world, right, good))["p7s with an empty content"]()
    assert codes(verify(made, trust), "FAIL") == {"container.malformed"}


def test_a_decision_without_its_own_time_is_not_proven(world: World, trust: Trust) -> None:
    report = verify(bundled(world, plan(world, entries(world, stamped=False))), trust)
    assert (report.exit_code, codes(report, "NOT PROVEN")) == (2, {"time.decisive"})


def test_witnesses(world: World, good: bytes, trust: Trust, tmp_path: Path) -> None:
    unwitnessed = bundled(world, plan(world, witnessed=False))
    assert codes(verify(unwitnessed, trust), "NOT PROVEN") == {"witness.none"}
    nobody = replace(trust, policy=read_policy(world.policy(quorum="none")))
    assert codes(verify(good, nobody), "NOT PROVEN") == {"witness.quorum"}
    own = World(tmp_path / "keys", witness_name="witness.sealpost.example/w")
    assert codes(verify(whole_bundle(own), own.trust()), "NOT PROVEN") == {"witness.dependent"}
    other = (
        World(tmp_path / "other", witness_name=WITNESS).policy().splitlines()[2].replace("witness bob", "witness eve")
    )
    both = world.policy().replace("group any-of-them any bob bob-pq", f"{other}\ngroup any-of-them all bob eve")
    assert codes(verify(good, replace(trust, policy=read_policy(both))), "NOT PROVEN") == {"witness.unmet"}


def test_revoked_certificates(world: World, good: bytes, trust: Trust) -> None:
    ours = world.keys.certificates("root", 1)[0], world.keys.key("root", 1)
    theirs = world.authority.root, world.authority.root_key
    revoked = {
        "seal.revoked": (world.keys.certificates("record-seal", 1)[0], ours),
        "container.revoked": (world.keys.certificates("pdf-seal", 1)[0], ours),
        "time.revoked": (world.authority.certificate, theirs),
    }
    for code, (certificate, (root, key)) in revoked.items():
        for days, found in ((-1, True), (30, False)):
            at = START + timedelta(days=days)
            entry = (
                x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(at).build()
            )
            builder = x509.CertificateRevocationListBuilder(root.subject, START, START + timedelta(days=9))
            signed = builder.add_revoked_certificate(entry).sign(key, SHA256())  # pyright: ignore[reportArgumentType]
            report = verify(good, replace(trust, revocations=(signed,)))
            assert (code in codes(report, "FAIL")) is found, code
    assert codes(verify(good, replace(trust, revocations=())), "NOT PROVEN") == {"signer.unlisted"}


def test_a_rotated_key_and_an_old_log_key_stay_good(world: World, good: bytes, tmp_path: Path) -> None:
    moved = World(tmp_path / "keys")
    before = whole_bundle(moved)
    pki.rotate(moved.keys, "root", issuer(), START)
    pki.rotate(moved.keys, "record-seal", issuer(), START)
    moved.record_seal = moved.keys.signer("record-seal")
    assert moved.record_seal.number == 2
    assert verify(before, moved.trust()).exit_code == 0
    assert verify(whole_bundle(moved), moved.trust()).exit_code == 0


def test_receives_paths_and_open_files(good: bytes, trust: Trust, tmp_path: Path) -> None:
    path = tmp_path / "evidence.asice"
    path.write_bytes(good)
    with path.open("rb") as file:
        assert verify(path, trust).as_json() == verify(file, trust).as_json()
    for bad in (b"", b"PK\3\4", b"%PDF-1.7", good[1:]):
        with pytest.raises(Unusable):
            verify(bad, trust)
    with pytest.raises(Unusable):
        verify(tmp_path / "nothing.asice", trust)


def test_deflated_members_are_read(world: World, good: bytes, trust: Trust) -> None:
    assert verify(zipped(members_of(good), packing=8), trust).exit_code == 0


def test_trust_folders(world: World, tmp_path: Path) -> None:
    files = world.trust_files()
    for name in ("roots.pem", "policy"):
        with pytest.raises(Unusable):
            trust_of({one: octets for one, octets in files.items() if one != name})
        with pytest.raises(Unusable):
            trust_of({**files, name: b"rubbish"})
    with pytest.raises(Unusable):
        trust_of({**files, "revoked/x.crl": b"rubbish"})
    with pytest.raises(Unusable):
        read_trust(tmp_path / "nowhere")


def test_the_command(world: World, good: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, folder = tmp_path / "evidence.asice", tmp_path / "trust"
    file.write_bytes(good)
    for name, octets in world.trust_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(octets)
    for language, word in {"nl": "KLOPT", "en": "PASS", "de": "STIMMT", "fr": "CONFORME"}.items():
        assert run([str(file), "--trust", str(folder), "--language", language]) == 0
        printed = capsys.readouterr().out
        assert word in printed
        assert "250 2.0.0 Ok: queued as 4XsT9k2n1zB" in printed
    assert run([str(file), "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["exit"] == 2
    assert report["checks"]["chain"] == "PASS"
    assert {"check", "about", "verdict", "why", "words", "values"} == set(report["claims"][0])
    file.write_bytes(zipped(replaced(members_of(good), "records/003.salt", bytes(32))))
    assert run([str(file), "--trust", str(folder)]) == 1
    file.write_bytes(b"no bundle")
    assert run([str(file)]) == 3
    file.write_bytes(good)
    assert run([str(file), "--trust", str(tmp_path / "nowhere")]) == 2
    for wrong in ([], [str(file), "--nonsense"], [str(file), "--language", "es"]):
        with pytest.raises(SystemExit) as ended:
            run(wrong)
        assert ended.value.code == 3


def test_hostile_text_cannot_move_the_terminal(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "evidence.asice"

    def change(_seq: int, value: dict[str, dict[str, dict[str, list[dict[str, str]]]]]) -> None:
        value["UserContentInfo"]["PartsInfo"]["PartInfo"][0]["Identifier"] = "\x1b[2J\u202eevil\r\n\x9b"

    made = replace(plan(world, entries(world, change=change)), certificate=b"%PDF-1.7")
    file.write_bytes(bundled(world, made))
    assert run([str(file)]) == 1
    printed = capsys.readouterr().out
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed)


def test_words_and_rules_are_complete() -> None:
    assert set(tables.VERDICTS) <= set(tables.WORDS)
    for code, texts in tables.WORDS.items():
        assert set(texts) == set(tables.LANGUAGES), code
        assert all(one and "|" not in one for one in texts.values()), code
        names = {frozenset(re.findall(r"{(\w+)}", one)) for one in texts.values()}
        assert len(names) == 1, code
    for event in (*tables.RULES["events"], *tables.RULES["ownEvents"]):
        assert f"event.{event}" in tables.WORDS
    named = tables.RULES["events"] + tables.RULES["ownEvents"]
    assert {one for events in tables.ORDER.values() for one in events} <= set(named)
    assert all(f"{check}.malformed" in tables.VERDICTS for check in tables.CHECKS)
    for code in tables.VERDICTS:
        assert code.partition(".")[0] in tables.CHECKS


def test_every_code_in_the_source_is_in_the_table() -> None:
    here = Path(tables.__file__).parent
    source = "".join(path.read_text() for path in here.glob("*.py"))
    used = set(re.findall(r'(?:say|Said|remark|_refuse)\(\s*"([a-z]+\.[a-z_]+)"', source))
    shared = set(re.findall(r'f"\{check(?:_id)?\}\.([a-z]+)"', source))
    used |= {f"{check}.{one}" for one in shared - {"malformed"} for check in ("container", "pdf")}
    assert len(used) > 80
    assert used <= set(tables.WORDS)


def test_the_suites_are_those_that_seal() -> None:
    for one in suites.SUITES:
        found = tables.suite(one.name)
        assert found is not None
        assert (found["since"], found["until"]) == (one.since.isoformat(), one.until.isoformat())
        assert (found["seal"], found["digest"], tuple(found["log"])) == (one.record_seal, one.digest, one.log)
    assert len(suites.SUITES) == len(tables.RULES["suites"])


def test_events_are_those_that_are_recorded() -> None:
    for kind, name in EVENTS.items():
        assert (name or kind) in {*tables.RULES["events"], *tables.RULES["ownEvents"]}


def test_verify_runs_where_no_loop_is(good: bytes, trust: Trust) -> None:
    """It blocks and owns nothing: a service calls it in a thread."""

    async def call() -> int:
        return (await asyncio.to_thread(verify, good, trust)).exit_code

    assert asyncio.run(call()) == 0
