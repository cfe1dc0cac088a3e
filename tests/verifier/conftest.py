"""One operator's keys and one right bundle for all tests of the verifier."""

from __future__ import annotations

import pytest

from sealpost.verifier.trust import Trust
from tests.verifier.lives import Plan, World, bundled, certified, plan


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("verifier") / "keys")


@pytest.fixture(scope="session")
def right(world: World) -> Plan:
    """What the right bundle is made of."""
    found = plan(world)
    return Plan(
        found.records,
        found.checkpoints,
        found.mails,
        found.contents,
        found.trust,
        certified(world, found.records, checkpoints=found.checkpoints, trust=found.trust),
    )


@pytest.fixture(scope="session")
def good(world: World, right: Plan) -> bytes:
    return bundled(world, right)


@pytest.fixture(scope="session")
def trust(world: World) -> Trust:
    return world.trust()
