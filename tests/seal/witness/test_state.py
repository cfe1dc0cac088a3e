"""The rule of what may be cosigned, against a model; the file that remembers, across threads, restarts and kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sealpost.clock import SystemClock
from sealpost.domain.checkpoint import Checkpoint
from sealpost.domain.merkle import EMPTY, node_hash
from sealpost.domain.note import read
from sealpost.seal.key_files import KeysRefused
from sealpost.seal.witness.app import NoWitness
from sealpost.seal.witness.folder import open_witness
from sealpost.seal.witness.request import Request
from sealpost.seal.witness.state import FILE, Refusal, State, StateRefused
from tests.seal.witness.conftest import NAME, ORIGIN, START, Log, MovedClock, new_witness

LARGEST = 12
SHARED = 3  # leaves that the two histories have in common


class Two(Log):
    """Two histories that part after some leaves: up to there they are one log."""

    def node(self, letter: str) -> Callable[[int, int], bytes]:
        deep = super().node

        def node(level: int, place: int) -> bytes:
            if level == 0:
                return deep("a" if place < SHARED else letter)(0, place)
            return node_hash(node(level - 1, 2 * place), node(level - 1, 2 * place + 1))

        return node


LOG = Two()
NOTE = read(Log().note(1))  # signatures are checked before the state is asked


def request(old: int, size: int, letter: str, path: list[bytes]) -> Request:
    return Request(old, tuple(path), NOTE, LOG.checkpoint(size, letter))


class Machine(RuleBasedStateMachine):
    """A witness that is asked anything, and a model that knows whole histories instead of proofs."""

    @initialize()
    def start(self) -> None:
        self.folder = TemporaryDirectory()
        self.state = State(Path(self.folder.name), NAME)
        self.size, self.letter = 0, "a"
        self.cosigned: dict[int, bytes] = {}
        self.largest = 0

    @rule(
        old=st.none() | st.integers(0, LARGEST + 1),
        size=st.integers(0, LARGEST),
        letter=st.sampled_from("ab"),
        proof=st.sampled_from(["right", "none", "of a", "of b", "longer", "shorter"]),
    )
    def ask(self, old: int | None, size: int, letter: str, proof: str) -> None:
        old = self.size if old is None else old
        path = self._path(old, size, letter, proof)
        answer = self.state.take(request(old, size, letter, path), lambda: START)
        assert (answer.status if isinstance(answer, Refusal) else 200) == self._expected(old, size, letter, path)
        if isinstance(answer, Refusal):
            assert answer.size == self.size
            return
        root = LOG.checkpoint(size, letter).root
        assert self.cosigned.setdefault(size, root) == root  # never two trees of one size
        assert size >= self.largest  # never backwards
        self.size, self.letter, self.largest = size, letter, size

    def _path(self, old: int, size: int, letter: str, proof: str) -> list[bytes]:
        within = 0 < old <= size
        path = LOG.path(old, size, proof[-1] if proof.startswith("of") else letter) if within else []
        return {"none": [], "longer": [*path, EMPTY], "shorter": path[:-1]}.get(proof, path)

    def _expected(self, old: int, size: int, letter: str, path: list[bytes]) -> int:
        if old > size:
            return 400
        if old != self.size:
            return 409
        same_past = letter == self.letter or old <= SHARED
        if old == size:
            return 422 if path else 200 if same_past else 409
        if old == 0:
            return 422 if path else 200
        return 200 if same_past and path == LOG.path(old, size, letter) else 422

    @rule()
    def restart(self) -> None:
        self.state = State(Path(self.folder.name), NAME)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        assert self.state.size(ORIGIN) == self.size

    def teardown(self) -> None:
        self.folder.cleanup()


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_of_many_at_once_one_gets_through(tmp_path: Path) -> None:
    """Sixteen different trees of one size, and of two processes' states: one is taken, the others hear of it."""
    states = [State(tmp_path, NAME), State(tmp_path, NAME)]
    requests = [Request(0, (), NOTE, Checkpoint(ORIGIN, 5, bytes([one]) * 32)) for one in range(16)]
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(states[place % 2].take, one, lambda: START) for place, one in enumerate(requests)]
        answers = [one.result() for one in asked]
    refused = [one for one in answers if isinstance(one, Refusal)]
    assert [(one.status, one.size) for one in refused] == [(409, 5)] * 15


def test_another_process_waits_for_the_whole_decision(tmp_path: Path) -> None:
    """The second asks between the first one's check and its commit: it must not be answered before."""
    first, second = State(tmp_path, NAME), State(tmp_path, NAME)
    trees = [Request(0, (), NOTE, Checkpoint(ORIGIN, 5, bytes([one]) * 32)) for one in range(2)]
    with ThreadPoolExecutor(1) as pool:
        asked: list[Future[Refusal | datetime]] = []

        def now() -> datetime:
            asked.append(pool.submit(second.take, trees[1], lambda: START))
            assert wait(asked, timeout=0.5).done == set()
            return START

        assert first.take(trees[0], now) == START
        assert asked[0].result() == Refusal(409, 5, "another_old")


def test_logs_do_not_meet(tmp_path: Path) -> None:
    state = State(tmp_path, NAME)
    for place, origin in enumerate(("one.example", "two.example"), 1):
        assert state.take(Request(0, (), NOTE, Checkpoint(origin, place, bytes(32))), lambda: START) == START
    assert (state.size("one.example"), state.size("two.example"), state.size("three.example")) == (1, 2, 0)


def test_the_time_is_asked_inside_the_transaction(tmp_path: Path) -> None:
    """A clock that fails leaves nothing behind: the state is not ahead of a time that was never told."""
    state = State(tmp_path, NAME)

    def broken():
        raise ValueError("no time")

    with pytest.raises(ValueError, match="no time"):
        state.take(Request(0, (), NOTE, Checkpoint(ORIGIN, 5, bytes(32))), broken)
    assert state.size(ORIGIN) == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.seal.witness.conftest import ORIGIN, START
from tests.seal.witness.test_state import NAME, NOTE, Checkpoint, Request, State
def now():
    if sys.argv[2] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    return START
State(Path(sys.argv[1]), NAME).take(Request(0, (), NOTE, Checkpoint(ORIGIN, 5, bytes(32))), now)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("when", "size"), [("before", 0), ("after", 5)])
def test_a_kill_loses_nothing_that_was_answered(tmp_path: Path, when: str, size: int) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), when],
        env={**os.environ, "PYTHONPATH": f"{root / 'src'}:{root}"},
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    state = State(tmp_path, NAME)
    assert state.size(ORIGIN) == size
    answer = state.take(Request(0, (), NOTE, Checkpoint(ORIGIN, 5, b"x" * 32)), lambda: START)
    assert isinstance(answer, Refusal) == (when == "after")


def test_a_state_is_of_one_name(tmp_path: Path) -> None:
    State(tmp_path, NAME)
    with pytest.raises(StateRefused, match=r"of the witness witness\.example\.org/w1"):
        State(tmp_path, "other.example")
    (tmp_path / FILE).write_bytes(b"no database, but long enough to look at" * 100)
    with pytest.raises(StateRefused, match="cannot be used"):
        State(tmp_path, NAME)


def test_a_folder_is_opened_again_with_the_same_keys_and_memory(tmp_path: Path, log: Log) -> None:
    first = open_witness(tmp_path / "w", NAME, log.vkeys, SystemClock())
    assert first.add_checkpoint(log.body(0, 4)).status == 200
    again = open_witness(tmp_path / "w", NAME, log.vkeys, SystemClock())
    assert (again.keys, again.sizes()) == (first.keys, {ORIGIN: 4})
    assert again.add_checkpoint(log.body(0, 4)).body == b"4\n"
    assert (tmp_path / "w").stat().st_mode & 0o777 == 0o700


def test_keys_without_a_state_are_not_used(tmp_path: Path, log: Log) -> None:
    open_witness(tmp_path / "w", NAME, log.vkeys, SystemClock())
    (tmp_path / "w" / FILE).unlink()
    with pytest.raises(StateRefused, match="two trees"):
        open_witness(tmp_path / "w", NAME, log.vkeys, SystemClock())
    assert not (tmp_path / "w" / FILE).exists()


def test_a_state_without_keys_is_completed(tmp_path: Path, log: Log) -> None:
    State(tmp_path, NAME)
    tmp_path.chmod(0o700)
    assert len(open_witness(tmp_path, NAME, log.vkeys, SystemClock()).keys) == 2


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b", "a\nb", "w" * 256])
def test_a_name_that_cannot_be_is_not_written_down(tmp_path: Path, log: Log, name: str) -> None:
    with pytest.raises(NoWitness):
        open_witness(tmp_path / "w", name, log.vkeys, SystemClock())
    assert not (tmp_path / "w").exists()


def test_logs_that_cannot_be(tmp_path: Path, log: Log) -> None:
    for logs in ([], ["x"], [log.vkeys[0][:-1]], new_witness(tmp_path, log, MovedClock()).keys[:1]):
        with pytest.raises(NoWitness):
            open_witness(tmp_path / "w", NAME, logs, SystemClock())


def test_a_passphrase_that_is_too_short(tmp_path: Path, log: Log) -> None:
    with pytest.raises(KeysRefused):
        open_witness(tmp_path, NAME, log.vkeys, SystemClock(), given="short")


def test_the_latest_time_is_signed_for_a_checkpoint_that_is_asked_again(log: Log, tmp_path: Path) -> None:
    clock = MovedClock()
    witness = new_witness(tmp_path, log, clock)
    first = witness.add_checkpoint(log.body(0, 4))
    clock.at += timedelta(minutes=1)
    second = witness.add_checkpoint(log.body(4, 4))
    assert (first.status, second.status) == (200, 200)
    assert first.body != second.body
