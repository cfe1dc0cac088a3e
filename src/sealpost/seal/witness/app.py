"""A small witness: cosigns the checkpoints of logs that it knows, never two trees of one size, never a smaller one.

C2SP tlog-witness, add-checkpoint; cosignatures of types 0x04 and 0x06. For `sealpost witness`, for the demo and tests.
An ASGI application, wherever it is mounted. Log lines name logs and sizes, nobody's address.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from sealpost.clock import Clock
from sealpost.domain import note as notes
from sealpost.domain.note import NoNote, read_verifier_key, signature_line, verifier_key, written
from sealpost.domain.policy import KEY_OCTETS, LOG_KINDS, LONGEST_NAME
from sealpost.seal.notes import KINDS, Key, SignatureWrong, cosigned, signers
from sealpost.seal.signer import ED25519, ML_DSA_44, Signer, SigningFailed
from sealpost.seal.witness.request import MOST_OCTETS, PATH, SIZE_KIND, Request, read_request
from sealpost.seal.witness.state import Refusal, State

BODY_SECONDS = 10.0
TEXT = "text/plain; charset=utf-8"
log = structlog.get_logger()


class NoWitness(ValueError):
    """A name, a key or a log that a witness cannot have; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and its type."""

    status: int
    body: bytes
    kind: str = TEXT


class Witness:
    """Decides about checkpoints and cosigns them. Its calls block; `witness_app` makes them in threads.

    Args:
        name: its own, a URL without scheme.
        ed25519: its key for cosignatures of type 0x04.
        mldsa44: its key for those of type 0x06.
        logs: verifier keys of the logs that it takes, of types 0x01 and 0x06; a log may have several.
        state: what it cosigned.
        clock: `now` is what it says the time is.

    Raises:
        NoWitness: a name or a key that cannot be.
    """

    def __init__(
        self, name: str, ed25519: Signer, mldsa44: Signer, logs: Sequence[str], state: State, clock: Clock
    ) -> None:
        check_name(name)
        if (ed25519.algorithm, mldsa44.algorithm) != (ED25519, ML_DSA_44):
            raise NoWitness("a witness has a key of Ed25519 and one of ML-DSA-44")
        self.name, self._signers = name, (ed25519, mldsa44)
        self._logs, self._state, self._clock = read_logs(logs), state, clock

    @property
    def keys(self) -> tuple[str, ...]:
        """Its verifier keys, as policies have them."""
        return tuple(verifier_key(self.name, KINDS[one.algorithm], one.public_key) for one in self._signers)

    def sizes(self) -> dict[str, int]:
        """Of each log that it takes, leaves of the tree that it cosigned last."""
        return {origin: self._state.size(origin) for origin in self._logs}

    def add_checkpoint(self, body: bytes) -> Answer:
        """What to answer to a body; on 200 the new state is durable."""
        try:
            request = read_request(body)
        except NoNote as error:
            return _refused(400, str(error))
        origin = request.checkpoint.origin
        if origin not in self._logs:
            return _refused(404, "not a log that this witness knows")
        try:
            if not signers(request.note, self._logs[origin]):
                return _refused(403, "not signed by the log", origin=origin)
        except SignatureWrong as error:
            return _refused(403, str(error), origin=origin)
        try:
            return self._decided(request)
        except (sqlite3.Error, SigningFailed) as error:
            log.exception("witness_failed", origin=origin, size=request.checkpoint.size, error=repr(error))
            return Answer(500, b"this witness cannot answer now\n")

    def _decided(self, request: Request) -> Answer:
        checkpoint = request.checkpoint
        found = self._state.take(request, self._clock.now)
        if isinstance(found, Refusal):
            return _conflicting(request, found)
        # The state is ahead of the log from here to the answer; see `State.take` for a crash in between.
        lines = [signature_line(cosigned(checkpoint, one, self.name, found)) for one in self._signers]
        log.info("witness_cosigned", origin=checkpoint.origin, size=checkpoint.size, old=request.old)
        return Answer(200, "".join(lines).encode())


def check_name(name: str) -> None:
    """Refuses a name that no line and no cosignature can hold.

    Raises:
        NoWitness: it is one.
    """
    if not notes.NAME.fullmatch(name) or notes.CONTROL.search(name) or len(name.encode()) > LONGEST_NAME:
        raise NoWitness("the name of a witness has no spaces, no plus and at most 255 octets")


def read_logs(logs: Sequence[str]) -> dict[str, tuple[Key, ...]]:
    """The keys of logs by origin.

    Args:
        logs: verifier keys.

    Raises:
        NoWitness: there are none, or one is of another type.
    """
    found = dict[str, tuple[Key, ...]]()
    for text in logs:
        try:
            name, kind, key = read_verifier_key(text)
        except NoNote as error:
            raise NoWitness(f"{text[:80]!r} is not a verifier key") from error
        if kind not in LOG_KINDS or len(key) != KEY_OCTETS[kind] or len(name.encode()) > LONGEST_NAME:
            raise NoWitness(f"the key of {name[:80]!r} is not one of a log that this witness can check")
        found[name] = (*found.get(name, ()), (name, kind, key))
    if not found:
        raise NoWitness("a witness needs at least one log")
    return found


def _refused(status: int, why: str, **facts: object) -> Answer:
    log.warning("witness_refused", status=status, why=why, **facts)
    return Answer(status, f"{why}\n".encode())


def _conflicting(request: Request, found: Refusal) -> Answer:
    new = request.checkpoint
    if found.why == "another_root":
        # Two trees of one size, both signed: the proof that the log lied is in this line. It needs the log's own key,
        # so that strangers cannot fill the disk with it.
        signed = written(request.note.text, request.note.signatures).decode()
        log.error("witness_saw_two_trees", origin=new.origin, size=new.size, note=signed)
    else:
        facts = {"origin": new.origin, "size": new.size, "old": request.old, "known": found.size}
        log.warning("witness_refused", status=found.status, why=found.why, **facts)
    if found.status == 409:
        return Answer(409, f"{found.size}\n".encode(), SIZE_KIND)
    return Answer(found.status, f"{found.why}\n".encode())


def witness_app(witness: Witness, prefix: str = "") -> Any:
    """An ASGI application that answers ``POST <prefix>/add-checkpoint``.

    Args:
        witness: decides.
        prefix: path of the submission prefix where the application is not mounted under it; without a slash at its end.
    """

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        answer = await _exchange(witness, f"{prefix}/{PATH}", scope, receive)
        headers = [(b"content-type", answer.kind.encode()), (b"content-length", str(len(answer.body)).encode())]
        if answer.status == 405:
            headers.append((b"allow", b"POST"))
        if answer.status in {408, 413}:
            headers.append((b"connection", b"close"))  # the rest of the body is not wanted
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    return app


async def _exchange(witness: Witness, path: str, scope: dict[str, Any], receive: Any) -> Answer:
    # A mounted application sees the whole path, and in root_path the part that led to it.
    if scope["path"].removeprefix(scope.get("root_path", "")) != path:
        return Answer(404, f"this is a witness of logs: POST {path}\n".encode())
    if scope["method"] != "POST":
        return Answer(405, b"POST a checkpoint (c2sp.org/tlog-witness)\n")
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    if not declared.isdigit() or len(declared) > 9 or int(declared) > MOST_OCTETS:
        return _refused(413, "longer than a request may be")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _body(receive)
    except TimeoutError:
        return _refused(408, "the body took too long")
    if body is None:
        return _refused(413, "longer than a request may be")
    # Not cancelled with the connection: what has been decided is decided.
    return await asyncio.to_thread(witness.add_checkpoint, body)


async def _body(receive: Any) -> bytes | None:
    """The whole body, or None as soon as it is too long."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_OCTETS:
            return None
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return bytes(body)
