"""No text promises a legal status, and none says of a submission or of a server's 250 that something was received.

What is read: the catalogues and their English, the verifier's words (command and page), and the documentation (contract,
sections 6 and 8.1). What a judge reads as receipt by the addressee is true of nothing that a mail server answers.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealpost.settings import Settings, SettingsError, promises, read_settings
from sealpost.text.catalogue import LANGUAGES, SOURCE
from sealpost.text.nouns import noun
from sealpost.text.statuses import VENDOR_TEXTS
from tests.text.catalogues import translations

ROOT = Path(__file__).resolve().parents[2]
VERIFIER = ROOT / "src" / "sealpost" / "verifier"

STATUS = re.compile(
    r"registered (?:e-?mail|letter)|recorded delivery|certified mail|(?<!not )(?<!nicht )qualified|aangeteken|recommand"
    r"|einschreib|lettre recommandée|digital form",
    re.IGNORECASE,
)
RECEIPT = {
    "en": re.compile(r"\breceived\b|\breceipt\b", re.IGNORECASE),
    # "niet bezorgd" is the contract's, of a failure; the recipient is the "ontvanger".
    "nl": re.compile(r"\bontvangen\b|\bontvangst|(?<!niet )\bbezorg", re.IGNORECASE),
    "de": re.compile(r"\beingegangen\b|\beingang\b|zugestell|(?<!un)zustell(?!ung elektronischer)", re.IGNORECASE),
    "fr": re.compile(r"\breçue?s?\b|\bremise?s?\b|\bprésentée?s?\b|\bdistribuée?s?\b|accusé", re.IGNORECASE),
}
# What the certificate says that the service is not, by the regulation's own name of it.
DENIALS = {"That this is a qualified electronic registered delivery", "Issued by %(issuer)s with %(software)s. Not a"}
# What a person who checks a bundle was given before; and what a server said, in its own words.
OF_THE_READER = re.compile(r"earlier|receipt|head\.title\.receipts|receipts|check\.earlier")


def shown(language: str) -> Iterator[str]:
    """Every text of a language that pages, mails and certificates show."""
    if language == SOURCE:
        yield from {one.english[0] for one in translations("nl")}
    else:
        yield from (text for one in translations(language) if not denied(one.english[0]) for text in one.texts)


def denied(english: str) -> bool:
    return any(english.startswith(start) for start in DENIALS)


def verified(language: str) -> Iterator[tuple[str, str]]:
    """Every text of a language that the verifier shows: code and words."""
    for path in (VERIFIER / "words.json", VERIFIER / "page" / "src" / "page_words.json"):
        for code, words in json.loads(path.read_text()).items():
            yield code, words.get(language, "")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_promises_a_legal_status(language: str) -> None:
    assert [text for text in shown(language) if STATUS.search(text) and not denied(text)] == []
    assert [code for code, text in verified(language) if STATUS.search(text)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_says_that_a_person_has_received_what_a_server_took(language: str) -> None:
    assert [text for text in shown(language) if RECEIPT[language].search(text) and not denied(text)] == []
    told = ((code, text) for code, text in verified(language) if not OF_THE_READER.search(code + text))
    assert [code for code, text in told if RECEIPT[language].search(text)] == []


def test_the_documentation_promises_no_legal_status() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "docs" / "api").glob("*.md"),
    ]
    promised = re.compile(
        r"digital (?:form of the )?registered letter|(?:a|one|the|this) registered e-mail(?! (?:service|int))"
    )
    assert [page.name for page in pages if promised.search(page.read_text())] == []


def test_only_the_xml_has_the_vendors_noun() -> None:
    assert all("angetekende mail" in text for text in VENDOR_TEXTS.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_setting_for_the_noun_with_a_modest_default(language: str) -> None:
    modest = noun(language, {})
    assert promises(modest) == (False, False)
    assert modest[0].isupper()
    helps = {one.name: one.metadata["help"] for one in Settings.__dataclass_fields__.values()}
    assert helps[f"noun_{language}"].endswith(f"empty: {modest}")
    chosen = read_settings({f"SEALPOST_NOUN_{language.upper()}": "Nochricht"}).nouns
    assert chosen == {language: "Nochricht"}
    assert noun(language, chosen) == "Nochricht"


@pytest.mark.parametrize(
    "name",
    [
        "Lettre recommandée électronique", "recommande\u0301 \u00e9lectronique", "LETTRE RECOMMANDÉE", "LRE", "LRAR",
        "Einschreiben", "E-Mail-Einschreiben", "Förmliche Zustellung", "Postzustellung", "Qualified e-mail",
        "Gekwalificeerde mail", "Qualifizierte E-Mail", "E-mail qualifié", "Certified mail", "Zertifizierte Nachricht",
        "Rechtsgültige E-Mail", "Rechtsverbindliche E-Mail", "eIDAS-bericht", "Juridische mail", "Ein\u00adschreiben",
    ],
)  # fmt: skip
def test_a_noun_that_promises_a_legal_status_stops_the_start(name: str) -> None:
    with pytest.raises(SettingsError, match="SEALPOST_NOUN_FR must not promise the legal status"):
        read_settings({"SEALPOST_NOUN_FR": name})
    assert read_settings({"SEALPOST_SERVICE_NAME": name}).doubtful_names == ["SEALPOST_SERVICE_NAME"]


@pytest.mark.parametrize("name", ["Aangetekende mail", "Registered e-mail", "Legal mail", "Eingeschriebene E-Mail"])
def test_a_noun_that_may_be_taken_for_a_legal_status_is_told_of(name: str) -> None:
    assert read_settings({"SEALPOST_NOUN_NL": name}).doubtful_names == ["SEALPOST_NOUN_NL"]


def test_modest_names_are_not_told_of() -> None:
    assert (
        read_settings({"SEALPOST_NOUN_FR": "Courriel tracé", "SEALPOST_SERVICE_NAME": "Alicepost"}).doubtful_names == []
    )


@pytest.mark.parametrize(
    "noun_given", ["x" * 61, "two\nlines", " blank", "blank ", "=?utf-8?q?x?=", "turned\u202e", "\x00"]
)
def test_a_noun_is_one_short_line(noun_given: str) -> None:
    with pytest.raises(SettingsError, match="SEALPOST_NOUN_DE must be one line"):
        read_settings({"SEALPOST_NOUN_DE": noun_given})
