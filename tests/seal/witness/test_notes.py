"""Lines of logs and cosigners: made, checked, and refused when anything about them is changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sealpost.domain.checkpoint import Checkpoint, ed25519_message, mldsa44_message, timestamped
from sealpost.domain.note import ED25519 as PLAIN
from sealpost.domain.note import (
    ED25519_COSIGNATURE,
    MLDSA44_COSIGNATURE,
    NoNote,
    Note,
    Signature,
    key_id,
    read,
    read_verifier_key,
    written,
)
from sealpost.seal.notes import SignatureWrong, cosigned, is_signed, key_of, log_lines, signers, verify
from tests.seal.witness.conftest import NAME, ORIGIN, START, Log, ed25519, mldsa44

SECONDS = int(START.timestamp())


def keys_of(log: Log) -> list[tuple[str, int, bytes]]:
    return [read_verifier_key(one) for one in log.vkeys]


def test_the_two_lines_of_a_log_are_over_what_the_specifications_say(log: Log) -> None:
    tree, (plain, pq) = log.checkpoint(5), log.keys
    first, second = log_lines(ORIGIN, tree, plain, pq, START)
    assert first == Signature(ORIGIN, key_id(ORIGIN, 1, plain.public_key), plain.sign(tree.text.encode()))
    assert (second.name, second.key_id) == (ORIGIN, key_id(ORIGIN, 6, pq.public_key))
    assert second.octets[:8] == SECONDS.to_bytes(8)
    public = mldsa44().key.public_key()
    public.verify(second.octets[8:], mldsa44_message(ORIGIN, tree, SECONDS))  # type: ignore[call-arg]


def test_a_cosignature_of_ed25519_is_over_header_time_and_text(log: Log) -> None:
    tree = log.checkpoint(5)
    line = cosigned(tree, ed25519(2), NAME, START)
    assert line.octets == timestamped(SECONDS, ed25519(2).sign(ed25519_message(tree.text, SECONDS)))
    assert verify(tree, line, (NAME, ED25519_COSIGNATURE, ed25519(2).public_key)) == SECONDS


def test_a_whole_checkpoint_is_signed(log: Log) -> None:
    note, keys = read(log.note(7)), keys_of(log)
    assert is_signed(note, keys)
    assert is_signed(note, keys[:1])
    assert not is_signed(note, keys[1:])  # the line of type 0x01 is the one that must be there
    assert not is_signed(note, [])
    assert signers(note, keys) == keys
    strangers = (cosigned(log.checkpoint(7), ed25519(9), ORIGIN, START), Signature(NAME, b"1234", b"rubbish"))
    assert is_signed(read(log.note(7, more=strangers)), keys)


def changed(note: Note, place: int, octets: bytes) -> Note:
    lines = list(note.signatures)
    lines[place] = replace(lines[place], octets=octets)
    return replace(note, signatures=tuple(lines))


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("at", [0, 7, 8, 40, -1])
def test_one_wrong_line_of_a_known_key_spoils_the_note(log: Log, place: int, at: int) -> None:
    note, keys = read(log.note(7)), keys_of(log)
    octets = bytearray(note.signatures[place].octets)
    octets[at] ^= 1
    spoiled = changed(note, place, bytes(octets))
    assert not is_signed(spoiled, keys)
    with pytest.raises(SignatureWrong):
        signers(spoiled, keys)
    # By a key that is not asked about it does not count.
    assert signers(spoiled, [keys[1 - place]]) == [keys[1 - place]]


@pytest.mark.parametrize("octets", [b"x", b"", b"\xff" * 2428, bytes(2427), bytes(2429)])
def test_a_cosignature_of_another_shape(log: Log, octets: bytes) -> None:
    assert not is_signed(changed(read(log.note(7)), 1, octets), keys_of(log))


def test_another_text_or_name_or_key_does_not_verify(log: Log) -> None:
    tree = log.checkpoint(5)
    for signer, kind in ((ed25519(2), ED25519_COSIGNATURE), (mldsa44(2), MLDSA44_COSIGNATURE)):
        line, other = cosigned(tree, signer, NAME, START), (ed25519 if kind == 4 else mldsa44)(3)
        assert verify(tree, line, (NAME, kind, signer.public_key)) == SECONDS
        assert key_of(line, [("w2.example", kind, signer.public_key), (NAME, kind, other.public_key)]) is None
        for wrong in (log.checkpoint(6), log.checkpoint(5, "b"), replace(tree, origin="other.example")):
            with pytest.raises(SignatureWrong):
                verify(wrong, line, (NAME, kind, signer.public_key))
        with pytest.raises(SignatureWrong):
            verify(tree, line, (NAME, kind, other.public_key))
        with pytest.raises(SignatureWrong):
            verify(tree, line, (NAME, 2, signer.public_key))
    with pytest.raises(SignatureWrong):  # the name is signed too
        verify(tree, cosigned(tree, mldsa44(2), NAME, START), ("other", MLDSA44_COSIGNATURE, mldsa44(2).public_key))


def test_a_log_of_another_maker_may_sign_with_ml_dsa_without_a_time(log: Log) -> None:
    tree, key = log.checkpoint(3), mldsa44()
    line = Signature(
        ORIGIN, key_id(ORIGIN, 6, key.public_key), timestamped(0, key.sign(mldsa44_message(ORIGIN, tree, 0)))
    )
    assert verify(tree, line, (ORIGIN, 6, key.public_key)) == 0


def test_a_name_that_no_message_can_hold_is_no_crash() -> None:
    tree, key = Checkpoint("o" * 256, 1, bytes(32)), mldsa44()
    line = Signature(NAME, b"1234", timestamped(5, bytes(2420)))
    with pytest.raises(SignatureWrong):
        verify(tree, line, (NAME, 6, key.public_key))


def test_what_cannot_be_signed(log: Log) -> None:
    tree, (plain, pq) = log.checkpoint(5), log.keys
    for name, first, second, at in (
        (ORIGIN, pq, plain, START), ("other", plain, pq, START), (ORIGIN, plain, pq, START.replace(tzinfo=None)),
        (ORIGIN, plain, pq, datetime(1970, 1, 1, tzinfo=UTC)),
    ):  # fmt: skip
        with pytest.raises(ValueError):
            log_lines(name, tree, first, second, at)


def test_a_text_that_is_no_checkpoint() -> None:
    note = Note("only words\n", (Signature(ORIGIN, b"1234", b"x" * 64),))
    assert read(written(note.text, note.signatures)) == note
    assert not is_signed(note, [(ORIGIN, PLAIN, bytes(32))])
    with pytest.raises(NoNote):
        signers(note, [])
