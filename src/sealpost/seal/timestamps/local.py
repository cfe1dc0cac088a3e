"""A time stamp authority of our own, for the demo and the tests: no legal value, and every token says so.

The policy's OID is an example's, and the authority's name (its certificate's subject) must say "test". It answers in
process (`answer`), or over HTTP as the ASGI application `tsa_app`, to be mounted at ``/tsa``, for curl and `openssl ts`.
RFC 3161 2.4 and 3.4, RFC 5816.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509

from sealpost.clock import Clock
from sealpost.seal.exact import ExactCertificate, encoded
from sealpost.seal.signer import ES256, Signer, SigningFailed, as_der

# asn1crypto has no types: read through Any.
_algos: Any = algos
_cms: Any = cms
_core: Any = core
_tsp: Any = tsp
_asn1_x509: Any = asn1_x509
POLICY = "2.999.3161.1"  # 2.999 is the arc for examples (ITU-T X.660, A.7): nobody's policy, a test's
SAID = "local test time stamps, no legal value"
QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
MAX_QUERY = 16 * 1024
_LENGTHS = {"sha256": 32, "sha384": 48, "sha512": 64}
_ACCURACY = timedelta(seconds=1)


class _Refused(Exception):
    """A query that is answered with a rejection; the argument is the PKIFailureInfo's name."""


class LocalTsa:
    """Answers time stamp queries with the service's (in the demo: shifted) time.

    Args:
        signer: the key for purpose ``tsa``, ES256, with a certificate for time stamps that says it is a test's.
        clock: its ``now`` is the time given.

    Raises:
        ValueError: another kind of key, or a certificate that is not marked as a test's.
    """

    def __init__(self, signer: Signer, clock: Clock) -> None:
        if signer.algorithm != ES256 or signer.valid is None:
            raise ValueError("a time stamp authority needs an ES256 key with a certificate")
        self._signer, self._valid, self._clock = signer, signer.valid, clock
        parsed: Any = [ExactCertificate.load(one) for one in signer.certificates]
        if "test" not in str(parsed[0].subject.native["common_name"]).lower():
            raise ValueError("the certificate does not say that it is a test's")
        self._carried = [_cms.CertificateChoices("certificate", one) for one in parsed]
        self._named = {"issuer": parsed[0].issuer, "serial_number": parsed[0].serial_number}
        self._tsa_name = _asn1_x509.GeneralName("directory_name", parsed[0].subject)
        self._binding = _binding(signer.certificates[0])

    def answer(self, query: bytes) -> bytes:
        """The answer (TimeStampResp, DER) to a query (TimeStampReq, DER): a token, or a rejection that says why."""
        try:
            return self._granted(_read(query))
        except _Refused as error:
            return _rejection(str(error))

    def _granted(self, asked: Any) -> bytes:
        content = _tsp.TSTInfo(self._stamp(asked)).dump()
        token = {"content_type": "signed_data", "content": self._signed(content, certificates=asked["cert_req"].native)}
        return encoded(_tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}))

    def _stamp(self, asked: Any) -> dict[str, Any]:
        at = self._clock.now()
        if not self._valid[0] <= at <= self._valid[1]:
            raise _Refused("time_not_available")
        stamp: dict[str, Any] = {
            "version": "v1",
            "policy": POLICY,
            "message_imprint": _imprint(asked["message_imprint"]),
            # Random, so that no counter must survive a restart to keep numbers unique (RFC 3161 2.4.2).
            "serial_number": secrets.randbits(128) | 1,
            "gen_time": at.replace(microsecond=at.microsecond // 1000 * 1000),
            "accuracy": {"seconds": int(_ACCURACY.total_seconds())},
            "tsa": self._tsa_name,
        }
        if asked["nonce"].native is not None:
            stamp["nonce"] = asked["nonce"].native
        return stamp

    def _signed(self, content: bytes, *, certificates: bool) -> dict[str, Any]:
        # Encoded once: asn1crypto writes anew, at every level above, what was not read from octets.
        attributes: bytes = _attributes(content, self._binding).dump()
        signed: dict[str, Any] = {
            "version": "v3",
            "digest_algorithms": [_algorithm("sha256")],
            "encap_content_info": {"content_type": "tst_info", "content": _core.ParsableOctetString(content)},
            "signer_infos": [
                {
                    "version": "v1",
                    "sid": _cms.SignerIdentifier("issuer_and_serial_number", self._named),
                    "digest_algorithm": _algorithm("sha256"),
                    "signed_attrs": _cms.CMSAttributes.load(attributes),
                    "signature_algorithm": {"algorithm": "sha256_ecdsa"},
                    "signature": self._signature(attributes),
                }
            ],
        }
        if certificates:
            signed["certificates"] = self._carried
        return signed

    def _signature(self, octets: bytes) -> bytes:
        try:
            return as_der(self._signer.sign(octets))
        except SigningFailed as error:
            raise _Refused("system_failure") from error


def _algorithm(name: str) -> Any:
    return _algos.DigestAlgorithm({"algorithm": name})


def _imprint(asked: Any) -> dict[str, Any]:
    """Written anew: what a query has in BER must not get into a token."""
    hash_name = asked["hash_algorithm"]["algorithm"].native
    return {"hash_algorithm": _algorithm(hash_name), "hashed_message": asked["hashed_message"].native}


def _binding(certificate: bytes) -> Any:
    """ESSCertIDv2 by SHA-256, its default (RFC 5816)."""
    identifier = {"certs": [{"cert_hash": hashlib.sha256(certificate).digest()}]}
    made = _cms.CMSAttribute({"type": "signing_certificate_v2", "values": [identifier]})
    return _cms.CMSAttribute.load(made.dump())


def _attributes(content: bytes, binding: Any) -> Any:
    return _cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [hashlib.sha256(content).digest()]},
            binding,
        ]
    )


def _read(query: bytes) -> Any:
    """The query, read strictly; what this authority does not do is refused by name."""
    try:
        asked: Any = _tsp.TimeStampReq.load(query, strict=True)
        version, imprint = asked["version"].native, asked["message_imprint"]
        hash_name, hashed = imprint["hash_algorithm"]["algorithm"].native, imprint["hashed_message"].native
        policy, nonce, extensions = asked["req_policy"].native, asked["nonce"].native, asked["extensions"].native
        asked["cert_req"].native  # noqa: B018 - asn1crypto reads a member when it is asked for
    except (ValueError, TypeError, KeyError) as error:
        raise _Refused("bad_data_format") from error
    if version != "v1" or (nonce is not None and nonce.bit_length() > 256):
        raise _Refused("bad_request")
    if hash_name not in _LENGTHS or len(hashed) != _LENGTHS[hash_name]:
        raise _Refused("bad_alg" if hash_name not in _LENGTHS else "bad_data_format")
    if policy not in {None, POLICY}:
        raise _Refused("unaccepted_policy")
    if extensions:
        raise _Refused("unaccepted_extensions")
    return asked


class _Refusal(core.Sequence):
    """TimeStampResp without a token, which asn1crypto's own class does not allow to write."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012 - asn1crypto's way to declare


def _rejection(why: str) -> bytes:
    text = [f"{SAID}: {why.replace('_', ' ')}"]
    refusal: Any = _Refusal
    return refusal({"status": {"status": "rejection", "status_string": text, "fail_info": {why}}}).dump()


def tsa_app(tsa: LocalTsa) -> Any:
    """An ASGI application that answers POSTed queries (RFC 3161 3.4), wherever it is mounted."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, reply = await _exchange(tsa, scope, receive)
        kind = REPLY if status == 200 else "text/plain; charset=utf-8"
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(reply)).encode())]
        if status == 405:
            headers.append((b"allow", b"POST"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": reply})

    return app


async def _exchange(tsa: LocalTsa, scope: dict[str, Any], receive: Any) -> tuple[int, bytes]:
    if scope["method"] != "POST":
        return 405, b"POST a time stamp query (RFC 3161)\n"
    kind = dict(scope["headers"]).get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind != QUERY.encode():
        return 415, f"send {QUERY}\n".encode()
    query = b""
    while True:
        message = await receive()
        query += message.get("body", b"")
        if len(query) > MAX_QUERY:
            return 413, b"too large for a time stamp query\n"
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return 200, tsa.answer(query)
