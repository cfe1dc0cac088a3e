"""Records of all kinds, outcomes and suites, in all languages: what each projection says, and what it does not say."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from sealpost.domain.canonical import canonical
from sealpost.domain.status import status_of
from sealpost.mail.compose import Composer
from sealpost.mail.transport import Reason
from sealpost.mail.views import NoticeView
from sealpost.seal.bundle.bundle import SealedRecord
from sealpost.seal.certificate.dating import Dating
from sealpost.seal.certificate.story import read
from sealpost.seal.certificate.view import Reader
from sealpost.seal.certificate.view import event as certificate_event
from sealpost.text.catalogue import LANGUAGES, translator
from sealpost.text.statements import CAUSES, CLASSES, ENDS, REASON, SIGNS, notes
from sealpost.text.statuses import event_text, vendor_text
from sealpost.usecases.reads.ticket import StatusLine, status_lines
from sealpost.web.pages import render
from sealpost.web.ticket.page import told
from sealpost.xmlapi.document import document
from tests.records import AT, CASES, SUITES, Case, record
from tests.web.specimens import FACE, PERSON, VIEW

ZONE = ZoneInfo("Europe/Amsterdam")
COMPOSER = Composer(service_name="Sealpost", demo=False)


def line_of(case: Case, suite: str) -> StatusLine:
    (line,) = status_lines([{"at": AT, "kind": case.kind, "octets": canonical(record(case, suite))}])
    return line


def words(text: str) -> str:
    return " ".join(text.replace("\u200b", "").split())


def page(case: Case, suite: str, language: str) -> str:
    line = line_of(case, suite)
    view = replace(VIEW, statuses=(line,), status=status_of(case.kind), event=line.states.event, reached_at=None)
    html = render(FACE, "ticket/ticket.html", language, session=PERSON, is_open=False, late=False, **told(view))
    return words(html.partition('<ol class="timeline">')[2].partition("</ol>")[0])


def notice(case: Case, suite: str, language: str) -> str:
    line = line_of(case, suite)
    name = status_of(case.kind).name if case.kind != "submitted" else "accepted"
    view = NoticeView(
        language, name, AT, "bob@example.com", "S", ZONE, "K.x", "https://x/", line.states,
        ((AT, line.states, line.literal),),
    )  # fmt: skip
    return words(COMPOSER.notice(view).text)


def xml(case: Case, suite: str, language: str) -> str:
    view = replace(VIEW, statuses=(line_of(case, suite),))
    (status,) = ET.fromstring(document(view, language)).iter("status")
    return words(" ".join(status.attrib.values()))


def certificate(case: Case, suite: str, language: str) -> str:
    sealed = SealedRecord(2, canonical(record(case, suite)), b"", bytes(32), None)
    told_of: dict[str, Any] = certificate_event(read([sealed]).first, Dating(), Reader(language, ZONE))
    said = [one for each in told_of["said"] for one in each.values()]
    return words(" ".join([told_of["title"], *told_of["notes"], *said]))


PROJECTIONS = {"page": page, "notice": notice, "xml": xml, "certificate": certificate}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_success_has_a_reason_and_each_failure_its_own(case: Case, suite: str) -> None:
    for language in LANGUAGES:
        check_reasons(case, suite, language)


def check_reasons(case: Case, suite: str, language: str) -> None:
    gettext = translator(language).gettext
    lead, _, tail = (words(part) for part in gettext(REASON).partition("%(reason)s"))
    wanted = [words(gettext(CLASSES[code])) for code in case.reasons if code in CLASSES]
    ends = [words(gettext(ENDS[code])) for code in case.reasons if code in ENDS]
    for name, projection in PROJECTIONS.items():
        said = projection(case, suite, language)
        found = said.count(f"{lead} ") + said.count(lead) * (tail != "")
        assert bool(found) == bool(wanted), (name, said)
        assert [one for one in wanted if f"{lead} {one}" not in said] == [], (name, said)
        assert [one for one in CLASSES.values() if f"{lead} {words(gettext(one))}" in said] == [
            CLASSES[code] for code in CLASSES if code in case.reasons
        ], (name, said)
        assert [one for one in map(words, map(gettext, ENDS.values())) if one in said] == ends, (name, said)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_projection_says_whose_word_it_is_in_the_same_words(case: Case, suite: str) -> None:
    states = line_of(case, suite).states
    for language in LANGUAGES:
        title = words(event_text(states.event, language))
        for name, projection in PROJECTIONS.items():
            vendor = words(vendor_text(states.event, language))
            assert (vendor if name == "xml" else title) in projection(case, suite, language), name
        if case.source == "relay" and case.said and not case.reasons:
            assert event_text(case.kind, language) not in page(case, suite, language)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_words_of_others_stand_whole_and_alone(case: Case, suite: str) -> None:
    literal = line_of(case, suite).literal
    assert literal == (case.reply(suite) or case.recipients_words)
    view = replace(VIEW, statuses=(line_of(case, suite),))
    (status,) = ET.fromstring(document(view, "nl")).iter("status")
    assert status.get("statusdetail") == (literal or " "), "what we say ourselves stands in toelichting alone"
    assert (status.get("toelichting") or "") == " ".join(notes(line_of(case, suite).states, "nl"))
    for language in LANGUAGES:
        sealed = SealedRecord(2, canonical(record(case, suite)), b"", bytes(32), None)
        (*said,) = certificate_event(read([sealed]).first, Dating(), Reader(language, ZONE))["said"]
        assert [one["line"].replace("\u200b", "") for one in said] == ([literal] if literal else [])


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "en"])
@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("case", [one for one in CASES if not one.recipients_words and not one.said], ids=str)
def test_what_we_explain_is_translated(case: Case, suite: str, language: str) -> None:
    for name, projection in PROJECTIONS.items():
        said = projection(case, suite, language)
        for english in ("attempt 2", "no connection", "no answer after", "without a decision", "no more tries", *SIGNS):
            assert english not in said, (name, said)
        assert all(words(one) not in said for one in (*CAUSES.values(), *ENDS.values(), *SIGNS.values())), (name, said)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("case", [one for one in CASES if one.signs], ids=str)
def test_the_mark_of_a_program_is_shown_with_the_moment(case: Case, language: str) -> None:
    signs = [words(translator(language).gettext(SIGNS[sign])) for sign in case.signs]
    for suite in SUITES:
        for name, projection in PROJECTIONS.items():
            said = projection(case, suite, language)
            assert [one for one in signs if one not in said] == [], (name, said)


def test_every_class_has_words() -> None:
    assert set(CLASSES) == set(get_args(Reason)) - {"accepted"}
