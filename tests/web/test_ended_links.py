"""A link that was ours and is over says so; one that we do not know says that. Neither hands anything out.

Nobody is told to do again what failed, and whoever holds an old link learns no more than its mail said: bundles hold those mails.
"""

from __future__ import annotations

import re
from datetime import timedelta

import httpx2
import pytest

from sealpost.text.catalogue import LANGUAGES, translator
from sealpost.usecases.add_user import add_user
from sealpost.usecases.forget import PICKUP_LINKS_KEPT, forget
from sealpost.usecases.suspend import suspend
from sealpost.usecases.user_fields import UserFields
from sealpost.web.pages import render
from tests.web.specimens import FACE, pages
from tests.world import PASSWORD, World, links_in

ACCEPT = (("", {"decision": "accept"}), ("/accept", {"confirm": "yes"}))
REFUSE = (("", {"decision": "refuse"}), ("/refuse", {"confirm": "yes", "reason": "Never"}))
SUBJECT = "Notice of default"
SEND_AGAIN = "If the message was not accepted, only the sender can send it again."
Steps = tuple[tuple[str, dict[str, str]], ...]


async def decided(world: World, site: httpx2.AsyncClient, steps: Steps) -> tuple[str, str]:
    """A ticket and the secret of its link, after some steps on its pages."""
    token = await world.send(subject=SUBJECT)
    secret = world.secret()
    assert (await site.get(f"/p/{secret}")).status_code == 303
    for path, data in steps:
        assert (await site.post(f"/pickup/{token}{path}", data=data)).status_code == 303
    await world.work_off()
    return token, secret


@pytest.mark.parametrize("steps", [(), ACCEPT, REFUSE], ids=["nothing", "accepted", "refused"])
async def test_an_ended_link_tells_and_hands_nothing_out(world: World, site: httpx2.AsyncClient, steps: Steps) -> None:
    token, secret = await decided(world, site, steps)
    world.clock.advance(days=43)
    await world.work_off()
    before, rows = await world.kinds(token), await world.service.pool.fetch("select * from link_tokens order by hash")
    calls = (
        ("GET", f"/p/{secret}", {}),
        ("GET", f"/pickup/{token}", {}),
        ("POST", f"/pickup/{token}", {"decision": "accept"}),
        ("GET", f"/pickup/{token}/accept", {}),
        ("POST", f"/pickup/{token}/accept", {"confirm": "yes"}),
        ("POST", f"/pickup/{token}/download/1", {}),
        ("POST", f"/pickup/{token}/evidence", {}),
        ("POST", f"/pickup/{token}/certificate", {}),
    )
    for method, path, data in calls:
        answer = await site.request(method, path, data=data)
        assert (answer.status_code, "set-cookie" in answer.headers) == (410, False), path
        assert answer.headers["content-type"].startswith("text/html")
        assert f"<code>{token}</code>" in answer.text
        told = answer.text.casefold()
        for kept_back in (SUBJECT, "bob@example.com", "alice@example.org", "Never", "notice.pdf", "SHA-256"):
            assert kept_back.casefold() not in told, kept_back
    assert (await world.kinds(token), await world.service.pool.fetch("select * from link_tokens order by hash")) == (
        before,
        rows,
    )


async def test_what_became_of_it_is_not_told(world: World, site: httpx2.AsyncClient) -> None:
    """Whoever holds the mail cannot learn from the page whether its recipient accepted or refused."""
    shown: set[str] = set()
    for steps in ((), ACCEPT, REFUSE):
        token, secret = await decided(world, site, steps)
        world.clock.advance(days=43)
        shown.add((await site.get(f"/p/{secret}?lang=en")).text.replace(token, "").replace(secret, ""))
        world.clock.advance(days=-43)
    assert len(shown) == 1
    (page,) = shown
    assert "If the message was accepted, there is evidence of it" in page


@pytest.mark.parametrize("language", LANGUAGES)
async def test_ended_unknown_and_incomplete_are_told_apart(
    world: World, site: httpx2.AsyncClient, language: str
) -> None:
    await world.send(language=language)
    secret = world.secret()
    world.clock.advance(days=43)
    say = translator(language).gettext
    for path, status, title in (
        (f"/p/{secret}", 410, "This link has ended"),
        ("/p/" + "x" * 43, 404, "We do not know this link"),
        (f"/p/{secret[:-1]}", 404, "This link is not complete"),
        (f"/p/{secret}x", 404, "This link is not complete"),
    ):
        answer = await site.get(path, params={"lang": language})
        assert (answer.status_code, f"<h1>{say(title)}</h1>" in answer.text) == (status, True), path


async def test_an_ended_link_speaks_its_recipients_language(world: World, site: httpx2.AsyncClient) -> None:
    await world.send(language="de")
    secret = world.secret()
    world.clock.advance(days=43)
    assert '<html lang="de">' in (await site.get(f"/p/{secret}")).text


async def test_an_ended_link_is_known_for_five_years_and_then_no_more(world: World, site: httpx2.AsyncClient) -> None:
    await world.send()
    secret = world.secret()
    world.clock.advance(days=42)
    await forget(world.service)
    assert (await site.get(f"/p/{secret}")).status_code == 410
    world.clock.advance(days=PICKUP_LINKS_KEPT.days + 1)
    await forget(world.service)
    assert (await site.get(f"/p/{secret}")).status_code == 404


async def test_a_suspended_accounts_link_has_not_ended(world: World, site: httpx2.AsyncClient) -> None:
    token = await world.send()
    secret = world.secret()
    await suspend(world.service, world.alice)
    answer = await site.get(f"/p/{secret}?lang=en")
    assert (answer.status_code, token in answer.text) == (403, True)
    assert "This link cannot be opened at the moment" in answer.text
    assert "The collection period runs on" in answer.text
    world.clock.advance(days=43)
    assert (await site.get(f"/p/{secret}")).status_code == 410


async def test_a_link_to_one_ticket_tells_nothing_of_another(world: World, site: httpx2.AsyncClient) -> None:
    await decided(world, site, ())
    other = await world.send(recipient_email="ben@example.com")
    world.clock.advance(days=43)
    answer = await site.get(f"/pickup/{other}?lang=en")
    assert (answer.status_code, other in answer.text.partition("<main")[2]) == (404, False)
    assert "This browser holds no link to it." in answer.text


def test_no_page_tells_to_do_again_what_failed() -> None:
    """Whatever may stand in a page of a link that does not open, in the words that used to stand there."""
    again = re.compile(r"once more|link[^.]*\bagain\b|nog eens|opnieuw|noch einmal|erneut|encore une fois|à nouveau")
    for language in LANGUAGES:
        for name, template, context in pages(language):
            if template.endswith("_link.html") or template == "pickup/ended.html":
                words = render(FACE, template, language, **context).partition("<main")[2].partition("</main")[0]
                words = words.replace(translator(language).gettext(SEND_AGAIN), "")
                assert again.search(words) is None, (language, name)


async def invited(world: World) -> str:
    """The path of the link in a new user's activation mail."""
    await add_user(world.service, world.alice, UserFields("bob@example.org"))
    await world.work_off()
    (mail,) = world.mailbox.to("bob@example.org")
    return "/activate/" + next(link for link in links_in(mail) if "/activate/" in link).rpartition("/")[2]


@pytest.mark.parametrize("days", [0, 8])
async def test_an_invitation_that_was_used_leads_to_signing_in(
    world: World, site: httpx2.AsyncClient, days: int
) -> None:
    path = await invited(world)
    assert (await site.post(path, data={"password": PASSWORD})).status_code == 303
    await site.post("/signout")
    world.clock.real_at += timedelta(days=days)
    answer = await site.get(path, params={"lang": "en"})
    assert (answer.status_code, "This link has been used" in answer.text) == (410, True)


async def test_an_invitation_that_is_over_names_its_end(world: World, site: httpx2.AsyncClient) -> None:
    path = await invited(world)
    world.clock.real_at += timedelta(days=60)
    answer = await site.get(path, params={"lang": "en"})
    assert (answer.status_code, "could be used until" in answer.text) == (410, True)
    assert "bob@example.org" not in answer.text
    world.clock.real_at += timedelta(days=200)
    await forget(world.service)
    assert (await site.get(path)).status_code == 404


async def test_a_session_that_has_ended_says_so_and_one_that_never_was_does_not(
    world: World, site: httpx2.AsyncClient
) -> None:
    said = "Your session has ended."
    assert said not in (await site.get("/signin?lang=en")).text
    await site.post("/signin", data={"email": "alice@example.org", "password": PASSWORD})
    assert (await site.get("/signin?lang=en")).status_code == 303
    world.clock.real_at += timedelta(days=90)
    assert (await site.get("/dashboard/")).status_code == 302
    assert said in (await site.get("/signin?lang=en")).text
    await site.post("/signout")
    assert said not in (await site.get("/signin?lang=en")).text
