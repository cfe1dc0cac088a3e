"""The certificate that STARTTLS shows: what cannot be used is told by the name of its variable and file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from sealpost import bootstrap
from sealpost.settings import SettingsError, read_settings
from tests.mail.conftest import certificate as certificate
from tests.world import World


def key_file(folder: Path, encryption: KeySerializationEncryption) -> str:
    path = folder / "key.pem"
    path.write_bytes(generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return str(path)


def text_file(folder: Path) -> str:
    path = folder / "text.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    return str(path)


def absent(folder: Path) -> str:
    return str(folder / "absent.pem")


def other_key(folder: Path) -> str:
    return key_file(folder, NoEncryption())


def locked_key(folder: Path) -> str:
    return key_file(folder, BestAvailableEncryption(b"secret"))


async def start(world: World, certificate: str, key: str) -> None:
    settings = read_settings({}, inbound_port=0, inbound_certificate=certificate, inbound_key=key)
    async with bootstrap.inbound(settings, world.service):
        pass


@pytest.mark.parametrize(
    ("variable", "make", "why"),
    [
        ("certificate", absent, "cannot be read: No such file or directory"),
        ("certificate", str, "cannot be read: Is a directory"),
        ("certificate", text_file, "has no PEM certificate that can be used"),
        ("certificate", other_key, "has no PEM certificate that can be used"),
        ("key", absent, "cannot be read: No such file or directory"),
        ("key", text_file, "has no PEM key that can be used"),
        ("key", locked_key, "has a passphrase, which a service cannot be asked for"),
    ],
)
async def test_a_file_that_cannot_be_used(
    quiet_world: World, certificate: Path, tmp_path: Path, variable: str, make: Callable[[Path], str], why: str
) -> None:
    files = {"certificate": str(certificate), "key": str(certificate)}
    files[variable] = make(tmp_path)
    with pytest.raises(SettingsError) as refused:
        await start(quiet_world, **files)
    assert str(refused.value) == f"SEALPOST_INBOUND_{variable.upper()}: {files[variable]} {why}"


async def test_files_that_do_not_belong_together(world: World, certificate: Path, tmp_path: Path) -> None:
    key = other_key(tmp_path)
    with pytest.raises(
        SettingsError, match=r"_CERTIFICATE and SEALPOST_INBOUND_KEY: .* \(KEY_VALUES_MISMATCH\)$"
    ) as refused:
        await start(world, str(certificate), key)
    assert f"{certificate} and {key} " in str(refused.value)


async def test_one_file_with_both(world: World, certificate: Path) -> None:
    await start(world, str(certificate), str(certificate))
