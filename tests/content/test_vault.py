"""Seals: what opens, what never opens, and that both ways of sealing give one format."""

import os
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from sealpost.content.placement import ContentDamaged
from sealpost.content.vault import Vault

KEY = bytes(range(32))
VAULT = Vault({1: KEY}, 1, b"content")
ALICE, CHARLIE = uuid4(), uuid4()


@given(st.binary(max_size=5000), st.uuids())
def test_what_was_sealed_opens(plaintext: bytes, owner: UUID) -> None:
    ciphertext, sealed = VAULT.seal(owner, plaintext)
    assert sealed.length == len(ciphertext) == len(plaintext) + 16
    assert VAULT.open(owner, sealed.nonce, sealed.wrapped_key, ciphertext) == plaintext


@given(st.lists(st.binary(max_size=700), max_size=8))
def test_pieces_give_the_same_format(pieces: list[bytes]) -> None:
    sealing = VAULT.sealing(ALICE)
    body = b"".join(sealing.update(memoryview(piece)) for piece in pieces)
    assert len(body) == sum(map(len, pieces))
    ciphertext = body + sealing.finish()
    sealed = sealing.sealed
    assert sealed.length == len(ciphertext)
    assert VAULT.open(ALICE, sealed.nonce, sealed.wrapped_key, ciphertext) == b"".join(pieces)


def test_the_format_is_as_documented() -> None:
    ciphertext, sealed = VAULT.seal(ALICE, memoryview(b"the letter"))
    bound = b"content" + ALICE.bytes
    assert sealed.wrapped_key[:2] == b"\x00\x01"
    key = AESGCM(KEY).decrypt(sealed.wrapped_key[2:14], sealed.wrapped_key[14:], bound)
    assert AESGCM(key).decrypt(sealed.nonce, ciphertext, bound) == b"the letter"


def test_nothing_is_used_twice() -> None:
    seals = [VAULT.seal(ALICE, b"same") for _ in range(50)]
    assert len({ciphertext for ciphertext, _ in seals}) == 50
    assert len({sealed.nonce for _, sealed in seals}) == 50
    assert len({sealed.wrapped_key[2:14] for _, sealed in seals}) == 50


@given(st.sampled_from(["nonce", "wrapped_key", "ciphertext"]), st.binary(max_size=300), st.integers(0, 10_000))
def test_a_flipped_bit_anywhere_opens_nothing(part: str, plaintext: bytes, bit: int) -> None:
    ciphertext, sealed = VAULT.seal(ALICE, plaintext)
    parts = {"nonce": sealed.nonce, "wrapped_key": sealed.wrapped_key, "ciphertext": ciphertext}
    flipped = bytearray(parts[part])
    flipped[bit // 8 % len(flipped)] ^= 1 << bit % 8
    parts[part] = bytes(flipped)
    with pytest.raises(ContentDamaged):
        VAULT.open(ALICE, **parts)


@pytest.mark.parametrize("part", ["nonce", "wrapped_key", "ciphertext"])
@pytest.mark.parametrize(
    "cut",
    [
        lambda b: b"",
        lambda b: b[:2],
        lambda b: b[:5],
        lambda b: b[:-1],
        lambda b: b[1:],
        lambda b: b + b"\0",
        lambda b: b * 2,
    ],
)
def test_a_part_of_another_length_opens_nothing(part: str, cut: object) -> None:
    ciphertext, sealed = VAULT.seal(ALICE, b"")
    parts = {"nonce": sealed.nonce, "wrapped_key": sealed.wrapped_key, "ciphertext": ciphertext}
    parts[part] = cut(parts[part])  # pyright: ignore[reportCallIssue] - a lambda of the table
    with pytest.raises(ContentDamaged):
        VAULT.open(ALICE, **parts)


def test_charlie_and_another_purpose_and_another_key_see_nothing() -> None:
    ciphertext, sealed = VAULT.seal(ALICE, b"for Bob")
    for vault, owner in [
        (VAULT, CHARLIE),
        (Vault({1: KEY}, 1, b"mail"), ALICE),
        (Vault({1: os.urandom(32)}, 1, b"content"), ALICE),
        (Vault({2: KEY}, 2, b"content"), ALICE),
    ]:
        with pytest.raises(ContentDamaged):
            vault.open(owner, sealed.nonce, sealed.wrapped_key, ciphertext)


def test_a_key_wrapped_for_alice_does_not_open_for_charlie() -> None:
    ciphertext, _ = VAULT.seal(ALICE, b"for Bob")
    _, charlies = VAULT.seal(CHARLIE, b"")
    with pytest.raises(ContentDamaged):
        VAULT.open(ALICE, charlies.nonce, charlies.wrapped_key, ciphertext)


def test_rotation_wraps_with_the_new_key_and_opens_the_old() -> None:
    old, sealed = VAULT.seal(ALICE, b"old")
    vault = Vault({1: KEY, 2: bytes(32)}, 2, b"content")
    assert vault.open(ALICE, sealed.nonce, sealed.wrapped_key, old) == b"old"
    new, sealed = vault.seal(ALICE, b"new")
    assert sealed.wrapped_key[:2] == b"\x00\x02"
    assert vault.open(ALICE, sealed.nonce, sealed.wrapped_key, new) == b"new"


@pytest.mark.parametrize(
    ("keys", "current"),
    [({}, 1), ({1: KEY}, 2), ({1: KEY[:16]}, 1), ({1: KEY, 2: KEY}, 1), ({65536: KEY}, 65536), ({-1: KEY}, -1)],
)
def test_a_vault_refuses_unfit_keys(keys: dict[int, bytes], current: int) -> None:
    with pytest.raises(ValueError, match="vault"):
        Vault(keys, current, b"content")


def test_an_unfinished_sealing_has_nothing_to_keep() -> None:
    with pytest.raises(RuntimeError):
        _ = VAULT.sealing(ALICE).sealed
