"""The trust folder that users keep: roots, roots of time stamp authorities, revocation lists, log and witness keys.

Read from a folder (``--trust DIR``, files that the user chose) or from a bundle's own ``trust/``, whose keys are never
anchors: they show consistency only. Source: evidence format, sections 5 to 7; C2SP tlog-policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from sealpost.domain.policy import Policy, read_policy
from sealpost.verifier.report import Unusable

ROOTS, TSA_ROOTS, REVOKED, POLICY = "roots.pem", "tsa-roots.pem", "revoked/", "policy"
_LARGEST = 8 << 20


@dataclass(frozen=True, slots=True)
class Trust:
    """What may be relied on.

    Args:
        roots: of record, PDF and bundle seals.
        tsa_roots: of time stamp authorities.
        revocations: lists by these roots.
        policy: keys of logs and witnesses, and which witnesses suffice.
    """

    roots: tuple[x509.Certificate, ...]
    tsa_roots: tuple[x509.Certificate, ...]
    revocations: tuple[x509.CertificateRevocationList, ...]
    policy: Policy


def read_trust(folder: Path) -> Trust:
    """The trust folder at a place.

    Raises:
        Unusable: not one, with the reason.
    """
    try:
        if not folder.is_dir():
            raise Unusable(f"{folder} is no folder")
        names = [ROOTS, TSA_ROOTS, POLICY, *(f"{REVOKED}{one.name}" for one in sorted(folder.glob("revoked/*.crl")))]
        return trust_of({name: _octets(folder / name) for name in names if (folder / name).exists()})
    except OSError as error:
        raise Unusable(f"{folder} cannot be read: {error}") from error


def trust_of(members: Mapping[str, bytes]) -> Trust:
    """The trust that files are.

    Args:
        members: octets by the name in the folder, for example ``roots.pem``.

    Raises:
        Unusable: one is missing or malformed.
    """
    if ROOTS not in members or POLICY not in members:
        raise Unusable(f"no trust folder: {ROOTS} or {POLICY} is missing")
    try:
        return Trust(
            _certificates(members[ROOTS]),
            _certificates(members.get(TSA_ROOTS, b"")),
            tuple(x509.load_der_x509_crl(octets) for name, octets in members.items() if name.startswith(REVOKED)),
            read_policy(members[POLICY].decode()),
        )
    except ValueError as error:  # NoPolicy, UnicodeDecodeError and what cryptography raises are such
        raise Unusable(f"no trust folder: {error}") from error


def _certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificates(pem)) if pem.strip() else ()


def _octets(path: Path) -> bytes:
    with path.open("rb") as file:
        octets = file.read(_LARGEST + 1)
    if len(octets) > _LARGEST:
        raise Unusable(f"{path} is too large")
    return octets
