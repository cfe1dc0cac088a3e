"""Dates and times as a person reads them, in mails, pages and certificates.

The zone is always named, twice: in words and by its abbreviation, because a term that ends at 08:00 ends for everybody
at one instant. Names of days, months and places come from Unicode's CLDR.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, get_timezone_location

from sealpost.text.catalogue import marked, translator

_CLDR = {"en": "en_GB"}  # day before month: the service's English is for Europe
_ZONE_NAMES = {"Europe/Amsterdam": marked("Netherlands time"), "UTC": marked("universal time")}


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
    return format_date(at.astimezone(zone).date(), "full", locale=_CLDR.get(language, language))


def long_datetime(at: datetime, zone: ZoneInfo, language: str) -> str:
    """``maandag 23 november 2026 om 08:00 (Nederlandse tijd / CET)``; arguments as for ``long_date``."""
    pattern = translator(language).gettext(marked("%(date)s at %(time)s (%(zone)s)"))
    local = at.astimezone(zone)
    date = long_date(at, zone, language)
    return pattern % {"date": date, "time": f"{local:%H:%M}", "zone": _zone_name(local, zone, language)}


def _zone_name(local: datetime, zone: ZoneInfo, language: str) -> str:
    own = _ZONE_NAMES.get(zone.key)
    words = translator(language).gettext(own) if own else _cldr_zone(zone, language)
    short = local.tzname() or ""
    # Zones without an abbreviation of their own are called "+04": then the offset says it better.
    offset = f"{local:%z}"
    return f"{words} / {short if short.isalpha() else f'UTC{offset[:3]}:{offset[3:5]}'}"


def _cldr_zone(zone: ZoneInfo, language: str) -> str:
    return get_timezone_location(zone, locale=_CLDR.get(language, language))
