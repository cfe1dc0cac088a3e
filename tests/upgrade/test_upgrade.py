"""An installation of each past state is brought to today: nothing of it is lost, and nothing untrue is sealed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sealpost import bootstrap
from sealpost.store.embedded import EmbeddedServer
from sealpost.store.tickets import Visible
from sealpost.usecases.adopt import look_at_offer, settle
from sealpost.usecases.decide import decide
from sealpost.usecases.gather import for_sender
from sealpost.usecases.reads.trust import trust_folder
from sealpost.verifier.trust import trust_of
from sealpost.verifier.verify import verify
from tests.upgrade.brought import STATES, Brought, brought, loaded
from tests.world import ACT

OLD = {"400116c": 32, "c38db5d": 3, "05965eb": 0, "3952481": 0, "400116c-3952481": 32, "c38db5d-05965eb": 3}


async def report(one: Brought, name: str) -> Any:
    token = one.said["tickets"][name]["token"]
    async with for_sender(one.service, Visible(one.said["account"]), token, "en") as bundle:
        octets = b"".join([piece async for piece in bundle.chunks()])
    return verify(octets, trust_of(await trust_folder(one.service)))


@pytest.mark.parametrize("state", STATES)
async def test_nothing_is_lost(server: EmbeddedServer, tmp_path: Path, state: str) -> None:
    async with loaded(server, state, tmp_path) as dsn, brought(dsn, tmp_path, state) as one:
        found = await look_at_offer(one.service)
        assert (found.records if found else 0) == OLD[state]
        if found:
            await settle(one.service, adopted=True)
        assert await one.turn() == OLD[state]
        assert await one.turn() == 0
        await decide(
            one.service,
            one.said["tickets"]["open"]["token"],
            one.said["tickets"]["open"]["secrets"],
            "accepted",
            "",
            ACT,
        )
        await one.turn()
        for name in one.said["tickets"]:
            made = await report(one, name)
            assert [(claim.check, claim.why) for claim in made.claims if claim.verdict == "FAIL"] == [], name
            assert made.exit_code == 2
        assert "entries, 0 wait" in await bootstrap.examine_evidence(one.settings, dsn)
