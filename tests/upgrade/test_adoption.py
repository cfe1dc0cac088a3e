"""Old records are adopted once, when the operator says so; whoever rules over the database alone gets nothing sealed."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from sealpost import bootstrap
from sealpost.domain.canonical import canonical, digest, sha256
from sealpost.domain.errors import NoEvidence, Unavailable
from sealpost.seal.adoption_list import ListRefused
from sealpost.seal.signer import SigningFailed
from sealpost.store.embedded import EmbeddedServer
from sealpost.usecases.adopt import adopt_listed, look_at_offer, settle
from sealpost.usecases.decide import decide
from sealpost.usecases.seals import seal_pending
from sealpost.verifier.case import parsed
from tests.cli.test_commands import sealpost
from tests.upgrade.brought import Brought, brought, loaded, settings_of, told
from tests.upgrade.test_upgrade import report
from tests.world import ACT

FIRST = "400116c"
LEFT = "select count(*) from records where seal is null"
ADOPTED = "select ticket_id, count(*) as count from records where kind = 'adopted' group by 1"


async def chain_of(one: Brought, name: str) -> UUID:
    return (await one.fetch("select id from tickets where token = $1", one.said["tickets"][name]["token"]))[0]["id"]


async def forge_next(one: Any, name: str, fetch: Any) -> None:
    """A last record that nobody of the service wrote, as somebody with the database alone can make it."""
    row = (await fetch("select r.* from records r join tickets t on t.id = ticket_id where token = $1 order by seq desc limit 1", one["tickets"][name]["token"]))[0]  # fmt: skip
    value = parsed(row["octets"])
    ours = value["Extensions"][0]["sealpost/1"]
    ours["seq"], ours["prev"] = row["seq"] + 1, digest(row["sha256"])
    value["EvidenceIdentifier"] = value["EvidenceIdentifier"][:-3] + "abc"
    octets = canonical(value)
    await fetch(
        "insert into records (ticket_id, seq, kind, evidence_id, at, octets, sha256, salt) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        row["ticket_id"], row["seq"] + 1, row["kind"], uuid4(), row["at"], octets, sha256(octets), sha256(b"salt"),
    )  # fmt: skip


async def forge_chain(one: Any, name: str, fetch: Any, later: str = "") -> None:
    """A whole ticket: the first record of another one once more, or dated on another day."""
    row = (await fetch("select r.* from records r join tickets t on t.id = ticket_id where token = $1 and seq = 1", one["tickets"][name]["token"]))[0]  # fmt: skip
    octets = row["octets"].replace(b"2026-11-23T", later.encode()) if later else row["octets"]
    at = datetime.fromisoformat(parsed(octets)["EventTime"])
    await fetch(
        "insert into records (ticket_id, seq, kind, evidence_id, at, octets, sha256, salt) values ($1, 1, $2, $3, $4, $5, $6, $7)",
        uuid4(), row["kind"], uuid4(), at, octets, sha256(octets), sha256(b"salt"),
    )  # fmt: skip


async def test_nothing_is_adopted_before_the_operator_speaks(server: EmbeddedServer, tmp_path: Path) -> None:
    async with loaded(server, FIRST, tmp_path, 1) as dsn, brought(dsn, tmp_path, FIRST) as one:
        assert await one.turn() == 0
        assert await seal_pending(one.service) == 0
        with pytest.raises(NoEvidence, match="wait for the operator"):
            await report(one, "refused")
        with pytest.raises(
            RuntimeError, match=r"^32 records of an earlier release, from 2026-11-23 on, wait: run sealpost"
        ):
            await bootstrap.examine_evidence(one.settings, dsn)
        # Meanwhile life goes on: these records are ours, and stand behind what waits.
        ticket = one.said["tickets"]["open"]
        await decide(one.service, ticket["token"], ticket["secrets"], "accepted", "", ACT)
        await one.turn()
        await settle(one.service, adopted=True)
        assert await one.turn() == 32
        made = await report(one, "open")
        assert made.exit_code == 2
        assert [claim.values["record"] for claim in made.claims if claim.why == "time.adopted"] == [1, 2, 3]


async def test_what_is_added_later_is_foreign(server: EmbeddedServer, tmp_path: Path) -> None:
    async with loaded(server, FIRST, tmp_path, 2) as dsn, brought(dsn, tmp_path, FIRST) as one:
        await forge_next(one.said, "accepted", one.fetch)
        await forge_chain(one.said, "withdrawn", one.fetch)
        changed = await chain_of(one, "failed")
        await one.fetch("update records set octets = convert_to(replace(convert_from(octets, 'utf8'), 'Bob', 'Rob'), 'utf8') where ticket_id = $1 and seq = 3", changed)  # fmt: skip
        await settle(one.service, adopted=True)
        await one.turn()
        left = await one.fetch("select ticket_id, seq from records where seal is null")
        # Where one stands behind a chain there is no place for the record of an adoption: that chain is not adopted.
        assert len(left) == 8 + 1 + 1 + 1
        for name in ("accepted", "failed"):
            with pytest.raises(NoEvidence, match="not this service's own"):
                await report(one, name)
        assert (await report(one, "refused")).exit_code == 2
        said = r"^9 records wait for their adoption.*; 2 records are not this service's own"
        with pytest.raises(RuntimeError, match=said):
            await bootstrap.examine_evidence(one.settings, dsn)


async def test_a_copy_of_a_listed_record_elsewhere_is_not_adopted(server: EmbeddedServer, tmp_path: Path) -> None:
    """Its hash is on the list, and still it is another ticket's."""
    async with loaded(server, FIRST, tmp_path, 3) as dsn, brought(dsn, tmp_path, FIRST) as one:
        target, source = await chain_of(one, "open"), await chain_of(one, "refused")
        await one.fetch("delete from records where ticket_id = $1", target)
        await one.fetch("insert into records select $1, seq, kind, evidence_id, at, octets, sha256, salt from records where ticket_id = $2", target, source)  # fmt: skip
        await one.fetch("update tickets t set last_seq = s.last_seq, last_sha256 = s.last_sha256 from tickets s where t.id = $1 and s.id = $2", target, source)  # fmt: skip
        await settle(one.service, adopted=True)
        await one.turn()
        assert await one.service.pool.fetchval(LEFT + " and ticket_id = $1", target) == 4
        with pytest.raises(NoEvidence, match="not this service's own"):
            await report(one, "open")


async def test_no_is_for_good(server: EmbeddedServer, tmp_path: Path) -> None:
    async with loaded(server, FIRST, tmp_path, 4) as dsn:
        async with brought(dsn, tmp_path, FIRST) as one:
            await settle(one.service, adopted=False)
            await settle(one.service, adopted=False)
            with pytest.raises(ListRefused, match="once"):
                await settle(one.service, adopted=True)
        async with brought(dsn, tmp_path, FIRST) as one:
            assert await look_at_offer(one.service) is None
            assert await one.turn() == 0
            with pytest.raises(NoEvidence, match="not this service's own"):
                await report(one, "refused")


async def test_there_is_no_second_list(server: EmbeddedServer, tmp_path: Path) -> None:
    async with loaded(server, FIRST, tmp_path, 5) as dsn:
        async with brought(dsn, tmp_path, FIRST) as one:
            await settle(one.service, adopted=True)
            await one.turn()
            await forge_next(one.said, "accepted", one.fetch)
            kept = one.settings.adoptions.read_bytes()
        one.settings.adoptions.unlink()
        async with brought(dsn, tmp_path, FIRST) as one:
            assert await look_at_offer(one.service) is None
            assert one.settings.adoptions.read_bytes().splitlines()[1].startswith(b"closed")
            assert await one.turn() == 0
        one.settings.adoptions.write_bytes(kept.replace(kept.splitlines()[2], b"0" * 64))
        async with brought(dsn, tmp_path, FIRST) as one:
            with pytest.raises(ListRefused, match="not as this installation wrote it"):
                await look_at_offer(one.service)
            assert await one.turn() == 0
            with pytest.raises(RuntimeError, match="not as this installation wrote it"):
                await bootstrap.examine_evidence(one.settings, dsn)


class Weak:
    """A key that goes away after some seals."""

    def __init__(self, signer: Any, seals: int) -> None:
        self._signer, self._left = signer, seals

    def __getattr__(self, name: str) -> Any:
        return getattr(self._signer, name)

    def sign(self, octets: bytes) -> bytes:
        if not self._left:
            raise SigningFailed("away")
        self._left -= 1
        return self._signer.sign(octets)


@pytest.mark.parametrize("seals", [0, 3, 12])
async def test_what_is_cut_off_goes_on(server: EmbeddedServer, tmp_path: Path, seals: int) -> None:
    """Each chain is adopted whole or not at all, and once, however many try."""
    async with loaded(server, FIRST, tmp_path, 6 + seals) as dsn, brought(dsn, tmp_path, FIRST) as one:
        await settle(one.service, adopted=True)
        weak = dataclasses.replace(one.service, sealer=Weak(one.service.sealer, seals))  # pyright: ignore[reportArgumentType]
        with pytest.raises(Unavailable):
            await adopt_listed(weak)
        named = {row["ticket_id"] for row in await one.fetch(ADOPTED)}
        left = {row["ticket_id"] for row in await one.fetch("select ticket_id from records where seal is null")}
        assert not named & left
        waiting = await one.service.pool.fetchval(LEFT)
        assert sum(await asyncio.gather(*(adopt_listed(one.service) for _ in range(3)))) == waiting
        assert await one.service.pool.fetchval(LEFT) == 0
        assert {row["count"] for row in await one.fetch(ADOPTED)} == {1}


async def test_an_installation_that_began_with_seals_has_nothing_to_adopt(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    """Somebody with its database puts records there before the upgrade: behind ours, and as a ticket of their own."""
    state = "3952481"
    async with loaded(server, state, tmp_path, 30) as dsn:
        connection, said = await asyncpg.connect(dsn), told(state)
        await forge_next(said, "accepted", connection.fetch)
        await forge_chain(said, "expired", connection.fetch, "2026-11-25T")
        await connection.close()
        async with brought(dsn, tmp_path, state) as one:
            assert await look_at_offer(one.service) is None
            await one.turn()
            with pytest.raises(RuntimeError, match=r"^2 records are not this service's own"):
                await bootstrap.examine_evidence(one.settings, dsn)


async def test_the_commands(server: EmbeddedServer, tmp_path: Path) -> None:
    async with loaded(server, FIRST, tmp_path, 31) as dsn:
        settings = settings_of(tmp_path)
        given = {
            "data": tmp_path, "database_url": dsn, "environment": "test", "tsa_url": "own",
            "mail_domain": settings.mail_domain, "legal_name": settings.legal_name, "base_url": settings.base_url,
        }  # fmt: skip

        async def call(*words: str, answer: str = "") -> tuple[int, str]:
            done = await asyncio.to_thread(sealpost, *words, given=answer, **given)
            return done.returncode, done.stdout + done.stderr

        code, said = await call("migrate")
        assert code == 0
        assert "32 records of 7 tickets" in said
        assert "from 2026-11-23" in said
        assert "Nothing is adopted until you say so: sealpost records adopt" in said
        code, said = await call("records", "adopt")
        assert (code, "say --yes or --none" in said) == (1, True)
        code, said = await call("doctor")
        assert "32 records of an earlier release" in said
        code, said = await call("records", "adopt", "--yes")
        assert (code, "32 records adopted" in said) == (0, True), said
        code, said = await call("records", "adopt", "--yes")
        assert (code, said.splitlines()[-1]) == (0, "no records of an earlier release wait")
        code, said = await call("migrate", "--adopt")
        assert (code, said.splitlines()[-1]) == (0, "The database is up to date.")
