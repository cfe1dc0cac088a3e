"""Makes the certificate of a ticket: PDF/A-3a and PDF/UA-1 by typst from its records alone (evidence format, section 5).

For the use case that hands evidence out. The same records, language and zone give the same octets: typst is pinned with
its fonts (the lock file), no other fonts are looked for, and the document's date is that of the last record. Text from
records reaches the template as JSON, never as markup. CPU work of 10 to 20 ms: call it in a thread.
"""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import segno
import typst

from sealpost.seal.bundle import names
from sealpost.seal.bundle.bundle import SealedRecord, StampedCheckpoint
from sealpost.seal.certificate import story as stories
from sealpost.seal.certificate import view, words
from sealpost.seal.certificate.dating import Dating, date_records
from sealpost.seal.certificate.making import Making, made_here
from sealpost.seal.certificate.printable import printable
from sealpost.seal.certificate.story import Story
from sealpost.seal.certificate.view import Reader

STANDARDS: list[typst.PDFStandard] = ["ua-1", "a-3a"]
_FOLDER = Path(__file__).parent
_TEMPLATE = (_FOLDER / "template.typ").read_bytes()
_threads = threading.local()


class CannotPrint(ValueError):
    """typst cannot lay a text out; the sentence is typst's."""


def certificate(
    records: Sequence[SealedRecord],
    checkpoints: Sequence[StampedCheckpoint],
    *,
    language: str,
    verify_url: str,
    zone: ZoneInfo,
    trust: str,
    making: Making | None = None,
) -> bytes:
    """The certificate, not sealed yet.

    Args:
        records: all of a ticket; also those that are not in the log yet.
        checkpoints: that their proofs use, with their time tokens.
        language: one of ``LANGUAGES``, the reader's.
        verify_url: of the verifier's page, https; stands there as text, link and QR code.
        zone: of local times, the account's.
        trust: fingerprint of the trust folder (`domain.anchors`).
        making: what it shall say that it was made with; None: what makes it here.

    Returns:
        PDF/A-3a with tags, records, seals, salts and proofs embedded under their names in the bundle.

    Raises:
        ValueError: no records, or one that is not ours; or `CannotPrint`.
        KeyError: a record that is not ours, or another language.
    """
    story = stories.read(records)
    dated = date_records(story, records, checkpoints)
    named = making or made_here(language, zone.key, verify_url)
    whole = {"files": _files(records, Reader(language, zone)), "keywords": named.keywords, "trust": trust}
    try:
        return _compiled(_facts(story, dated, Reader(language, zone), verify_url) | whole)
    except CannotPrint:
        # A letter with marks that no font has together: rare enough to be found out here.
        return _compiled(_facts(story, dated, Reader(language, zone, marks=0), verify_url) | whole)


def _compiled(facts: dict[str, Any]) -> bytes:
    if not hasattr(_threads, "compiler"):
        _threads.compiler = typst.Compiler(root=_FOLDER, ignore_system_fonts=True)  # keeps fonts and what it parsed
    compiler: typst.Compiler = _threads.compiler
    inputs = {"facts": json.dumps(facts, ensure_ascii=False)}
    try:
        made = compiler.compile(_TEMPLATE, format="pdf", sys_inputs=inputs, pdf_standards=STANDARDS)
    except typst.TypstError as error:
        raise CannotPrint(error.message) from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        # typst's panic is a BaseException, which would end a worker for one odd text.
        del _threads.compiler
        raise CannotPrint(str(error)) from error
    assert isinstance(made, bytes)
    return made + b"\n"  # typst ends without it; the seal's first object begins a line (ISO 19005-3, 6.1.9)


def _facts(story: Story, dated: Mapping[int, Dating], reader: Reader, verify_url: str) -> dict[str, Any]:
    last, issuer = story.last.at.astimezone(UTC), story.first.members["EvidenceIssuerDetails"]
    legal_name = stories.attribute(issuer, "LegalName")
    return {
        "title": reader.text(words.TITLE),
        "language": reader.language,
        "date": [last.year, last.month, last.day, last.hour, last.minute, last.second],
        "test": story.is_test,
        "issuer": reader.shown(legal_name),
        "issued_by": reader.text(words.ISSUED_BY, issuer=legal_name, software=_software(story)),
        "reference": reader.shown(story.reference, 64),
        "as_of": reader.moment(story.last.recorded_at),
        "qr": _qr(verify_url),
        "verify_url": verify_url,
        "verify_shown": reader.shown(verify_url),
        "words": {name: reader.text(text) for name, text in words.HEADINGS.items()}
        | {
            "zone": reader.text(words.ZONE, zone=reader.zone.key),
            "times": reader.text(words.TIMES),
            "trust": reader.text(words.TRUST),
            "qr": reader.spoken(words.QR, address=verify_url),
        },
        "summary": view.summary(story, dated, reader),
        "parties": view.parties(story, reader),
        "parts": view.parts(story, reader),
        "events": [view.event(one, dated[one.seq], reader) for one in story.told],
        "proven": view.proven(story, dated, reader),
        "not_proven": view.not_proven(story, dated, reader),
        "checking": [
            reader.text(one) for one in (words.CHECK_RECORDS, words.CHECK_SEAL, words.CHECK_LETTERS, words.CHECK_FILE)
        ],
    } | _log(story)


def _software(story: Story) -> str:
    software = story.last.extension["software"]
    return " ".join(filter(None, (software.get("name", "Sealpost"), software.get("version", ""))))


def _log(story: Story) -> dict[str, Any]:
    trees = dict.fromkeys(one.place.tree for one in story.told if one.place)
    return {
        "prints": [
            {
                "number": str(one.seq),
                "sha256": one.sha256.hex(),
                "place": f"{printable(one.place.tree.origin)} · {one.place.index}" if one.place else "-",
            }
            for one in story.told
        ],
        "checkpoints": [
            {"log": printable(tree.origin), "size": str(tree.size), "root": tree.root.hex()} for tree in trees
        ],
    }


@lru_cache(maxsize=64)
def _qr(url: str) -> str:
    drawn = io.BytesIO()
    segno.make(url, error="m", micro=False).save(drawn, kind="svg", border=0, dark="#22262e", xmldecl=False)
    return drawn.getvalue().decode()


def _files(records: Sequence[SealedRecord], reader: Reader) -> list[dict[str, Any]]:
    """What is embedded: records are the document's source, the rest is data about them (PDF 2.0, table 43)."""
    found: list[dict[str, Any]] = []
    for one in sorted(records, key=lambda one: one.seq):
        number = str(one.seq)
        found.append(_file(names.record(one.seq), one.octets, reader.text(words.RECORD_FILE, number=number), "source"))
        if one.seal:
            found.append(_file(names.seal(one.seq), one.seal, reader.text(words.SEAL_FILE, number=number)))
        found.append(_file(names.salt(one.seq), one.salt, reader.text(words.SALT_FILE, number=number)))
        if one.proof is not None:
            found.append(_file(names.proof(one.seq), one.proof, reader.text(words.PROOF_FILE, number=number)))
    return found


def _file(name: str, octets: bytes, description: str, relationship: str = "data") -> dict[str, Any]:
    kind = "application/json" if name.endswith(".json") else "application/octet-stream"
    try:
        body: dict[str, Any] = {"text": octets.decode()}
    except UnicodeDecodeError:
        body = {"octets": list(octets)}
    return {"name": name, "type": kind, "relationship": relationship, "description": description} | body
