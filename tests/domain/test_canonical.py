"""Canonical bytes: held against the rfc8785 package, which the verifier uses."""

import json
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.canonical import MAX_INTEGER, NotCanonical, canonical

SHARED = Path(__file__).parents[3] / "shared"
text = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(max_codepoint=127))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
)


@given(st.dictionaries(names, values))
def test_same_bytes_as_rfc8785(value: dict) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1.0},
        {"a": float("nan")},
        {"a": MAX_INTEGER + 1},
        {"a": "\ud800"},
        {"é": 1},
        {"a": b""},
        {"a": [{"é": "é"}]},
        {"a": [[-1.5]]},
    ],
)
def test_refuses(value: dict) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


def test_published_examples_are_canonical_by_us() -> None:
    examples = sorted((SHARED / "examples").glob("record-*.json"))
    if not examples:
        pytest.skip("no published example records beside this checkout")
    for path in examples:
        value = json.loads(path.read_text())
        assert canonical(value) == rfc8785.dumps(value)


def test_published_vectors() -> None:
    path = SHARED / "vectors" / "rfc8785.json"
    if not path.exists():
        pytest.skip("no published vectors beside this checkout")
    taken = 0
    for case in json.loads(path.read_text())["cases"].values():
        value, expected = json.loads(case["input"]), case["canonical"].encode()
        assert rfc8785.dumps(value) == expected
        try:
            ours = canonical(value) if isinstance(value, dict) else None
        except NotCanonical:
            continue  # floats and names beyond ASCII: records hold none
        if ours is not None:
            assert ours == expected
            taken += 1
    assert taken
