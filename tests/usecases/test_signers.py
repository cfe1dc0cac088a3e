"""Who signed what comes back: recorded with the bounce, told in each language, and never a reason to refuse it."""

from __future__ import annotations

from typing import Any

import pytest

from sealpost.domain.records import Event
from sealpost.domain.statement import Signed, Statement
from sealpost.mail import signers
from sealpost.store import tickets
from sealpost.text.catalogue import LANGUAGES
from sealpost.text.sources import signed_note, source_note
from sealpost.text.statements import explanations
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.reads.ticket import ticket
from sealpost.usecases.reads.tickets import Visible
from tests.mail.signing import Hanging, Names, key, sealed, signed
from tests.path.test_evidence import proven, sender_bundle, verified
from tests.usecases.test_returned import TAKEN, answer, bounce, give, last, message_id, path, rows, told
from tests.world import World

HERE, THERE = "mx.example.com", "forward.example.net"


@pytest.fixture
def dns() -> Names:
    found = Names()
    for domain in (HERE, THERE, "example.com"):
        found.texts[f"s1._domainkey.{domain}"] = (key()[1],)
    return found


async def recorded(world: World, token: str) -> dict[str, Any]:
    return (await last(world, token))["Extensions"][0]["sealpost/1"]["bounce"]["authenticated"]


async def bounced(world: World, octets: bytes, dns: Any) -> str:
    token = await world.send()
    assert await give(world, path(world, -1), octets, dns=dns) == TAKEN
    return token


async def test_a_signed_bounce(world: World, dns: Names) -> None:
    octets = signed(bounce())
    token = await bounced(world, octets, dns)
    found = await recorded(world, token)
    assert found == {
        "result": "pass",
        "signatures": [
            {
                "mechanism": "dkim", "domain": HERE, "selector": "s1", "result": "pass", "aligned": True, "key": key()[1],
                "dnssec": "insecure", "fields": ["from", "subject", "mime-version", "content-type"],
            }
        ],
    }  # fmt: skip
    [row] = await rows(world)
    assert row["facts"]["authenticated"] == found


async def test_the_domain_above_is_aligned_and_another_is_not(world: World, dns: Names) -> None:
    token = await bounced(world, sealed(signed(signed(bounce(), THERE), "example.com"), THERE), dns)
    found = [(one["mechanism"], one["domain"], one["aligned"]) for one in (await recorded(world, token))["signatures"]]
    assert found == [("dkim", "example.com", True), ("dkim", THERE, False), ("arc", THERE, False)]


async def test_one_whose_name_only_ends_alike_is_not_aligned(world: World, dns: Names) -> None:
    dns.texts["s1._domainkey.x.example.com"] = (key()[1],)
    token = await bounced(world, signed(bounce(), "x.example.com"), dns)
    assert [one["aligned"] for one in (await recorded(world, token))["signatures"]] == [False]


@pytest.mark.parametrize("spoil", [(b"No Bob here", b"Bob is full"), (b"Undelivered", b"Undeliverable")])
async def test_a_signature_that_does_not_fit(world: World, dns: Names, spoil: tuple[bytes, bytes]) -> None:
    token = await bounced(world, signed(bounce()).replace(*spoil), dns)
    found = await recorded(world, token)
    assert (found["result"], found["signatures"][0]["result"]) == ("fail", "fail")
    assert "key" not in found["signatures"][0]
    assert (await world.kinds(token))[-1] == "announcement_failed", "it is recorded all the same"


async def test_what_the_dns_does_not_say_is_a_temporary_error(
    world: World, dns: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns.away = True
    token = await bounced(world, signed(bounce()), dns)
    assert (await recorded(world, token))["result"] == "temperror"
    monkeypatch.setattr(signers, "MOST_SECONDS", 0.05)
    token = await bounced(world, signed(bounce()), Hanging())
    assert (await recorded(world, token))["result"] == "temperror"


async def test_a_thousand_signatures_are_taken_and_not_looked_at(world: World, dns: Names) -> None:
    one = signed(bounce())[: -len(bounce())]
    await bounced(world, one * 1000 + bounce(), dns)
    [row] = await rows(world)
    assert row["facts"]["authenticated"] == {"result": "policy", "leftOut": 1000}
    assert dns.asked == []


async def test_the_same_again_asks_the_dns_no_more(world: World, dns: Names) -> None:
    octets = signed(bounce())
    await bounced(world, octets, dns)
    assert await give(world, path(world), octets, dns=dns) == TAKEN
    assert len(dns.asked) == 1


async def test_whoever_has_no_return_path_makes_nobody_ask_the_dns(world: World, dns: Names) -> None:
    await world.send()
    for to in ("b-nothing@sealpost.example", "post@sealpost.example"):
        await give(world, to, signed(bounce()), dns=dns)
    assert dns.asked == []


async def test_a_notice_and_the_ticket_page_say_it(world: World, dns: Names) -> None:
    token = await bounced(world, signed(bounce()), dns)
    await world.work_off()
    note = signed_note(Signed("pass", (f"{HERE} (DKIM)",)), "nl")
    assert f"{HERE} (DKIM)" in note
    assert any(note in words for words in told(world, "alice@example.org"))
    view = await ticket(world.service, Visible(world.alice), token)
    assert view is not None
    assert note in explanations(view.statuses[-1].states, "nl")
    assert view.statuses[0].states.signed is None


@pytest.mark.parametrize("head", ["", "Auto-Submitted: auto-replied\r\n"])
async def test_replies_and_automatic_answers(world: World, dns: Names, head: str) -> None:
    await world.send()
    octets = signed(answer(message_id(world), head=head), "example.com")
    assert await give(world, path(world), octets, "bob@example.com", dns=dns) == TAKEN
    [row] = await rows(world)
    one = {"mechanism": "dkim", "domain": "example.com", "selector": "s1", "result": "pass"}
    assert row["facts"] == {"authenticated": {"result": "pass", "signatures": [one]}}
    await world.work_off()
    said = any(
        "De reactie is ondertekend door example.com (DKIM)" in words for words in told(world, "alice@example.org")
    )
    assert said == (not head)


async def test_the_evidence_of_a_signed_bounce_verifies(world: World, dns: Names) -> None:
    token = await bounced(world, signed(bounce()), dns)
    await proven(world)
    report = await verified(world, await sender_bundle(world, token))
    assert report.exit_code == 2
    assert report.as_json()["timeLine"][-1]["authenticated"] == {"result": "pass", "by": [f"{HERE} (DKIM)"]}
    assert all("authenticated" not in one for one in report.as_json()["timeLine"][:-1])


async def test_of_a_record_of_before_nothing_is_said(world: World) -> None:
    token = await world.send()
    async with transaction(world.service) as connection:
        found = await tickets.by_token(connection, token, Visible(world.alice))
        assert found is not None
        locked = await tickets.lock(connection, found.id)
        event = Event("announcement_failed", world.clock.at, world.clock.at, extension={"bounce": {"by": "report", "attempt": 1}}, mail=("announcement", 1))  # fmt: skip
        await record(world.service, connection, locked, [event])
    view = await ticket(world.service, Visible(world.alice), token)
    assert view is not None
    assert (view.statuses[-1].states.source, view.statuses[-1].states.signed) == ("bounce", None)
    await proven(world)
    report = await verified(world, await sender_bundle(world, token))
    assert "authenticated" not in report.as_json()["timeLine"][-1]


RESULTS = ("pass", "none", "temperror", "fail", "policy", "permerror")


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_outcome_has_its_words(language: str) -> None:
    """Beside the sentence that says whose word it is, and nothing where nothing was recorded."""
    told = [Statement("announcement_failed", "bounce", signed=Signed(one, ("x.example (ARC)",))) for one in RESULTS]
    notes = [explanations(one, language) for one in told]
    assert {note[0] for note in notes} == {source_note("bounce", language)}
    assert ["x.example (ARC)" in note[1] for note in notes] == [True, False, False, False, False, False]
    assert len({note[1] for note in notes}) == 4
    assert explanations(Statement("announcement_failed", "bounce"), language) == (source_note("bounce", language),)
