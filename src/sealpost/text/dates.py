"""Dates and times as a person reads them, in mails, pages and certificates.

The zone is always named, twice: in words and by its abbreviation, because a term that ends at 08:00 ends for everybody
at one instant. The words are the same all year; the abbreviation tells apart the hour that comes twice when summer time
ends, and is the same in every language, so that sender and recipient compare one text. Names of days, months and
places come from Unicode's CLDR.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, get_timezone_location, get_timezone_name

from sealpost.text.catalogue import marked, translator

_CLDR = {"en": "en_GB"}  # day before month: the service's English is for Europe
_FIRST = {"fr": "1er"}  # the first of a month, where the language has a word for it that CLDR does not write
_ZONE_NAMES = {"Europe/Amsterdam": marked("Netherlands time")}


def long_date(at: datetime, zone: ZoneInfo, language: str) -> str:
    """``maandag 23 november 2026``: the local date of an instant.

    Args:
        at: an instant, with its offset.
        zone: where the reader's day is counted.
        language: one of ``LANGUAGES``.

    Raises:
        ValueError: ``at`` has no offset, so it is no instant.
    """
    if at.tzinfo is None:
        raise ValueError("an instant needs an offset")
    date = format_date(at.astimezone(zone).date(), "full", locale=_cldr(language))
    return date.replace(" 1 ", f" {_FIRST.get(language, '1')} ")


def long_datetime(at: datetime, zone: ZoneInfo, language: str) -> str:
    """``maandag 23 november 2026 om 08:00 (Nederlandse tijd / CET)``; arguments as for ``long_date``."""
    pattern = translator(language).gettext(marked("%(date)s at %(time)s (%(zone)s)"))
    local = at.astimezone(zone)
    date = long_date(at, zone, language)
    return pattern % {"date": date, "time": f"{local:%H:%M}", "zone": _zone_name(local, zone, language)}


def _zone_name(local: datetime, zone: ZoneInfo, language: str) -> str:
    short = local.tzname() or ""
    if not short.isalpha():
        # Zones without an abbreviation of their own are called "+04": then the offset says it better.
        offset = f"{local:%z}"
        short = f"UTC{offset[:3]}:{offset[3:5]}"
    words = _words(zone, short, language)
    return f"{words} / {short}" if words else short


def _words(zone: ZoneInfo, short: str, language: str) -> str:
    """Our own words for the zone, else CLDR's, else its city's; nothing for a bare offset such as ``Etc/GMT+5``."""
    gettext = translator(language).gettext
    if own := _ZONE_NAMES.get(zone.key):
        return gettext(own)
    if short == "UTC":
        return gettext(marked("universal time"))
    if "/" not in zone.key or zone.key.startswith("Etc/"):
        return ""
    locale = _cldr(language)
    name = get_timezone_name(zone, locale=locale, zone_variant="generic")
    # CLDR's last resort is a pattern that reads badly within a sentence: "Indien (Ortszeit)", "heure : Inde".
    if name != get_timezone_location(zone, locale=locale):
        return name
    city = get_timezone_location(zone, locale=locale, return_city=True)
    return gettext(marked("local time in %(city)s")) % {"city": city.replace("\xad", "")}


def _cldr(language: str) -> str:
    return _CLDR.get(language, language)
