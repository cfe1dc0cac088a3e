"""Command and page say the same of the certificates that mail servers showed."""

from __future__ import annotations

import pytest

from tests.verifier.lives import World
from tests.verifier.page.conftest import CHROMIUM, Verifier
from tests.verifier.page.test_agreement import agreed
from tests.verifier.test_tls import FORGED, bundles

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="CHROMIUM IS MISSING: the page is not tested in a browser"),
]


@pytest.fixture(scope="module")
def made(world: World) -> list[tuple[str, bytes]]:
    return list(bundles(world))


async def test_certificates_of_mail_servers(verifier: Verifier, world: World, made: list[tuple[str, bytes]]) -> None:
    files = world.trust_files()
    for name, octets in made:
        why = await agreed(verifier, octets, files)
        assert name not in FORGED or FORGED[name][2] in why, name
