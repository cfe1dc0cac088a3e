"""Sizes of files as a person reads them, in mails and pages."""

from babel.numbers import format_decimal

_UNITS = ((1_000_000, "MB"), (1_000, "kB"))


def size_text(octets: int, language: str) -> str:
    """``1,2 MB``: decimal units, at most one decimal.

    Args:
        octets: the size.
        language: one of ``LANGUAGES``.
    """
    for factor, unit in _UNITS:
        if octets >= factor:
            return f"{format_decimal(round(octets / factor, 1), locale=language)} {unit}"
    return f"{octets} B"
