"""Reasons are our own words in four languages, in command and page; no library's words, and nothing unseen, is shown."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sealpost.verifier.report import Findings, Unusable
from sealpost.verifier.tables import LANGUAGES, OTHER_REASON, REASONS, RULES, safe, said
from sealpost.verifier.trust import Trust, trust_of
from sealpost.verifier.verify import verify
from tests.verifier import tampering
from tests.verifier.lives import Plan, World
from tests.verifier.page.node import verify_in_node

SOURCE = Path(__file__).parents[2] / "src" / "sealpost"
PYTHON = [
    *sorted((SOURCE / "verifier").glob("*.py")),
    *(SOURCE / "domain" / name for name in ("note.py", "checkpoint.py", "seals.py", "policy.py")),
]
SAYING = {"BadZip", "NoNote", "NoSeal", "NotDer", "Unreadable", "BadToken", "NoPolicy", "Unusable", "BadLog", "_refuse"}
# Of values that a record lacks, which are named by their member and not by a reason.
MEMBERS = {"structure.py"}
FOREIGN = re.compile(r"Error\b|Exception|0x[0-9a-f]{4}|Traceback|<class|line \d+ column|errno|asn1crypto|object at")
UNSEEN = "\x00\x07\x1b\x7f\x85\u00a0\u00ad\u061c\u115f\u1160\u180e\u200b\u200d\u200f\u2028\u202e\u2066\u2800\u3000\u3164\ufe0f\ufeff\uffa0\U000e0001\U000e0041\U000e0100\ud800"


def literals(path: Path) -> Iterator[str]:
    """The reasons that a module of the command gives."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            given: list[ast.expr] = node.args[:1] if name in SAYING else []
            if name == "_require" and path.name not in MEMBERS:
                given = node.args[1:2] if path.name != "cms_seal.py" else node.args[2:]
            if name == "_require_used":
                given = node.args[2:]
            given += [one.value for one in node.keywords if one.arg in {"reason", "cause"}]
            for one in given:
                assert not isinstance(one, ast.JoinedStr), f"{path.name}: {ast.unparse(one)}"
                yield from (inner.value for inner in _texts(one))


def _texts(value: ast.expr) -> Iterator[Any]:
    parts = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
    parts = [inner for one in parts for inner in (one.values if isinstance(one, ast.BoolOp) else [one])]
    yield from (one for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, str))


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.name)
def test_every_reason_of_the_command_is_in_the_table(path: Path) -> None:
    assert {one for one in literals(path) if one not in REASONS} == set()


def test_every_reason_of_the_page_is_in_the_table() -> None:
    given = re.compile(
        r'(?:require\w*|refuse\.\w+|new (?:Malformed|BadZip|BadToken|Unusable|Unreadable))\(.*?"([^"]+)"[^"]*\);'
    )
    found = set[str]()
    for path in sorted((SOURCE / "verifier" / "page" / "src").glob("*.js")):
        for line in path.read_text("utf-8").splitlines():
            if " " in line.strip() and "requireMember" not in line and "function" not in line:
                found |= {one for one in given.findall(line) if " " in one}
    assert len(found) > 120
    assert {one for one in found if one not in REASONS} == set()


def test_every_reason_has_four_languages() -> None:
    assert OTHER_REASON in REASONS
    for why, texts in REASONS.items():
        assert list(texts) == ["nl", "de", "fr"], why
        named = sorted(re.findall(r"\{\w+\}", why))
        assert all(text and sorted(re.findall(r"\{\w+\}", text)) == named for text in texts.values()), why


def test_a_reason_is_said_in_each_language() -> None:
    values = {"reason": "{member} is damaged", "member": "a\u202eb"}
    shown = [said("container.zip", language, values) for language in LANGUAGES]
    assert len(set(shown)) == 4
    assert all("a⟨U+202E⟩b" in one for one in shown)
    raw = {"reason": "unexpected {keyword} at 0x7f00", "keyword": "!"}
    assert OTHER_REASON in said("container.zip", "en", raw)


def test_what_a_library_says_is_never_repeated() -> None:
    findings = Findings()
    with findings.about("container", "x"):
        json.loads("{")
    (claim,) = findings.claims
    assert claim.values["reason"] == OTHER_REASON
    assert "Expecting" not in claim.words("en")


@pytest.mark.parametrize("fault", [MemoryError(), OSError("gone"), AssertionError("ours"), RuntimeError("ours")])
def test_a_fault_is_no_verdict(fault: Exception) -> None:
    findings = Findings()
    with pytest.raises(type(fault)), findings.about("container", "x"):
        raise fault
    assert findings.claims == []


def test_nothing_unseen_is_shown() -> None:
    shown = safe(f"a{UNSEEN}b")
    assert all(one not in shown for one in UNSEEN)
    assert shown.startswith("a⟨U+0000⟩⟨U+0007⟩")
    assert "⟨U+00AD⟩" in shown
    assert shown.endswith("⟨U+D800⟩b")
    assert safe("Ürün 漢字 שלום “x” – é👍") == "Ürün 漢字 שלום “x” – é👍"


def test_the_table_of_unseen_characters_has_all_that_unicode_ignores() -> None:
    """Controls, separators but the space, formats, surrogates; and what has no category for it."""
    from unicodedata import category  # noqa: PLC0415 - of this test alone

    spans = [one.split("-") for one in RULES["shownByNumber"].split()]
    table = {code for one in spans for code in range(int(one[0], 16), int(one[-1], 16) + 1)}
    formats = {code for code in range(0x110000) if category(chr(code)) in {"Cc", "Cf", "Zl", "Zp", "Zs", "Cs"}}
    # Marks that are seen, of scripts that set them before or around numbers.
    seen = {0x20, *range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
    assert formats - table - seen == set()


def reports(world: World, right: Plan, good: bytes) -> Iterator[tuple[str, bytes]]:
    """Bundles made wrong in every way, one of each kind of change."""
    for number, (name, make) in enumerate(tampering.cases(world, right, good)):
        if number % 37 == 0:
            yield name, make()


def test_sentences_of_wrong_bundles(world: World, right: Plan, good: bytes, trust: Trust, tmp_path: Path) -> None:
    """Not a word of a library in command or page, and no reason that the table does not have."""
    made = list(reports(world, right, good))
    page = verify_in_node(tmp_path, [octets for _, octets in made], world.trust_files(), "nl")
    count = 0
    for (name, octets), shown in zip(made, page, strict=True):
        try:
            claims = verify(octets, trust, (), "nl").as_json()["claims"]
        except Unusable as error:
            assert error.values["reason"] in REASONS
            claims = []
        for one in [*claims, *shown["report"]["claims"]]:
            count += "reason" in one["values"]
            assert one["values"].get("reason", OTHER_REASON) in REASONS, name
            assert not FOREIGN.search(one["words"]), (name, one["words"])
    assert count > 20


SPOILT: dict[str, Callable[[dict[str, bytes]], Any]] = {
    "certificates": lambda files: files.update(
        {"roots.pem": b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"}
    ),
    "lists": lambda files: files.update({"revoked/root-1.crl": b"0\x80"}),
    "text": lambda files: files.update(policy=b"\xff\n"),
    "a line": lambda files: files.update(policy=files["policy"] + b"quorum x\n"),
    "nothing": lambda files: files.update(policy=b""),
    "a file": lambda files: files.pop("policy"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_why_a_trust_folder_cannot_be_used(world: World, good: bytes, tmp_path: Path, name: str) -> None:
    files = world.trust_files()
    SPOILT[name](files)
    with pytest.raises(Unusable) as raised:
        trust_of(files)
    (shown,) = verify_in_node(tmp_path, [good], files, "fr")
    (claim,) = (one for one in shown["report"]["claims"] if one["check"] == "trust")
    ours = said("trust.malformed", "fr", raised.value.values)
    assert (claim["why"], claim["values"]["reason"]) == ("trust.malformed", raised.value.values["reason"])
    assert not FOREIGN.search(ours + claim["words"])
    assert ours == claim["words"]
