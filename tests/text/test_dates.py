"""Moments and sizes in four languages: the zone always named, the hour that comes twice told apart."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.text.catalogue import LANGUAGES
from sealpost.text.dates import long_date, long_datetime
from sealpost.text.sizes import size_text

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
MORNING = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
SUMMER = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
TWICE = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
# Geographic zones as accounts have them; "Etc/…" and the old one-word names are offsets and aliases.
ZONES = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "System")))


@pytest.mark.parametrize(
    ("at", "zone", "language", "text"),
    [
        (MORNING, "Europe/Amsterdam", "nl", "maandag 23 november 2026 om 08:00 (Nederlandse tijd / CET)"),
        (MORNING, "Europe/Amsterdam", "en", "Monday, 23 November 2026 at 08:00 (Netherlands time / CET)"),
        (MORNING, "Europe/Amsterdam", "de", "Montag, 23. November 2026 um 08:00 Uhr (niederländische Zeit / CET)"),
        (MORNING, "Europe/Amsterdam", "fr", "lundi 23 novembre 2026 à 08:00 (heure des Pays-Bas / CET)"),
        (SUMMER, "Europe/Amsterdam", "nl", "donderdag 2 juli 2026 om 00:30 (Nederlandse tijd / CEST)"),
        (SUMMER, "Europe/Amsterdam", "de", "Donnerstag, 2. Juli 2026 um 00:30 Uhr (niederländische Zeit / CEST)"),
        (MORNING, "UTC", "nl", "maandag 23 november 2026 om 07:00 (wereldtijd / UTC)"),
        (MORNING, "UTC", "en", "Monday, 23 November 2026 at 07:00 (universal time / UTC)"),
        (MORNING, "Etc/UTC", "de", "Montag, 23. November 2026 um 07:00 Uhr (Weltzeit / UTC)"),
        (MORNING, "UTC", "fr", "lundi 23 novembre 2026 à 07:00 (temps universel / UTC)"),
        (SUMMER, "Europe/Berlin", "en", "Thursday, 2 July 2026 at 00:30 (Central European Time / CEST)"),
        (SUMMER, "Europe/Berlin", "nl", "donderdag 2 juli 2026 om 00:30 (Midden-Europese tijd / CEST)"),
        (SUMMER, "Europe/Berlin", "de", "Donnerstag, 2. Juli 2026 um 00:30 Uhr (Mitteleuropäische Zeit / CEST)"),
        (SUMMER, "Europe/Paris", "fr", "jeudi 2 juillet 2026 à 00:30 (heure d’Europe centrale / CEST)"),
        (MORNING, "Asia/Kolkata", "en", "Monday, 23 November 2026 at 12:30 (local time in Kolkata / IST)"),
        (MORNING, "Asia/Kolkata", "fr", "lundi 23 novembre 2026 à 12:30 (heure locale\u00a0: Kolkata / IST)"),
        (MORNING, "Asia/Dubai", "nl", "maandag 23 november 2026 om 11:00 (plaatselijke tijd in Dubai / UTC+04:00)"),
        (MORNING, "Asia/Dubai", "de", "Montag, 23. November 2026 um 11:00 Uhr (Ortszeit in Dubai / UTC+04:00)"),
        (MORNING, "Atlantic/Reykjavik", "de", "Montag, 23. November 2026 um 07:00 Uhr (Ortszeit in Reykjavík / GMT)"),
        (MORNING, "Etc/GMT+5", "en", "Monday, 23 November 2026 at 02:00 (UTC-05:00)"),
    ],
)
def test_a_moment_names_its_zone(at, zone, language, text):
    assert long_datetime(at, ZoneInfo(zone), language) == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_hour_that_comes_twice_is_told_apart(language):
    before, first, again, after = (
        long_datetime(TWICE + timedelta(hours=hours), AMSTERDAM, language) for hours in (-1, 0, 1, 2)
    )
    assert first == again.replace("CET)", "CEST)") != again
    assert "01:30" in before
    assert before.endswith("CEST)")
    assert "02:30" in first
    assert "02:30" in again
    assert "03:30" in after
    assert after.endswith("CET)")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_hour_that_is_left_out_is_never_written(language):
    spring = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
    before, after = (long_datetime(spring + timedelta(hours=hours), AMSTERDAM, language) for hours in (0, 1))
    assert ("01:30" in before, before.endswith("CET)")) == (True, True)
    assert ("03:30" in after, after.endswith("CEST)")) == (True, True)


def test_every_zone_tells_its_two_offsets_apart():
    """The same wall-clock time before and after each change of offset in a year reads differently."""
    same: list[str] = []
    for name in ZONES:
        zone, days = ZoneInfo(name), [MORNING + timedelta(days=day) for day in range(366)]
        ends = {at.astimezone(zone).utcoffset(): long_datetime(at, zone, "en").rpartition(" / ")[2] for at in days}
        same += [name] if len(set(ends.values())) != len(ends) else []
    assert same == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_zone_has_words(language):
    told = {name: long_datetime(MORNING, ZoneInfo(name), language) for name in ZONES}
    bad = ("nknown", "nbek", "nconnu", "ndéterminé", "((", "))", "\xad", "(Ortszeit)", "%")
    assert [text for text in told.values() if any(part in text for part in bad)] == []
    assert [text for text in told.values() if text.count(" / ") != 1 or text.count("(") > 2] == []


def test_a_date_is_the_local_one():
    assert long_date(SUMMER, AMSTERDAM, "nl") == "donderdag 2 juli 2026"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("nl", "zondag 1 november 2026"),
        ("en", "Sunday, 1 November 2026"),
        ("de", "Sonntag, 1. November 2026"),
        ("fr", "dimanche 1er novembre 2026"),
    ],
)
def test_the_first_of_a_month(language, text):
    assert long_date(datetime(2026, 11, 1, 12, tzinfo=UTC), AMSTERDAM, language) == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_time_without_offset_is_no_moment(language):
    with pytest.raises(ValueError, match="offset"):
        long_date(MORNING.replace(tzinfo=None), ZoneInfo("UTC"), language)


@pytest.mark.parametrize(
    ("octets", "language", "text"),
    [
        (0, "nl", "0 B"),
        (999, "nl", "999 B"),
        (1840, "nl", "1,8 kB"),
        (1840, "en", "1.8 kB"),
        (1840, "de", "1,8 kB"),
        (1840, "fr", "1,8 ko"),
        (999, "fr", "999 o"),
        (25_000_000, "en", "25 MB"),
        (25_000_000, "fr", "25 Mo"),
        (2_345_678, "de", "2,3 MB"),
        (999_949, "en", "999.9 kB"),
        (999_950, "en", "1 MB"),
        (999_999, "fr", "1 Mo"),
    ],
)
def test_sizes(octets, language, text):
    assert size_text(octets, language) == text


@given(st.integers(0, 10**12), st.sampled_from(LANGUAGES))
def test_a_size_is_short(octets, language):
    number, unit = size_text(octets, language).split(" ")
    assert unit in {"B", "kB", "MB", "o", "ko", "Mo"}
    assert octets >= 10**9 or len(number) <= 5
