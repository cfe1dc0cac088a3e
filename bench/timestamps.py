"""Time tokens per second on one core: answered by the local authority, checked by client and verifier; five rounds.

Run: `PYTHONPATH=src python bench/timestamps.py`. The local authority signs with P-256; *stamped* is the whole exchange
in one process (question, ASGI, token, check), without a network.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import uvloop

from sealpost.clock import SystemClock
from sealpost.domain.records import Issuer
from sealpost.seal import pki
from sealpost.seal.key_files import KeyFolder
from sealpost.seal.timestamps.client import TimestampClient, query
from sealpost.seal.timestamps.local import LocalTsa, tsa_app
from sealpost.seal.timestamps.token import check
from sealpost.verifier.timestamps import check_token

TIMES, ROUNDS, OCTETS = 200, 5, b"checkpoint\n" * 20


def shown(what: str, rates: list[float]) -> None:
    print(f"{what:<12} {statistics.median(rates):6.0f}/s  ({' '.join(f'{rate:.0f}' for rate in rates)})")


def measure(what: str, act: Callable[[], object]) -> None:
    rates: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(TIMES):
            act()
        rates.append(TIMES / (time.perf_counter() - start))
    shown(what, rates)


async def measure_stamped(client: TimestampClient) -> None:
    rates: list[float] = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(TIMES):
            await client.stamp(OCTETS)
        rates.append(TIMES / (time.perf_counter() - start))
    shown("stamped", rates)


async def main(folder: Path) -> None:
    keys = KeyFolder(folder / "keys", b"only for this bench")
    issuer = Issuer("https://sealpost.example/evidence", "Bench B.V.", "NTRNL-12345678", "test", {})
    pki.establish(keys, issuer, datetime.now(UTC))
    roots, tsa = pki.roots(keys), LocalTsa(keys.signer("tsa"), SystemClock())
    asked = query(OCTETS, 1)
    response = tsa.answer(asked)
    measure("answered", lambda: tsa.answer(asked))
    measure("checked", lambda: check(response, OCTETS, roots, nonce=1))
    measure("verified", lambda: check_token(response, OCTETS, roots, nonce=1))
    transport = httpx2.ASGITransport(app=tsa_app(tsa))
    async with TimestampClient("http://local.test/tsa", roots, transport=transport) as client:
        await measure_stamped(client)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        uvloop.run(main(Path(made)))
