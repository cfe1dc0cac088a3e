"""A local authority on a clock that the test moves, and the files that openssl needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealpost.cli.running import listen, serve_web
from sealpost.domain.records import Issuer
from sealpost.seal import pki
from sealpost.seal.key_files import KeyFolder
from sealpost.seal.timestamps.local import LocalTsa, tsa_app

START = datetime(2026, 5, 6, 7, 8, 9, 250_000, tzinfo=UTC)


class MovedClock:
    """Stands still until a test moves it; ``shift`` is the demo's, which moves only the service's time."""

    def __init__(self) -> None:
        self.at, self.shift = START, timedelta(0)

    def now(self) -> datetime:
        return self.at + self.shift

    def real(self) -> datetime:
        return self.at

    def statement(self) -> dict[str, Any]:
        return {"source": "none"} | ({"demoShiftSeconds": int(self.shift.total_seconds())} if self.shift else {})


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture(scope="session")
def tsa_keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFolder:
    made = KeyFolder(tmp_path_factory.mktemp("tsa") / "keys", b"only for the tests of Alice")
    pki.establish(made, Issuer("https://sealpost.example/evidence", "Alice B.V.", "NTRNL-12345678", "test", {}), START)
    return made


@pytest.fixture(scope="session")
def tsa_roots(tsa_keys: KeyFolder) -> tuple[x509.Certificate, ...]:
    return pki.roots(tsa_keys)


@pytest.fixture
def tsa(tsa_keys: KeyFolder, clock: MovedClock) -> LocalTsa:
    return LocalTsa(tsa_keys.signer("tsa"), clock)


@pytest.fixture
def root_file(tmp_path: Path, tsa_roots: tuple[x509.Certificate, ...]) -> Path:
    path = tmp_path / "root.pem"
    path.write_bytes(tsa_roots[0].public_bytes(Encoding.PEM))
    return path


@asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str]:
    """An application on a real port of this machine."""
    listening, stop = listen("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(serve_web(app, listening, stop))
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/tsa"
    finally:
        stop.set()
        await serving


@pytest.fixture
async def tsa_url(tsa: LocalTsa) -> AsyncGenerator[str]:
    async with served(tsa_app(tsa)) as url:
        yield url


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Awaitable[str]]:
    """Runs a program in the test's folder; what it printed, after a clean end."""

    async def program(*command: str, ok: bool = True) -> str:
        made = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        printed = (await made.communicate())[0].decode(errors="replace")
        assert (made.returncode == 0) is ok, printed
        return printed

    return program
