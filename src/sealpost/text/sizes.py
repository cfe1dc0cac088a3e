"""Sizes of files as a person reads them, in mails and pages; in decimal units, which French writes with an ``o``."""

from babel.numbers import format_decimal

from sealpost.text.catalogue import marked, translator

# From how many octets on, how many the unit has, and how it is written; 999,950 octets would round to "1,000 kB".
_UNITS = (
    (999_950, 1_000_000, marked("%(number)s MB")),
    (1_000, 1_000, marked("%(number)s kB")),
    (0, 1, marked("%(number)s B")),
)


def size_text(octets: int, language: str) -> str:
    """``1,2 MB``: at most one decimal, in the largest unit that leaves a number of one or more.

    Args:
        octets: the size, not negative.
        language: one of ``LANGUAGES``.
    """
    _, factor, unit = next(one for one in _UNITS if octets >= one[0])
    number = format_decimal(round(octets / factor, 1), locale=language)
    return translator(language).gettext(unit) % {"number": number}
