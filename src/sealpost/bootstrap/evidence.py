"""What seals, logs and dates: keys, the time stamp authority, the clock's second source, the witnesses."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from ssl import SSLContext

import httpx2
from cryptography import x509

from sealpost.clock import Clock
from sealpost.domain.policy import read_policy
from sealpost.domain.records import Issuer
from sealpost.seal.evidence import Evidence
from sealpost.seal.key_files import KeyFolder, KeysRefused, passphrase
from sealpost.seal.pki import establish, roots
from sealpost.seal.timestamps.client import TimestampClient
from sealpost.seal.timestamps.guard import ClockGuard, NtpSource, SecondSource, TsaSource
from sealpost.seal.timestamps.local import LocalTsa, tsa_app
from sealpost.seal.witness.client import Witnesses
from sealpost.settings import Settings

OWN_TSA = "own"


def evidence_keys(settings: Settings, issuer: Issuer, now: datetime) -> KeyFolder:
    """The evidence keys, made at first start."""
    folder = settings.evidence_keys
    keys = KeyFolder(folder, passphrase(folder, settings.keys_passphrase))
    establish(keys, issuer, now)
    return keys


def known_keys(settings: Settings) -> KeyFolder:
    """The evidence keys that there are; none is made, nor is a folder or a passphrase.

    Raises:
        KeysRefused: there are none, or they cannot be used.
    """
    folder = settings.evidence_keys
    if not any(folder.glob("*.key.pem")):
        raise KeysRefused(f"no evidence keys in {folder} yet; the first start of the service makes them")
    return KeyFolder(folder, passphrase(folder, settings.keys_passphrase))


@asynccontextmanager
async def evidence_of(settings: Settings, keys: KeyFolder, clock: Clock) -> AsyncGenerator[Evidence]:
    async with AsyncExitStack() as stack:
        stamper = stamper_of(settings, keys, clock)
        if stamper is not None:
            stack.push_async_callback(stamper.close)
        http = httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=5, verify=_machine_roots())
        stack.push_async_callback(http.aclose)
        guard = ClockGuard(clock, second_source(settings, stamper, clock))
        await guard.poll()
        policy = _policy(settings)
        yield Evidence(
            keys=keys,
            logs=settings.logs,
            stamper=stamper,
            tsa_roots=_tsa_roots(settings, keys),
            guard=guard,
            grace=timedelta(seconds=settings.evidence_grace),
            policy=read_policy(policy) if policy else None,
            policy_text=policy,
            witnesses=Witnesses(http),
        )


@cache
def _machine_roots() -> SSLContext:
    """Reads the machine's trusted roots once in a process: 20 ms, which each Service would spend again."""
    return httpx2.create_ssl_context(trust_env=False)


def _policy(settings: Settings) -> str:
    return Path(settings.policy).read_text() if settings.policy else ""


def stamper_of(settings: Settings, keys: KeyFolder, clock: Clock) -> TimestampClient | None:
    if not settings.tsa_url:
        return None
    roots = _tsa_roots(settings, keys)
    if settings.tsa_url != OWN_TSA:
        return TimestampClient(settings.tsa_url, roots, clock=clock)
    inside = httpx2.ASGITransport(app=tsa_app(LocalTsa(keys.signer("tsa"), clock)))
    return TimestampClient(f"{settings.base_url}/tsa", roots, clock=clock, transport=inside)


def _tsa_roots(settings: Settings, keys: KeyFolder) -> tuple[x509.Certificate, ...]:
    if settings.tsa_url == OWN_TSA:
        return roots(keys)
    return tuple(x509.load_pem_x509_certificates(Path(settings.tsa_roots).read_bytes())) if settings.tsa_roots else ()


def second_source(settings: Settings, stamper: TimestampClient | None, clock: Clock) -> SecondSource | None:
    kind, _, host = settings.second_source.partition(":")
    if kind == "ntp":
        return NtpSource(host, clock)
    return TsaSource(stamper) if kind == "tsa" and stamper is not None else None
