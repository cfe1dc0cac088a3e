"""The local authority: what it grants and refuses, that it says what it is, and what openssl thinks of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from asn1crypto import algos, tsp
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealpost.seal.key_files import KeyFolder
from sealpost.seal.signer import SigningFailed
from sealpost.seal.timestamps.client import query
from sealpost.seal.timestamps.local import MAX_QUERY, POLICY, LocalTsa, tsa_app
from sealpost.seal.timestamps.token import check
from sealpost.verifier.timestamps import check_token
from tests.seal.timestamps.conftest import START, MovedClock, served

Roots = tuple[x509.Certificate, ...]
Run = Callable[..., Awaitable[str]]
OCTETS = b"a checkpoint\n"


def refusal(response: bytes) -> set[str]:
    """The failure named in a rejection, which carries no token."""
    value: Any = tsp.PKIStatusInfo.load(_inside(response))
    assert value["status"].native == "rejection"
    assert "no legal value" in value["status_string"][0].native
    return value["fail_info"].native


def _inside(response: bytes) -> bytes:
    assert response[0] == 0x30
    assert response[1] == len(response) - 2
    return response[2:]


def test_grants_what_both_checks_take(tsa: LocalTsa, tsa_roots: Roots) -> None:
    response = tsa.answer(query(OCTETS, 7))
    kept = check(response, OCTETS, tsa_roots, nonce=7, policy=POLICY)
    shown = check_token(response, OCTETS, tsa_roots, nonce=7, policy=POLICY)
    assert kept.at == shown.at == START
    assert shown.accuracy == timedelta(seconds=1)
    assert "test" in shown.authority


def test_gives_the_shifted_time(tsa: LocalTsa, tsa_roots: Roots, clock: MovedClock) -> None:
    clock.shift = timedelta(days=40)
    assert check(tsa.answer(query(OCTETS, 7)), OCTETS, tsa_roots).at == START + timedelta(days=40)


def test_says_that_it_is_a_test(tsa: LocalTsa) -> None:
    response = tsa.answer(query(OCTETS, 7))
    info: Any = tsp.TimeStampResp.load(response)["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    assert "(test)" in info["tsa"].native["common_name"]
    assert info["policy"].native.startswith("2.999.")
    assert info["ordering"].native is False


def test_numbers_are_random_and_long(tsa: LocalTsa, tsa_roots: Roots) -> None:
    numbers = {check(tsa.answer(query(OCTETS, 7)), OCTETS, tsa_roots).serial for _ in range(20)}
    assert len(numbers) == 20
    assert all(number > 2**64 for number in numbers)


def test_without_a_wish_for_certificates_there_are_none(tsa: LocalTsa) -> None:
    asked: Any = tsp.TimeStampReq.load(query(OCTETS, 7))
    asked["cert_req"] = False
    answer: Any = tsp.TimeStampResp.load(tsa.answer(asked.dump()))
    assert answer["time_stamp_token"]["content"]["certificates"].native is None


def _request(**changes: Any) -> bytes:
    imprint = {"hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}), "hashed_message": bytes(32)}
    right = {"version": "v1", "message_imprint": imprint, "nonce": 7, "cert_req": True}
    return tsp.TimeStampReq(right | changes).dump()


def _imprint(hash_name: str, size: int) -> dict[str, Any]:
    return {"hash_algorithm": algos.DigestAlgorithm({"algorithm": hash_name}), "hashed_message": bytes(size)}


REFUSED = {
    "nothing": (b"", "bad_data_format"),
    "text": (b"hello", "bad_data_format"),
    "trailing": (_request() + b"\x00", "bad_data_format"),
    "half": (_request()[:20], "bad_data_format"),
    "version 2": (_request(version="v2"), "bad_request"),
    "endless nonce": (_request(nonce=1 << 4000), "bad_request"),
    "SHA-1": (_request(message_imprint=_imprint("sha1", 20)), "bad_alg"),
    "MD5": (_request(message_imprint=_imprint("md5", 16)), "bad_alg"),
    "short hash": (_request(message_imprint=_imprint("sha256", 31)), "bad_data_format"),
    "long hash": (_request(message_imprint=_imprint("sha512", 65)), "bad_data_format"),
    "policy": (_request(req_policy="2.999.4"), "unaccepted_policy"),
    "extension": (_request(extensions=[{"extn_id": "2.999.4", "extn_value": b"x"}]), "unaccepted_extensions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_by_name(tsa: LocalTsa, name: str) -> None:
    asked, why = REFUSED[name]
    assert refusal(tsa.answer(asked)) == {why}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 90), st.binary(max_size=30))
def test_hostile_queries_get_an_answer(tsa: LocalTsa, at: int, octets: bytes) -> None:
    right = _request()
    assert tsa.answer(right[:at] + octets + right[at + len(octets) :])[0] == 0x30


def test_gives_no_time_beyond_its_certificate(tsa: LocalTsa, clock: MovedClock) -> None:
    clock.at += timedelta(days=366 * 4)
    assert refusal(tsa.answer(_request())) == {"time_not_available"}


class Broken:
    """A signer out of reach."""

    def __init__(self, right: Any) -> None:
        self._right = right

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)

    def sign(self, octets: bytes) -> bytes:
        raise SigningFailed("out of reach")


def test_a_key_out_of_reach_is_a_refusal(tsa_keys: KeyFolder, clock: MovedClock) -> None:
    broken: Any = Broken(tsa_keys.signer("tsa"))
    assert refusal(LocalTsa(broken, clock).answer(_request())) == {"system_failure"}


@pytest.mark.parametrize("purpose", ["log-ed25519", "log-mldsa44"])
def test_other_keys_are_refused(tsa_keys: KeyFolder, clock: MovedClock, purpose: str) -> None:
    with pytest.raises(ValueError, match="ES256"):
        LocalTsa(tsa_keys.signer(purpose), clock)


# --- over HTTP, with public tools ---


async def test_openssl_and_curl_get_a_token(tsa_url: str, root_file: Path, run: Run) -> None:
    (root_file.parent / "octets").write_bytes(OCTETS)
    for hash_name in ("-sha256", "-sha512"):
        await run("openssl", "ts", "-query", "-data", "octets", hash_name, "-cert", "-out", "q.tsq")
        kind = "Content-Type: application/timestamp-query"
        await run("curl", "-sSf", "--noproxy", "*", "-H", kind, "--data-binary", "@q.tsq", "-o", "a.tsr", tsa_url)
        at = ("-attime", str(int(START.timestamp())), "-CAfile", "root.pem")
        assert "Verification: OK" in await run("openssl", "ts", "-verify", "-queryfile", "q.tsq", "-in", "a.tsr", *at)
        assert "Verification: OK" in await run("openssl", "ts", "-verify", "-data", "octets", "-in", "a.tsr", *at)
        printed = await run("openssl", "ts", "-reply", "-in", "a.tsr", "-text")
        assert f"Policy OID: {POLICY}" in printed
        assert "Ordering: no" in printed
        assert "(test)" in printed
        (root_file.parent / "octets").write_bytes(OCTETS + b"!")
        await run("openssl", "ts", "-verify", "-data", "octets", "-in", "a.tsr", *at, ok=False)
        (root_file.parent / "octets").write_bytes(OCTETS)


@pytest.mark.parametrize(
    ("method", "kind", "octets", "status"),
    [
        ("GET", "application/timestamp-query", b"", 405),
        ("PUT", "application/timestamp-query", b"", 405),
        ("POST", "text/plain", _request(), 415),
        ("POST", "", _request(), 415),
        ("POST", "application/timestamp-query", bytes(MAX_QUERY + 1), 413),
        ("POST", "Application/Timestamp-Query; x=y", _request(), 200),
        ("POST", "application/timestamp-query", b"nonsense", 200),
    ],
)
async def test_over_http(tsa: LocalTsa, method: str, kind: str, octets: bytes, status: int) -> None:
    async with served(tsa_app(tsa)) as url, httpx2.AsyncClient() as client:
        answer = await client.request(method, url, content=octets, headers={"content-type": kind})
    assert answer.status_code == status
    if status == 200:
        assert answer.headers["content-type"] == "application/timestamp-reply"
