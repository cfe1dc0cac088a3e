"""Every text in every language, and what a language tag, a date and a size become."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sealpost.text.catalogue import LANGUAGES, pick_language, translator
from sealpost.text.dates import long_date, long_datetime
from sealpost.text.sizes import size_text
from sealpost.text.statuses import STATUS_TEXTS, status_text

ROOT = Path(__file__).resolve().parents[2]
MORNING = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
SUMMER = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)

# Contract, section 6, word for word.
DUTCH = {
    "submitted": "Aangetekende mail ontvangen",
    "announcement_offered": "Aankondiging aangeboden",
    "announcement_uncertain": "Aankondiging: uitkomst onbekend",
    "announcement_accepted": "Aankondiging geaccepteerd door mailserver",
    "announcement_delayed": "Aankondiging vertraagd",
    "announcement_failed": "Aankondiging niet bezorgd",
    "announcement_opened": "Aankondiging bekeken",
    "recipient_identified": "Ontvanger geïdentificeerd",
    "identification_failed": "Identificatie mislukt",
    "accepted": "Geaccepteerd door ontvanger",
    "content_offered": "Aangetekende mail aangeboden",
    "content_delayed": "Aangetekende mail vertraagd",
    "content_delivered": "Aangetekende mail bezorgd",
    "content_failed": "Aangetekende mail niet bezorgd",
    "signed": "Ondertekend door ontvanger",
    "refused": "Geweigerd door ontvanger",
    "expired": "Ophaaltermijn verlopen",
    "withdrawn": "Ingetrokken door afzender",
    "reminder_offered": "Herinnering aangetekende mail verstuurd",
    "reminder_accepted": "Herinnering geaccepteerd door mailserver",
    "reminder_failed": "Herinnering niet bezorgd",
    "content_erased": "Inhoud verwijderd",
}


def test_no_text_is_untranslated_or_unused():
    done = subprocess.run([sys.executable, ROOT / "script" / "texts"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_status_texts_are_the_contract_s():
    assert {name: status_text(name, "nl") for name in STATUS_TEXTS} == DUTCH


def test_english_is_the_source():
    assert status_text("accepted", "en") == "Accepted by recipient"
    assert len({status_text(name, "en") for name in STATUS_TEXTS}) == len(STATUS_TEXTS)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("nl", "nl"), ("nl-BE", "nl"), ("NL_be", "nl"), ("en-GB", "en"), (" en ", "en"), ("xx", "nl"), (None, "nl"),
        ("", "nl"), ("nlx", "nl"), ("../nl", "nl"), ("en\r\n", "en"), ("-", "nl"), ("e", "nl"),
    ],
)  # fmt: skip
def test_a_tag_becomes_a_language(tag, language):
    assert pick_language(tag, "nl") == language


@pytest.mark.parametrize("tag", ["xx", "", None, "english", "../en"])
def test_an_unknown_tag_becomes_the_default(tag):
    assert pick_language(tag, "en") == "en"


@pytest.mark.parametrize("language", ["xx", "../nl", ""])
def test_an_unknown_language_has_no_texts(language):
    with pytest.raises(KeyError):
        translator(language)


def test_languages_come_from_folders():
    folders = {path.name for path in (ROOT / "src" / "sealpost" / "text" / "locale").iterdir()}
    assert {"nl", "en"} <= set(LANGUAGES) == folders | {"en"}


@pytest.mark.parametrize(
    ("at", "zone", "language", "text"),
    [
        (MORNING, "Europe/Amsterdam", "nl", "maandag 23 november 2026 om 08:00 (Nederlandse tijd / CET)"),
        (MORNING, "Europe/Amsterdam", "en", "Monday, 23 November 2026 at 08:00 (Netherlands time / CET)"),
        (SUMMER, "Europe/Amsterdam", "nl", "donderdag 2 juli 2026 om 00:30 (Nederlandse tijd / CEST)"),
        (MORNING, "UTC", "nl", "maandag 23 november 2026 om 07:00 (wereldtijd / UTC)"),
        (MORNING, "Asia/Kolkata", "en", "Monday, 23 November 2026 at 12:30 (India Time / IST)"),
        (MORNING, "Asia/Dubai", "en", "Monday, 23 November 2026 at 11:00 (United Arab Emirates Time / UTC+04:00)"),
    ],
)
def test_a_moment_names_its_zone(at, zone, language, text):
    assert long_datetime(at, ZoneInfo(zone), language) == text


def test_a_date_is_the_local_one():
    assert long_date(SUMMER, ZoneInfo("Europe/Amsterdam"), "nl") == "donderdag 2 juli 2026"


def test_a_time_without_offset_is_no_moment():
    with pytest.raises(ValueError, match="offset"):
        long_datetime(MORNING.replace(tzinfo=None), ZoneInfo("UTC"), "nl")


@pytest.mark.parametrize(
    ("octets", "language", "text"),
    [
        (0, "nl", "0 B"),
        (999, "nl", "999 B"),
        (1840, "nl", "1,8 kB"),
        (1840, "en", "1.8 kB"),
        (25_000_000, "en", "25 MB"),
    ],
)
def test_sizes(octets, language, text):
    assert size_text(octets, language) == text
