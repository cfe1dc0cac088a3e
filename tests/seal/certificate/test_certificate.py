"""The certificate: the same bytes for the same records, PDF/A-3a, everything embedded, everything said, nothing executed."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pikepdf
import pytest
from asn1crypto import cms
from hypothesis import given, settings
from hypothesis import strategies as st

from sealpost.domain.records import Event
from sealpost.seal.bundle.bundle import SealedRecord, StampedCheckpoint
from sealpost.seal.certificate import words
from sealpost.seal.certificate.certificate import certificate
from sealpost.seal.certificate.pades import sealed
from sealpost.seal.certificate.printable import PRINTED
from sealpost.seal.signer import SigningFailed
from sealpost.seal.timestamps.token import TimestampUnavailable
from sealpost.text import statements
from sealpost.text.catalogue import LANGUAGES, translator
from sealpost.text.sources import SIGNED_NOTES, SOURCE_NOTES
from sealpost.text.statuses import SOURCED_TEXTS, STATUS_TEXTS
from sealpost.verifier.timestamps import check_token
from tests.seal.bundle.lives import FINAL, NOW, Office, event, evidence, handed_over, office, part, subject, web
from tests.seal.bundle.tools import need, run

Ticket = tuple[list[SealedRecord], list[StampedCheckpoint]]
AMSTERDAM = ZoneInfo("Europe/Amsterdam")
URL = "https://sealpost.example/verify"
TRUST = "5f" * 32


def pdf_of(
    records: list[SealedRecord],
    language: str = "en",
    zone: ZoneInfo = AMSTERDAM,
    checkpoints: Sequence[StampedCheckpoint] = (),
) -> bytes:
    return certificate(records, checkpoints, language=language, verify_url=URL, zone=zone, trust=TRUST)


async def seal(pdf: bytes, at: Office) -> bytes:
    return await sealed(pdf, at.keys.signer("pdf-seal"), at.client.stamp, NOW)


def text_of(pdf: bytes, folder: Path) -> str:
    need("pdftotext")
    (folder / "a.pdf").write_bytes(pdf)
    said = run("pdftotext", "-raw", folder / "a.pdf", "-").replace("\u200b", "")
    return " ".join(said.split())


def embedded(pdf: bytes) -> dict[str, tuple[bytes, str]]:
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        return {
            name: (one.get_file().read_bytes(), str(one.obj.AFRelationship)) for name, one in opened.attachments.items()
        }


def files(records: list[SealedRecord]) -> dict[str, tuple[bytes, str]]:
    found: dict[str, tuple[bytes, str]] = {}
    for one in records:
        found[f"records/{one.seq:03}.json"] = (one.octets, "/Source")
        found[f"records/{one.seq:03}.jades.json"] = (one.seal, "/Data")
        found[f"records/{one.seq:03}.salt"] = (one.salt, "/Data")
        if one.proof is not None:
            found[f"proofs/{one.seq:03}.tlog-proof"] = (one.proof, "/Data")
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_records_give_the_same_octets(ticket: Ticket, language: str) -> None:
    records, _ = ticket
    first = pdf_of(records, language)
    assert first == pdf_of(list(reversed(records)), language)
    assert first != pdf_of(records[:-1], language)
    assert b"/CreationDate(D:20261123114045Z)" in first  # the last record's time


async def test_pdf_a_3a_with_every_file_as_it_is(ticket: Ticket, alices: Office) -> None:
    records, _ = ticket
    plain = pdf_of(records)
    octets = await seal(plain, alices)
    assert octets.startswith(plain)  # sealing only adds
    assert all(octets[one.start() - 1] == 10 for one in re.finditer(rb"\d+ 0 obj\n", octets))
    assert octets.startswith(b"%PDF-1.7\n")
    assert embedded(octets) == files(records)
    with pikepdf.open(io.BytesIO(octets)) as opened:
        with opened.open_metadata() as metadata:
            assert metadata.pdfa_status == "3A"
            assert metadata["xmp:ModifyDate"] == metadata["xmp:CreateDate"]
            assert metadata["dc:title"] == "Certificate about a message"
        assert "/Version" not in opened.Root  # pyHanko would say 2.0, which is not PDF/A-3
        assert "/Extensions" not in opened.Root
        assert len(opened.Root.AF) == len(files(records))  # type: ignore[arg-type]
        (field,) = opened.Root.AcroForm.Fields  # type: ignore[attr-defined]
        assert int(field.F) & 0b100  # printed, not hidden (ISO 19005-3, 6.3.2)
        assert int(field.F) & 0b100011 == 0
        assert str(field.V.SubFilter) == "/ETSI.CAdES.detached"
        assert str(field.V.M) == "D:20261123131502Z"


async def test_pdfsig_says_valid_and_finds_a_change(ticket: Ticket, alices: Office, tmp_path: Path) -> None:
    need("pdfsig", "qpdf")
    octets = await seal(pdf_of(ticket[0]), alices)
    path = tmp_path / "c.pdf"
    path.write_bytes(octets)
    said = run("pdfsig", path, ok=None)
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert "ETSI.CAdES.detached" in said
    assert "No syntax or stream encoding errors" in run("qpdf", "--check", path)
    place = octets.index(b"/CreationDate(D:2026") + len("/CreationDate(D:202")
    path.write_bytes(octets[:place] + b"7" + octets[place + 1 :])
    assert "Signature is Valid" not in run("pdfsig", path, ok=None)


async def test_without_a_time_token_or_a_key_there_is_no_seal(ticket: Ticket, alices: Office) -> None:
    async def away(_: bytes) -> bytes:
        raise TimestampUnavailable("the time stamp authority is away")

    with pytest.raises(TimestampUnavailable):
        await sealed(pdf_of(ticket[0]), alices.keys.signer("pdf-seal"), away, NOW)
    with pytest.raises(SigningFailed):
        await sealed(pdf_of(ticket[0]), alices.keys.signer("log-ed25519"), alices.client.stamp, NOW)


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_says_everything_in_every_language(ticket: Ticket, tmp_path: Path, language: str) -> None:
    said = text_of(pdf_of(ticket[0], language), tmp_path)
    literal = [
        "K.Zk3vQ9pR7mX2sL8tYb4wHd",
        "Alice Incasso N.V.",
        "bob@example.com",
        "alice@example.org",
        "oauth2-client-credentials",
        FINAL,
        "mx1.example.com [192.0.2.25]",
        "11:15:04.906 CET",
        "2026-11-23 10:15:04.906 UTC",
        "f43562b1b333ad5c5101b07fb2d02d7c62a35325e2ab78b1b54a8eae0dea285c",
        "notice.pdf",
        "sealpost.example/log/2026 · 42",
        URL,
    ]
    dense = said.replace(" ", "")
    assert [one for one in literal if one.replace(" ", "") not in dense] == []
    gettext = translator(language).gettext
    wanted = [words.TITLE, words.NOT_READ, words.NOT_ADDRESSEE, words.NOT_QUALIFIED, words.NOT_PENDING]
    wanted += [words.HEADINGS["pending"], words.HEADINGS["test_sentence"], words.NOT_IDENTIFIED]
    assert [one for one in wanted if " ".join(gettext(one).split()) not in said] == []
    page = gettext(words.HEADINGS["page"]) % {"page": 1, "pages": 3}
    assert page in said


async def test_a_live_one_bears_no_test_mark_and_an_open_one_says_so(tmp_path: Path) -> None:
    live = office(tmp_path, environment="live")
    records, _ = await evidence(live, events=[event("submitted", 0)])
    await live.client.close()
    said = text_of(pdf_of(records), tmp_path)
    assert "TEST" not in said
    assert "Open: no decision yet" in said
    assert "No mail server has accepted an announcement so far" in said
    assert "Somebody" not in said
    assert "not yet in the log" not in said


@pytest.mark.parametrize(
    ("kind", "reasons", "sentence"),
    [
        ("refused", [("refused-by-recipient", "not mine")], "The recipient’s reason, literally: not mine"),
        ("expired", [("term-over", "")], "It was neither accepted nor refused within the collection period"),
        ("withdrawn", [("withdrawn-by-sender", "")], "The sender withdrew it on"),
    ],
)
async def test_each_end_has_its_sentence(
    alices: Office, tmp_path: Path, kind: str, reasons: list[tuple[str, str]], sentence: str
) -> None:
    last = event(kind, 900, *reasons, extension=web(kind, ["prefetch-header"]), late=7_200)
    records, _ = await evidence(alices, events=[event("submitted", 0), handed_over("reminder_accepted", 2), last])
    said = text_of(pdf_of(records), tmp_path)
    assert sentence in said
    assert "Recorded only at Monday, 23 November 2026, 13:30:02 CET" in said
    assert "Signs of a program instead of a person: fetched in advance" in said
    assert "Reminder accepted by mail server" in said


def relayed(kind: str, seconds: float) -> Event:
    one = handed_over(kind, seconds)
    return replace(one, extension={"smtp": one.extension["smtp"] | {"by": "relay"}})


def bounced(kind: str, seconds: float, *reasons: tuple[str, str]) -> Event:
    facts = {"by": "report", "diagnostic": "550 5.1.1 No Bob here"}
    return event(kind, seconds, *reasons, extension={"bounce": facts}, mail=(kind.partition("_")[0], 1))


def shown(message: str, language: str, **values: str) -> str:
    text = translator(language).gettext(message)
    # pdftotext leaves narrow spaces out.
    return " ".join((text % values if values else text).replace("\u202f", "").split())


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_relays_answer_is_not_the_recipients_servers(alices: Office, tmp_path: Path, language: str) -> None:
    life = [
        event("submitted", 0),
        relayed("announcement_accepted", 2),
        event("accepted", 60, extension=web("accepted")),
    ]
    records, _ = await evidence(alices, events=[*life, relayed("content_delivered", 70)])
    said = text_of(pdf_of(records, language), tmp_path)
    titles = [SOURCED_TEXTS["relay"][kind] for kind in ("announcement_accepted", "content_delivered")]
    wanted = [words.REACHED_RELAY, words.NOT_RELAYED, *titles]
    assert [one for one in wanted if shown(one, language) not in said] == []
    assert said.count(shown(SOURCE_NOTES["relay"], language)) == 3  # the headline, and both answers
    never = [words.REACHED, words.NOT_MX, STATUS_TEXTS["announcement_accepted"], STATUS_TEXTS["content_delivered"]]
    assert [one for one in never if shown(one, language) in said] == []
    assert shown(words.PROVES_REACHED, language).partition("%")[0] not in said
    assert shown(statements.SERVER, language, server="mx1") not in said
    assert shown(statements.RELAY_SERVER, language, server="mx1") in said


async def test_an_answer_of_the_recipients_server_comes_before_a_relays(alices: Office, tmp_path: Path) -> None:
    direct = handed_over("reminder_accepted", 3_600)
    records, _ = await evidence(alices, events=[event("submitted", 0), relayed("announcement_accepted", 2), direct])
    said = text_of(pdf_of(records), tmp_path)
    assert "Reached the recipient’s mail server Monday, 23 November 2026, 12:15:02 CET" in said
    assert words.NOT_RELAYED in said


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_a_returned_mail_says_is_its_own_word(alices: Office, tmp_path: Path, language: str) -> None:
    life = [event("submitted", 0), handed_over("announcement_accepted", 2)]
    failed = bounced("announcement_failed", 60, ("unknown", "550 5.1.1 No Bob here"))
    delivered = bounced("reminder_delivered", 90)
    records, _ = await evidence(alices, events=[*life, failed, delivered])
    said = text_of(pdf_of(records, language), tmp_path)
    assert shown(words.NOT_RETURNED, language) in said
    assert said.count(shown(SOURCE_NOTES["bounce"], language)) == 2
    assert shown(statements.REASON, language, reason=shown(statements.CLASSES["unknown"], language)) in said
    assert f"{shown(statements.RETURNED_SAID, language)} 550 5.1.1 No Bob here" in said
    assert shown(SOURCED_TEXTS["bounce"]["announcement_failed"], language) in said
    assert language == "en" or "unknown" not in said
    without, _ = await evidence(alices, events=life)
    assert shown(words.NOT_RETURNED, language) not in text_of(pdf_of(without, language), tmp_path)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_who_signed_a_returned_mail(alices: Office, tmp_path: Path, language: str) -> None:
    life, failed = [event("submitted", 0)], bounced("announcement_failed", 60, ("unknown", ""))
    one = {"mechanism": "dkim", "domain": "mx.example.com", "result": "pass"}
    for found, note in (
        ({"result": "pass", "signatures": [one]}, SIGNED_NOTES["pass"]),
        ({"result": "none"}, SIGNED_NOTES["none"]),
    ):
        facts = {"bounce": {**failed.extension["bounce"], "authenticated": found}}
        records, _ = await evidence(alices, events=[*life, replace(failed, extension=facts)])
        said = text_of(pdf_of(records, language), tmp_path)
        assert shown(note, language, by="mx.example.com (DKIM)") in said
        assert (shown(words.NOT_SIGNED, language) in said) == (found["result"] == "pass")


async def test_a_reason_is_in_the_readers_words(alices: Office, tmp_path: Path) -> None:
    failed = event("announcement_failed", 60, ("unreachable", "no connection"), mail=("announcement", 1))
    records, _ = await evidence(alices, events=[event("submitted", 0), failed])
    assert "Reden: server niet bereikbaar" in text_of(pdf_of(records, "nl"), tmp_path)


HOSTILE = [
    '#panic("x")',
    "*b* _i_ $x^2$ `c` @ref <label> = heading",
    "\\u{202e} \u202eevil\u202c",
    "שלום \u05e9\u0300\u0301\u0302\u0303",
    "]#{let x = 1}[",
    "\0\x1b[31m\ud800",
    "S" * 500,
    "中文😀",
    "\u0e3f\u0484 d\u00e9cembre",  # each has a glyph, together they have none
    "soft\u00adhyphen \u115ffiller \u3164 \u180e \U000e0041tag \u2066isolated\u2069",
    '","test":true,"x":"',
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_is_only_text(alices: Office, tmp_path: Path, text: str) -> None:
    text_in_record = text.replace("\ud800", "")
    told = subject(
        account_name=text_in_record,
        recipient_name=text_in_record,
        own_id=text_in_record,
        parts=(part(text_in_record, "text/plain", b"x"),),
    )
    records, _ = await evidence(
        alices, told, [event("submitted", 0), handed_over("announcement_accepted", 2, text_in_record)]
    )
    octets = pdf_of(records)
    assert embedded(octets) == files(records)
    said = text_of(octets, tmp_path)
    assert "\u202e" not in said
    hidden = [one for one in text if ord(one) in {0xAD, 0x115F, 0x3164, 0x180E, 0xE0041, 0x2066, 0x202E}]
    assert [one for one in hidden if one in said or f"\u27e8U+{ord(one):04X}\u27e9" not in said] == []
    if text.isascii() and text.isprintable():
        assert said.replace(" ", "").count(text.replace(" ", "")) >= 5


@pytest.fixture(scope="session")
def first(ticket: Ticket) -> Callable[[], SealedRecord]:
    """The first record, behind a name that hypothesis can print."""
    return lambda: ticket[0][0]


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=300) | st.text(sorted(PRINTED), max_size=300))
def test_any_text_makes_a_certificate(first: Callable[[], SealedRecord], text: str) -> None:
    record = first()
    members: dict[str, Any] = json.loads(record.octets)
    members["SenderDetails"]["Identity"]["Attribute"][0]["AttributeValue"] = [text]
    members["UserContentInfo"]["PartsInfo"]["PartInfo"][1]["Identifier"] = text
    changed = replace(record, octets=json.dumps(members).encode())
    assert pdf_of([changed]).startswith(b"%PDF-1.7")


async def test_forty_records_run_over_pages_with_their_heads(alices: Office, tmp_path: Path) -> None:
    events = [
        event("submitted", 0),
        *(handed_over("announcement_delayed", 60 * one, "450 4.2.0 Greylisted") for one in range(1, 40)),
    ]
    records, _ = await evidence(alices, events=events)
    said = text_of(pdf_of(records, "en"), tmp_path)
    assert len(re.findall("Claimed time Proven not later than Event", said)) > 3
    assert said.count("450 4.2.0 Greylisted") == 39


def test_no_records_no_certificate() -> None:
    with pytest.raises(ValueError, match="needs records"):
        pdf_of([])


async def test_the_seal_is_b_t_and_holds_only_what_is_used(ticket: Ticket, alices: Office) -> None:
    octets = await seal(pdf_of(ticket[0]), alices)
    with pikepdf.open(io.BytesIO(octets)) as opened:
        (field,) = opened.Root.AcroForm.Fields  # type: ignore[attr-defined]
        first, length, second, rest = (int(one) for one in field.V.ByteRange)
        contents = bytes(field.V.Contents)
    assert (first, second + rest) == (0, len(octets))
    gap = octets[length:second]
    assert gap.upper() == b"<" + contents.hex().upper().encode() + b">"
    parsed: Any = cms.ContentInfo.load(contents)
    assert contents == parsed.dump() + bytes(len(contents) - len(parsed.dump()))
    (signer,) = parsed["content"]["signer_infos"]
    assert [one.dump() for one in parsed["content"]["certificates"]] == list(
        alices.keys.signer("pdf-seal").certificates
    )
    names = {one["type"].dotted for one in signer["signed_attrs"]}
    content_type, digest, certificate_v2 = (f"1.2.840.113549.1.9.{one}" for one in ("3", "4", "16.2.47"))
    assert names == {content_type, digest, certificate_v2}
    (stamp,) = signer["unsigned_attrs"]
    assert check_token(stamp["values"][0].dump(), signer["signature"].native).at == NOW
