"""What mail servers show in TLS handshakes: kept once, never named before it is durable, handed out in the bundle."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest

from sealpost.mail.transport import Handover, Presented, Tls
from sealpost.store import tls_certificates
from sealpost.store.pool import Connection
from sealpost.usecases.decide import decide
from sealpost.usecases.tls_certificates import KeptCertificates
from tests.mail.test_dane import LEAF, MIDDLE, ROOT
from tests.mail.test_opening import ODD, make, showing_all
from tests.path.test_evidence import proven, sender_bundle, unproven, verified
from tests.usecases.servers import changed, sending_to, served
from tests.world import ACT, World, links_in, parsed

WITH_TLS: dict[str, bytes | str] = {"ehlo": b"250-mx.test\r\n250 STARTTLS\r\n"}
CHAIN = [LEAF, MIDDLE, ROOT]
HASHES = [sha256(one.der).hexdigest() for one in CHAIN]


async def chains(world: World, token: str) -> list[list[str]]:
    """The hashes that each record of an SMTP dialogue names."""
    found = [json.loads(one)["Extensions"][0]["sealpost/1"].get("smtp") for one in await world.records(token)]
    return [[_hex(one) for one in smtp["tls"]["chain"]] for smtp in found if smtp]


def _hex(digest: Mapping[str, Any]) -> str:
    return b64decode(digest["DigestValue"]).hex()


async def kept(world: World) -> set[str]:
    return {row["sha256"].hex() for row in await world.service.pool.fetch("select sha256 from tls_certificates")}


def tls_files(bundle: bytes) -> dict[str, bytes]:
    with ZipFile(BytesIO(bundle)) as found:
        return {name: found.read(name) for name in found.namelist() if name.startswith("trust/tls/")}


async def test_a_chain_is_kept_once_and_handed_out(world: World) -> None:
    with showing_all(CHAIN) as context:
        async with served(WITH_TLS, context) as server, sending_to(world, server, "opportunistic") as sending:
            token, other = await sending.send(), await sending.send()
            await proven(sending)
            bundle = await sender_bundle(sending, token)
            assert await chains(sending, token) == await chains(sending, other) == [HASHES, HASHES]
            assert await kept(sending) == set(HASHES)
            assert tls_files(bundle) == {
                f"trust/tls/{name}.der": one.der for name, one in zip(HASHES, CHAIN, strict=True)
            }
            report = await verified(sending, bundle)
    assert ("tls", "PASS") in {(one.check, one.verdict) for one in report.claims}
    assert unproven(report) == {
        ("witness", "witness.quorum"), ("mail", "mail.absent"), ("environment", "environment.test"),
        ("clock", "clock.none"), ("time", "time.own"), ("dating", "dating.none"),
    }  # fmt: skip


async def test_a_bundle_has_only_what_its_own_records_name(world: World) -> None:
    lonely = make("lonely")
    for chain in (CHAIN, [lonely]):
        with showing_all(chain) as context:
            async with served(WITH_TLS, context) as server, sending_to(world, server, "opportunistic") as sending:
                token = await sending.send()
    await proven(world)
    assert list(tls_files(await sender_bundle(world, token)).values()) == [lonely.der]
    assert len(await kept(world)) == 4


async def test_without_tls_there_is_nothing(world: World) -> None:
    token = await world.send()
    await proven(world)
    bundle = await sender_bundle(world, token)
    assert tls_files(bundle) == {}
    assert not (await verified(world, bundle)).of("tls")


async def test_what_nobody_can_read_is_kept_too(world: World) -> None:
    odd = [make("mx", MIDDLE, ODD["x400Address"]), make("odd", extensions=ODD["rubbish as key usage"])]
    with showing_all(odd) as context:
        async with served(WITH_TLS, context) as server, sending_to(world, server, "opportunistic") as sending:
            token = await sending.send()
            await proven(sending)
            bundle = await sender_bundle(sending, token)
            assert set(tls_files(bundle).values()) == {one.der for one in odd}
            assert (await verified(sending, bundle)).verdict("tls") == "PASS"


async def test_a_chain_that_is_known_costs_no_statement(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told = list[int]()
    store = tls_certificates.keep

    async def counted(connection: Connection, certificates: Mapping[bytes, bytes]) -> None:
        told.append(len(certificates))
        await store(connection, certificates)

    monkeypatch.setattr(tls_certificates, "keep", counted)
    with showing_all(CHAIN) as context:
        async with served(WITH_TLS, context) as server, sending_to(world, server, "opportunistic") as sending:
            for _ in range(3):
                await sending.send()
            assert told == [3]
            # Another process, or one that was started anew, gives them once more.
            anew = changed(sending, certificates=KeptCertificates())
            await anew.send()
    assert told == [3, 3]
    assert await kept(world) == set(HASHES)


async def test_what_was_not_committed_is_not_known(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database goes away at the commit: the outcome is stored again, and with it what its record names."""
    store, failed = tls_certificates.keep, list[int]()

    async def torn(connection: Connection, certificates: Mapping[bytes, bytes]) -> None:
        await store(connection, certificates)
        if not failed:
            failed.append(1)
            raise ConnectionResetError

    monkeypatch.setattr(tls_certificates, "keep", torn)
    with showing_all(CHAIN) as context:
        async with served(WITH_TLS, context) as server, sending_to(world, server, "opportunistic") as sending:
            token = await sending.send()
            assert failed
            assert await chains(sending, token) == [HASHES, HASHES]
            assert await kept(sending) == set(HASHES)


async def test_two_that_bring_the_same_do_not_wait_for_each_other(world: World) -> None:
    """A third one holds the certificate in the middle until both have begun, from whichever end they were given."""
    first, middle, last = sorted((sha256(bytes([one])).digest(), bytes([one])) for one in range(3))

    async def bring(*certificates: tuple[bytes, bytes]) -> None:
        async with world.service.pool.acquire() as connection, connection.transaction():
            await tls_certificates.keep(connection, dict(certificates))

    async with world.service.pool.acquire() as connection:
        async with connection.transaction():
            await tls_certificates.keep(connection, dict([middle]))
            both = asyncio.gather(bring(first, middle, last), bring(last, middle, first))
            while await connection.fetchval("select count(*) from pg_locks where not granted") < 2:
                await asyncio.sleep(0)
        await both
    assert len(await kept(world)) == 3


async def test_the_database_takes_no_octets_under_another_hash(world: World) -> None:
    with pytest.raises(Exception, match="check"):
        await world.service.pool.execute("insert into tls_certificates values ($1, $2)", bytes(32), b"other")


def test_what_is_known_is_bounded() -> None:
    known = KeptCertificates(most=2)
    handover: Any = _shown(b"1", b"2", b"3")
    known.remember(known.unknown([handover]))
    assert list(known.unknown([handover]).values()) == [b"1"]


def _shown(*octets: bytes) -> Any:
    class Shown:
        tls = Tls("", "", None, "none", tuple(Presented(sha256(one).digest(), one) for one in octets))
        earlier: tuple[Handover, ...] = ()

    return Shown()


async def test_a_decision_and_its_content_name_the_chain_too(world: World) -> None:
    with showing_all(CHAIN) as context:
        async with served(WITH_TLS, context) as server, sending_to(world, server, "opportunistic") as sending:
            token = await sending.send()
            links = [link for mail in server.mails for link in links_in(parsed(mail)) if "/p/" in link]
            await decide(sending.service, token, [links[0].rsplit("/", 1)[1]], "accepted", "", ACT)
            await sending.work_off()
            assert await chains(sending, token) == [HASHES] * 4
