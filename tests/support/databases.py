"""Databases for one test after another: what a test leaves is removed, at a tenth of the cost of a new one.

One whose schema or settings a test has changed, that has grown large, or that somebody still uses, is dropped.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import asyncpg

ROOM = 8_000_000
"""Octets by which a database may outgrow the template: dead rows would slow the next test."""
OTHERS = "pid <> pg_backend_pid() and datname = current_database()"
SCHEMA = """
    select md5(string_agg(one, ' ' order by one)) from (
        select format('%s %s %s', relname, relkind, relnatts) from pg_class where relnamespace = 'public'::regnamespace
        union all select format('%s %s %s', tgrelid, tgname, tgenabled) from pg_trigger where not tgisinternal
        union all select format('%s %s %s %s', attrelid, attname, atttypid, attnotnull) from pg_attribute
            join pg_class on pg_class.oid = attrelid where relnamespace = 'public'::regnamespace and attnum > 0
        union all select format('%s %s', proname, prosrc) from pg_proc where pronamespace = 'public'::regnamespace
        union all select format('%s %s %s', conrelid, conname, contype) from pg_constraint
        union all select format('%s', setconfig) from pg_db_role_setting
            where setdatabase = (select oid from pg_database where datname = current_database())
    ) as parts(one)"""
TABLES = (
    "select quote_ident(relname) from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
)
SEQUENCES = "select quote_ident(relname) from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace"


@dataclass
class Databases:
    """Of one server; ``template`` is migrated, and nobody writes to it."""

    server: str
    template: str
    free: list[str] = field(default_factory=list[str])
    made: int = 0
    _schema: str = ""
    _size: int = 0
    _emptying: str = ""

    async def take(self) -> str:
        """The name of a database like the template."""
        if self.free:
            return self.free.pop()
        self.made += 1
        name = f"test_{self.made}"
        admin: Any = await asyncpg.connect(self.server)
        await admin.execute(f"create database {name} template {self.template}")
        await admin.close()
        return name

    async def give_back(self, name: str) -> None:
        """Makes it as the template is, or drops it."""
        if not self._emptying:
            await self._read_template()
        connection: Any = await asyncpg.connect(self.address(name))
        try:
            good = await self._empty(connection)
        except asyncpg.PostgresError:
            good = False
        finally:
            await connection.close()
        if good:
            self.free.append(name)
            return
        admin: Any = await asyncpg.connect(self.server)
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()

    def address(self, name: str) -> str:
        """Its URL."""
        return self.server.replace("/sealpost?", f"/{name}?")

    async def _empty(self, connection: Any) -> bool:
        await connection.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {OTHERS}")
        async with asyncio.timeout(5):
            while await connection.fetchval(f"select count(*) from pg_stat_activity where {OTHERS}"):
                await asyncio.sleep(0.002)
        if await connection.fetchval(SCHEMA) != self._schema:
            return False
        if await connection.fetchval("select pg_database_size(current_database())") > self._size + ROOM:
            return False
        await connection.execute(self._emptying)
        return True

    async def _read_template(self) -> None:
        """What makes another database like it: rows away, its own rows back, sequences where they stood."""
        connection: Any = await asyncpg.connect(self.address(self.template))
        self._schema = await connection.fetchval(SCHEMA)
        self._size = await connection.fetchval("select pg_database_size(current_database())")
        lines = ["set session_replication_role = replica"]  # no foreign key, no trigger
        tables = [row[0] for row in await connection.fetch(TABLES)]
        lines += [f"delete from {table}" for table in tables]
        for table in tables:
            rows = await connection.fetchval(f"select coalesce(json_agg(one), '[]')::text from {table} one")
            if rows != "[]":
                lines.append(
                    f"insert into {table} overriding system value select * from json_populate_recordset(null::{table}, $rows${rows}$rows$)"
                )
        for (name,) in await connection.fetch(SEQUENCES):
            last, called = await connection.fetchrow(f"select last_value, is_called from {name}")
            lines.append(f"select setval('{name}', {last}, {str(called).lower()})")
        self._emptying = ";\n".join(lines)
        await connection.close()
