"""Evidence keys in files: `record-seal-1.key.pem` with `record-seal-1.cert.pem` beside it, higher numbers when rotated.

For bootstrap, which makes the folder's `KeyFolder` and hands its signers out, and for `pki`, which certifies. Keys are
PKCS#8 (RFC 5958), encrypted with the passphrase. Source: evidence format, section 7.

An operator's own certificate takes the place of ours as `<purpose>-<n>.cert.pem`, PEM, signer first, then the
intermediates; a self-signed one in it is left out. It is for the key of that number. For a key of one's own, put
`record-seal-2.cert.pem` and then `record-seal-2.key.pem` (encrypted with the same passphrase, mode 0600) in place, in
this order, and start again: the highest number signs. Never replace a key that has signed.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from secrets import token_urlsafe

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from sealpost.domain.errors import SealpostError
from sealpost.seal.signer import COORDINATE, ED25519, ES256, ML_DSA_44

PrivateKey = EllipticCurvePrivateKey | Ed25519PrivateKey | MLDSA44PrivateKey

ROOT = "root"
ALGORITHMS = {
    ROOT: ES256,
    "record-seal": ES256,
    "pdf-seal": ES256,
    "tsa": ES256,
    "log-ed25519": ED25519,
    "log-mldsa44": ML_DSA_44,
}
PURPOSES = tuple(ALGORITHMS)
# Added after PURPOSES, which are the keys that a service makes: a witness has its own, in a folder of its own.
ALGORITHMS.update({"witness-ed25519": ED25519, "witness-mldsa44": ML_DSA_44})
SHORTEST = 20  # characters of a given passphrase: PKCS#8 stretches it but little
LARGEST = 100_000  # octets of a file
PASSPHRASE = "passphrase"  # noqa: S105 - the name of its file
_KEY_NAME = re.compile(r"([a-z0-9-]+)-([1-9][0-9]{0,4})\.key\.pem", re.ASCII)


class KeysRefused(SealpostError):
    """Key files are open to others, not key files, of another passphrase, or do not fit their certificates."""


def passphrase(folder: Path, given: str) -> bytes:
    """The passphrase of a folder's keys: the given one, else that of the file `passphrase`, made at first start.

    Args:
        folder: made with mode 0700 if missing.
        given: from a setting; empty if none is set.

    Raises:
        KeysRefused: too short; or the folder has keys but no such file, so that one was given to them; or its modes.
        OSError: a file cannot be read or made.
    """
    _private(folder)
    if given:
        if len(given) < SHORTEST:
            raise KeysRefused(f"a passphrase of evidence keys has at least {SHORTEST} characters")
        return given.encode()
    path = folder / PASSPHRASE
    # Looked at in this order, because another process that starts now makes its passphrase before its keys.
    has_keys = any(_KEY_NAME.fullmatch(one.name) for one in folder.iterdir())
    if not path.exists():
        if has_keys:
            raise KeysRefused(f"{folder} has keys of a passphrase that was given; give it again")
        _create(path, token_urlsafe(32).encode() + b"\n")
    text = _read(path, closed=True).removesuffix(b"\n")
    if len(text) < SHORTEST:
        raise KeysRefused(f"{path} is not a passphrase")
    return text


@dataclass(frozen=True, slots=True)
class FileSigner:
    """A `signer.Signer` whose key is in memory, from a file."""

    purpose: str
    number: int
    algorithm: str
    public_key: bytes
    certificates: tuple[bytes, ...]
    valid: tuple[datetime, datetime] | None
    key: PrivateKey = field(repr=False)
    is_fast: bool = True

    def sign(self, octets: bytes) -> bytes:
        if not isinstance(self.key, EllipticCurvePrivateKey):
            return self.key.sign(octets)
        r, s = decode_dss_signature(self.key.sign(octets, ECDSA(SHA256())))
        return r.to_bytes(COORDINATE) + s.to_bytes(COORDINATE)


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The keys and certificates of one folder.

    Args:
        folder: mode 0700; made if missing.
        secret: of `passphrase`.
    """

    folder: Path
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _private(self.folder)

    def numbers(self, purpose: str) -> list[int]:
        """The numbers of a purpose's keys, rising; empty if it has none."""
        found = [_KEY_NAME.fullmatch(path.name) for path in self.folder.iterdir()]
        return sorted(int(match[2]) for match in found if match and match[1] == purpose)

    def all(self) -> list[tuple[str, int]]:
        """Purpose and number of every key, in the order of `PURPOSES`."""
        return [(purpose, number) for purpose in PURPOSES for number in self.numbers(purpose)]

    def make(self, purpose: str, number: int) -> PrivateKey:
        """Make a key, durable under its name before it is used; where there is one of that number, take that.

        Raises:
            KeysRefused: what stands there cannot be used.
            OSError: it cannot be written.
        """
        key = _new(ALGORITHMS[purpose])
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(self.secret))
        _create(self._key_path(purpose, number), pem)
        return self.key(purpose, number)  # ours, or that of a process which was faster

    def key(self, purpose: str, number: int) -> PrivateKey:
        """The private key of a number.

        Raises:
            KeysRefused: open to others, another passphrase, or another kind of key.
            OSError: it cannot be read.
        """
        path = self._key_path(purpose, number)
        try:
            key = load_pem_private_key(_read(path, closed=True), self.secret)
        except (ValueError, TypeError) as error:  # the latter: a key that is not encrypted
            raise KeysRefused(f"{path} is not a key, or not encrypted with our passphrase") from error
        return _checked(path, key, ALGORITHMS[purpose])

    def keep_certificates(self, purpose: str, number: int, chain: Sequence[x509.Certificate]) -> None:
        """Put certificates beside a key, unless it has some.

        Args:
            purpose: of the key.
            number: of the key.
            chain: signer first.
        """
        _create(self._certificate_path(purpose, number), b"".join(one.public_bytes(Encoding.PEM) for one in chain))

    def certificates(self, purpose: str, number: int) -> tuple[x509.Certificate, ...]:
        """The certificates beside a key as they stand there; empty without such a file.

        Raises:
            KeysRefused: others can write the file, or it is no list of certificates each issued by the next.
            OSError: it cannot be read.
        """
        path = self._certificate_path(purpose, number)
        if not path.exists():
            return ()
        octets = _read(path, closed=False)
        try:
            chain = x509.load_pem_x509_certificates(octets)
            for one, issuer in pairwise(chain):
                one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise KeysRefused(f"{path} is not a chain of certificates, signer first") from error
        return tuple(chain)

    def signer(self, purpose: str, number: int | None = None) -> FileSigner:
        """What signs for a purpose.

        Args:
            purpose: one of `PURPOSES`.
            number: the highest unless told otherwise.

        Raises:
            KeysRefused: no such key, or its certificate is another key's or self-signed.
            OSError: a file cannot be read.
        """
        numbers = self.numbers(purpose)
        number = number or max(numbers, default=0)
        if number not in numbers:
            raise KeysRefused(f"{self.folder} has no key {purpose}-{number}")
        key = self.key(purpose, number)
        chain = self.certificates(purpose, number)
        if chain and chain[0].public_key() != key.public_key():
            raise KeysRefused(f"{self._certificate_path(purpose, number)} is not of the key beside it")
        shown = tuple(one.public_bytes(Encoding.DER) for one in chain if one.issuer != one.subject)
        if chain and not shown and purpose != ROOT:
            raise KeysRefused(f"{self._certificate_path(purpose, number)} is self-signed; seals need an issuer")
        valid = (chain[0].not_valid_before_utc, chain[0].not_valid_after_utc) if shown else None
        return FileSigner(purpose, number, ALGORITHMS[purpose], _public(key), shown, valid, key)

    def _key_path(self, purpose: str, number: int) -> Path:
        return self.folder / f"{purpose}-{number}.key.pem"

    def _certificate_path(self, purpose: str, number: int) -> Path:
        return self.folder / f"{purpose}-{number}.cert.pem"


def _new(algorithm: str) -> PrivateKey:
    if algorithm == ES256:
        return generate_private_key(SECP256R1())
    return Ed25519PrivateKey.generate() if algorithm == ED25519 else MLDSA44PrivateKey.generate()


def _checked(path: Path, key: object, algorithm: str) -> PrivateKey:
    if isinstance(key, EllipticCurvePrivateKey) and algorithm == ES256 and isinstance(key.curve, SECP256R1):
        return key
    if isinstance(key, Ed25519PrivateKey) and algorithm == ED25519:
        return key
    if isinstance(key, MLDSA44PrivateKey) and algorithm == ML_DSA_44:
        return key
    raise KeysRefused(f"{path} is not a key of {algorithm}")


def _public(key: PrivateKey) -> bytes:
    if isinstance(key, EllipticCurvePrivateKey):
        return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes_raw()


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        raise KeysRefused(f"{folder} is open to others; its mode must be 0700")


def _read(path: Path, *, closed: bool) -> bytes:
    """Read a small file; `closed`: others may not even read it."""
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & (0o077 if closed else 0o022):
            raise KeysRefused(f"{path} is open to others; its mode must be 0600")
        octets = file.read(LARGEST + 1)
    if len(octets) > LARGEST:
        raise KeysRefused(f"{path} is too large")
    return octets


def _create(path: Path, octets: bytes) -> None:
    """Make one file, mode 0600, whole and durable under its name on return; an existing one is left as it is.

    A crash leaves nothing under the name, or the whole file; a leftover `.new` file is used by nothing.
    """
    fd, draft = tempfile.mkstemp(suffix=".new", prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(fd)
        with suppress(FileExistsError):  # of a process that was faster, whose name may not be durable yet: synced below
            path.hardlink_to(draft)
    finally:
        Path(draft).unlink()
    _sync(path.parent)


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
