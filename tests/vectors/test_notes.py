"""Signed notes, checkpoints and proofs: the specifications' own examples, round trips, and what is none."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from sealpost.domain.checkpoint import (
    Checkpoint,
    ed25519_message,
    mldsa44_message,
    read_checkpoint,
    read_proof,
    read_timestamped,
    timestamped,
    written_proof,
)
from sealpost.domain.note import (
    ED25519,
    NoNote,
    Signature,
    key_id,
    read,
    read_verifier_key,
    verifier_key,
    written,
)

# The example of C2SP signed-note, and the key that Go's package publishes for its own.
POEM = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
BEHIND = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)


@pytest.mark.parametrize(("note", "count"), [(POEM, 1), (GO_NOTE, 1), (BEHIND, 2)])
def test_published_notes_are_read_and_written_the_same(note: str, count: int) -> None:
    found = read(note.encode())
    assert len(found.signatures) == count
    assert written(found.text, found.signatures) == note.encode()


def test_a_published_signature_verifies_with_its_published_key() -> None:
    name, kind, public_key = read_verifier_key(GO_KEY)
    note = read(GO_NOTE.encode())
    (signature,) = note.signatures
    assert (name, kind, signature.key_id) == (signature.name, ED25519, key_id(name, kind, public_key))
    Ed25519PublicKey.from_public_bytes(public_key).verify(signature.octets, note.text.encode())
    assert verifier_key(name, kind, public_key) == GO_KEY


def test_a_published_checkpoint_and_its_cosignature() -> None:
    note = read(BEHIND.encode())
    checkpoint = read_checkpoint(note.text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text == note.text
    timestamp, signature = read_timestamped(note.signatures[1].octets, 64)
    assert (timestamp, len(signature)) == (1679315147, 64)
    assert ed25519_message(note.text, timestamp).startswith(b"cosignature/v1\ntime 1679315147\nexample.com/behind")


def test_the_message_of_mldsa_to_the_octet() -> None:
    message = mldsa44_message("w.example/1", Checkpoint("l.example", 258, b"\7" * 32), 3)
    assert message == (
        b"subtree/v1\n\0" + b"\x0bw.example/1" + b"\0" * 7 + b"\3" + b"\x09l.example" + b"\0" * 8 + b"\0" * 6 + b"\1\2" + b"\7" * 32
    )  # fmt: skip


NO_NOTES = [
    b"", b"text\n", b"text\n\n", b"text\n\nx\n", POEM.encode()[:-1], POEM.encode() + b"x", POEM.encode() + b"\n",
    POEM.replace("— q", "- q").encode(), POEM.replace("— q", "—  q").encode(), POEM.replace("=\n", "\n").encode(), POEM.replace("Ic=", "Id=").encode(),
    POEM.replace("Ognuno", "Og\tnuno").encode(), POEM.replace("Ognuno", "Og\rnuno").encode(), b"\xff" + POEM.encode(), POEM.replace("simodo", "simo+do").encode(),
    POEM.replace("simodo", "simo\u00a0do").encode(), "t\n\n— a AAAAAA==\n".encode(), ("t\n\n" + "— a AAAAAAAA\n" * 33).encode(), b"a" * 200_001,
    POEM.replace("NnugSz", "NnugS-").encode(), POEM.replace("NnugSz", "NnugSz ").encode(),
]  # fmt: skip


@pytest.mark.parametrize("octets", NO_NOTES)
def test_what_is_no_note(octets: bytes) -> None:
    with pytest.raises(NoNote):
        read(octets)


@pytest.mark.parametrize(
    "text",
    ["", "o\n1\n", "o\n1\nAAAA\n", "o\n01\n" + "A" * 43 + "=\n", "o\n-1\n" + "A" * 43 + "=\n", "o\n1\n" + "A" * 43 + "=",
     "o\n1\n" + "A" * 43 + "=\next\n", " o\n1\n" + "A" * 43 + "=\n", "\n1\n" + "A" * 43 + "=\n", "o\n1\n" + "A" * 42 + "B=\n", "o\n99999999999999999999\n" + "A" * 43 + "=\n"],
)  # fmt: skip
def test_what_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoNote):
        read_checkpoint(text)


@pytest.mark.parametrize("octets", [b"", b"\0" * 8 + b"x" * 64, b"\xff" * 8 + b"x" * 64, b"\0" * 7 + b"\1" + b"x" * 63, b"\0" * 7 + b"\1" + b"x" * 65])  # fmt: skip
def test_what_is_no_cosignature(octets: bytes) -> None:
    with pytest.raises(NoNote):
        read_timestamped(octets, 64)


@pytest.mark.parametrize("key", ["", "a", "a+b", "a+00000000+AQ==", GO_KEY[:-1], GO_KEY.replace("c7", "c8"), GO_KEY.replace("Peter", "Pe ter"), GO_KEY + "="])  # fmt: skip
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(NoNote):
        read_verifier_key(key)


@given(st.integers(0, 2**60), st.lists(st.binary(min_size=32, max_size=32), max_size=60), st.integers(1, 2**62))
def test_proofs_are_read_as_they_were_written(index: int, path: list[bytes], size: int) -> None:
    text = Checkpoint("log.example/2026", size, b"\1" * 32).text
    note = written(text, [Signature("log.example/2026", b"\0\1\2\3", timestamped(5, b"s" * 64))])
    proof = read_proof(written_proof(index, path, note))
    assert (proof.index, list(proof.path), proof.checkpoint) == (index, path, note)
    assert read_checkpoint(read(proof.checkpoint).text).size == size


@pytest.mark.parametrize(
    "change",
    [(b"@v1", b"@v2"), (b"index 7", b"index 07"), (b"index 7", b"index -7"), (b"index 7", b"index  7"), (b"index 7\n", b""),
     (b"index 7", b"extra AA==\nindex 7"), (b"AAAA=\n", b"AAA\n"), (b"AAAA=\n", b"AAAB=\n"), (b"\n\n", b"\n"), (b"index", b"INDEX"), (b"=\n", b"=\r\n")],
)  # fmt: skip
def test_what_is_no_proof(change: tuple[bytes, bytes]) -> None:
    octets = written_proof(7, [bytes(32)], b"rest\n")
    assert read_proof(octets).index == 7
    with pytest.raises(NoNote):
        read_proof(octets.replace(*change, 1))
