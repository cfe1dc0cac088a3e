"""An installation of the first release, with data in it, is brought to today's tables and loses nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from sealpost.domain.canonical import canonical
from sealpost.domain.statement import read_statement
from sealpost.domain.status import status_of
from sealpost.domain.ticket import DECISIONS
from sealpost.store.embedded import EmbeddedServer
from sealpost.store.migrate import _config, is_current, migrate
from sealpost.store.pool import connector
from tests.conftest import with_database
from tests.records import CASES, SUITES, record

AT = datetime(2026, 11, 1, 9, tzinfo=UTC)
OLD = """
    insert into accounts (name, created_at) values ('Alice Incasso N.V.', $1);
    insert into users (account_id, email, email_key, role, created_at) values (100001, 'Alice@example.org', 'alice@example.org', 'administrator', $1);
    insert into clients (account_id, kind, name, secret_hash, role, created_at) values (100001, 'oauth', 'c', '', 'user', $1);
    insert into messages (id, account_id, sender_email, sender_name, subject, parts, segment, "offset", length, nonce, submitted_at)
        values ('018f0000-0000-7000-8000-000000000001', 100001, 'Alice@example.org', 'Alice', 'S', '[]', '018f0000-0000-7000-8000-000000000001', 0, 1, '', $1);
    insert into tickets (id, token, account_id, message_id, recipient_email, recipient_key, recipient_name, language, own_id, own_guid, campaign,
        address_basis, delegate, method, authenticated_at, submitted_at, expire_at, status, last_seq, last_sha256)
        values ('018f0000-0000-7000-8000-000000000002', 'K.x', 100001, '018f0000-0000-7000-8000-000000000001', 'bob@example.com', 'bob@example.com', '',
        'nl', '', '', '', '', 'client:c', 'basic', $1, $1, $1, 10, 1, '');
    insert into records (ticket_id, seq, kind, evidence_id, at, octets, sha256, salt)
        values ('018f0000-0000-7000-8000-000000000002', 1, 'submitted', '018f0000-0000-7000-8000-000000000003', $1, '{}', '', '')
"""  # fmt: skip


async def upgrade_to(dsn: str, revision: str) -> None:
    def run(connection: Any) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connector(dsn), poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


async def test_from_the_first_release_with_data(server: EmbeddedServer) -> None:
    admin = await asyncpg.connect(server.dsn)
    await admin.execute("create database first_release")
    dsn = with_database(server.dsn, "first_release")
    await upgrade_to(dsn, "0001")
    assert not await is_current(connector(dsn))
    old = await asyncpg.connect(dsn)
    for statement in OLD.split(";\n"):
        await old.execute(statement, AT)
    await migrate(connector(dsn))
    await migrate(connector(dsn))
    assert await is_current(connector(dsn))
    assert await old.fetchval("select username from users") == "Alice@example.org"
    assert await old.fetchval("select sender_key from tickets") == "alice@example.org"
    assert await old.fetchval("select count(*) from records where seal is null") == 1
    await old.close()
    await admin.execute("drop database first_release with (force)")
    await admin.close()


async def test_what_a_status_comes_from_is_told_by_the_records(server: EmbeddedServer) -> None:
    """For tickets of before, and for those that a process of the version before goes on writing."""
    admin = await asyncpg.connect(server.dsn)
    await admin.execute("create database before_status_event")
    dsn = with_database(server.dsn, "before_status_event")
    await upgrade_to(dsn, "0001")
    old = await asyncpg.connect(dsn)
    for statement in OLD.split(";\n"):
        await old.execute(statement, AT)
    await upgrade_to(dsn, "0008")
    ticket = await old.fetchval("select id from tickets")
    cases = [case for case in CASES if case.kind != "submitted"]
    for seq, case in enumerate(cases, 2):
        await old.execute("delete from records where kind = any($1)", [*DECISIONS])
        octets = canonical(record(case, SUITES[seq % 2]))
        await old.execute(
            "insert into records (ticket_id, seq, kind, evidence_id, at, octets, sha256, salt) values ($1, $2, $3, $4, $5, $6, '', '')",
            ticket, seq, case.kind, uuid4(), AT, octets,
        )  # fmt: skip
        status = status_of(case.kind).code
        await old.execute("update tickets set status = 0")
        await old.execute("update tickets set status = $1", status)
        if seq == 2:
            await migrate(connector(dsn))
        wanted = read_statement(record(case, "2026-2")).event
        assert await old.fetchval("select status_event from tickets") == wanted, case
    await old.close()
    await admin.execute("drop database before_status_event with (force)")
    await admin.close()
