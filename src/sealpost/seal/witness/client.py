"""Asks the witnesses of a policy for their cosignatures over a new checkpoint (C2SP tlog-witness).

For the log's writer. A witness that is away, slow or wrong costs a log line and nothing else; what comes back is
checked before anybody sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

import httpx2
import structlog

from sealpost.domain.checkpoint import Checkpoint, read_checkpoint
from sealpost.domain.note import MOST_SIGNATURES, NoNote, Signature, read
from sealpost.domain.policy import Policy
from sealpost.seal.notes import SIGNATURE_OCTETS, Key, SignatureWrong, key_of, verify
from sealpost.seal.witness.request import PATH, SIZE_KIND, read_size, written_request

SECONDS = 5.0
NEAR = timedelta(minutes=5)
MOST_REPLY = 64 * 1024  # octets: a line of ML-DSA-44 has 3,300
MOST_LINES = 16
TRIES = 2
Prove = Callable[[int], Awaitable[Sequence[bytes]]]
"""Gives the consistency proof from an old size, at least 1 and smaller than the checkpoint's, to the checkpoint."""
log = structlog.get_logger()


class WitnessAway(Exception):
    """No answer."""


class WitnessWrong(Exception):
    """An answer that no witness should give; the sentence says what is wrong with it."""


class WitnessDisagrees(WitnessWrong):
    """It has cosigned a tree of this log that this one does not continue."""


class WitnessAhead(Exception):
    """The witness has cosigned a larger tree of this log already; the argument is its size."""


class WitnessClient:
    """Asks one witness, and remembers the size that it knows; forgetting that costs one more exchange.

    Args:
        url: its submission prefix, http or https: cosignatures prove themselves.
        name: of its keys.
        keys: type (0x04 or 0x06) and octets of each; lines by other keys are passed over.
        http: not following redirects; closed by its owner.
    """

    def __init__(self, url: str, name: str, keys: Sequence[tuple[int, bytes]], http: httpx2.AsyncClient) -> None:
        self.url, self.name, self.size = f"{url.rstrip('/')}/{PATH}", name, 0
        self._keys: list[Key] = [(name, kind, key) for kind, key in keys if kind in SIGNATURE_OCTETS]
        self._http = http

    async def ask(self, note: bytes, prove: Prove, at: datetime) -> tuple[Signature, ...]:
        """Its cosignatures over a checkpoint, checked.

        Args:
            note: the signed checkpoint, verbatim.
            prove: see `Prove`.
            at: aware, the real time: a cosignature of another time (five minutes) is wrong.

        Raises:
            WitnessWrong: it answers, but not with cosignatures that can be used.
            WitnessAhead: see there.
            WitnessAway: it does not answer.
        """
        checkpoint = read_checkpoint(read(note).text)
        if self.size > checkpoint.size:
            self.size = 0  # what is remembered may be wrong by now: it is asked before the tree is given up
        for _ in range(TRIES):
            if self.size > checkpoint.size:
                raise WitnessAhead(self.size)
            path = await prove(self.size) if 0 < self.size < checkpoint.size else ()
            status, kind, body = await self._post(written_request(self.size, path, note))
            if status == 200:
                found = self._checked(body, checkpoint, at)
                self.size = checkpoint.size
                return found
            told = _told(status, kind, body)
            if told == self.size:
                raise WitnessDisagrees(f"it says that another tree of {told} leaves is known to it")
            self.size = told
        raise WitnessWrong("it names one size after the other")

    async def _post(self, body: bytes) -> tuple[int, str, bytes]:
        try:
            place = httpx2.URL(self.url)
            if place.scheme not in {"http", "https"} or not place.host or not 0 < (place.port or 80) < 65536:
                raise WitnessAway("its address in the policy is none")
            return await self._exchange(body)
        # ValueError: names of hosts that the resolver cannot write down.
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise WitnessAway(repr(error)) from error

    async def _exchange(self, body: bytes) -> tuple[int, str, bytes]:
        headers = {"Accept-Encoding": "identity", "Content-Type": "text/plain; charset=utf-8"}
        sent = self._http.stream("POST", self.url, content=body, headers=headers, follow_redirects=False)
        async with sent as answer:
            received = b""
            async for chunk in answer.aiter_raw():  # never unpacked: a few octets could become very many
                received += chunk
                if len(received) > MOST_REPLY:
                    raise WitnessWrong(f"it answers with more than {MOST_REPLY} octets")
            kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
            return answer.status_code, kind, received

    def _checked(self, body: bytes, checkpoint: Checkpoint, at: datetime) -> tuple[Signature, ...]:
        """The lines by this witness's keys, one for each key; one that is wrong spoils them all."""
        try:
            answered = read(checkpoint.text.encode() + b"\n" + body)
        except NoNote as error:
            raise WitnessWrong(f"its answer is no lines of signatures: {error}") from error
        if answered.text != checkpoint.text:
            raise WitnessWrong("its answer has more than lines of signatures")
        found = dict[Key, Signature]()
        for line in answered.signatures[:MOST_LINES]:
            key = key_of(line, self._keys)
            if key is None or key in found:
                continue
            try:
                seconds = verify(checkpoint, line, key)
            except SignatureWrong as error:
                raise WitnessWrong(str(error)) from error
            if seconds is None or abs(seconds - at.timestamp()) > NEAR.total_seconds():
                raise WitnessWrong("its clock is more than five minutes off")
            found[key] = line
        if not found:
            raise WitnessWrong("none of its lines is by a key that the policy names")
        return tuple(found.values())


def _told(status: int, kind: str, body: bytes) -> int:
    """The size in a 409."""
    if status == 422:
        raise WitnessDisagrees("it says that this tree does not continue the one that it knows")
    if status != 409 or kind != SIZE_KIND:
        raise WitnessWrong(f"it answers {status}")
    try:
        text = body.decode("ascii")
        if not text.endswith("\n"):
            raise NoNote("a size without its newline")
        return read_size(text[:-1])
    except ValueError as error:  # NoNote is one, and so is what is not ASCII
        raise WitnessWrong("its 409 tells no size") from error


class Witnesses:
    """All witnesses of the policies that it is asked with, each with the sizes of logs that it knows.

    Args:
        http: closed by its owner; make it with ``trust_env=False``.
        seconds: the longest that one witness may take, both tries and the proof together.
    """

    def __init__(self, http: httpx2.AsyncClient, *, seconds: float = SECONDS) -> None:
        self._http, self._seconds = http, seconds
        self._sizes = dict[tuple[str, str, str], int]()  # by address, name and log
        self.disagreeing: list[str] = []
        """Names of those that, when asked last, knew another tree of the log, or a larger one."""

    async def collect(self, policy: Policy, note: bytes, prove: Prove, at: datetime) -> list[Signature]:
        """The cosignatures of all witnesses that have an address in the policy, asked at the same time.

        A witness that gives none costs a log line: `witness_unreachable`, `witness_wrong` or `witness_ahead`. Whether
        the quorum is met is the caller's question (`Policy.is_met`).

        Args:
            policy: names the witnesses.
            note: the log's signed checkpoint, verbatim.
            prove: see `Prove`; what it raises is raised, after every witness has been asked.
            at: aware, the real time, not a shifted one.

        Returns:
            Checked lines in the order of the policy, no more than the note has room for.
        """
        asked_for = read(note)
        self.disagreeing.clear()
        room, origin = MOST_SIGNATURES - len(asked_for.signatures), read_checkpoint(asked_for.text).origin
        asked = [self._one(client, origin, note, prove, at) for client in self._clients(policy)]
        found = list[Signature]()
        for result in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            found += result
        return found[:room]

    def _clients(self, policy: Policy) -> list[WitnessClient]:
        """One for each address and name: a witness with two keys stands in two lines."""
        keys = dict[tuple[str, str], list[tuple[int, bytes]]]()
        for one in policy.witnesses:
            if one.url:
                keys.setdefault((one.url, one.name), []).append((one.kind, one.key))
        return [WitnessClient(url, name, known, self._http) for (url, name), known in keys.items()]

    async def _one(
        self, client: WitnessClient, origin: str, note: bytes, prove: Prove, at: datetime
    ) -> tuple[Signature, ...]:
        place = (client.url, client.name, origin)
        client.size = self._sizes.get(place, 0)
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                return await client.ask(note, prove, at)
        except TimeoutError:
            if not limit.expired():
                raise  # the proof's own
            log.warning("witness_unreachable", witness=client.name, why=f"took over {self._seconds:g} s")
        except WitnessAway as error:
            log.warning("witness_unreachable", witness=client.name, why=str(error))
        except WitnessAhead as error:
            log.warning("witness_ahead", witness=client.name, size=error.args[0])
            self.disagreeing.append(client.name)
        except WitnessWrong as error:
            if isinstance(error, WitnessDisagrees):
                self.disagreeing.append(client.name)
            log.warning("witness_wrong", witness=client.name, why=str(error))
        finally:
            self._sizes[place] = client.size
        return ()
