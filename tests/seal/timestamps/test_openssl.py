"""Tokens made by `openssl ts -reply`, whose certificates stand in any order, are taken by client and verifier."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rfc3161_client import decode_timestamp_response

from sealpost.seal.timestamps.client import query
from sealpost.seal.timestamps.token import TimestampWrong, check
from sealpost.verifier.timestamps import BadToken, check_token
from tests.seal.timestamps.forge import Owner, authority, certify, root, usage

Run = Callable[..., Awaitable[str]]
OCTETS = b"Bob's checkpoint\n"
CONFIG = """
[tsa]
default_tsa = one
[one]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 2.999.44
digests = sha256, sha512
accuracy = secs:1, millisecs:500
clock_precision_digits = 3
ordering = no
tsa_name = yes
ess_cert_id_chain = CHAINED
ess_cert_id_alg = ESS
"""
KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


def owners(kind: str) -> tuple[Owner, Owner, Owner]:
    """Root, intermediate and authority, valid now, since openssl gives the machine's time."""
    now = datetime.now(UTC).replace(microsecond=0)
    valid: dict[str, Any] = {"since": now - timedelta(days=1), "until": now + timedelta(days=1)}
    top = root(**valid)
    middle = certify("Middle", top, is_ca=True, key_usage=usage(key_cert_sign=True), **valid)
    return top, middle, authority(middle, key=KEYS[kind](), **valid)


def pem(owner: Owner) -> bytes:
    return owner.certificate.public_bytes(Encoding.PEM)


async def replied(run: Run, folder: Path, made: tuple[Owner, Owner, Owner], *, chained: bool, alg: str) -> bytes:
    """openssl's answer; the further certificates are given in the order that DER does not have."""
    top, middle, signer = made
    config = CONFIG.replace("CHAINED", "yes" if chained else "no").replace("ESS", alg)
    (folder / "tsa.cnf").write_text(config)
    (folder / "serial").write_text("01\n")
    (folder / "signer.pem").write_bytes(pem(signer))
    (folder / "more.pem").write_bytes(b"".join(pem(one) for one in (middle, top)))
    key = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(key)
    (folder / "q.tsq").write_bytes(query(OCTETS, 99, imprint="sha512"))
    paths = ("-signer", "signer.pem", "-inkey", "key.pem", "-chain", "more.pem")
    await run("openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q.tsq", *paths, "-out", "a.tsr")
    return (folder / "a.tsr").read_bytes()


@pytest.mark.parametrize("alg", ["sha256", "sha512"])
@pytest.mark.parametrize("chained", [False, True])
@pytest.mark.parametrize("kind", KEYS)
async def test_both_take_them(run: Run, tmp_path: Path, kind: str, chained: bool, alg: str) -> None:
    made = owners(kind)
    response = await replied(run, tmp_path, made, chained=chained, alg=alg)
    roots = (made[0].certificate,)
    kept = check(response, OCTETS, roots, nonce=99, policy="2.999.44")
    shown = check_token(response, OCTETS, roots, nonce=99, policy="2.999.44")
    assert kept.at == shown.at
    assert shown.accuracy == timedelta(seconds=1.5)
    assert kept.authority == made[2].certificate
    with pytest.raises(TimestampWrong):
        check(response, OCTETS + b"!", roots)
    with pytest.raises(BadToken):
        check_token(response, OCTETS + b"!", roots)


async def test_both_refuse_the_older_identifier(run: Run, tmp_path: Path) -> None:
    """With SHA-1 openssl writes ESSCertID alone, which does not bind."""
    made = owners("P-256")
    response = await replied(run, tmp_path, made, chained=False, alg="sha1")
    roots = (made[0].certificate,)
    with pytest.raises(TimestampWrong, match="SHA-2"):
        check(response, OCTETS, roots, nonce=99, policy="2.999.44")
    with pytest.raises(BadToken, match="SHA-2"):
        check_token(response, OCTETS, roots, nonce=99, policy="2.999.44")


async def test_their_certificates_are_out_of_order(run: Run, tmp_path: Path) -> None:
    """Else the test above would not try the second way of reading."""
    refused = 0
    for _ in range(8):
        response = await replied(run, tmp_path, owners("P-256"), chained=True, alg="sha256")
        try:
            decode_timestamp_response(response)
        except ValueError as error:
            assert "InvalidSetOrdering" in str(error)
            refused += 1
    assert refused
