"""A folder with the keys of a test installation, made once, and openssl as the second opinion."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sealpost.domain.records import Issuer
from sealpost.seal.key_files import FileSigner, KeyFolder
from sealpost.seal.pki import establish

AT = datetime(2026, 11, 23, 12, 0, 0, 987_000, tzinfo=UTC)
RECORD = '{"EvidenceIdentifier":"é","to":"bob@example.com"}'.encode()
SECRET = b"only for the tests of Alice"
LEGAL_NAME = "Voorbeeld Post B.V."


def issuer(environment: str = "test", legal_name: str = LEGAL_NAME, legal_id: str = "NTRNL-12345678") -> Issuer:
    return Issuer("https://sealpost.example/evidence", legal_name, legal_id, environment, {})


def openssl(*arguments: str, octets: bytes = b"", ok: bool = True) -> str:
    """What openssl prints; it must succeed, or fail where `ok` is false."""
    done = subprocess.run(["openssl", *arguments], input=octets, capture_output=True, check=False)
    printed = (done.stdout + done.stderr).decode(errors="replace")
    assert (done.returncode == 0) is ok, printed
    return printed


def stored(folder: Path, name: str, octets: bytes) -> str:
    path = folder / name
    path.write_bytes(octets)
    return str(path)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFolder:
    """Keys that no test changes."""
    made = KeyFolder(tmp_path_factory.mktemp("evidence") / "keys", SECRET)
    establish(made, issuer(), AT)
    return made


@pytest.fixture
def own_keys(tmp_path: Path) -> KeyFolder:
    """An empty folder for one test."""
    return KeyFolder(tmp_path / "keys", SECRET)


@pytest.fixture(scope="session")
def signer(keys: KeyFolder) -> FileSigner:
    return keys.signer("record-seal")
