"""The only place that builds pools, mailers and stores and hands them over (design, section 2).

``opened`` builds the Service; ``asgi`` builds the web application and dispatches what two rooms share:
``/webservice/dashboard/`` answers with the ticket page or with XML, by its ``action``.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import structlog
from cryptography import x509
from litestar import Litestar, Request, Response, Router, get
from litestar.response import Stream

from sealpost import __version__
from sealpost.access.envelope import Answer, envelope, log_fault
from sealpost.access.middleware import App, Edge
from sealpost.access.quota import QuotaHeaders
from sealpost.access.request_id import request_id
from sealpost.api.answers import api_error
from sealpost.api.openapi import document
from sealpost.api.routes import api_routes
from sealpost.api.send import SEND_PATH, SendApp
from sealpost.clock import Clock, ShiftedClock, SystemClock
from sealpost.content.erasure_list import NAME as ERASURES
from sealpost.content.erasure_list import ErasureList
from sealpost.content.keys import load_or_create
from sealpost.content.segments import LocalSegments
from sealpost.content.vault import Vault
from sealpost.domain.errors import InvalidInput, SealpostError
from sealpost.domain.ids import Buffered, uuid7
from sealpost.domain.policy import read_policy
from sealpost.domain.records import Issuer
from sealpost.mail.compose import Composer
from sealpost.mail.relay import Relay
from sealpost.mail.selftest import check_parser
from sealpost.seal.evidence import Evidence
from sealpost.seal.key_files import KeyFolder, passphrase
from sealpost.seal.pki import establish, roots
from sealpost.seal.signer import Signer
from sealpost.seal.timestamps.client import TimestampClient
from sealpost.seal.timestamps.guard import ClockGuard, NtpSource, SecondSource, TsaSource
from sealpost.seal.timestamps.local import LocalTsa, tsa_app
from sealpost.seal.witness.client import Witnesses
from sealpost.settings import Settings
from sealpost.store import demo as demo_store
from sealpost.store import logs, records, tickets
from sealpost.store.embedded import EmbeddedServer, EmbeddedServerError
from sealpost.store.migrate import is_current
from sealpost.store.migrate import migrate as migrate_tables
from sealpost.store.pool import Connection, Pool, connector, open_pool
from sealpost.usecases.enlist import pause
from sealpost.usecases.quotas import Quotas
from sealpost.usecases.readiness import Readiness
from sealpost.usecases.service import Face, Limits, Service
from sealpost.usecases.submit import Submitter
from sealpost.usecases.throttle import Throttle
from sealpost.web.failures import failure_page, is_page
from sealpost.web.failures import status_of as page_status
from sealpost.web.routes import clock_routes, inbox_routes, page_routes, reference_routes
from sealpost.web.ticket.page import ticket_html
from sealpost.xmlapi.schema import biljetten_xsd
from sealpost.xmlapi.tickets import XML_PATH, tickets_xml

LATE = timedelta(minutes=10)
OWN_TSA = "own"
RESTORING = "restoring"  # in the data folder from a restore's first change to its end
WARNING = timedelta(days=30)  # how long before a certificate ends doctor calls it a failure

log = structlog.get_logger()


class RestoreUnfinished(SealpostError):
    """The data folder has half of a restore; the sentence says what to do."""


@asynccontextmanager
async def database(settings: Settings, *, restoring: bool = False) -> AsyncGenerator[str]:
    """The database's address: the one that was set, or that of the embedded server, which runs meanwhile.

    Args:
        settings: how this installation runs.
        restoring: only a restore may go on with what an interrupted one left: its log would sign what is lost.

    Raises:
        RestoreUnfinished: a restore was interrupted.
    """
    if not restoring and (settings.data / RESTORING).exists():
        raise RestoreUnfinished(f"a restore into {settings.data} was interrupted: run the same sealpost restore again")
    if settings.database_url:
        yield settings.database_url
        return
    async with EmbeddedServer(settings.data) as server:
        stop = asyncio.Event()
        watching = asyncio.create_task(_kept_running(server, stop))
        try:
            yield server.dsn
        finally:
            stop.set()
            await watching  # not cancelled: it may be starting the server at this moment


async def _kept_running(server: EmbeddedServer, stop: asyncio.Event) -> None:
    """Nobody else would start it again: a postmaster that died under us (killed, out of memory) is back in a second."""
    while not stop.is_set():
        try:
            if await server.ensure_running():
                log.warning("the embedded database had died and was started again")
        except (EmbeddedServerError, OSError):
            log.exception("the embedded database does not start")
        await pause(stop, 1.0)


async def migrate(dsn: str) -> None:
    """Brings the database to today's tables."""
    await migrate_tables(connector(dsn))


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
        evidence = await stack.enter_async_context(_evidence(settings, _keys(settings, issuer, clock.now()), clock))
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


def _keys(settings: Settings, issuer: Issuer, now: datetime) -> KeyFolder:
    """The evidence keys, made at first start."""
    folder = settings.evidence_keys
    keys = KeyFolder(folder, passphrase(folder, settings.keys_passphrase))
    establish(keys, issuer, now)
    return keys


@asynccontextmanager
async def _evidence(settings: Settings, keys: KeyFolder, clock: Clock) -> AsyncGenerator[Evidence]:
    async with AsyncExitStack() as stack:
        stamper = _stamper(settings, keys, clock)
        if stamper is not None:
            stack.push_async_callback(stamper.close)
        http = httpx2.AsyncClient(trust_env=False, follow_redirects=False, timeout=5)
        stack.push_async_callback(http.aclose)
        guard = ClockGuard(clock, _second_source(settings, stamper, clock))
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


def _policy(settings: Settings) -> str:
    return Path(settings.policy).read_text() if settings.policy else ""


def _stamper(settings: Settings, keys: KeyFolder, clock: Clock) -> TimestampClient | None:
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


def _second_source(settings: Settings, stamper: TimestampClient | None, clock: Clock) -> SecondSource | None:
    kind, _, host = settings.second_source.partition(":")
    if kind == "ntp":
        return NtpSource(host, clock)
    return TsaSource(stamper) if kind == "tsa" and stamper is not None else None


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


async def examine_database(dsn: str) -> str:
    """What the database is, in a few words, for doctor.

    Raises:
        RuntimeError: too old, not migrated, or not durable.
    """
    connection = await connector(dsn)()
    try:
        version = int(await connection.fetchval("show server_version_num"))
        loose = [
            name for name in ("fsync", "full_page_writes", "synchronous_commit") if await _is_off(connection, name)
        ]
    finally:
        await connection.close()
    if version < 150_000:
        raise RuntimeError("PostgreSQL 15 or newer is needed")
    if loose:
        raise RuntimeError(f"{', '.join(loose)} off: a crash could lose evidence")
    if not await is_current(connector(dsn)):
        raise RuntimeError("not migrated: run sealpost migrate")
    return f"PostgreSQL {version // 10_000}.{version % 10_000}, migrated, durable"


async def _is_off(connection: Connection, setting: str) -> bool:
    return await connection.fetchval("select current_setting($1)", setting) == "off"


async def database_time(dsn: str) -> datetime:
    """The database's clock."""
    connection = await connector(dsn)()
    try:
        return await connection.fetchval("select clock_timestamp()")
    finally:
        await connection.close()


async def examine_evidence(settings: Settings, dsn: str) -> str:
    """How the log and the time stamps stand, for doctor.

    Raises:
        RuntimeError: the log is stopped or waits, or nothing gives the time.
    """
    if not settings.tsa_url:
        raise RuntimeError("no time stamp authority: set SEALPOST_TSA_URL, else no time is proven and no bundle made")
    connection = await connector(dsn)()
    try:
        newest, said = await logs.newest(connection), await logs.said(connection)
        waiting, oldest = await logs.oldest_waiting(connection)
        aside = await records.aside(connection)
    finally:
        await connection.close()
    trouble = [f"{name}: {one.why}" for name, one in said.items() if one.why]
    if oldest is not None and oldest < datetime.now(UTC) - LATE:
        trouble.append(f"{waiting} records wait for the log since {oldest:%Y-%m-%d %H:%M}: does a worker run?")
    if aside:
        trouble.append(f"{aside} records were changed or added behind the service's back, and cannot be proven")
    if trouble:
        raise RuntimeError("; ".join(trouble))
    return f"log {newest.name} with {newest.size} entries, {waiting} wait" if newest else "no log yet"


def examine_keys(settings: Settings) -> str:
    """Which keys there are, for doctor.

    Raises:
        KeysRefused: files that are open to others or damaged.
        RuntimeError: the certificate that seals records ends soon.
    """
    rings = load_or_create(settings.keys)
    words = [f"{name} {ring.current}" for name, ring in sorted(rings.items())]
    if settings.evidence_keys.is_dir():
        words.append(_evidence_key(settings))
    return ", ".join(words)


def _evidence_key(settings: Settings) -> str:
    folder = settings.evidence_keys
    keys = KeyFolder(folder, passphrase(folder, settings.keys_passphrase))
    for purpose in ("log-ed25519", "log-mldsa44"):
        keys.signer(purpose)
    sealing = [keys.signer(purpose) for purpose in ("record-seal", "pdf-seal")]
    for signer in sealing:
        if _end(signer) < datetime.now(UTC) + WARNING:
            raise RuntimeError(f"the certificate of {signer.purpose} {signer.number} ends on {_end(signer):%Y-%m-%d}")
    return ", ".join(f"{one.purpose} {one.number} until {_end(one):%Y-%m-%d}" for one in sealing)


def _end(signer: Signer) -> datetime:
    return signer.valid[1] if signer.valid else datetime.now(UTC)


async def examine_clock(settings: Settings) -> str:
    """The second source in a few words, for doctor.

    Raises:
        RuntimeError: the clock is off, or the source is silent: nothing new would be taken in.
    """
    if settings.second_source == "none":
        return "no second source is set"
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        keys = KeyFolder(settings.evidence_keys, passphrase(settings.evidence_keys, settings.keys_passphrase))
        stamper = _stamper(settings, keys, clock)
        if stamper is not None:
            stack.push_async_callback(stamper.close)
        guard = ClockGuard(clock, _second_source(settings, stamper, clock))
        if not await guard.poll():
            told = "is silent" if guard.offset is None else f"says that it is {guard.offset.total_seconds():+.3f} s off"
            raise RuntimeError(f"{settings.second_source} {told}: nothing new is taken in")
    return f"second source {settings.second_source}"


@asynccontextmanager
async def asgi(service: Service, *, test_clock: bool = False) -> AsyncGenerator[App]:
    """The web application; ends when the submissions under way are committed.

    Args:
        service: the parts.
        test_clock: the demo only: ``POST /demo/clock`` moves the time.
    """
    submitter = Submitter(service)
    send = SendApp(service, submitter)
    pages = _litestar(service, test_clock=test_clock)

    # Their own applications: the one bypasses the framework for speed, the other speaks another protocol.
    direct: dict[str, Any] = {SEND_PATH: send}
    if service.face.demo:
        direct["/tsa"] = tsa_app(LocalTsa(service.evidence.signer("tsa"), service.clock))

    async def app(scope: Any, receive: Any, send_answer: Any) -> None:
        chosen: Any = direct.get(scope["path"], pages) if scope["type"] == "http" else pages
        await chosen(scope, receive, send_answer)

    limits = {SEND_PATH: service.limits.request}
    try:
        yield Edge(app, limits, _edge_failure(service.face), QuotaHeaders(service.quotas, is_page))
    finally:
        await submitter.close()


def _litestar(service: Service, *, test_clock: bool) -> Litestar:
    described = reference_routes(service, document(service.face.base_url))
    handlers = [*api_routes(service), *page_routes(service), *described, _shared_router(service)]
    if service.face.demo:
        handlers += inbox_routes(service)
        if test_clock:
            handlers += clock_routes(service)
    return Litestar(
        handlers,
        exception_handlers={Exception: _failure(service.face)},
        openapi_config=None,
        logging_config=None,
    )


def _failure(face: Face) -> Callable[[Request[Any, Any, Any], Exception], Response[Any]]:
    """A page where people look, the JSON envelope everywhere else."""

    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        if not is_page(request.url.path, request.url.query):
            return api_error(request, error)
        if page_status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log_fault(error, page_status(error), request_id(request.scope))
        return failure_page(request, error, face, request_id(request.scope))

    return answer


def _edge_failure(face: Face) -> Callable[[Any, Exception, str], Answer]:
    """The same for what never reached the framework, such as a form that is too large."""

    def answer(scope: Any, error: Exception, transaction_id: str) -> Answer:
        if not is_page(scope["path"], scope["query_string"].decode("latin-1")):
            return envelope(error, transaction_id)
        shown = failure_page(Request(scope), error, face, transaction_id)
        headers = {"content-type": "text/html; charset=utf-8", **shown.headers}
        pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
        return Answer(shown.status_code or 500, pairs, shown.content.encode())

    return answer


def _shared_router(service: Service) -> Router:
    """``/webservice/dashboard/`` answers with a page or with XML, by its ``action``; ``/webservice/xml/`` with XML."""

    @get("/webservice/dashboard/")
    async def dashboard(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
        action = request.query_params.get("action", "")
        if action == "ticket_html":
            return await ticket_html(request, service)
        if action == "ticket_xml":
            return await tickets_xml(request, service)
        raise InvalidInput("action", "must be ticket_html or ticket_xml")

    @get(XML_PATH)
    async def xml(request: Request[Any, Any, Any]) -> Response[Any] | Stream:
        return await tickets_xml(request, service)

    return Router("/", route_handlers=[dashboard, xml, biljetten_xsd])
