"""Connections. JSON columns are read and written as Python values; the session speaks UTC."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

import asyncpg
import msgspec


class Connection(Protocol):
    """What the store uses of an asyncpg connection (the library itself is not typed)."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> str: ...
    def transaction(self) -> AbstractAsyncContextManager[None]: ...
    async def close(self) -> None: ...


class Pool(Protocol):
    """What is used of an asyncpg pool."""

    def acquire(self) -> AbstractAsyncContextManager[Connection]: ...
    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> str: ...
    async def close(self) -> None: ...
    def terminate(self) -> None: ...


Connect = Callable[[], Awaitable[Connection]]
Runner = Pool | Connection
"""What runs a single statement: a connection in a transaction, or the pool."""

# Any of these means that the database could not do its part; nothing is known to be stored.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a connection says that was lost between two of its messages
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.CannotConnectNowError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or an operator who keeps writers out
    asyncpg.TransactionRollbackError,  # a deadlock: PostgreSQL has chosen this transaction to end
)

_asyncpg = cast("Any", asyncpg)  # the library has no types of its own

SETTINGS = {"timezone": "UTC", "application_name": "sealpost"}
READING = {"default_transaction_read_only": "on"}
_encoder = msgspec.json.Encoder()


def _encode(value: Any) -> str:
    return _encoder.encode(value).decode()


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=_encode, decoder=msgspec.json.decode)


def connector(dsn: str) -> Connect:
    """Makes direct connections to ``dsn``."""

    async def connect() -> Connection:
        connection = await _asyncpg.connect(dsn, server_settings=SETTINGS, timeout=10)
        return cast("Connection", connection)

    return connect


async def open_pool(dsn: str, size: int, name: str = "sealpost", *, reads_only: bool = False) -> Pool:
    """A pool of at most ``size`` connections, made when needed; ``name`` is how the database shows them.

    With ``reads_only`` the database refuses every statement that would change something.

    Raises:
        OSError, asyncpg.PostgresError: the database is away.
    """
    pool = await _asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        init=_prepare,
        timeout=10,
        command_timeout=30,
        server_settings={**SETTINGS, "application_name": name, **(READING if reads_only else {})},
    )
    return cast("Pool", pool)
