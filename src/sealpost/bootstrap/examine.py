"""How an installation stands, in a few words, for ``sealpost doctor``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509

from sealpost.bootstrap.database import require_current
from sealpost.bootstrap.delivery import resolver
from sealpost.bootstrap.evidence import known_keys, second_source, stamper_of
from sealpost.bootstrap.service import adoptions_of
from sealpost.clock import SystemClock
from sealpost.content.keys import load as load_keys
from sealpost.domain.suites import EVIDENCE_PURPOSE, EVIDENCE_PURPOSE_SINCE
from sealpost.seal.adoption_list import CLOSED, CONFIRMED, OFFERED, Listed, ListRefused
from sealpost.seal.pki import cut_name, organisation_of
from sealpost.seal.purpose import is_for_evidence
from sealpost.seal.signer import Signer
from sealpost.seal.timestamps.guard import ClockGuard
from sealpost.settings import Settings
from sealpost.store import inbound_mails, logs, records
from sealpost.store.pool import Connection, connector

LATE = timedelta(minutes=10)
COMPLAINTS = timedelta(days=30)
WARNING = timedelta(days=30)  # how long before a certificate ends doctor calls it a failure


async def examine_database(dsn: str) -> str:
    """What the database is, in a few words, for doctor.

    Raises:
        RuntimeError: too old, or not durable.
        NotCurrent: not migrated.
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
    await require_current(dsn)
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
        RuntimeError: the database has no tables yet, the log is stopped or waits, or nothing gives the time.
    """
    if not settings.tsa_url:
        raise RuntimeError("no time stamp authority: set SEALPOST_TSA_URL, else no time is proven and no bundle made")
    await require_current(dsn)
    connection = await connector(dsn)()
    try:
        newest, said = await logs.newest(connection), await logs.said(connection)
        waiting, oldest = await logs.oldest_waiting(connection)
        damaged, bare = await records.damaged(connection), await records.hashes_without_seal(connection)
    finally:
        await connection.close()
    trouble = [f"{name}: {one.why}" for name, one in said.items() if one.why]
    if oldest is not None and oldest < datetime.now(UTC) - LATE:
        trouble.append(f"{waiting} records wait for the log since {oldest:%Y-%m-%d %H:%M}: does a worker run?")
    trouble += _bare_trouble(settings, bare)
    if damaged:
        trouble.append(f"{damaged} sealed records were changed behind the service's back, and cannot be proven")
    if trouble:
        raise RuntimeError("; ".join(trouble))
    return f"log {newest.name} with {newest.size} entries, {waiting} wait" if newest else "no log yet"


async def examine_complaints(dsn: str) -> str:
    """How many abuse reports (RFC 5965) came back for mails of the last thirty days, for doctor.

    Raises:
        RuntimeError: the database has no tables yet.
    """
    await require_current(dsn)
    connection = await connector(dsn)()
    try:
        count = await inbound_mails.abuse_reports(connection, datetime.now(UTC) - COMPLAINTS)
    finally:
        await connection.close()
    return f"{count} abuse reports in thirty days" if count else "no abuse report in thirty days"


def _bare_trouble(settings: Settings, bare: Sequence[Any]) -> list[str]:
    """What is to be said of records without a seal: of an earlier release, or not this service's own."""
    trouble = list[str]()
    listed: Listed | None = None
    if bare:
        try:
            listed = adoptions_of(settings, load_keys(settings.keys)).read()
        except ListRefused as error:
            trouble.append(str(error))
    hashes = frozenset[bytes]() if listed is None or listed.state == CLOSED else listed.hashes
    old = [row for row in bare if row["hash"] in hashes]
    if old and listed is not None and listed.state == OFFERED:
        first = min(row["at"] for row in old)
        trouble.append(
            f"{len(old)} records of an earlier release, from {first:%Y-%m-%d} on, wait: run sealpost records adopt"
        )
    if listed is not None and listed.state == CONFIRMED and (left := sum(row["aside"] for row in old)):
        trouble.append(
            f"{left} records wait for their adoption: does a worker run? If this stays, they are not as they were listed"
        )
    if foreign := sum(row["aside"] and row["hash"] not in hashes for row in bare):
        trouble.append(
            f"{foreign} records are not this service's own: changed or added behind its back, they get no seal, and their "
            "tickets no evidence"
        )
    return trouble


def examine_keys(settings: Settings) -> str:
    """Which keys there are, for doctor.

    Raises:
        KeysRefused: files that are open to others or damaged.
        RuntimeError: the certificate that seals records ends soon.
    """
    rings = load_keys(settings.keys)
    words = [f"{name} {ring.current}" for name, ring in sorted(rings.items())]
    if settings.evidence_keys.is_dir():
        words.append(_evidence_key(settings))
    return ", ".join(words)


def _evidence_key(settings: Settings) -> str:
    keys = known_keys(settings)
    for purpose in ("log-ed25519", "log-mldsa44"):
        keys.signer(purpose)
    sealing = [keys.signer(purpose) for purpose in ("record-seal", "pdf-seal")]
    for signer in sealing:
        require_purpose(signer)
        require_name(settings.legal_name or settings.service_name, signer)
        if _end(signer) < datetime.now(UTC) + WARNING:
            raise RuntimeError(f"the certificate of {signer.purpose} {signer.number} ends on {_end(signer):%Y-%m-%d}")
    return ", ".join(f"{one.purpose} {one.number} until {_end(one):%Y-%m-%d}" for one in sealing)


def require_purpose(signer: Signer) -> None:
    """Well before the day from which on its seals do not count; an operator's own certificate is not renewed by itself.

    Raises:
        RuntimeError: it is not for evidence, and the day is near.
    """
    if datetime.now(UTC).date() >= EVIDENCE_PURPOSE_SINCE - WARNING and not is_for_evidence(signer.certificates[0]):
        name = f"{signer.purpose} {signer.number}"
        raise RuntimeError(
            f"the certificate of {name} is not for evidence: from {EVIDENCE_PURPOSE_SINCE} on its seals do not count. "
            f"Start the service again, or get one with the extended key usage {EVIDENCE_PURPOSE}"
        )


def require_name(name: str, signer: Signer) -> None:
    """Verifiers refuse evidence whose seal is of somebody else than whom the records name.

    Raises:
        RuntimeError: it is.
    """
    certificate = x509.load_der_x509_certificate(signer.certificates[0])
    found = organisation_of(certificate)
    if found != cut_name(name):
        raise RuntimeError(
            f"the certificate of {signer.purpose} {signer.number} is of {found!r}, and records name {name!r}: "
            "set SEALPOST_LEGAL_NAME to that name, or start the service again, which renews certificates of its own"
        )


def _end(signer: Signer) -> datetime:
    return signer.valid[1] if signer.valid else datetime.now(UTC)


async def examine_delivery(settings: Settings) -> str:
    """Whether mail can go directly to recipients' servers, for doctor.

    Raises:
        RuntimeError: the DNS does not answer, or our name is none that a server would believe.
    """
    if "." not in settings.our_name:
        raise RuntimeError(
            "SEALPOST_OUR_NAME must be this machine's public name: servers refuse mail from anything else"
        )
    answer = await resolver(settings).look_up(settings.mail_domain, "MX")
    if answer.status == "failed":
        raise RuntimeError("the DNS does not answer: set SEALPOST_DNS")
    validated = "validated" if answer.secure else "not validated (no DANE)"
    return f"direct as {settings.our_name}; DNS answers, {validated}"


async def examine_clock(settings: Settings) -> str:
    """The second source in a few words, for doctor.

    Raises:
        RuntimeError: the clock is off, or the source is silent: nothing new would be taken in.
    """
    if settings.second_source == "none":
        return "no second source is set"
    async with AsyncExitStack() as stack:
        clock = SystemClock()
        keys = known_keys(settings)
        stamper = stamper_of(settings, keys, clock)
        if stamper is not None:
            stack.push_async_callback(stamper.close)
        guard = ClockGuard(clock, second_source(settings, stamper, clock))
        if not await guard.poll():
            told = "is silent" if guard.offset is None else f"says that it is {guard.offset.total_seconds():+.3f} s off"
            raise RuntimeError(f"{settings.second_source} {told}: nothing new is taken in")
    return f"second source {settings.second_source}"
