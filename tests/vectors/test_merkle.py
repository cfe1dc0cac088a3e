"""The tree against published vectors, and against the recursive definition of RFC 6962."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.merkle import (
    EMPTY,
    Peaks,
    consistency_proof,
    includes,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    node_hash,
    peaks_of,
)

FILE = Path(__file__).parents[3] / "shared" / "vectors" / "merkle-rfc6962.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {"inclusion": [], "consistency": []}


def octets(text: str | None) -> bytes:
    return b64decode(text or "")


def path(case: dict[str, Any]) -> list[bytes]:
    return [octets(one) for one in case["proof"] or []]


@pytest.mark.skipif(not FILE.exists(), reason="the published vectors do not lie beside this checkout")
def test_the_vectors_are_there() -> None:
    assert (len(VECTORS["inclusion"]), len(VECTORS["consistency"])) == (49, 49)


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda case: case["name"])
def test_inclusion(case: dict[str, Any]) -> None:
    proven = includes(case["leafIdx"], case["treeSize"], octets(case["leafHash"]), path(case), octets(case["root"]))
    assert proven is not case["wantErr"]


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda case: case["name"])
def test_consistency(case: dict[str, Any]) -> None:
    proven = is_consistent(case["size1"], case["size2"], octets(case["root1"]), octets(case["root2"]), path(case))
    assert proven is not (case["wantErr"] or case["size1"] == 0)


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(root_of(leaves[:k]), root_of(leaves[k:]))


LEAVES = [leaf_hash(str(number).encode()) for number in range(200)]


def node(level: int, place: int) -> bytes:
    return root_of(LEAVES[place << level : (place + 1) << level])


@given(st.integers(0, 199))
def test_roots(size: int) -> None:
    grown = Peaks()
    grown.extend(LEAVES[:size])
    assert grown.root() == root_of(LEAVES[:size])
    taken_up = peaks_of(size, node)
    assert (taken_up.size, taken_up.peaks) == (grown.size, grown.peaks)


@given(st.data())
def test_inclusion_proofs(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 200))
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(index, size, node), root_of(LEAVES[:size])
    assert includes(index, size, LEAVES[index], proof, root)
    spoiled = spoil(data, proof)
    assert not includes(index, size, LEAVES[index], spoiled, root)
    other = data.draw(st.integers(-1, size + 1).filter(lambda one: one != index))
    assert not includes(other, size, LEAVES[index], proof, root)
    assert not includes(index, size, EMPTY, proof, root)


@given(st.data())
def test_consistency_proofs(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 200))
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(old, new, node)
    roots = root_of(LEAVES[:old]), root_of(LEAVES[:new])
    assert is_consistent(old, new, *roots, proof)
    assert not is_consistent(old, new, *roots, spoil(data, proof))
    if old != new:
        assert not is_consistent(old, new, roots[0], roots[0], proof)
        assert not is_consistent(new, old, *roots, proof)
    assert not is_consistent(0, new, EMPTY, roots[1], [])


def spoil(data: st.DataObject, proof: list[bytes]) -> list[bytes]:
    """A proof that is almost right."""
    ways = ["longer", "front"] + (["shorter", "bit", "short hash"] if proof else [])
    way = data.draw(st.sampled_from(ways))
    if way in {"longer", "front"}:
        return [*proof, EMPTY] if way == "longer" else [EMPTY, *proof]
    if way == "shorter":
        return proof[:-1]
    at = data.draw(st.integers(0, len(proof) - 1))
    broken = proof[at][:-1] if way == "short hash" else bytes([proof[at][0] ^ 1]) + proof[at][1:]
    return [*proof[:at], broken, *proof[at + 1 :]]


@pytest.mark.parametrize(("size", "peaks"), [(1, []), (0, [EMPTY]), (3, [EMPTY]), (1, [b"x"]), (-1, [])])
def test_what_are_no_peaks(size: int, peaks: list[bytes]) -> None:
    with pytest.raises(ValueError, match="not the peaks"):
        Peaks(size, peaks)


@pytest.mark.parametrize("sizes", [(0, 1), (2, 1), (0, 0), (-1, 3)])
def test_no_proof_for_sizes_that_cannot_be(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="sizes"):
        consistency_proof(*sizes, node)
    with pytest.raises(ValueError, match="leaf"):
        inclusion_proof(sizes[0] + 5, sizes[1], node)
