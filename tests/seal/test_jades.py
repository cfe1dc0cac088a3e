"""Seals made with real keys, checked by hand, by openssl and, where there is one, by another library."""

import json
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sealpost.domain import seals
from sealpost.domain.seals import NoSeal
from sealpost.seal import jades
from sealpost.seal.key_files import FileSigner, KeyFolder
from sealpost.seal.signer import Signer, SigningFailed, as_der
from tests.seal.conftest import AT, RECORD, openssl, stored  # pyright: ignore[reportMissingImports] - pytest adds the root

TOKEN = b"\x30\x03\x02\x01\x00"


@pytest.fixture(scope="module")
def sealed(signer: FileSigner) -> bytes:
    return jades.seal(signer, RECORD, AT)


def unpadded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def check(octets: bytes, record: bytes) -> None:
    """Verifies a seal with nothing of ours but the form's check.

    Raises:
        NoSeal: the form.
        InvalidSignature: the signature.
    """
    seals.read(octets)
    members: dict[str, Any] = json.loads(octets)
    header = json.loads(unpadded(members["protected"]))
    key = x509.load_der_x509_certificate(b64decode(header["x5c"][0])).public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    raw = unpadded(members["signature"])
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    payload = urlsafe_b64encode(record).rstrip(b"=")
    key.verify(der, members["protected"].encode() + b"." + payload, ECDSA(SHA256()))


def test_a_seal_is_a_signature_over_header_and_record(sealed: bytes, signer: FileSigner) -> None:
    check(sealed, RECORD)
    found = seals.read(sealed)
    assert found.sealed_at == AT.replace(microsecond=0)
    assert found.certificates == signer.certificates
    for other in (b"", RECORD + b" ", RECORD[:-1], RECORD.replace(b"bob", b"eve")):
        with pytest.raises(InvalidSignature):
            check(sealed, other)


def test_no_character_of_a_seal_can_be_changed(sealed: bytes) -> None:
    for place in range(len(sealed)):
        for bit in (1, 2):
            changed = sealed[:place] + bytes([sealed[place] ^ bit]) + sealed[place + 1 :]
            with pytest.raises((NoSeal, InvalidSignature)):
                check(changed, RECORD)


def test_openssl_agrees(sealed: bytes, tmp_path: Path) -> None:
    found = seals.read(sealed)
    certificate = x509.load_der_x509_certificate(found.certificates[0])
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    key = stored(tmp_path, "key.pem", pem)
    signature = stored(tmp_path, "signature.der", as_der(found.signature))
    verify = ("dgst", "-sha256", "-verify", key, "-signature", signature)
    openssl(*verify, octets=seals.signing_input(found.protected, RECORD))
    openssl(*verify, octets=seals.signing_input(found.protected, RECORD + b" "), ok=False)


def test_a_jose_library_agrees(sealed: bytes) -> None:
    jws: Any = pytest.importorskip("joserfc.jws", reason="joserfc IS NOT INSTALLED: seals not checked with it")
    jwk: Any = pytest.importorskip("joserfc.jwk")
    found = seals.read(sealed)
    certificate = x509.load_der_x509_certificate(found.certificates[0])
    key = jwk.ECKey.import_key(certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    registry.max_header_length = 10_000
    payload = urlsafe_b64encode(RECORD).rstrip(b"=").decode()
    stamped = json.loads(jades.with_timestamp(sealed, TOKEN))
    for members in (json.loads(sealed), stamped):
        assert jws.deserialize_json(members | {"payload": payload}, key, registry=registry).payload == RECORD


def test_a_time_token_leaves_the_signature_as_it_is(sealed: bytes) -> None:
    stamped = jades.with_timestamp(sealed, TOKEN)
    check(stamped, RECORD)
    before, after = json.loads(sealed), json.loads(stamped)
    assert {name: after[name] for name in before} == before
    assert json.loads(unpadded(after["header"]["etsiU"][0])) == {"sigTst": {"tstTokens": [{"val": "MAMCAQA="}]}}
    assert jades.signature_octets(stamped) == jades.signature_octets(sealed)
    assert jades.imprint_octets(stamped) == jades.imprint_octets(sealed) == before["signature"].encode()
    assert seals.read(stamped) == replace(seals.read(sealed), time_token=TOKEN)


@pytest.mark.parametrize("token", [b"", b"-----BEGIN", b"\x30" + bytes(seals.LONGEST)])
def test_what_is_no_token_is_not_added(sealed: bytes, token: bytes) -> None:
    with pytest.raises(NoSeal):
        jades.with_timestamp(sealed, token)


def test_a_token_is_added_once(sealed: bytes) -> None:
    with pytest.raises(NoSeal, match="already"):
        jades.with_timestamp(jades.with_timestamp(sealed, TOKEN), TOKEN)


def test_a_commitment_holds_record_and_signature(sealed: bytes) -> None:
    salt = bytes(range(32))
    raw = unpadded(json.loads(sealed)["signature"])
    stated = b"sealpost-record/2\n" + salt + sha256(RECORD).digest() + sha256(raw).digest()
    assert jades.commitment(salt, RECORD, sealed) == sha256(stated).digest()
    assert jades.commitment(salt, RECORD, jades.with_timestamp(sealed, TOKEN)) == sha256(stated).digest()


@pytest.mark.parametrize("purpose", ["log-ed25519", "log-mldsa44"])
def test_only_keys_of_the_suite_seal(keys: KeyFolder, purpose: str) -> None:
    with pytest.raises(SigningFailed, match=f"{purpose}-1 cannot seal"):
        jades.seal(keys.signer(purpose), RECORD, AT)


def test_a_certificate_does_not_make_another_algorithm_good(signer: FileSigner) -> None:
    with pytest.raises(SigningFailed, match="cannot seal"):
        jades.seal(replace(signer, algorithm="ML-DSA-65"), RECORD, AT)


def test_a_key_without_certificate_seals_nothing(signer: FileSigner) -> None:
    with pytest.raises(SigningFailed):
        jades.seal(replace(signer, certificates=(), valid=None), RECORD, AT)


def test_nothing_is_sealed_when_the_certificate_is_not_valid(signer: Signer) -> None:
    assert signer.valid is not None
    first, last = signer.valid
    for inside in (first, last):
        check(jades.seal(signer, RECORD, inside), RECORD)
    for outside in (first - timedelta(seconds=1), last + timedelta(seconds=1), datetime(2100, 1, 1, tzinfo=UTC)):
        with pytest.raises(SigningFailed, match="not valid at"):
            jades.seal(signer, RECORD, outside)
