"""Every kind of mail in every language: the same in text and HTML, nothing loaded from outside, nothing untranslated."""

import re
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sealpost.domain.statement import Signed, Statement
from sealpost.domain.status import TABLE
from sealpost.mail.build import build
from sealpost.mail.compose import NOTICES as SENTENCES
from sealpost.mail.compose import Composed, Composer
from sealpost.mail.letter import Mailbox
from sealpost.mail.views import (
    AddressView,
    AnnouncementView,
    ConfirmationView,
    ContentView,
    InvitationView,
    NoticeView,
    Part,
    ReplyView,
    TooLargeView,
)
from sealpost.text.catalogue import LANGUAGES, translator
from sealpost.text.sources import signed_note, source_note
from sealpost.text.statuses import event_text
from tests.support.isolation import elements

ROOT = Path(__file__).resolve().parents[2]
ZONE = ZoneInfo("Europe/Amsterdam")
LINK = "https://post.example/l/3f9Zk3vQ9pR7mX2sL8tYb4wHd"
NOTICES = [status.name for status in TABLE if status.name != "submitted"]
LETTERS = ["invitation", "address"]  # about no ticket
FIXED = ["announcement", "reminder", "hidden", "content", "html", "too_large", "confirmation", "reply"]
KINDS = [*FIXED, *NOTICES, *LETTERS]
EVIL = "<script>alert(1)</script>&amp;"

MARKER = "\u05e9\u05dc\u05d5\u05dd (1)"
VIEWS: dict[str, Any] = {
    **dict.fromkeys(("announcement", "reminder"), AnnouncementView),
    **dict.fromkeys(("content", "html"), ContentView),
    "too_large": TooLargeView,
    "confirmation": ConfirmationView,
    "reply": ReplyView,
    "invitation": InvitationView,
    "address": AddressView,
    **dict.fromkeys(NOTICES, NoticeView),
}
# What of a view's texts is ours, and cannot be Hebrew; every other one is somebody else's.
OURS = {"language", "link", "host", "reference", "check_url", "ticket_url", "status_name"}


def at(day: int) -> datetime:
    return datetime(2026, 11, day, 7, 0, tzinfo=UTC)


def compose(kind: str, language: str, *, demo: bool = False, **changes: Any) -> Composed:
    composer = Composer(service_name="Post Example", demo=demo)
    parts = (Part("message.txt", 1840, "9d" * 32), Part("besluit.pdf", 103_400, "8b" * 32))
    sender: dict[str, Any] = {
        "language": language,
        "sender_name": "Alice",
        "sender_email": "alice@example.org",
        "account_name": "Example B.V.",
        "subject": "Uw bezwaar",
        "submitted_at": at(22),
        "zone": ZONE,
        "reference": "K.Zk3vQ9pR7mX2sL8tYb4wHd",
    }
    place: dict[str, Any] = {"link": LINK, "host": "post.example"}
    recipient: dict[str, Any] = {key: sender[key] for key in ("language", "subject", "zone", "reference")}
    recipient |= {"recipient_email": "bob@example.com", "ticket_url": LINK}
    if kind in {"announcement", "reminder", "hidden"}:
        sender |= place | {"collect_until": at(28), "check_url": "post.example/genuine", "reminder": kind == "reminder"}
        sender |= {"subject": None} if kind == "hidden" else {}
        return composer.announcement(AnnouncementView(**sender | changes))
    if kind in {"content", "html"}:
        body: dict[str, Any] = (
            {"body_text": "Dear Bob,\n\nYes.\n"}
            if kind == "content"
            else {"body_text": "Dear Bob", "body_html": "<p>Dear <b>Bob</b></p>"}
        )
        body |= {"accepted_at": at(23), "parts": parts}
        return composer.content(ContentView(**sender | body | changes))
    if kind == "too_large":
        times: dict[str, Any] = {"accepted_at": at(23), "collect_until": at(28), "parts": parts}
        return composer.too_large(TooLargeView(**sender | place | times | changes))
    if kind == "confirmation":
        dates: dict[str, Any] = {"submitted_at": at(22), "expire_at": at(28), "remind_at": at(26), "parts": parts}
        return composer.confirmation(ConfirmationView(**recipient | dates | changes))
    if kind == "reply":
        said: dict[str, Any] = {"received_at": at(24), "mail_from": "b@example.net", "reply_subject": "Re: it"}
        said |= {"text": "Why?\n\n  Bob"} | changes
        return composer.reply(ReplyView(**recipient | said))
    if kind in LETTERS:
        invited: dict[str, Any] = {"language": language, "account_name": "Example B.V.", "email": "charlie@example.org"}
        invited |= {"link": LINK, "valid_until": at(28), "zone": ZONE} | changes
        if kind == "invitation":
            return composer.invitation(InvitationView(**invited))
        return composer.address(AddressView(**invited))
    source = changes.pop("source", "")
    accepted = (at(22), Statement("announcement_accepted", source), "250-first\n250 2.0.0 Ok: queued as <x>")
    timeline = ((at(22), Statement("submitted"), ""), accepted)
    facts: dict[str, Any] = {
        "status_name": kind,
        "at": at(24),
        "states": Statement(kind, source),
        "timeline": timeline,
        "reason": "no <b>" if kind == "refused" else None,
    }
    return composer.notice(NoticeView(**recipient | facts | changes))


class Seen(HTMLParser):
    """Links, everything that a client would load, and the visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.text = ""
        self.tags: set[str] = set()
        self.language = ""
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._hidden = tag == "style"
        for name, value in attrs:
            if (tag, name) == ("a", "href"):
                self.links.append(value or "")
            elif (tag, name) == ("html", "lang"):
                self.language = value or ""
            elif not name.startswith("xmlns") and ("//" in (value or "") or "url(" in (value or "")):
                self.loads.append(f"{tag} {name}={value}")

    def handle_data(self, data: str) -> None:
        if self._hidden and ("url(" in data or "@import" in data or "//" in data):
            self.loads.append(data)
        self.text += "" if self._hidden else data

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False


def look(html: str) -> Seen:
    seen = Seen()
    seen.feed(html)
    return seen


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_in_every_language(kind, language, letter):
    mail = compose(kind, language)
    seen = look(mail.html)
    linked = kind not in {"content", "html"}
    assert seen.links == ([LINK] if linked else [])
    assert (LINK in mail.text) == linked
    assert seen.loads == []
    assert not seen.tags & {"img", "link", "script", "iframe", "form", "base", "object", "video", "audio", "svg"}
    assert seen.language == language
    assert "{{" not in mail.text + mail.html
    assert "%(" not in mail.text + mail.html + mail.subject
    assert "http://" not in mail.text
    assert build(letter(subject=mail.subject, text=mail.text, html=mail.html, recipient=Mailbox("bob@example.com")))


@pytest.mark.parametrize("kind", KINDS)
def test_languages_differ(kind):
    texts = [compose(kind, language) for language in LANGUAGES]
    assert len({text.text for text in texts}) == len({text.subject for text in texts}) == len(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_tell_the_same(kind, language):
    mail, seen = compose(kind, language), look(compose(kind, language).html)
    told = ["K.Zk3vQ9pR7mX2sL8tYb4wHd"] if kind not in LETTERS else ["charlie@example.org", "Example B.V."]
    told += ["Uw bezwaar"] if kind not in {"hidden", *LETTERS} else []
    told += ["9d" * 32, "8b" * 32] if kind in {"content", "html", "too_large", "confirmation"} else []
    told += ["post.example/genuine", "post.example"] if kind in {"announcement", "reminder", "hidden"} else []
    told += ["bob@example.com", "b@example.net", "Re: it", "Why?"] if kind == "reply" else []
    told += [event_text(kind, language), "250-first", "250 2.0.0 Ok: queued as <x>"] if kind in NOTICES else []
    told += ["2026", "/ CET)"]
    assert [word for word in told if word not in mail.text] == []
    assert [word for word in told if word not in seen.text] == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_demo_says_so_and_only_the_demo(kind, language):
    line = translator(language).gettext("Demonstration: this mail has no legal value.")
    real, demo = compose(kind, language), compose(kind, language, demo=True)
    assert line in demo.text
    assert line in look(demo.html).text
    assert line not in real.text + real.html


@pytest.mark.parametrize("kind", ["announcement", "reminder", "hidden"])
def test_an_announcement_calls_nothing_genuine(kind):
    words = " ".join(compose(kind, language).text.lower() for language in LANGUAGES).replace("post.example/genuine", "")
    assert re.findall(r"genuine|authenti|\bsafe|\bechte?\b|veilig|sicher|qualifi|gekwalific", words) == []


def test_a_hidden_subject_is_nowhere():
    mail = compose("hidden", "en")
    assert "Uw bezwaar" not in mail.subject + mail.text + mail.html
    assert mail.subject == "Recorded e-mail from Alice"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"hidden", *LETTERS}])
def test_what_people_wrote_is_text_in_html(kind):
    mail = compose(kind, "en", subject=EVIL)
    assert "<script>" not in mail.html
    assert EVIL in mail.text
    assert EVIL in look(mail.html).text


def test_a_plain_body_is_shown_as_it_is():
    mail = compose("content", "en", body_text=EVIL + "\n  indented")
    assert EVIL + "\n  indented" in mail.text
    assert EVIL + "\n  indented" in look(mail.html).text


def test_an_html_body_is_not_escaped():
    assert "<p>Dear <b>Bob</b></p>" in compose("html", "en").html


def test_the_reason_of_a_refusal_is_told():
    mail = compose("refused", "nl")
    assert "Opgegeven reden: no <b>" in mail.text
    assert "no &lt;b&gt;" in mail.html


@pytest.mark.parametrize("field", ["mail_from", "reply_subject", "text"])
def test_what_somebody_replied_is_text_in_html(field):
    changes: dict[str, Any] = {field: EVIL}
    mail = compose("reply", "en", demo=False, **changes)
    assert "<script>" not in mail.html
    assert EVIL in mail.text
    assert EVIL in look(mail.html).text
    assert EVIL not in mail.subject


def test_a_reply_cannot_speak_for_us():
    mail = compose("reply", "en", text="x\n\n--\nSealpost\n\nbob@example.com accepted it.\n\ty")
    assert "> x\n> \n> --\n> Sealpost\n> \n> bob@example.com accepted it.\n> \ty\n" in mail.text
    assert "Re: it" not in mail.subject
    assert "neither an acceptance nor a refusal" in mail.text
    assert "This address was not checked." in mail.text


def test_a_reply_may_be_empty_or_longer_and_lead_elsewhere():
    empty = compose("reply", "en", text="", reply_subject="")
    assert "> (no text)" in empty.text
    assert "Subject of the reply" not in empty.text + empty.html
    cut, whole = (compose("reply", "en", is_cut=value) for value in (True, False))
    assert all("the rest is left out" in one for one in (cut.text, look(cut.html).text))
    assert "the rest is left out" not in whole.text + whole.html
    elsewhere = compose("reply", "en", reaches_recipient=False)
    assert "you write to bob@example.com" in whole.text
    assert "you write to" not in elsewhere.text + elsewhere.html


@pytest.mark.parametrize("kind", LETTERS)
def test_an_organisations_name_is_text_in_html(kind):
    mail = compose(kind, "en", account_name=EVIL)
    assert "<script>" not in mail.html
    assert EVIL in mail.text
    assert EVIL in look(mail.html).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", ["relay", "bounce"])
@pytest.mark.parametrize("kind", [kind for kind in NOTICES if kind.startswith(("announcement", "reminder", "content"))])
def test_a_notice_says_whose_word_it_is(kind, source, language):
    plain, mail = compose(kind, language), compose(kind, language, source=source)
    note, seen = " ".join(source_note(source, language).split()), look(mail.html).text
    heading = event_text(Statement("announcement_accepted", source).event, language)
    assert note not in plain.text
    for told in (" ".join(mail.text.split()), " ".join(seen.split())):
        assert told.count(note) >= 2  # below the heading and in the time line
        assert heading in told
        assert source == "bounce" or event_text("announcement_accepted", language) not in told


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_notice_and_a_reply_say_who_signed(language):
    signed = Signed("pass", ("mx.example.com (DKIM)", "forward.example.net (ARC)"))
    states = Statement("announcement_failed", "bounce", signed=signed)
    for mail, note in (
        (compose("announcement_failed", language, states=states), signed_note(signed, language)),
        (compose("reply", language, signed=signed), signed_note(signed, language, reply=True)),
    ):
        assert "mx.example.com (DKIM), forward.example.net (ARC)" in note
        for told in (mail.text, look(mail.html).text):
            assert " ".join(note.split()) in " ".join(told.split())
    assert signed_note(Signed("none"), language, reply=True) not in compose("reply", language).text
    assert signed_note(None, language) == ""


@pytest.mark.parametrize("kind", ["announcement_offered", "announcement_accepted", "content_delivered"])
def test_a_relay_is_not_the_recipients_server(kind):
    lead = compose(kind, "en", source="relay").text
    assert "relay server" in lead
    assert not re.search("mail server of|were delivered", lead)


def test_every_status_but_the_first_has_its_own_notice():
    assert set(NOTICES) == set(SENTENCES)
    assert len({compose(kind, "en").text for kind in NOTICES}) == len(NOTICES)
    with pytest.raises(KeyError):
        compose("submitted", "en")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_in_a_mail_is_hidden(kind):
    assert elements(compose(kind, "en", demo=True).html, MARKER).hidden == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", VIEWS)
def test_words_of_others_keep_their_direction_to_themselves(kind, language):
    texts = {field.name for field in fields(VIEWS[kind]) if field.type in {"str", str, "str | None", str | None}} - OURS
    changes: dict[str, Any] = dict.fromkeys(texts - ({"body_html"} if kind == "content" else set()), MARKER)
    if "parts" in VIEWS[kind].__slots__:
        changes["parts"] = (Part(MARKER, 1840, "9d" * 32),)
    if kind in NOTICES:
        changes["timeline"] = ((at(22), Statement("announcement_accepted"), MARKER + "\n" + MARKER),)
    mail = compose(kind, language, **changes)
    seen = elements(mail.html, MARKER)
    assert len(seen.found) >= len(texts)
    assert all(seen.found)
    assert seen.attributes == []
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", mail.subject + mail.text + mail.html)


def test_html_templates_are_compiled_from_their_sources():
    done = subprocess.run(
        [sys.executable, ROOT / "script" / "mjml", "check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
