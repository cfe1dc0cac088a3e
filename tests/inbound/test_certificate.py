"""The certificate that STARTTLS shows: what cannot be used is told by the name of its variable and file."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from aiosmtplib import SMTP
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import load_pem_x509_certificate
from structlog.testing import capture_logs

from sealpost import bootstrap
from sealpost.bootstrap import inbound_certificate
from sealpost.bootstrap.inbound_certificate import InboundCertificate
from sealpost.settings import Settings, SettingsError, read_settings
from tests.mail.conftest import certificate as certificate
from tests.mail.conftest import self_signed
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


def written(folder: Path, pem: bytes) -> tuple[Path, Path]:
    """Certificate and key in two files, as most programs that renew write them."""
    key, begin, rest = pem.partition(b"-----BEGIN CERTIFICATE")
    (folder / "in.key").write_bytes(key)
    (folder / "in.pem").write_bytes(begin + rest)
    return folder / "in.pem", folder / "in.key"


def der_of(pem: bytes) -> bytes:
    return load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


def certificate_of(folder: Path) -> InboundCertificate:
    names = {"inbound_certificate": str(folder / "in.pem"), "inbound_key": str(folder / "in.key")}
    return InboundCertificate(read_settings({}, **names))


async def shown(port: int) -> bytes:
    """The certificate that a whole conversation is shown, in DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with SMTP(hostname="127.0.0.1", port=port, start_tls=True, tls_context=context, timeout=20) as smtp:
        assert (await smtp.noop()).code == 250
        tls = smtp.get_transport_info("ssl_object")
        return tls.getpeercert(binary_form=True)


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


async def test_a_renewed_certificate_is_shown_without_a_restart(world: World, tmp_path: Path) -> None:
    first, second = self_signed(), self_signed()
    certificate, key = written(tmp_path, first)
    settings = read_settings(
        {}, inbound_port=0, inbound_certificate=str(certificate), inbound_key=str(key), our_name="in.sealpost.example"
    )
    async with bootstrap.inbound(settings, world.service, look_every=0.01) as port:
        assert await shown(port) == der_of(first)
        written(tmp_path, second)
        async with asyncio.timeout(60):
            while await shown(port) == der_of(first):
                pass
        assert await shown(port) == der_of(second)


async def test_an_open_connection_goes_on_while_another_certificate_comes(world: World, tmp_path: Path) -> None:
    certificate, key = written(tmp_path, self_signed())
    settings = read_settings({}, inbound_port=0, inbound_certificate=str(certificate), inbound_key=str(key))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with (
        bootstrap.inbound(settings, world.service, look_every=0.01) as port,
        SMTP(hostname="127.0.0.1", port=port, start_tls=True, tls_context=context, timeout=20) as smtp,
    ):
        new = self_signed()
        written(tmp_path, new)
        async with asyncio.timeout(60):
            while await shown(port) != der_of(new):
                pass
        assert (await smtp.noop()).code == 250


def half(folder: Path, pem: bytes) -> None:
    """The certificate is the new one, the key still the old one."""
    key = (folder / "in.key").read_bytes()
    written(folder, pem)
    (folder / "in.key").write_bytes(key)


def cut(folder: Path, pem: bytes) -> None:
    written(folder, pem)
    (folder / "in.pem").write_bytes((folder / "in.pem").read_bytes()[:200])


def gone(folder: Path, _: bytes) -> None:
    (folder / "in.key").unlink()


def emptied(folder: Path, _: bytes) -> None:
    (folder / "in.pem").write_bytes(b"")


@pytest.mark.parametrize("spoil", [half, cut, gone, emptied])
def test_what_cannot_be_used_is_told_once_and_the_old_one_stays(
    tmp_path: Path, spoil: Callable[[Path, bytes], None]
) -> None:
    written(tmp_path, self_signed())
    certificate, new = certificate_of(tmp_path), self_signed()
    before = certificate.context
    spoil(tmp_path, new)
    with capture_logs() as said:
        assert [certificate.renewed() for _ in range(3)] == [None] * 3
    assert certificate.context is before
    (warning,) = said
    assert warning["log_level"] == "warning"
    assert warning["why"].startswith("SEALPOST_INBOUND_")
    written(tmp_path, new)  # the rest of it
    with capture_logs() as said:
        assert certificate.renewed() is certificate.context is not before
    assert [one["event"] for one in said] == ["a renewed certificate for mail that comes in is shown"]


def test_files_that_stay_as_they_are_are_left_alone(tmp_path: Path) -> None:
    pem = self_signed()
    written(tmp_path, pem)
    certificate = certificate_of(tmp_path)
    written(tmp_path, pem)  # another time, the same octets
    with capture_logs() as said:
        assert certificate.renewed() is None
    assert said == []


def test_a_pair_that_changes_while_it_is_read_waits_for_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, self_signed())
    certificate = certificate_of(tmp_path)
    written(tmp_path, self_signed())
    genuine, last = inbound_certificate.loaded, self_signed()

    def loaded(settings: Settings) -> ssl.SSLContext:
        context = genuine(settings)
        monkeypatch.undo()
        written(tmp_path, last)
        return context

    monkeypatch.setattr(inbound_certificate, "loaded", loaded)
    assert certificate.renewed() is None
    assert certificate.renewed() is not None
