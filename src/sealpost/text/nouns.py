"""What a message is called, in each language: a noun that promises no legal status (contract 8.1).

For pages and mails of the recipient. It stands as a label only (in front of a colon, of *from* and of *for you*), never
within a sentence, so that any noun fits without its gender; sentences say *message*.
"""

from __future__ import annotations

from collections.abc import Mapping

from sealpost.text.catalogue import marked, translator

NOUN = marked("Recorded e-mail")


def noun(language: str, chosen: Mapping[str, str]) -> str:
    """The noun, with a capital as at the beginning of a line.

    Args:
        language: one of ``LANGUAGES``.
        chosen: by the operator, per language; without one the catalogue's.
    """
    return chosen.get(language) or translator(language).gettext(NOUN)
