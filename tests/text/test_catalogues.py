"""Every text in every language: complete, whole, and in the words that the service uses; what a language tag becomes."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from sealpost.text.catalogue import LANGUAGES, LOCALE, SOURCE, pick_language, translator
from tests.text.catalogues import catalogue, translations

ROOT = Path(__file__).resolve().parents[2]
OTHERS = [language for language in LANGUAGES if language != SOURCE]

# The one list of texts that are the same as in English.
SAME = {
    "nl": {
        "%(label)s: %(value)s",
        "%(noun)s: %(subject)s",
        "%(number)s B",
        "%(number)s MB",
        "%(number)s kB",
        "Dashboard",
        "Demo",
        "Filter",
        "Mail",
        "Status",
        "code %(number)s",
    },
    "de": {
        "%(label)s: %(value)s",
        "%(noun)s: %(subject)s",
        "%(number)s B",
        "%(number)s MB",
        "%(number)s kB",
        "Dashboard",
        "Demo",
        "Filter",
        "Organisation",
        "Status",
        "Text",
    },
    "fr": {"Messages", "Organisation", "Pages", "Signature", "Source", "code %(number)s"},
}
# Never within a translation; words that are also Dutch, German or French ("of", "was", "on") cannot stand here.
ENGLISH = re.compile(
    r"\b(the|your|you|and|with|this|that|not|from|has|been|registered|sender|recipient|click)\b", re.IGNORECASE
)
# One word for one thing: where the English has the one, the translation has the other.
GLOSSARY = [
    (r"\bmessages?\b(?!\.)", r"bericht", r"Nachricht", r"\bmessages?\b|\bIl\b"),
    (r"announcement", r"aankondiging", r"Ankündigung", r"\bavis\b"),
    (r"reminder", r"herinnering", r"Erinnerung", r"\brappel\b"),
    (r"fingerprint", r"vingerafdruk", r"Fingerabdr[uü]ck", r"empreinte"),
    (r"evidence", r"bewijs", r"Nachweis", r"preuve"),
    (r"^(?!your reference).*\breference", r"kenmerk", r"Referenz", r"référence"),
    (r"collection period", r"ophaaltermijn", r"Abholfrist", r"délai de mise à disposition"),
    (r"withdr[ae]w", r"intrek|ingetrokken", r"zurückz[io]e?h|zurückgezogen", r"retir"),
    (r"refus", r"weiger", r"verweiger", r"refus"),
    (r"\baccept(?! cookies)", r"acce?pte", r"annehmen|angenommen", r"accept"),
    (r"\bsender(?!\))", r"afzender", r"Absender", r"expéditeur"),
    (r"\brecipient(?!\))", r"ontvanger", r"Empfänger", r"destinataire|à la disposition"),
    (r"password", r"wachtwoord", r"Passw[oö]rt", r"mots? de passe"),
    (r"\borganisation(?!\))", r"organisatie", r"Organisation", r"organisation"),
    (r"sign in", r"inloggen|log\b", r"anmelden|melden", r"connect"),
]


def pairs(language: str) -> list[tuple[str, str]]:
    """English and translation; each plural form stands beside the English plural."""
    return [(one.english[-1], text) for one in translations(language) for text in one.texts]


def texts(*arguments: object, script: Path = ROOT / "script" / "texts") -> tuple[int, str]:
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_no_text_is_untranslated_or_unused():
    assert texts() == (0, "")


@pytest.mark.parametrize("language", OTHERS)
def test_no_catalogue_is_half_done(language):
    found = catalogue(language)
    assert not found.fuzzy
    assert not found.obsolete
    assert [one.english for one in translations(language) if one.fuzzy] == []
    assert [one.english for one in translations(language) if not all(text.strip() for text in one.texts)] == []
    plurals = [one for one in translations(language) if len(one.english) > 1]
    assert [one.english for one in plurals if len(one.texts) != found.num_plurals] == []


@pytest.mark.parametrize("language", OTHERS)
def test_holes_blanks_and_last_signs_are_the_same(language):
    def shape(text: str) -> tuple[object, ...]:
        blanks = (text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :])
        return Counter(re.findall(r"%\(\w+\)s", text)), re.sub(r"%\(\w+\)s", "", text).count("%"), blanks

    def last(text: str) -> str:
        return text[-1] if text[-1] in ".:?!…" else ""

    assert [pair for pair in pairs(language) if shape(pair[0]) != shape(pair[1])] == []
    assert [pair for pair in pairs(language) if last(pair[0]) != last(pair[1])] == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_english_is_left(language):
    assert {english for english, text in pairs(language) if english == text} == SAME[language]
    assert [text for _, text in pairs(language) if ENGLISH.search(re.sub(r"%\(\w+\)s", "", text))] == []


@pytest.mark.parametrize("language", OTHERS)
def test_one_word_for_one_thing(language):
    place = ("nl", "de", "fr").index(language) + 1
    wrong = [
        (english, text)
        for row in GLOSSARY
        for english, text in pairs(language)
        if re.search(row[0], english, re.IGNORECASE) and not re.search(row[place], text, re.IGNORECASE)
    ]
    assert wrong == []


@pytest.mark.parametrize("language", OTHERS)
def test_every_glossary_word_is_used(language):
    place = ("nl", "de", "fr").index(language) + 1
    whole = "\n".join(text for _, text in pairs(language))
    assert [row[place] for row in GLOSSARY if not re.search(row[place], whole, re.IGNORECASE)] == []


def test_no_sentence_is_in_the_wrong_language():
    sentences = [{text for _, text in pairs(language) if text.count(" ") > 3} for language in OTHERS]
    assert all(sentences)
    assert [one & other for one, other in combinations(sentences, 2) if one & other] == []


def test_nothing_is_called_qualified():
    said = [pair for language in OTHERS for pair in pairs(language)]
    # What the certificate says of the service: that it is not.
    denied = [pair for pair in said if re.search(r"Not a qualified|qualified [^.]*\. It is not", pair[0])]
    assert len(denied) == 2 * len(OTHERS)
    assert [
        text
        for _, text in denied
        if not re.search(r"Geen |Kein |non |Dat is het niet|Er ist es nicht|ne l’est pas", text)
    ] == []
    whole = "\n".join(text for pair in said if pair not in denied for text in pair)
    assert re.findall(r"(?i)quali[tf]i?[fz]\w*|gekwalificeerd\w*|eidas", whole) == []


@pytest.mark.parametrize(
    ("language", "familiar"),
    [("nl", r"\b(je|jij|jou|jouw)\b"), ("de", r"\b(du|dich|dir|dein\w*|euch|euer)\b"), ("fr", r"\b(tu|toi|ton|tes)\b")],
)
def test_people_are_addressed_formally(language, familiar):
    assert [text for _, text in pairs(language) if re.search(familiar, text, re.IGNORECASE)] == []


def test_french_signs_stand_apart():
    assert [text for _, text in pairs("fr") if re.search(r"[^\u00a0]:(?!\S)|[^\u202f][;?!](?!\S)|'", text)] == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_straight_quotes(language):
    assert [text for _, text in pairs(language) if re.search(r"['\"]", text)] == []


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("nl", "nl"), ("nl-BE", "nl"), ("NL_be", "nl"), ("en-GB", "en"), (" en ", "en"), ("xx", "nl"), (None, "nl"),
        ("de-AT", "de"), ("fr-BE", "fr"), ("FR", "fr"), ("den", "nl"),
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
    folders = {path.name for path in LOCALE.iterdir()}
    assert {"nl", "en", "de", "fr"} <= set(LANGUAGES) == folders | {"en"}


def test_the_script_tells_what_is_missing_and_takes_it(tmp_path):
    source, script = tmp_path / "src" / "sealpost", tmp_path / "script" / "texts"
    for language in ("de", "fr"):
        (source / "text" / "locale" / language / "LC_MESSAGES").mkdir(parents=True)
        (source / "text" / "locale" / language / "LC_MESSAGES" / "sealpost.po").write_text("")
    script.parent.mkdir()
    shutil.copy(ROOT / "script" / "texts", script)
    page, parts = source / "page.html", "{{ ngettext('%(num)s part', '%(num)s parts', 2) }}"
    page.write_text(f"{{{{ _('Good day') }}}} {parts}")
    status, told = texts("update", script=script)
    assert status == 1
    assert re.findall(r"^(\w+): (\d+) to do$", told, re.MULTILINE) == [("de", "2"), ("fr", "2")]
    assert "no translation: 'Good day' (page.html)" in told
    filled = tmp_path / "filled.po"
    for language, day in (("de", "Guten Tag"), ("fr", "Bonjour")):
        status, empty = texts("missing", language, script=script)
        assert status == 0
        filled.write_text(empty.replace('"Good day"\nmsgstr ""', f'"Good day"\nmsgstr "{day}"'))
        assert filled.read_text() != empty
        assert texts("merge", language, filled, script=script)[1].count("Good day") == (language == "de")
    status, told = texts(script=script)
    assert re.findall(r"^(\w+): (\d+) to do$", told, re.MULTILINE) == [("de", "1"), ("fr", "1")]
    page.write_text(f"{{{{ _('Good evening') }}}} {parts}")
    assert "used nowhere: 'Good day'" in texts(script=script)[1]
    texts("update", script=script)
    assert "Good day" not in texts("missing", "de", script=script)[1] + texts(script=script)[1]
