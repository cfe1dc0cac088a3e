"""Command and page say the same of the signatures on a returned mail."""

from __future__ import annotations

import pytest

from tests.verifier.lives import World
from tests.verifier.page.conftest import CHROMIUM, Verifier
from tests.verifier.page.test_agreement import agreed
from tests.verifier.test_signed import bundles

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: the page is not tested in a browser"),
]


@pytest.fixture(scope="module")
def made(world: World) -> list[tuple[str, bytes]]:
    return list(bundles(world))


async def test_signatures_of_returned_mails(verifier: Verifier, world: World, made: list[tuple[str, bytes]]) -> None:
    files = world.trust_files()
    for _, octets in made:
        await agreed(verifier, octets, files)
