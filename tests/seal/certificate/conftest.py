"""One installation and one ticket's evidence for all tests of bundles and certificates."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from sealpost.seal.bundle.bundle import SealedRecord, StampedCheckpoint
from tests.seal.bundle.lives import Office, evidence, office


@pytest_asyncio.fixture(scope="session")
async def alices(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Office]:
    made = office(Path(tmp_path_factory.mktemp("office")))
    yield made
    await made.client.close()


@pytest_asyncio.fixture(scope="session")
async def ticket(alices: Office) -> tuple[list[SealedRecord], list[StampedCheckpoint]]:
    """A whole life, its last record pending."""
    return await evidence(alices, pending=1)
