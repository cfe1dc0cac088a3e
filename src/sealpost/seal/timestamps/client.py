"""The RFC 3161 client: asks an authority over HTTP (3.4) for a token over octets, and keeps only what it checked."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import httpx2
from asn1crypto import algos, tsp
from cryptography import x509

from sealpost.clock import Clock, SystemClock
from sealpost.seal.timestamps.token import TimestampUnavailable, TimestampWrong, check

# asn1crypto has no types: read through Any.
_algos: Any = algos
_tsp: Any = tsp
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
MAX_REPLY = 64 * 1024
NONCE_BITS = 64  # what every authority takes; some refuse longer ones


class Stamper(Protocol):
    """Whatever gives time tokens over octets."""

    async def stamp(self, octets: bytes) -> bytes:
        """A checked TimeStampResp (DER)."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """A time that an authority gave, and when we heard it.

    Args:
        authority_at: genTime.
        asked_at: the machine's time just before the request was sent.
        seconds: from there to the answer.
        monotonic: ``time.monotonic`` at the answer.
    """

    authority_at: datetime
    asked_at: datetime
    seconds: float
    monotonic: float


class TimestampClient:
    """Asks one authority; repeating is the caller's. Closed by ``close`` or as an async context.

    Args:
        url: the authority's, http or https: the token proves itself.
        roots: certificates that a path must lead to.
        policy: the OID to ask for and insist on, or None for the authority's own choice.
        imprint: the hash of the octets.
        seconds: the longest that a whole exchange may take.
        clock: its ``real`` is what ``heard`` compares the authority's time with.
        transport: another way than the network, for an authority in the same process (``httpx2.ASGITransport``).
    """

    def __init__(
        self,
        url: str,
        roots: Sequence[x509.Certificate],
        *,
        policy: str | None = None,
        imprint: Literal["sha256", "sha512"] = "sha256",
        seconds: float = 10,
        clock: Clock | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url
        self.heard: Heard | None = None
        self._roots, self._policy, self._imprint, self._seconds = tuple(roots), policy, imprint, seconds
        self._clock = clock or SystemClock()
        # No proxy or key file from the environment; a redirect would be answered by somebody nobody configured.
        self._http = httpx2.AsyncClient(
            transport=transport, timeout=seconds, trust_env=False, follow_redirects=False, headers={"Accept": REPLY}
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def stamp(self, octets: bytes) -> bytes:
        """A token over ``octets``: the authority's answer as it came (TimeStampResp, DER), checked.

        Raises:
            TimestampUnavailable: the authority is away, slow, or refuses.
            TimestampWrong: its answer fails a check.
        """
        nonce = secrets.randbits(NONCE_BITS)
        asked_at, before = self._clock.real(), time.monotonic()
        response = await self._exchange(query(octets, nonce, imprint=self._imprint, policy=self._policy))
        after = time.monotonic()
        token = check(response, octets, self._roots, nonce=nonce, policy=self._policy)
        self.heard = Heard(token.at, asked_at, after - before, after)
        return response

    async def _exchange(self, body: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(body)
        except TimeoutError as error:
            raise TimestampUnavailable(f"the time stamp authority took over {self._seconds:g} s") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise TimestampUnavailable(f"the time stamp authority is away: {error!r}") from error

    async def _post(self, body: bytes) -> bytes:
        async with self._http.stream("POST", self.url, content=body, headers={"Content-Type": QUERY}) as answer:
            if answer.status_code != 200:
                raise TimestampUnavailable(f"the time stamp authority answers {answer.status_code}")
            kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
            if kind != REPLY:
                raise TimestampWrong(f"the time stamp authority answers with {kind[:80]!r}")
            received = b""
            async for chunk in answer.aiter_bytes():
                received += chunk
                if len(received) > MAX_REPLY:
                    raise TimestampWrong(f"the time stamp authority answers with more than {MAX_REPLY} octets")
            return received


def query(octets: bytes, nonce: int, *, imprint: str = "sha256", policy: str | None = None) -> bytes:
    """A time stamp query (TimeStampReq, DER) that asks for the certificates."""
    asked = {
        "version": "v1",
        "message_imprint": {
            "hash_algorithm": _algos.DigestAlgorithm({"algorithm": imprint}),
            "hashed_message": hashlib.new(imprint, octets).digest(),
        },
        "nonce": nonce,
        "cert_req": True,
    }
    return _tsp.TimeStampReq(asked | ({"req_policy": policy} if policy else {})).dump()
