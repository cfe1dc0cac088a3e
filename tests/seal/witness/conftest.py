"""A log that signs any tree, honest or not, a witness of it, and a clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from sealpost.cli.running import listen, serve_web
from sealpost.domain.checkpoint import Checkpoint
from sealpost.domain.merkle import consistency_proof, leaf_hash, node_hash, peaks_of
from sealpost.domain.note import ED25519 as PLAIN
from sealpost.domain.note import MLDSA44_COSIGNATURE, Signature, verifier_key, written
from sealpost.seal.key_files import FileSigner
from sealpost.seal.notes import log_lines
from sealpost.seal.signer import ED25519, ML_DSA_44
from sealpost.seal.witness.app import Witness
from sealpost.seal.witness.request import written_request
from sealpost.seal.witness.state import State

START = datetime(2026, 11, 23, 12, 0, 0, 987_000, tzinfo=UTC)
ORIGIN = "log.example.com/log/2026"
NAME = "witness.example.org/w1"


def ed25519(number: int = 1) -> FileSigner:
    key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return FileSigner("log-ed25519", number, ED25519, key.public_key().public_bytes_raw(), (), None, key)


def mldsa44(number: int = 1) -> FileSigner:
    key = MLDSA44PrivateKey.from_seed_bytes(bytes([number]) * 32)
    return FileSigner("log-mldsa44", number, ML_DSA_44, key.public_key().public_bytes_raw(), (), None, key)


class MovedClock:
    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return self.at

    def statement(self) -> dict[str, Any]:
        return {"source": "none"}


@dataclass
class Log:
    """A log of leaves that are told apart by a letter: another letter is another history."""

    origin: str = ORIGIN
    keys: tuple[FileSigner, FileSigner] = field(default_factory=lambda: (ed25519(), mldsa44()))

    @property
    def vkeys(self) -> list[str]:
        plain, pq = self.keys
        return [
            verifier_key(self.origin, PLAIN, plain.public_key),
            verifier_key(self.origin, MLDSA44_COSIGNATURE, pq.public_key),
        ]

    def node(self, letter: str) -> Callable[[int, int], bytes]:
        def node(level: int, place: int) -> bytes:
            if level == 0:
                return leaf_hash(f"{letter}{place}".encode())
            return node_hash(node(level - 1, 2 * place), node(level - 1, 2 * place + 1))

        return node

    def checkpoint(self, size: int, letter: str = "a") -> Checkpoint:
        return Checkpoint(self.origin, size, peaks_of(size, self.node(letter)).root())

    def note(self, size: int, letter: str = "a", *, more: Sequence[Signature] = ()) -> bytes:
        tree = self.checkpoint(size, letter)
        return written(tree.text, [*log_lines(self.origin, tree, *self.keys, START), *more])

    def path(self, old: int, size: int, letter: str = "a") -> list[bytes]:
        return consistency_proof(old, size, self.node(letter)) if old else []

    def body(self, old: int, size: int, letter: str = "a") -> bytes:
        return written_request(old, self.path(min(old, size), size, letter), self.note(size, letter))


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(scope="session")
def log() -> Log:
    return Log()


def new_witness(folder: Path, log: Log, clock: MovedClock, name: str = NAME) -> Witness:
    return Witness(name, ed25519(2), mldsa44(2), log.vkeys, State(folder, name), clock)


@pytest.fixture
def witness(tmp_path: Path, log: Log, clock: MovedClock) -> Witness:
    return new_witness(tmp_path, log, clock)


@asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str]:
    """An application on a real port of this machine."""
    listening, stop = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(serve_web(app, listening, stop))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        stop.set()
        await serving
