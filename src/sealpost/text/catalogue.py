"""Gettext catalogues: every text that a person reads, in the languages of the service.

For mails, pages and certificates. The message id is the plain English text; each other language is one
``locale/<language>/LC_MESSAGES/sealpost.po``, read once per process, so that a new language is added by a folder
and nothing else (contract 3, ``recipient_language``; language tags after RFC 5646).
"""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).parent / "locale"
SOURCE = "en"
LANGUAGES: tuple[str, ...] = (*sorted(path.name for path in LOCALE.iterdir() if path.is_dir()), SOURCE)


class Translator:
    """The texts of one language, with the two calls that Jinja's i18n extension asks for."""

    def __init__(self, language: str, texts: NullTranslations) -> None:
        self.language = language
        self._texts = texts

    def gettext(self, message: str) -> str:
        return self._texts.gettext(message)

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return self._texts.ngettext(singular, plural, number)


def marked(message: str) -> str:
    """Marks a text in a table for extraction; it is translated later, where it is shown."""
    return message


@cache
def translator(language: str) -> Translator:
    """The texts of one language.

    Args:
        language: one of ``LANGUAGES``.

    Raises:
        KeyError: the language is not one of them; ``pick_language`` comes first.
    """
    if language not in LANGUAGES:
        raise KeyError(language)
    return Translator(language, NullTranslations() if language == SOURCE else _read(language))


def _read(language: str) -> NullTranslations:
    """Compiles in memory: a committed .mo would be a second truth beside the .po."""
    with (LOCALE / language / "LC_MESSAGES" / "sealpost.po").open("rb") as file:
        catalogue = read_po(file, locale=language, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def pick_language(tag: str | None, default: str) -> str:
    """The language to use for a tag: its own, else its language without the region, else the default.

    Args:
        tag: such as ``nl`` or ``nl-BE``, as the sender or a browser gave it.
        default: one of ``LANGUAGES``, the account's.
    """
    language = (tag or "").strip().replace("_", "-").partition("-")[0].lower()
    return language if language in LANGUAGES else default
