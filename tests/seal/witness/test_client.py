"""The client against witnesses that are right, away, slow and wrong: over real HTTP on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from sealpost.domain.note import Signature, read, read_verifier_key, signature_line
from sealpost.domain.policy import Policy, read_policy
from sealpost.seal.notes import cosigned, signers
from sealpost.seal.witness.app import Witness, witness_app
from sealpost.seal.witness.client import MOST_REPLY, Witnesses
from sealpost.seal.witness.request import SIZE_KIND, read_request
from sealpost.seal.witness.state import State
from tests.seal.witness.conftest import NAME, ORIGIN, START, Log, MovedClock, ed25519, mldsa44, new_witness, served

LOG = Log()
HARD = "http://127.0.0.1:1/closed"


def policy_of(witness: Witness, *urls: str) -> Policy:
    """Each address with both keys of the witness; a second address would be a second line with the same key."""
    lines = [f"witness w{place} {key} {urls[0]}" for place, key in enumerate(witness.keys)]
    return read_policy("\n".join([*lines, "group g all w0 w1", "quorum g", ""]))


class Answering:
    """A server that answers each request with the next of what a test gives it, and keeps the bodies."""

    def __init__(self, *answers: tuple[int, str, bytes]) -> None:
        self.answers, self.bodies = list(answers), list[bytes]()

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        status, kind, answer = self.answers.pop(0)
        headers = [(b"content-type", kind.encode()), (b"location", b"/elsewhere")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


class Proofs:
    """Gives proofs to a size, and remembers from where they were asked."""

    def __init__(self, size: int) -> None:
        self.size, self.asked = size, list[int]()

    async def __call__(self, old: int) -> Sequence[bytes]:
        self.asked.append(old)
        return LOG.path(old, self.size)


@pytest_asyncio.fixture
async def http() -> AsyncGenerator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


async def test_sizes_are_learned_and_kept(witness: Witness, http: httpx2.AsyncClient) -> None:
    witnesses, keys = Witnesses(http), [read_verifier_key(one) for one in witness.keys]
    asked: list[bytes] = []
    whole = witness.add_checkpoint

    def counted(body: bytes) -> Any:
        asked.append(body)
        return whole(body)

    witness.add_checkpoint = counted  # type: ignore[method-assign]
    async with served(witness_app(witness)) as url:
        policy = policy_of(witness, f"{url}/")
        for size, old in ((4, []), (6, [4]), (6, []), (9, [6])):
            note, prove = LOG.note(size), Proofs(size)
            lines = await witnesses.collect(policy, note, prove, START)
            assert signers(read(note + "".join(map(signature_line, lines)).encode()), keys) == keys
            assert prove.asked == old
        assert len(asked) == 4
        fresh, prove = Witnesses(http), Proofs(12)
        assert len(await fresh.collect(policy, LOG.note(12), prove, START)) == 2
        assert (prove.asked, len(asked)) == ([9], 6)  # it knew nothing: a 409 told it


async def test_each_log_has_sizes_of_its_own(tmp_path: Path, http: httpx2.AsyncClient) -> None:
    """At the turn of the year the new log is small, and both are asked about in turns."""
    new = Log("log.example.com/log/2027")
    both = Witness(NAME, ed25519(2), mldsa44(2), LOG.vkeys + new.vkeys, State(tmp_path, NAME), MovedClock())
    asked: list[bytes] = []
    whole = both.add_checkpoint
    both.add_checkpoint = lambda body: (asked.append(body), whole(body))[1]  # type: ignore[method-assign]
    async with served(witness_app(both)) as url:
        witnesses, policy = Witnesses(http), policy_of(both, url)
        for log, size in ((LOG, 9), (new, 1), (LOG, 10), (new, 2)):

            async def prove(old: int, log: Log = log, size: int = size) -> Sequence[bytes]:
                return log.path(old, size)

            assert len(await witnesses.collect(policy, log.note(size), prove, START)) == 2
    assert len(asked) == 4


async def test_a_witness_that_was_replaced_is_asked_again(
    tmp_path: Path, witness: Witness, http: httpx2.AsyncClient
) -> None:
    """What is remembered of the first is too large for the tree: only the second one can say so."""
    (tmp_path / "new").mkdir()
    running, fresh = [witness], new_witness(tmp_path / "new", LOG, MovedClock())

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await witness_app(running[0])(scope, receive, send)

    async with served(app) as url:
        witnesses, policy = Witnesses(http), policy_of(witness, url)
        assert len(await witnesses.collect(policy, LOG.note(9), Proofs(9), START)) == 2
        running[0] = fresh
        assert len(await witnesses.collect(policy, LOG.note(4), Proofs(4), START)) == 2


async def test_a_log_that_was_killed_before_the_answer_goes_on(witness: Witness, http: httpx2.AsyncClient) -> None:
    """The witness has kept the checkpoint, the log never heard of it and comes with a larger one, or with the same."""
    assert witness.add_checkpoint(LOG.body(0, 4)).status == 200
    async with served(witness_app(witness)) as url:
        for size in (4, 7):
            assert len(await Witnesses(http).collect(policy_of(witness, url), LOG.note(size), Proofs(size), START)) == 2


async def test_one_that_is_ahead(witness: Witness, http: httpx2.AsyncClient) -> None:
    assert witness.add_checkpoint(LOG.body(0, 9)).status == 200
    async with served(witness_app(witness)) as url:
        witnesses, policy = Witnesses(http), policy_of(witness, url)
        with capture_logs() as lines:
            assert await witnesses.collect(policy, LOG.note(4), Proofs(4), START) == []
        assert (lines[-1]["event"], lines[-1]["witness"], lines[-1]["size"]) == ("witness_ahead", NAME, 9)
        assert witnesses.disagreeing == [NAME]
        assert len(await witnesses.collect(policy, LOG.note(11), Proofs(11), START)) == 2
        assert witnesses.disagreeing == []


async def test_one_that_knows_another_tree(witness: Witness, http: httpx2.AsyncClient) -> None:
    """A log that was put back from a copy and went on with other entries."""
    assert witness.add_checkpoint(LOG.body(0, 9)).status == 200
    async with served(witness_app(witness)) as url:
        for size in (9, 12):
            witnesses = Witnesses(http)
            assert await witnesses.collect(policy_of(witness, url), LOG.note(size, "b"), Proofs(size), START) == []
            assert witnesses.disagreeing == [NAME]


def lines_of(size: int, *, letter: str = "a", name: str = NAME, at: datetime = START, number: int = 2) -> bytes:
    tree = LOG.checkpoint(size, letter)
    made = [cosigned(tree, one, name, at) for one in (ed25519(number), mldsa44(number))]
    return "".join(map(signature_line, made)).encode()


RIGHT = lines_of(5)
FIRST, SECOND = (line + b"\n" for line in RIGHT.splitlines())
OTHER = lines_of(5, name="other.example")
STRANGE = lines_of(5, number=3)
PLAIN = "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("answers", "count", "event"),
    [
        ([(200, PLAIN, RIGHT)], 2, None),
        ([(200, "nonsense", RIGHT)], 2, None),
        ([(200, PLAIN, FIRST)], 1, None),
        ([(200, PLAIN, OTHER + RIGHT + STRANGE)], 2, None),
        ([(200, PLAIN, FIRST + RIGHT)], 2, None),
        ([(200, PLAIN, lines_of(5, at=START + timedelta(minutes=4)))], 2, None),
        ([(200, PLAIN, lines_of(5, at=START - timedelta(minutes=4)))], 2, None),
        ([(409, SIZE_KIND, b"2\n"), (200, PLAIN, RIGHT)], 2, None),
        ([(409, f"{SIZE_KIND}; x=1", b"5\n"), (200, PLAIN, RIGHT)], 2, None),
        ([(200, PLAIN, lines_of(5, at=START + timedelta(minutes=6)))], 0, "witness_wrong"),
        ([(200, PLAIN, lines_of(5, at=START - timedelta(minutes=6)))], 0, "witness_wrong"),
        ([(200, PLAIN, OTHER)], 0, "witness_wrong"),
        ([(200, PLAIN, STRANGE)], 0, "witness_wrong"),
        ([(200, PLAIN, lines_of(6))], 0, "witness_wrong"),
        ([(200, PLAIN, lines_of(5, letter="b"))], 0, "witness_wrong"),
        ([(200, PLAIN, FIRST + SECOND.replace(b"AAAAA", b"BBBBB"))], 0, "witness_wrong"),
        ([(200, PLAIN, b"")], 0, "witness_wrong"),
        ([(200, PLAIN, RIGHT[:-1])], 0, "witness_wrong"),
        ([(200, PLAIN, RIGHT.replace(b"\n", b"\r\n"))], 0, "witness_wrong"),
        ([(200, PLAIN, b"\n" + RIGHT)], 0, "witness_wrong"),
        ([(200, PLAIN, LOG.checkpoint(9).text.encode() + b"\n" + RIGHT)], 0, "witness_wrong"),
        ([(200, PLAIN, FIRST * 33)], 0, "witness_wrong"),
        ([(200, PLAIN, OTHER * 8 + RIGHT)], 0, "witness_wrong"),
        ([(200, PLAIN, b"\xff\xfe\0" * 9)], 0, "witness_wrong"),
        ([(200, PLAIN, b"x" * (MOST_REPLY + 1))], 0, "witness_wrong"),
        ([(200, PLAIN, RIGHT + f"\u2014 {'n' * MOST_REPLY} AAAAAAA=\n".encode())], 0, "witness_wrong"),
        ([(302, PLAIN, RIGHT)], 0, "witness_wrong"),
        ([(404, PLAIN, b"")], 0, "witness_wrong"),
        ([(500, PLAIN, RIGHT)], 0, "witness_wrong"),
        ([(409, PLAIN, b"2\n")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"0\n")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"2")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"02\n")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"-2\n")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"2\r\n")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, "\u0662\n".encode())], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"%d\n" % 2**63)], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"1" * 9999 + b"\n")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"2\n"), (409, SIZE_KIND, b"3\n")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"2\n"), (422, PLAIN, b"")], 0, "witness_wrong"),
        ([(409, SIZE_KIND, b"6\n")], 0, "witness_ahead"),
        ([(409, SIZE_KIND, b"%d\n" % (2**63 - 1))], 0, "witness_ahead"),
    ],
)
async def test_what_a_witness_may_answer(
    witness: Witness, http: httpx2.AsyncClient, answers: list[tuple[int, str, bytes]], count: int, event: str | None
) -> None:
    app = Answering(*answers)
    async with served(app) as url:
        with capture_logs() as lines:
            found = await Witnesses(http).collect(policy_of(witness, url), LOG.note(5), Proofs(5), START)
    assert len(found) == count
    assert [line["event"] for line in lines] == ([event] if event else [])
    assert len(app.bodies) == len(answers)  # never a third time, and never somewhere else
    for body in app.bodies[1:]:
        sent = read_request(body)
        assert list(sent.path) == (LOG.path(sent.old, 5) if sent.old < 5 else [])


@pytest.mark.parametrize(
    "url",
    [HARD, "ftp://127.0.0.1/", "witness.example", "http://", "http://[", "http://127.0.0.1:99999", "http://127.0.0.1:0", f"http://{'w' * 64}.localhost", "http://a..localhost", "http://\u2603.invalid:x/"],
)  # fmt: skip
async def test_one_that_is_away_costs_a_line(witness: Witness, http: httpx2.AsyncClient, url: str) -> None:
    with capture_logs() as lines:
        assert await Witnesses(http).collect(policy_of(witness, url), LOG.note(5), Proofs(5), START) == []
    assert [(line["event"], line["witness"]) for line in lines] == [("witness_unreachable", NAME)]


async def test_many_are_asked_at_the_same_time_and_a_slow_one_is_left(tmp_path: Path, http: httpx2.AsyncClient) -> None:
    """Two that answer only when both have been asked, one that never does, one that is away."""
    both, arrived = asyncio.Event(), list[str]()

    def together(witness: Witness) -> Any:
        whole = witness_app(witness)

        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            arrived.append(witness.name)
            if len(arrived) == 2:
                both.set()
            await both.wait()
            await whole(scope, receive, send)

        return app

    never = asyncio.Event()

    async def silent(_scope: Any, _receive: Any, _send: Any) -> None:
        await never.wait()

    clock, text = MovedClock(), list[str]()
    async with AsyncExitStack() as stack:
        for place in range(2):
            (tmp_path / str(place)).mkdir()
            name = f"w{place}.example/x"
            one = Witness(
                name, ed25519(20 + place), mldsa44(20 + place), LOG.vkeys,
                new_witness(tmp_path / str(place), LOG, clock, name)._state, clock,
            )  # fmt: skip
            url = await stack.enter_async_context(served(together(one)))
            text += [f"witness {place}{kind} {key} {url}" for kind, key in enumerate(one.keys)]
        stack.callback(never.set)
        lost = await stack.enter_async_context(served(silent))
        for place, url in ((7, lost), (8, HARD), (9, "")):
            (tmp_path / str(place)).mkdir()
            key = Witness(
                f"w{place}.example/x", ed25519(20 + place), mldsa44(20 + place), LOG.vkeys,
                new_witness(tmp_path / str(place), LOG, clock, f"w{place}.example/x")._state, clock,
            ).keys[0]  # fmt: skip
            text.insert(0, f"witness {place} {key} {url}")
        policy = read_policy("\n".join([*text, "quorum none", ""]))
        with capture_logs() as lines:
            found = await Witnesses(http, seconds=1).collect(policy, LOG.note(5), Proofs(5), START)
        never.set()
    assert [one.name for one in found] == ["w0.example/x"] * 2 + ["w1.example/x"] * 2
    assert sorted((line["event"], line["witness"]) for line in lines if "witness" in line) == [
        ("witness_unreachable", "w7.example/x"), ("witness_unreachable", "w8.example/x"),
    ]  # fmt: skip


@pytest.mark.parametrize("error", [RuntimeError("no tree"), TimeoutError("no database"), OSError("no disk")])
async def test_a_proof_that_cannot_be_made_is_the_log_s_own_trouble(
    witness: Witness, http: httpx2.AsyncClient, error: Exception
) -> None:
    async def prove(_old: int) -> Sequence[bytes]:
        raise error

    async with served(Answering((409, SIZE_KIND, b"2\n"))) as url:
        with pytest.raises(type(error), match=str(error)):
            await Witnesses(http).collect(policy_of(witness, url), LOG.note(5), prove, START)


async def test_no_more_lines_than_a_note_has_room_for(witness: Witness, http: httpx2.AsyncClient) -> None:
    note = LOG.note(5, more=[Signature("w.example", b"1234", b"x")] * 29)
    async with served(Answering((200, PLAIN, RIGHT))) as url:
        found = await Witnesses(http).collect(policy_of(witness, url), note, Proofs(5), START)
    assert len(found) == 1
    assert len(read(note + signature_line(found[0]).encode()).signatures) == 32


async def test_a_policy_without_addresses_asks_nobody(witness: Witness, http: httpx2.AsyncClient) -> None:
    policy = read_policy(f"log {LOG.vkeys[0]}\nwitness w {witness.keys[0]}\nquorum w\n")
    assert await Witnesses(http).collect(policy, LOG.note(5), Proofs(5), START) == []
    assert policy.logs[0].name == ORIGIN
