"""``sealpost doctor``: database, content folder, keys, evidence, clock, SMTP route and names, one line each; exit code 1 if one fails."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import typer

from sealpost import bootstrap
from sealpost.cli.owner import become_owner
from sealpost.cli.running import run
from sealpost.content.spool import Spool
from sealpost.settings import Settings, read_settings

Check = Callable[[Settings], Awaitable[str]]
FREE = 1_000_000_000
STEP = 2.0


class Failed(Exception):
    """A check failed; the sentence says what to do."""


async def database(settings: Settings) -> str:
    """Reachable, new enough, migrated, and durable."""
    async with bootstrap.database(settings, looking=True) as dsn:
        return await bootstrap.examine_database(dsn)


async def content(settings: Settings) -> str:
    """The folder takes a durable write, and has room."""
    if not settings.content.is_dir():
        raise Failed(f"no content in {settings.content} yet; the first start makes the folder")

    def write() -> int:
        with Spool(settings.content) as probe:
            probe.write(b"sealpost")
            os.fsync(probe.fileno())
        return shutil.disk_usage(settings.content).free

    free = await asyncio.to_thread(write)
    if free < FREE:
        raise Failed(f"only {free // 1_000_000} MB free in {settings.content}")
    return f"{settings.content}, {free // 1_000_000_000} GB free"


async def keys(settings: Settings) -> str:
    """The key files are there, whole, and closed to others."""
    if not settings.keys.is_dir():
        raise Failed(f"no keys in {settings.keys} yet; the first start makes them")
    return bootstrap.examine_keys(settings)


async def evidence(settings: Settings) -> str:
    """The log goes on and time stamps come."""
    async with bootstrap.database(settings, looking=True) as dsn:
        return await bootstrap.examine_evidence(settings, dsn)


async def clock(settings: Settings) -> str:
    """The system's clock agrees with the database's."""
    async with bootstrap.database(settings, looking=True) as dsn:
        before = datetime.now(UTC)
        theirs = await bootstrap.database_time(dsn)
        offset = (theirs - before).total_seconds()
    if not -STEP < offset < STEP:
        raise Failed(f"{offset:+.1f} s off the database's clock: synchronise both")
    source = await bootstrap.examine_clock(settings)
    return f"{before:%Y-%m-%d %H:%M:%S} UTC, {offset:+.3f} s to the database's; {source}"


async def smtp(settings: Settings) -> str:
    """The mail route answers: the relay with a greeting, or the DNS, by which recipients' servers are found."""
    if not settings.smtp_host:
        return await bootstrap.examine_delivery(settings)
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(settings.smtp_host, settings.smtp_port), 10)
        greeting = await asyncio.wait_for(reader.readline(), 10)
        writer.write(b"QUIT\r\n")
        writer.close()
    except (OSError, TimeoutError) as error:
        raise Failed(
            f"{where} does not answer ({error or 'time-out'}): set SEALPOST_SMTP_HOST and SEALPOST_SMTP_PORT"
        ) from error
    if not greeting.startswith(b"220"):
        raise Failed(f"{where} does not greet as an SMTP server")
    return f"{where} greets: {greeting.decode('ascii', 'replace').strip()[:80]}"


async def names(settings: Settings) -> str:
    """What the service and its messages are called promises no legal status."""
    doubtful = settings.doubtful_names
    if not doubtful:
        return "no name that promises a legal status"
    return f"{', '.join(doubtful)} may be taken for a legal status; in France that is fined (docs/settings.md)"


async def complaints(settings: Settings) -> str:
    """How often mails were reported as abuse of late: too often, and servers refuse this one."""
    async with bootstrap.database(settings, looking=True) as dsn:
        return await bootstrap.examine_complaints(dsn)


CHECKS: dict[str, Check] = {
    "database": database,
    "content": content,
    "keys": keys,
    "evidence": evidence,
    "clock": clock,
    "smtp": smtp,
    "names": names,
    "abuse": complaints,
}


def doctor() -> None:
    """Check this installation: one line each, exit code 1 if anything fails. Nothing is changed."""
    settings = read_settings()
    become_owner(settings)

    async def examine() -> bool:
        healthy = True
        for name, check in CHECKS.items():
            try:
                print(f"ok    {name:9} {await check(settings)}")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this line's finding
                healthy = False
                print(f"FAIL  {name:9} {error or type(error).__name__}")
        return healthy

    if not run(examine()):
        raise typer.Exit(1)
