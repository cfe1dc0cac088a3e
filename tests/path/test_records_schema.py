"""Every kind of record, made on its real path, is valid against the published schema, canonical, and chained."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from jsonschema.validators import validator_for

from sealpost.domain.canonical import digest, instant
from sealpost.domain.content import Part
from sealpost.domain.ids import uuid7
from sealpost.domain.records import EVENTS, INSTALLATION, Event, Issuer, Link, Subject, make
from sealpost.usecases.decide import decide
from sealpost.usecases.hand_out import hand_out
from sealpost.usecases.installation import CHAIN, record_event
from sealpost.usecases.open_pickup import open_pickup
from tests.world import ACT, START, World

SCHEMA = Path(__file__).parents[3] / "shared" / "schemas" / "erds-evidence-en319522-3.schema.json"


@pytest.fixture(scope="module")
def validator() -> Any:
    if not SCHEMA.exists():
        pytest.skip("the published schema does not lie beside this checkout")
    whole = json.loads(SCHEMA.read_text())
    kind = validator_for(whole)
    checked = {"$ref": "#/definitions/Evidence", "definitions": whole["definitions"]}
    return kind(checked, format_checker=kind.FORMAT_CHECKER)


def check(octets: bytes, validator) -> dict:
    members = json.loads(octets)
    assert rfc8785.dumps(members) == octets
    validator.validate(members)
    return members


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_each_kind(kind: str, validator) -> None:
    issuer = Issuer(
        "https://sealpost.example/evidence", "Sealpost Test B.V.", "NTRNL-12345678", "test", {"name": "sealpost"}
    )
    part = Part("message_body", "text/plain; charset=utf-8", 3, hashlib.sha256(b"abc").digest())
    subject = Subject(
        "K.Zk3vQ9pR7mX2sL8tYb4wHd", START, "Alice Incasso N.V.", "alice@example.org", "client:client-7f3a",
        "oauth2-client-credentials", START, "bob@example.com", "Bob", "Notice", (part,),
    )  # fmt: skip
    line = {"by": "s", "at": instant(START), "line": "250 2.0.0 Ok"}
    event = Event(kind, START, START, (("a", "b"), ("c", "")), "mx.example.com", ({"type": "smtp", "lines": [line]},))
    record = make(issuer, subject, Link(2, bytes(32)), event, uuid7(START, bytes), {"source": "none"})
    members = check(record.octets, validator)
    assert ("ForwardedToExternalSystem" in members) == (kind in {"content_delivered", "content_failed"})
    assert hashlib.sha256(record.octets).digest() == record.sha256


async def test_records_about_the_installation(world: World, validator) -> None:
    for kind in sorted(INSTALLATION):
        await record_event(world.service, kind, {"number": 2})
    rows = await world.service.pool.fetch("select * from records where ticket_id = $1 order by seq", CHAIN)
    assert [row["kind"] for row in rows] == sorted(INSTALLATION)
    for row in rows:
        check(row["octets"], validator)


async def test_a_real_life_is_a_valid_chain(world: World, validator) -> None:
    token = await world.send(address_basis="He wrote from it on 3 November.")
    secret = world.secret()
    await open_pickup(world.service, token, [secret], ACT)
    world.clock.at = world.clock.at.replace(day=29, hour=8)
    await world.work_off()
    await decide(world.service, token, [secret], "accepted", "", ACT)
    await world.work_off()
    await hand_out(world.service, token, [secret], 0, ACT)

    records = await world.records(token)
    previous, seen = None, []
    for number, octets in enumerate(records, 1):
        members = check(octets, validator)
        ours = members["Extensions"][0]["sealpost/1"]
        assert (ours["seq"], ours["prev"]) == (number, digest(previous) if previous else None)
        assert members["MessageIdentifier"] == token
        previous = hashlib.sha256(octets).digest()
        seen.append(members["ERDSEventId"].rsplit("/", 1)[1])
    assert [name for name in seen if "#" not in name] == [
        "SubmissionAcceptance", "NotificationForAcceptance", "NotificationAccessTracking", "NotificationForAcceptance",
        "ConsignmentAcceptance", "RelayToNonERDS", "ContentHandover",
    ]  # fmt: skip
    kinds = await world.kinds(token)
    announced = json.loads(records[kinds.index("announcement_accepted")])
    smtp = announced["Extensions"][0]["sealpost/1"]["smtp"]
    raw = world.mailbox.mails[0][2]
    # The catcher's library keeps the exact octets; what the record says was sent is what arrived.
    assert base64.b64decode(smtp["sent"]["DigestValue"]) == hashlib.sha256(raw).digest()
    assert smtp["sent"]["size"] == len(raw)
    assert smtp["final"].startswith("250 ")
    lines = [line["line"] for line in announced["TransactionLogInformation"]["TransactionLog"][0]["lines"]]
    assert smtp["final"] in lines
    # Nothing in the evidence lets anyone act for the recipient.
    assert secret not in b"".join(records).decode()
