"""Builds the Service and everything it holds, and closes it again."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from sealpost import __version__
from sealpost.bootstrap.evidence import evidence_keys, evidence_of
from sealpost.clock import Clock, ShiftedClock, SystemClock
from sealpost.content.erasure_list import NAME as ERASURES
from sealpost.content.erasure_list import ErasureList
from sealpost.content.keys import load_or_create
from sealpost.content.segments import LocalSegments
from sealpost.content.vault import Vault
from sealpost.domain.ids import Buffered, uuid7
from sealpost.domain.records import Issuer
from sealpost.mail.compose import Composer
from sealpost.mail.relay import Relay
from sealpost.mail.selftest import check_parser
from sealpost.settings import Settings
from sealpost.store import demo as demo_store
from sealpost.store import tickets
from sealpost.store.pool import Pool, open_pool
from sealpost.usecases.quotas import Quotas
from sealpost.usecases.readiness import Readiness
from sealpost.usecases.service import Face, Limits, Service
from sealpost.usecases.throttle import Throttle


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
    check_parser()
    clock = clock or (ShiftedClock() if demo else SystemClock())
    async with AsyncExitStack() as stack:
        pool = await open_pool(dsn, settings.pool)
        stack.push_async_callback(pool.close)
        if isinstance(clock, ShiftedClock):
            clock.shift = timedelta(seconds=await demo_store.clock_shift(pool))
        rings = load_or_create(settings.keys)
        issuer = _issuer(settings, demo=demo)
        evidence = await stack.enter_async_context(
            evidence_of(settings, evidence_keys(settings, issuer, clock.now()), clock)
        )
        settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = _segments(settings, pool)
        await content.open()
        stack.push_async_callback(content.close)
        relay = _relay(settings, clock)
        stack.push_async_callback(relay.close)
        readiness = Readiness(pool, clock, evidence)
        stack.callback(asyncio.create_task(readiness.watch()).cancel)
        yield Service(
            pool=pool,
            clock=clock,
            random=Buffered(os.urandom),
            content=content,
            content_vault=Vault(rings["content"].keys, rings["content"].current, b"content"),
            mail_vault=Vault(rings["mail"].keys, rings["mail"].current, b"mail"),
            spool_folder=settings.spool,
            composer=Composer(service_name=settings.service_name, demo=demo),
            transport=relay,
            issuer=issuer,
            sealer=evidence.signer("record-seal"),
            evidence=evidence,
            readiness=readiness,
            face=_face(settings, demo=demo),
            limits=Limits(decoded=settings.max_decoded, request=settings.max_request),
            mac_key=hashlib.sha256(b"sealpost address mac" + rings["mail"].keys[1]).digest(),
            worker=uuid7(clock.real(), os.urandom),
            quotas=Quotas(pool, clock, settings.quota, settings.quota_unit),
            throttle=Throttle(),
            erasures=ErasureList(settings.data / ERASURES),
            backups_kept=timedelta(days=settings.backup_days),
        )


def _segments(settings: Settings, pool: Pool) -> LocalSegments:
    async def committed_end(segment: UUID) -> int:
        return await tickets.committed_end(pool, segment)

    return LocalSegments(settings.content, committed_end)


def _relay(settings: Settings, clock: Clock) -> Relay:
    match settings.smtp_tls:
        case "none" | "opportunistic" | "required" as tls:
            return Relay(
                host=settings.smtp_host,
                port=settings.smtp_port,
                our_name=settings.our_name,
                clock=clock.now,
                tls=tls,
                username=settings.smtp_user or None,
                password=settings.smtp_password or None,
                max_connections=20,
            )
        case _:
            raise AssertionError(settings.smtp_tls)


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
    )
