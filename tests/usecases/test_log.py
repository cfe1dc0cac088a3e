"""The log: what is sealed gets in, its checkpoints are signed and stamped, and it never has two roots for one size."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealpost.domain import seals
from sealpost.domain.checkpoint import read_checkpoint, read_proof
from sealpost.domain.errors import Unavailable
from sealpost.domain.merkle import includes, is_consistent, leaf_hash
from sealpost.domain.note import ED25519_COSIGNATURE, read, signature_line, verifier_key
from sealpost.domain.policy import Policy, read_policy
from sealpost.seal.jades import imprint_octets
from sealpost.seal.key_files import FileSigner
from sealpost.seal.notes import cosigned, is_signed
from sealpost.seal.pki import rotate
from sealpost.seal.signer import ED25519, SigningFailed
from sealpost.seal.timestamps.client import TimestampClient
from sealpost.seal.timestamps.local import LocalTsa, tsa_app
from sealpost.store import logs, records
from sealpost.store.logs import Log
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import LogStopped, begin_log, entry_of, extend_log, is_due, log_keys
from sealpost.usecases.reads.proofs import covered, proven
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.seals import seal_pending
from sealpost.usecases.service import Service
from sealpost.usecases.stamp import renew_newest, stamp_pending
from sealpost.verifier.timestamps import check_token
from tests.world import ACT, World

HOUR = timedelta(hours=1)


async def newest(world: World) -> Log:
    found = await logs.newest(world.service.pool)
    assert found is not None
    return found


async def rows(world: World) -> list[Any]:
    return await world.service.pool.fetch("select * from records order by log_index")


async def test_every_record_gets_in(world: World) -> None:
    await world.send()
    assert await is_due(world.service)
    added = await extend_log(world.service)
    kept = await rows(world)
    assert added == len(kept) == 4, "that the log begins is a record too"
    assert not await is_due(world.service)
    tree = await newest(world)
    assert (tree.name, tree.origin) == ("2026", "127.0.0.1:8025/log/2026")
    folder = world.service.evidence.log("2026")
    octets = folder.checkpoint()
    assert octets is not None
    note = read(octets)
    assert is_signed(note, log_keys(world.service, tree))
    checkpoint = read_checkpoint(note.text)
    for row in kept:
        entry = entry_of(row)
        assert entry == seals.commitment(row["salt"], row["octets"], seals.read(row["seal"]).signature)
        proof = folder.inclusion(row["log_index"], checkpoint.size)
        assert includes(row["log_index"], checkpoint.size, leaf_hash(entry), proof, checkpoint.root)


async def test_places_rise_with_the_numbers_of_a_ticket(world: World) -> None:
    """A fact that was told late has an earlier time than the record before it; one without a seal keeps others waiting."""
    await world.send()
    pool = world.service.pool
    await pool.execute("update records set at = at - interval '1 hour' where seq = 3")
    await pool.execute("update records set seal = null where seq = 1")
    assert await extend_log(world.service) == 1, "the record of the log alone"
    assert await seal_pending(world.service) == 1
    while await is_due(world.service):
        await extend_log(world.service)
    kept = await pool.fetch("select log_index from records where log_index > 0 order by seq")
    assert [row["log_index"] for row in kept] == [1, 2, 3]


async def test_each_tree_is_the_beginning_of_the_next(world: World) -> None:
    roots = dict[int, bytes]()
    for _ in range(4):
        await world.send()
        await extend_log(world.service)
        size = (await newest(world)).size
        roots[size] = world.service.evidence.log("2026").root(size)
    folder = world.service.evidence.log("2026")
    last = max(roots)
    for size, root in roots.items():
        assert is_consistent(size, last, root, roots[last], folder.consistency(size, last))
        assert folder.root(size) == root
    folder.check(last)


async def test_checkpoints_and_decisions_are_stamped(world: World) -> None:
    token = await world.send()
    await decide(world.service, token, [world.secret()], "accepted", "", ACT)
    await extend_log(world.service)
    assert await stamp_pending(world.service) == 2
    assert await stamp_pending(world.service) == 0
    signed = await logs.newest_signed(world.service.pool, (await newest(world)).id)
    assert signed is not None
    assert signed.token is not None
    assert signed.note is not None
    check_token(signed.token, signed.note, world.service.evidence.tsa_roots)
    (decision,) = [row for row in await rows(world) if row["kind"] == "accepted"]
    sealed = seals.read(decision["seal"])
    assert sealed.time_token is not None
    check_token(sealed.time_token, imprint_octets(decision["seal"]), world.service.evidence.tsa_roots)


async def test_tokens_are_renewed_before_they_end(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    await stamp_pending(world.service)
    tree = await newest(world)
    world.clock.advance(days=1010)
    assert await stamp_pending(world.service) == 0, "a token by the same certificate would gain nothing"
    # The authority has another certificate since: the next checkpoint shows that.
    await world.service.pool.execute("update checkpoints set token_until = $1", world.clock.now() + HOUR)
    await world.send(recipient_email="bob2@example.com")
    await extend_log(world.service)
    while await stamp_pending(world.service):
        pass
    signed = await logs.covering(world.service.pool, tree.id, 0)
    assert signed is not None
    assert signed.note is not None
    assert signed.token is not None
    (renewal,) = signed.renewals
    check_token(renewal, signed.note + signed.token, world.service.evidence.tsa_roots)


class Counted:
    """An authority that counts what it is asked, with the newest key of the installation's own."""

    def __init__(self, world: World) -> None:
        self.world, self.asked = world, 0

    async def stamp(self, octets: bytes) -> bytes:
        self.asked += 1
        service = self.world.service
        inside = httpx2.ASGITransport(app=tsa_app(LocalTsa(service.evidence.keys.signer("tsa"), self.world.clock)))
        roots = service.evidence.tsa_roots
        client = TimestampClient("https://tsa.example/", roots, clock=self.world.clock, transport=inside)
        try:
            return await client.stamp(octets)
        finally:
            await client.close()


def counted(world: World) -> tuple[Service, Counted]:
    stamper: Any = Counted(world)
    return dataclasses.replace(
        world.service, evidence=dataclasses.replace(world.service.evidence, stamper=stamper)
    ), stamper


async def test_an_idle_log_renews_its_tokens(world: World) -> None:
    """The authority has a newer certificate, and no record comes that would show it."""
    for _ in range(2):
        await world.send()
        await extend_log(world.service)
        await stamp_pending(world.service)
    service, stamper = counted(world)
    assert await renew_newest(service) == 0
    assert stamper.asked == 0, "the end is far"
    world.clock.advance(days=1010)
    assert await renew_newest(service) == 0
    assert stamper.asked == 1, "a token by the same certificate would gain nothing"
    rotate(service.evidence.keys, "tsa", service.issuer, world.clock.now())
    assert await stamp_pending(service) == 0
    assert await renew_newest(service) == 1
    assert await renew_newest(service) == 0
    assert await stamp_pending(service) == 1, "now the older one's, too"
    assert stamper.asked == 3
    ends = [row[0] for row in await service.pool.fetch("select token_until from checkpoints")]
    assert min(ends) > world.clock.now() + timedelta(days=90)
    signed = await logs.newest_signed(service.pool, (await newest(world)).id)
    assert signed is not None
    (renewal,) = signed.renewals
    check_token(renewal, (signed.note or b"") + (signed.token or b""), service.evidence.tsa_roots)


def ed25519() -> FileSigner:
    key = Ed25519PrivateKey.generate()
    return FileSigner("witness", 1, ED25519, key.public_key().public_bytes_raw(), (), None, key)


WITNESSES = {name: ed25519() for name in ("bob", "charlie", "dora")}


def policy_of(least: int) -> Policy:
    """The three, of whom so many must have seen a checkpoint; 0: none must."""
    lines = [
        f"witness {name} {verifier_key(f'{name}.example/w', ED25519_COSIGNATURE, one.public_key)}"
        for name, one in WITNESSES.items()
    ]
    quorum = "some" if least else "none"
    return read_policy("\n".join([*lines, f"group some {least or 1} bob charlie dora", f"quorum {quorum}", ""]))


async def cosign(world: World, size: int, signers: dict[str, FileSigner]) -> None:
    tree = await newest(world)
    settled = await logs.settled_at(world.service.pool, tree.id, size)
    assert settled is not None
    checkpoint = read_checkpoint(read(settled.note or b"").text)
    made = [cosigned(checkpoint, one, f"{name}.example/w", world.clock.now()) for name, one in signers.items()]
    await logs.keep_cosigned(world.service.pool, tree.id, size, "".join(map(signature_line, made)).encode())


async def chosen(world: World, token: str, policy: Policy | None) -> set[int]:
    """The sizes that a ticket's proofs are of; its checkpoints are the same ones."""
    evidence = dataclasses.replace(world.service.evidence, policy=policy)
    service = dataclasses.replace(world.service, evidence=evidence)
    ticket = await service.pool.fetchval("select id from tickets where token = $1", token)
    found = await proven(service, await covered(service.pool, await records.with_seals(service.pool, ticket)))
    notes = [read(read_proof(one.proof or b"").checkpoint) for one in found.records]
    sizes = {read_checkpoint(note.text).size for note in notes}
    assert sizes == {one.size for one in found.checkpoints}
    return sizes


async def test_a_proof_is_of_the_first_checkpoint_that_enough_witnesses_saw(world: World) -> None:
    tokens = list[str]()
    for _ in range(5):
        tokens.append(await world.send())
        await extend_log(world.service)
        await stamp_pending(world.service)
    assert await chosen(world, tokens[0], policy_of(2)) == {4}, "nobody has seen any: the first"
    bob, charlie = ({name: WITNESSES[name]} for name in ("bob", "charlie"))
    await cosign(world, 7, bob)
    await cosign(world, 10, bob | {"charlie": ed25519()})  # by a key that the policy does not name any more
    await cosign(world, 13, bob | charlie)
    await cosign(world, 16, bob | charlie)
    sizes = {least: await chosen(world, tokens[0], policy_of(least)) for least in (0, 1, 2, 3)}
    assert sizes == {0: {7}, 1: {7}, 2: {13}, 3: {4}}
    assert await chosen(world, tokens[0], None) == {4}
    assert [await chosen(world, one, policy_of(2)) for one in tokens[1:]] == [{13}, {13}, {13}, {16}]
    await world.service.pool.execute("update checkpoints set token = null where size = 13")
    assert await chosen(world, tokens[0], policy_of(2)) == {16}, "without a time stamp it would prove less"


async def test_a_busy_log_waits_for_more(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    tree = await newest(world)
    await world.service.pool.execute(
        """insert into checkpoints (log_id, size, root, at, note)
           select $1, 1000 + n, '', $2, '' from generate_series(1, 60) as n""",
        tree.id,
        world.clock.now(),
    )
    await world.service.pool.execute("update logs set size = 1060")
    await world.send()
    assert not await is_due(world.service)
    world.clock.advance(seconds=60)
    assert await is_due(world.service)


async def test_a_new_year_has_a_new_log(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    world.clock.advance(days=60)
    await world.send(recipient_email="bob2@example.com")
    await extend_log(world.service)
    kept = await logs.all_of(world.service.pool)
    assert [(one.name, one.size) for one in kept] == [("2026", 4), ("2027", 5)]
    assert kept[1].origin == "127.0.0.1:8025/log/2027"
    assert (kept[1].ed25519, kept[1].mldsa44) == (2, 2), "a key is of one log"
    policy = read_policy((await trust_folder(world.service))["policy"].decode())
    assert [one.name[-4:] for one in policy.logs] == ["2026", "2026", "2027", "2027"]
    assert await extend_log(world.service) == 0


@pytest.mark.parametrize("later", [0, 1, 5])
async def test_a_restored_database_does_not_fork_the_log(world: World, later: int) -> None:
    for _ in range(2):
        await world.send()
        await extend_log(world.service)
    before = world.service.evidence.log("2026").checkpoint()
    # The database as it was after the first; then new records come, also as many and more as it lost.
    pool = world.service.pool
    await pool.execute("delete from checkpoints where size > 4")
    await pool.execute("delete from records where log_index >= 4")
    await pool.execute("update logs set size = 4")
    for _ in range(later):
        await world.send()
    for _ in range(2):
        with pytest.raises(LogStopped, match="put back"):
            await extend_log(world.service)
        with pytest.raises(LogStopped, match="put back"):
            await is_due(world.service)
    assert world.service.evidence.log("2026").checkpoint() == before


async def test_other_records_at_the_same_places_are_refused(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    before = world.service.evidence.log("2026").checkpoint()
    await world.service.pool.execute("update records set salt = sha256(salt)")
    await world.send()
    with pytest.raises(LogStopped, match="another record"):
        await extend_log(world.service)
    assert world.service.evidence.log("2026").checkpoint() == before


async def test_a_size_has_one_root(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    await world.send()
    tree = await newest(world)
    await logs.settle(world.service.pool, tree.id, 7, bytes(32), world.clock.now())
    with pytest.raises(LogStopped, match="another root is settled"):
        await extend_log(world.service)


async def test_a_lost_folder_is_made_again(world: World) -> None:
    for _ in range(2):
        await world.send()
        await extend_log(world.service)
    folder = world.service.evidence.log("2026")
    root = folder.root(7)
    shutil.rmtree(folder.folder)
    world.service.evidence.folders.clear()
    await world.send()
    await extend_log(world.service)
    again = world.service.evidence.log("2026")
    assert again.root(7) == root
    again.check(10)


async def test_a_folder_of_other_entries_stops_the_log(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    tile = world.service.evidence.log("2026").folder / "tile/0/000.p/4"
    tile.write_bytes(bytes(128))
    await world.send()
    with pytest.raises(LogStopped):
        await extend_log(world.service)


async def test_a_damaged_seal_does_not_stop_the_others(world: World) -> None:
    await world.send()
    await world.service.pool.execute("update records set seal = 'x' where kind = 'announcement_offered'")
    assert await extend_log(world.service) == 3
    aside = await world.service.pool.fetchval("select kind from records where log_index = -1")
    assert aside == "announcement_offered"


async def test_a_log_does_not_begin_without_its_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any) -> None:
        raise Unavailable("the database is away")

    await world.send()
    with monkeypatch.context() as patched:
        patched.setattr("sealpost.store.records.append", fails)
        with pytest.raises(Unavailable):
            await extend_log(world.service)
    assert await logs.newest(world.service.pool) is None
    assert await extend_log(world.service) == 4


async def test_a_stopped_log_gives_way_to_a_new_one(world: World) -> None:
    await world.send()
    await extend_log(world.service)
    await world.send()
    await logs.stop(world.service.pool, (await newest(world)).id, "told to")
    with pytest.raises(LogStopped, match="told to"):
        await extend_log(world.service)
    await begin_log(world.service, "2026-2")
    assert await extend_log(world.service) == 4
    kept = await logs.all_of(world.service.pool)
    assert [(one.name, one.size) for one in kept] == [("2026", 4), ("2026-2", 4)]


class Away:
    """A key that cannot be had."""

    def __call__(self, *_: Any) -> Any:
        raise SigningFailed("away")


async def test_without_its_keys_the_log_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.send()
    await extend_log(world.service)
    await world.send()
    with monkeypatch.context() as patched:
        patched.setattr("sealpost.usecases.extend_log.log_lines", Away())
        with pytest.raises(Unavailable, match="signed"):
            await extend_log(world.service)
    assert await extend_log(world.service) == 3
