"""Seals of records: their one form, what a signature is over, and what the log says of a sealed record.

For `seal.jades`, which makes them, and for the verifier; pure, without keys. JWS JSON, flattened, without `payload`
(RFC 7515, section 7.2.2 and appendix F), with the header of JAdES baseline B and, for decisive records, the time token
of B-T (ETSI TS 119 182-1 V1.2.1). Reading is strict: a name twice, a member more or less, or another way to write a
base64 is no seal.
"""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from sealpost.domain.canonical import canonical, sha256
from sealpost.domain.note import NoNote, strict_base64

ALGORITHM, TYPE = "ES256", "JOSE+JSON"
SIGNATURE, SALT, SHA256 = 64, 32, 32  # octets
LONGEST = 200_000  # octets of a seal: a chain and a time token have a tenth of it
MOST_CERTIFICATES = 5
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 253_402_300_799  # the last second of the year 9999
DER_SEQUENCE = b"\x30"
DOMAIN = b"sealpost-record/2\n"
_HEADER = frozenset({"alg", "iat", "typ", "x5c", "x5t#S256"})


class NoSeal(ValueError):
    """Octets that are no seal of ours; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal, its form checked and nothing else: signature, certificates and token are for the verifier.

    Args:
        protected: the protected header as it was signed, base64url.
        sealed_at: what the signer claims, whole seconds, UTC.
        certificates: DER, signer first, at least one.
        signature: raw r‖s, 64 octets.
        time_token: DER of the RFC 3161 token over `imprinted`, or None (baseline B).
    """

    protected: str
    sealed_at: datetime
    certificates: tuple[bytes, ...]
    signature: bytes
    time_token: bytes | None = None


def protected_header(at: datetime, certificates: Sequence[bytes]) -> str:
    """The protected header, base64url: exactly alg, typ, iat, x5t#S256 and x5c.

    Args:
        at: aware; cut to whole seconds.
        certificates: DER, signer first, without the root.

    Raises:
        NoSeal: a time or a number of certificates that `read` would refuse.
    """
    seconds = (at - EPOCH) // timedelta(seconds=1)
    if not 0 < seconds <= LATEST or not 0 < len(certificates) <= MOST_CERTIFICATES:
        raise NoSeal("a time or certificates that a seal cannot have")
    return _written_header(seconds, tuple(certificates))


@lru_cache(maxsize=8)  # one for all seals of a second and a key: making it costs as much as a signature
def _written_header(seconds: int, certificates: tuple[bytes, ...]) -> str:
    header = {
        "alg": ALGORITHM,
        "typ": TYPE,
        "iat": seconds,
        "x5t#S256": _base64url(sha256(certificates[0])),
        "x5c": [b64encode(one).decode() for one in certificates],
    }
    return _base64url(canonical(header))


def signing_input(protected: str, record: bytes) -> bytes:
    """What the signature is over (RFC 7515, section 5.1).

    Args:
        protected: base64url, as the seal carries it.
        record: canonical octets.
    """
    return protected.encode("ascii") + b"." + urlsafe_b64encode(record).rstrip(b"=")


def imprinted(signature: bytes) -> bytes:
    """What the time token of a seal is over: the ASCII of the member `signature`."""
    return _base64url(signature).encode("ascii")


def commitment(salt: bytes, record: bytes, signature: bytes) -> bytes:
    """The log's leaf for a sealed record, 32 octets (evidence format, section 3).

    Args:
        salt: 32 random octets, kept with the record; without them nobody can tell which record a leaf is.
        record: canonical octets.
        signature: the raw octets of the first signature of its seal.

    Raises:
        ValueError: a salt or a signature of another length, which would blur where one ends and the next begins.
    """
    return commitment_of(salt, sha256(record), signature)


def commitment_of(salt: bytes, record_sha256: bytes, signature: bytes) -> bytes:
    """The same leaf, of a record whose hash is known.

    Args:
        salt: 32 octets.
        record_sha256: of the canonical octets.
        signature: raw, 64 octets.

    Raises:
        ValueError: a length that would blur where one ends and the next begins.
    """
    if len(salt) != SALT or len(record_sha256) != SHA256 or len(signature) != SIGNATURE:
        raise ValueError("a salt has 32 octets, a hash 32, a signature 64")
    return sha256(DOMAIN + salt + record_sha256 + sha256(signature))


def written(protected: str, signature: bytes, time_token: bytes | None = None) -> bytes:
    """The seal as octets, the same for the same parts.

    Args:
        protected: of `protected_header`.
        signature: raw, 64 octets.
        time_token: DER; makes the seal B-T.
    """
    members: dict[str, Any] = {"protected": protected, "signature": _base64url(signature)}
    if time_token is not None:
        token = {"sigTst": {"tstTokens": [{"val": b64encode(time_token).decode()}]}}
        members["header"] = {"etsiU": [_base64url(canonical(token))]}
    return canonical(members)


def read(octets: bytes) -> Seal:
    """The seal that octets are.

    Raises:
        NoSeal: they are none.
    """
    if len(octets) > LONGEST:
        raise NoSeal("longer than a seal may be")
    members = _members(_json(octets), {"protected", "signature"}, {"header"})
    protected = _text(members["protected"])
    signature = _octets(members["signature"])
    if len(signature) != SIGNATURE:
        raise NoSeal("a signature has 64 octets")
    sealed_at, certificates = _header(_json(_octets(protected)))
    token = _time_token(members["header"]) if "header" in members else None
    return Seal(protected, sealed_at, certificates, signature, token)


def _header(value: object) -> tuple[datetime, tuple[bytes, ...]]:
    header = _members(value, _HEADER)
    if header["alg"] != ALGORITHM or header["typ"] != TYPE:
        raise NoSeal("a header that is not of ES256 and JOSE+JSON")
    seconds = header["iat"]
    if type(seconds) is not int or not 0 < seconds <= LATEST:
        raise NoSeal("iat is not a time in whole seconds")
    certificates = tuple(_der(one) for one in _list(header["x5c"], MOST_CERTIFICATES))
    if _octets(header["x5t#S256"]) != sha256(certificates[0]):
        raise NoSeal("x5t#S256 is not of the first certificate")
    return EPOCH + timedelta(seconds=seconds), certificates


def _time_token(header: object) -> bytes:
    (item,) = _list(_members(header, {"etsiU"})["etsiU"], 1)
    stamp = _members(_members(_json(_octets(item)), {"sigTst"})["sigTst"], {"tstTokens"})
    (token,) = _list(stamp["tstTokens"], 1)
    return _der(_members(token, {"val"})["val"])


def _json(octets: bytes) -> object:
    try:
        return json.loads(octets.decode(), object_pairs_hook=_once)
    except NoSeal:
        raise
    except (ValueError, RecursionError):
        raise NoSeal("not JSON") from None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NoSeal("a member twice")
    return members


def _members(
    value: object, needed: set[str] | frozenset[str], allowed: set[str] | frozenset[str] = frozenset()
) -> dict[str, object]:
    if not isinstance(value, dict):
        raise NoSeal("not an object")
    members = cast("dict[str, object]", value)
    if not needed <= members.keys() <= needed | allowed:
        raise NoSeal("a member missing or too many")
    return members


def _list(value: object, most: int) -> list[object]:
    if not isinstance(value, list) or not 0 < len(found := cast("list[object]", value)) <= most:
        raise NoSeal("a list of another length")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise NoSeal("not a text")
    return value


def _der(value: object) -> bytes:
    try:
        octets = strict_base64(_text(value))
    except NoNote as error:
        raise NoSeal(str(error)) from None
    if octets[:1] != DER_SEQUENCE:
        raise NoSeal("neither a certificate nor a time token")
    return octets


def _octets(value: object) -> bytes:
    """What base64url without padding stands for; writing it again shows whether it was written in its one way."""
    text = _text(value)
    try:
        octets = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise NoSeal("not base64url") from None
    if _base64url(octets) != text:
        raise NoSeal("base64url that is not canonical")
    return octets


def _base64url(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
