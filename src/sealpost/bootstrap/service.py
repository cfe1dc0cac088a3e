"""Builds the Service and everything it holds, and closes it again."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from sealpost import __version__
from sealpost.bootstrap.delivery import resolver, transport_of, ways_of
from sealpost.bootstrap.evidence import evidence_keys, evidence_of, known_keys
from sealpost.clock import Clock, ShiftedClock, SystemClock
from sealpost.content.erasure_list import NAME as ERASURES
from sealpost.content.erasure_list import ErasureList
from sealpost.content.keys import Keyring, load, load_or_create
from sealpost.content.segments import LocalSegments
from sealpost.content.vault import Vault
from sealpost.domain.ids import Buffered, uuid7
from sealpost.domain.records import Issuer
from sealpost.mail.compose import Composer
from sealpost.mail.return_path import ReturnPaths
from sealpost.mail.selftest import check_parser
from sealpost.seal.adoption_list import AdoptionList
from sealpost.seal.key_files import KeyFolder, passphrase
from sealpost.seal.pki import SEALING, is_outdated
from sealpost.settings import Settings
from sealpost.store import demo as demo_store
from sealpost.store import tickets
from sealpost.store.pool import Pool, open_pool
from sealpost.store.workers import session_name
from sealpost.usecases import rotate
from sealpost.usecases.adopt import offer
from sealpost.usecases.group import Groups
from sealpost.usecases.quotas import Quotas
from sealpost.usecases.readiness import Readiness
from sealpost.usecases.service import Face, Limits, Service
from sealpost.usecases.signing_cache import SigningCache
from sealpost.usecases.throttle import Throttle
from sealpost.usecases.tls_policies import TlsPolicies


@dataclass(frozen=True, slots=True)
class _Keys:
    """The keys of an installation: of content and mails, and of evidence."""

    rings: Mapping[str, Keyring]
    evidence: KeyFolder


@asynccontextmanager
async def opened(
    settings: Settings, dsn: str, *, demo: bool = False, clock: Clock | None = None
) -> AsyncGenerator[Service]:
    """The Service and everything it holds, closed again at the end.

    Args:
        settings: how this installation runs.
        dsn: the database, migrated.
        demo: no legal value, and a clock that can be moved.
        clock: another clock than the system's (tests).

    Raises:
        KeysRefused: key files that are open to others.
        UnsafeParser: this interpreter's mail parser is not safe to send with.
        OSError, asyncpg.PostgresError: the database is away.
    """
    clock = clock or (ShiftedClock() if demo else SystemClock())
    async with AsyncExitStack() as stack:
        pool, worker = await _pool(settings, dsn, clock, stack)
        rings = load_or_create(settings.keys)
        keys = _Keys(rings, evidence_keys(settings, _issuer(settings, demo=demo), clock.now()))
        settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = _segments(settings, pool)
        await content.open()
        stack.push_async_callback(content.close)
        service = await _put_together(settings, keys, content, pool, worker, clock, stack, demo=demo)
        await offer(service)
        yield service


@asynccontextmanager
async def looked_into(settings: Settings, dsn: str) -> AsyncGenerator[Service]:
    """The Service for commands that only look: no key, no folder and no segment is made, and nothing can be appended.

    Raises:
        KeysRefused: as `opened`, or a key is missing.
        OSError, asyncpg.PostgresError: the database is away.
    """
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        pool, worker = await _pool(settings, dsn, clock, stack, reads_only=True)
        keys = _Keys(load(settings.keys), known_keys(settings))
        content = _segments(settings, pool)
        yield await _put_together(settings, keys, content, pool, worker, clock, stack, demo=False)


async def _put_together(
    settings: Settings, keys: _Keys, content: LocalSegments, pool: Pool, worker: UUID, clock: Clock,
    stack: AsyncExitStack, *, demo: bool,
) -> Service:  # fmt: skip
    check_parser()
    rings, dns = keys.rings, resolver(settings)
    evidence = await stack.enter_async_context(evidence_of(settings, keys.evidence, clock))
    readiness = Readiness(pool, clock, evidence)
    stack.callback(asyncio.create_task(readiness.watch()).cancel)
    return Service(
        pool=pool,
        clock=clock,
        random=Buffered(os.urandom),
        content=content,
        content_vault=_vault(rings, "content"),
        mail_vault=_vault(rings, "mail"),
        spool_folder=settings.spool,
        composer=Composer(service_name=settings.service_name, demo=demo, nouns=settings.nouns),
        transport=await transport_of(settings, clock, dns, TlsPolicies(pool), stack),
        ways=await ways_of(settings, clock, pool, _vault(rings, "mail"), stack),
        issuer=_issuer(settings, demo=demo),
        sealer=evidence.signer("record-seal"),
        evidence=evidence,
        readiness=readiness,
        face=_face(settings, demo=demo),
        limits=Limits(settings.max_decoded, request=settings.max_request, odd_dots=settings.odd_dots == "yes"),
        mac_key=_secret(rings, "address mac"),
        return_paths=ReturnPaths(_secret(rings, "return path")),
        dns=dns,
        signing=SigningCache(),
        groups=Groups(),
        under_way=set(),
        worker=worker,
        quotas=Quotas(pool, clock, settings.quota, settings.quota_unit),
        throttle=Throttle(),
        erasures=ErasureList(settings.data / ERASURES),
        adoptions=adoptions_of(settings, rings),
        backups_kept=timedelta(days=settings.backup_days),
    )


async def renew_seals(settings: Settings, dsn: str, *, demo: bool = False, clock: Clock | None = None) -> None:
    """New keys that seal, where their certificates are of former times or end soon; for the start of what changes things.

    Args:
        settings: how this installation runs.
        dsn: the database, migrated.
        demo: as for `opened`.
        clock: another clock than the system's (tests).

    Raises:
        KeysRefused, OSError: the keys cannot be used.
    """
    if not settings.evidence_keys.is_dir():
        return  # the first start makes them
    keys = KeyFolder(settings.evidence_keys, passphrase(settings.evidence_keys, settings.keys_passphrase))
    issuer = _issuer(settings, demo=demo)
    clock = clock or (ShiftedClock() if demo else SystemClock())
    if any(is_outdated(keys, purpose, issuer, clock.now()) for purpose in SEALING):
        async with opened(settings, dsn, demo=demo, clock=clock) as service:
            await rotate.renew_seals(service)


async def _pool(
    settings: Settings, dsn: str, clock: Clock, stack: AsyncExitStack, *, reads_only: bool = False
) -> tuple[Pool, UUID]:
    """Connections and this process's name among the workers; and the demo's time as it was left."""
    worker = uuid7(clock.real(), os.urandom)
    pool = await open_pool(dsn, settings.pool, session_name(worker), reads_only=reads_only)
    stack.push_async_callback(pool.close)
    if isinstance(clock, ShiftedClock):
        clock.shift = timedelta(seconds=await demo_store.clock_shift(pool))
    return pool, worker


def _vault(rings: Mapping[str, Keyring], purpose: str) -> Vault:
    return Vault(rings[purpose].keys, rings[purpose].current, purpose.encode())


def adoptions_of(settings: Settings, rings: Mapping[str, Keyring]) -> AdoptionList:
    """The list of records that an upgrade adopts."""
    return AdoptionList(settings.adoptions, _secret(rings, "adopted records"))


def _secret(rings: Mapping[str, Keyring], purpose: str) -> bytes:
    """A key for MACs: of the first mail key, so that it stays when keys are rotated."""
    return hashlib.sha256(b"sealpost " + purpose.encode() + rings["mail"].keys[1]).digest()


def _segments(settings: Settings, pool: Pool) -> LocalSegments:
    async def committed_end(segment: UUID) -> int:
        return await tickets.committed_end(pool, segment)

    return LocalSegments(settings.content, committed_end)


def _issuer(settings: Settings, *, demo: bool) -> Issuer:
    return Issuer(
        base=f"{settings.base_url}/evidence",
        legal_name=settings.legal_name or settings.service_name,
        legal_id=settings.legal_id,
        environment="test" if demo else settings.environment,
        software={"name": "sealpost", "version": __version__, "commit": settings.commit},
    )


def _face(settings: Settings, *, demo: bool) -> Face:
    parts = urlsplit(settings.base_url)
    return Face(
        base_url=settings.base_url,
        host=parts.netloc,
        secure=parts.scheme == "https",
        demo=demo,
        service_name=settings.service_name,
        mail_domain=settings.mail_domain,
        nouns=settings.nouns,
    )
