"""What a witness answers: hostile bodies as a table, and real HTTP on this machine."""

from __future__ import annotations

import asyncio
import sqlite3
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from sealpost.domain.checkpoint import Checkpoint
from sealpost.domain.merkle import EMPTY
from sealpost.domain.note import LONGEST, Signature, read, read_verifier_key, written
from sealpost.seal.notes import log_lines, signers, verify
from sealpost.seal.witness import app as module
from sealpost.seal.witness.app import Witness, witness_app
from sealpost.seal.witness.request import MOST_OCTETS, SIZE_KIND, read_request, written_request
from sealpost.seal.witness.state import FILE
from tests.seal.witness.conftest import NAME, ORIGIN, START, Log, MovedClock, ed25519, mldsa44, new_witness, served

LOG = Log()
HASH = b64encode(bytes(32)) + b"\n"
STRANGER = Log("stranger.example/log")
THIEF = Log(ORIGIN, (ed25519(7), mldsa44(7)))
SIZE = 2**63


def signed(tree: Checkpoint) -> bytes:
    return written(tree.text, log_lines(tree.origin, tree, *LOG.keys, START))


def spoiled(note: bytes) -> bytes:
    """The second line is no longer over this text: the first one still is."""
    found = read(note)
    last = found.signatures[1]
    return written(found.text, [found.signatures[0], Signature(last.name, last.key_id, last.octets[:-1] + b"\x77")])


NOTE, BODY = LOG.note(6), LOG.body(4, 6)
MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "newlines": b"\n\n\n\n",
    "not text": b"\xff" * 300,
    "no old line": BODY.partition(b"\n")[2],
    "old twice": b"old 4\n" + BODY,
    "old without a number": BODY.replace(b"old 4", b"old "),
    "old, two spaces": BODY.replace(b"old 4", b"old  4"),
    "old, a tab": BODY.replace(b"old 4", b"old\t4"),
    "old, a space after": BODY.replace(b"old 4", b"old 4 "),
    "old, a leading zero": BODY.replace(b"old 4", b"old 04"),
    "old, a sign": BODY.replace(b"old 4", b"old +4"),
    "old, negative": BODY.replace(b"old 4", b"old -4"),
    "old, hexadecimal": BODY.replace(b"old 4", b"old 0x4"),
    "old, other digits": BODY.replace(b"old 4", "old \u0664".encode()),
    "old, capitals": BODY.replace(b"old 4", b"OLD 4"),
    "old of 2^63": BODY.replace(b"old 4", b"old %d" % SIZE),
    "old of 2^64": BODY.replace(b"old 4", b"old %d" % 2**64),
    "old of a thousand digits": BODY.replace(b"old 4", b"old 1" + b"0" * 1000),
    "size of 2^63": b"old 0\n\n" + signed(Checkpoint(ORIGIN, SIZE, bytes(32))),
    "size of 2^64": b"old 0\n\n" + signed(Checkpoint(ORIGIN, SIZE - 1, bytes(32))).replace(b"%d" % (SIZE - 1), b"%d" % 2**64),
    "64 hashes": b"old 4\n" + HASH * 64 + b"\n" + NOTE,
    "a hash of 31 octets": b"old 4\n" + b64encode(bytes(31)) + b"\n\n" + NOTE,
    "a hash of 33 octets": b"old 4\n" + b64encode(bytes(33)) + b"\n\n" + NOTE,
    "a hash that is not base64": b"old 4\n" + b"*" * 44 + b"\n\n" + NOTE,
    "a hash in the other alphabet": b"old 4\n" + b"_" * 43 + b"=\n\n" + NOTE,
    "a hash with stray bits": b"old 4\n" + b"A" * 42 + b"B=\n\n" + NOTE,
    "a hash without padding": b"old 4\n" + b"A" * 43 + b"\n\n" + NOTE,
    "no empty line": b"old 4\n" + NOTE,
    "two empty lines": BODY.replace(b"\n\n", b"\n\n\n", 1),
    "CRLF": BODY.replace(b"\n", b"\r\n"),
    "CR": BODY.replace(b"\n", b"\r"),
    "CRLF in the old line": BODY.replace(b"old 4\n", b"old 4\r\n"),
    "CRLF in the note": BODY.replace(b"\n6\n", b"\r\n6\r\n"),
    "NUL in the old line": BODY.replace(b"old 4", b"old 4\0"),
    "NUL in the origin": BODY.replace(ORIGIN.encode(), ORIGIN.encode() + b"\0"),
    "NUL at the end": BODY + b"\0",
    "a byte order mark": b"\xef\xbb\xbf" + BODY,
    "a note without signatures": b"old 0\n\n" + LOG.checkpoint(6).text.encode(),
    "a note with an empty line only": b"old 0\n\n" + LOG.checkpoint(6).text.encode() + b"\n",
    "a note cut off": BODY[:-1],
    "a note and more": BODY + b"\n",
    "33 signatures": b"old 0\n\n" + LOG.note(6, more=[Signature("w.example", b"1234", b"x")] * 31),
    "an extension line": b"old 0\n\n" + NOTE.replace(b"=\n\n", b"=\nmore\n\n", 1),
    "a root of 31 octets": b"old 0\n\n" + signed(Checkpoint(ORIGIN, 6, bytes(31))),
    "no origin": b"old 0\n\n" + NOTE.partition(b"\n")[2],
    "an origin with a space": BODY.replace(ORIGIN.encode(), b"log example"),
    "a huge origin": b"old 0\n\n" + b"o" * LONGEST + b"\n" + NOTE,
    "as long as it may be": b"old 4\n" + b"A" * (MOST_OCTETS - 6),
    "too long": b"old 4\n" + b"A" * (MOST_OCTETS - 5),
}  # fmt: skip
REFUSED: list[tuple[str, int, bytes]] = [
    ("unknown log", 404, STRANGER.body(0, 6)),
    ("unknown log with nothing right", 404, STRANGER.body(9, 6)),
    ("the log's name by other keys", 403, THIEF.body(4, 6)),
    ("the log's name and identifiers by other keys", 403, written_request(4, [], written(
        LOG.checkpoint(6).text,
        [Signature(own.name, own.key_id, other.octets) for own, other in zip(read(NOTE).signatures, read(THIEF.note(6)).signatures, strict=True)]))),
    ("one of the log's lines is wrong", 403, written_request(4, LOG.path(4, 6), spoiled(NOTE))),
    ("another text than was signed", 403, BODY.replace(b"\n6\n", b"\n7\n")),
    ("old above new", 400, written_request(5, [], LOG.note(4))),
    ("old too small", 409, LOG.body(3, 6)),
    ("old of nothing", 409, LOG.body(0, 6)),
    ("old too large", 409, LOG.body(5, 6)),
    ("a smaller tree", 409, LOG.body(2, 3)),
    ("a smaller tree from what is known", 400, written_request(4, [], LOG.note(3))),
    ("another root of the same size", 409, LOG.body(4, 4, "b")),
    ("the same size with a proof", 422, written_request(4, [bytes(32)], LOG.note(4))),
    ("another history", 422, LOG.body(4, 6, "b")),
    ("another history with the right proof", 422, written_request(4, LOG.path(4, 6), LOG.note(6, "b"))),
    ("no proof", 422, written_request(4, [], NOTE)),
    ("a hash too few", 422, written_request(4, LOG.path(4, 7)[:-1], LOG.note(7))),
    ("a hash too many", 422, written_request(4, [*LOG.path(4, 6), bytes(32)], NOTE)),
    ("the proof of another size", 422, written_request(4, LOG.path(4, 7), NOTE)),
    ("hashes in another order", 422, written_request(4, LOG.path(4, 12)[::-1], LOG.note(12))),
    ("63 hashes", 422, b"old 4\n" + HASH * 63 + b"\n" + NOTE),
]  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_request(witness: Witness, name: str) -> None:
    assert witness.add_checkpoint(LOG.body(0, 4)).status == 200
    answer = witness.add_checkpoint(MALFORMED[name])
    assert (answer.status, witness.sizes()) == (400, {ORIGIN: 4})


@pytest.mark.parametrize(("name", "status", "body"), REFUSED, ids=[name for name, _, _ in REFUSED])
def test_what_is_not_cosigned(witness: Witness, name: str, status: int, body: bytes) -> None:
    assert witness.add_checkpoint(LOG.body(0, 4)).status == 200
    answer = witness.add_checkpoint(body)
    assert answer.status == status
    assert (answer.kind, answer.body) == (SIZE_KIND, b"4\n") if status == 409 else answer.kind.startswith("text/plain")
    assert witness.sizes() == {ORIGIN: 4}
    assert witness.add_checkpoint(BODY).status == 200  # what is right still goes through


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (written_request(0, [], signed(Checkpoint(ORIGIN, 0, EMPTY))), 200),
        (written_request(0, [], signed(Checkpoint(ORIGIN, 0, bytes(32)))), 409),
        (written_request(0, [bytes(32)], signed(Checkpoint(ORIGIN, 0, EMPTY))), 422),
        (written_request(0, [bytes(32)], NOTE), 422),
        (written_request(1, LOG.path(1, 6), NOTE), 409),
    ],
)
def test_a_log_that_is_new_here(witness: Witness, body: bytes, status: int) -> None:
    assert witness.add_checkpoint(body).status == status
    assert witness.sizes() == {ORIGIN: 0}


def test_the_lines_are_cosignatures_under_its_own_name(witness: Witness, clock: MovedClock) -> None:
    answer = witness.add_checkpoint(LOG.body(0, 6))
    note, keys = read(NOTE + answer.body), [read_verifier_key(one) for one in witness.keys]
    assert [(name, kind) for name, kind, _ in keys] == [(NAME, 4), (NAME, 6)]
    assert signers(note, keys) == keys
    for line, key in zip(note.signatures[2:], keys, strict=True):
        assert verify(LOG.checkpoint(6), line, key) == int(clock.at.timestamp())


def test_a_log_known_by_one_key_of_two(tmp_path: Path, clock: MovedClock) -> None:
    for place in (0, 1):
        (tmp_path / str(place)).mkdir()
        known = Log()
        witness = new_witness(tmp_path / str(place), known, clock)
        witness._logs = {ORIGIN: (read_verifier_key(known.vkeys[place]),)}
        assert witness.add_checkpoint(LOG.body(0, 6)).status == 200


def test_two_trees_of_one_size_are_kept_as_proof_and_nobody_is_named(witness: Witness) -> None:
    lie = LOG.note(4, "b")
    with capture_logs() as lines:
        witness.add_checkpoint(LOG.body(0, 4))
        witness.add_checkpoint(written_request(4, [], lie))
        witness.add_checkpoint(STRANGER.body(0, 4))
    assert [line["event"] for line in lines] == ["witness_cosigned", "witness_saw_two_trees", "witness_refused"]
    assert lines[1]["note"] == lie.decode()
    assert "stranger" not in str(lines[2])


def test_a_state_that_cannot_be_read_cosigns_nothing(tmp_path: Path, clock: MovedClock) -> None:
    witness = new_witness(tmp_path, LOG, clock)
    (tmp_path / FILE).write_bytes(b"no database any more" * 1000)
    with capture_logs() as lines:
        answer = witness.add_checkpoint(LOG.body(0, 4))
    assert (answer.status, b"\xe2" in answer.body, lines[0]["event"]) == (500, False, "witness_failed")
    with pytest.raises(sqlite3.DatabaseError):
        witness.sizes()


def test_bodies_are_read_as_they_were_written() -> None:
    note = LOG.note(7)
    found = read_request(written_request(4, LOG.path(4, 7), note))
    assert (found.old, list(found.path), found.checkpoint) == (4, LOG.path(4, 7), LOG.checkpoint(7))
    assert found.note == read(note)


def test_the_example_of_the_specification_is_a_request() -> None:
    found = read_request(
        "old 20852014\n"
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n"
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        "— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=\n".encode()
    )
    assert (found.old, len(found.path), found.checkpoint.size, len(found.note.signatures)) == (20852014, 4, 20852163, 2)


async def test_over_http(witness: Witness) -> None:
    async with served(witness_app(witness)) as url, httpx2.AsyncClient(trust_env=False) as http:
        right = await http.post(f"{url}/add-checkpoint", content=LOG.body(0, 4))
        assert (right.status_code, right.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert len(read(LOG.note(4) + right.content).signatures) == 4
        conflict = await http.post(f"{url}/add-checkpoint", content=LOG.body(0, 4))
        assert (conflict.status_code, conflict.headers["content-type"], conflict.content) == (409, SIZE_KIND, b"4\n")
        for method, path, status in (
            ("GET", "/add-checkpoint", 405), ("PUT", "/add-checkpoint", 405), ("POST", "/", 404), ("POST", "/x/add-checkpoint", 404),
            ("POST", "/add-checkpoint/", 404), ("POST", "/add-checkpoint", 400),
        ):  # fmt: skip
            assert (await http.request(method, f"{url}{path}")).status_code == status


async def test_under_a_prefix(witness: Witness) -> None:
    async with served(witness_app(witness, "/w/1")) as url, httpx2.AsyncClient(trust_env=False) as http:
        assert (await http.post(f"{url}/add-checkpoint", content=LOG.body(0, 4))).status_code == 404
        assert (await http.post(f"{url}/w/1/add-checkpoint", content=LOG.body(0, 4))).status_code == 200


async def test_too_long_is_told_before_it_is_read(witness: Witness) -> None:
    taken = 0

    async def endless():
        nonlocal taken
        for _ in range(10_000):
            taken += 1
            yield b"A" * 10_000

    async with served(witness_app(witness)) as url, httpx2.AsyncClient(trust_env=False) as http:
        declared = await http.post(f"{url}/add-checkpoint", content=b"A" * (MOST_OCTETS + 1))
        assert declared.status_code == 413
        try:
            chunked = await http.post(f"{url}/add-checkpoint", content=endless())
            assert chunked.status_code == 413
        except httpx2.HTTPError:
            pass  # the connection was closed while we were still sending
    assert taken < 10_000


async def test_a_length_that_is_too_long_is_enough(witness: Witness) -> None:
    async with served(witness_app(witness)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (MOST_OCTETS + 1))
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        writer.close()


async def test_a_body_that_does_not_come(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_SECONDS", 0.05)
    async with served(witness_app(witness)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nold 0\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_two_at_once_with_different_roots(tmp_path: Path, clock: MovedClock) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        for turn in range(8):
            folder = tmp_path / str(turn)
            folder.mkdir()
            witness = new_witness(folder, LOG, clock)
            async with served(witness_app(witness)) as url:
                sent = [http.post(f"{url}/add-checkpoint", content=LOG.body(0, 5, one)) for one in "abcdef"]
                answers = await asyncio.gather(*sent)
            assert sorted(one.status_code for one in answers) == [200, *[409] * 5]
            assert {one.content for one in answers if one.status_code == 409} == {b"5\n"}


async def test_two_at_once_of_different_sizes_are_not_taken_back(tmp_path: Path, clock: MovedClock) -> None:
    witness = new_witness(tmp_path, LOG, clock)
    async with served(witness_app(witness)) as url, httpx2.AsyncClient(trust_env=False) as http:
        sent = [http.post(f"{url}/add-checkpoint", content=LOG.body(0, size)) for size in range(1, 9)]
        answers = await asyncio.gather(*sent)
    (won,) = [size for size, one in enumerate(answers, 1) if one.status_code == 200]
    assert witness.sizes() == {ORIGIN: won}


def test_a_signer_that_fails_leaves_a_state_that_the_log_can_go_on_from(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between the commit and the answer."""

    def away(*_: object) -> Signature:
        raise module.SigningFailed

    with monkeypatch.context() as patched:
        patched.setattr(module, "cosigned", away)
        assert witness.add_checkpoint(LOG.body(0, 4)).status == 500
    assert witness.add_checkpoint(LOG.body(0, 4)).body == b"4\n"
    assert witness.add_checkpoint(LOG.body(4, 4)).status == 200
    assert witness.add_checkpoint(LOG.body(4, 6)).status == 200


def test_times_follow_the_clock(witness: Witness, clock: MovedClock) -> None:
    told: list[int | None] = []
    keys = [read_verifier_key(one) for one in witness.keys]
    ask: Callable[[int], bytes] = lambda old: witness.add_checkpoint(LOG.body(old, old + 1)).body  # noqa: E731 - three lines use it
    for size in range(3):
        line = read(LOG.note(size + 1) + ask(size)).signatures[2]
        told.append(verify(LOG.checkpoint(size + 1), line, keys[0]))
        clock.at += timedelta(seconds=30)
    assert told == [int(START.timestamp()) + 30 * one for one in range(3)]
