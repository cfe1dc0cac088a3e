"""The trust folder that users keep: roots, roots of time stamp authorities, revocation lists, log and witness keys.

Read from a folder (``--trust DIR``, files that the user chose) or from a bundle's own ``trust/``, whose keys are never
anchors: they show consistency only. Source: evidence format, sections 5 to 7; C2SP tlog-policy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealpost.domain.anchors import trust_fingerprint
from sealpost.domain.policy import NoPolicy, Policy, read_policy
from sealpost.verifier.report import Unusable
from sealpost.verifier.trust_files import Bundled, chosen_files, require_outside

ROOTS, TSA_ROOTS, REVOKED, POLICY = "roots.pem", "tsa-roots.pem", "revoked/", "policy"
_SEALING = re.compile(r"certificates/(?:record-seal|pdf-seal)-[1-9][0-9]{0,4}\.pem", re.ASCII)


@dataclass(frozen=True, slots=True)
class Trust:
    """What may be relied on.

    Args:
        roots: of record, PDF and bundle seals.
        tsa_roots: of time stamp authorities.
        revocations: lists by these roots.
        policy: keys of logs and witnesses, and which witnesses suffice.
        fingerprint: of `domain.anchors`, in hexadecimal.
        certificates: DER of those that seal or sealed, as the folder lists them; no anchors.
    """

    roots: tuple[x509.Certificate, ...]
    tsa_roots: tuple[x509.Certificate, ...]
    revocations: tuple[x509.CertificateRevocationList, ...]
    policy: Policy
    fingerprint: str
    certificates: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Unfit:
    """What was given as a trust folder and counts as none: that is no fault of the evidence.

    Args:
        why: ``trust.bundled`` or ``trust.malformed``.
        values: of the latter, ``reason`` and what it names.
    """

    why: str
    values: dict[str, Any] = field(default_factory=dict[str, Any])


def choose_trust(path: Path) -> Trust | Unfit:
    """The trust folder that somebody chose, itself or zipped, or why it is none.

    One that lies in an unpacked bundle is none, whatever it holds: who made the bundle made it.
    """
    try:
        require_outside(path)
        return read_trust(path)
    except Bundled:
        return Unfit("trust.bundled")
    except Unusable as error:
        return Unfit("trust.malformed", error.values)


def read_trust(path: Path) -> Trust:
    """The trust folder at a place.

    Raises:
        Unusable: not one, with the reason; `Bundled` where it is a bundle's.
    """
    return trust_of(chosen_files(path))


def trust_of(members: Mapping[str, bytes]) -> Trust:
    """The trust that files are.

    Args:
        members: octets by the name in the folder, for example ``roots.pem``.

    Raises:
        Unusable: one is missing or malformed.
    """
    if ROOTS not in members or POLICY not in members:
        raise Unusable("no trust folder: roots.pem or policy is missing")
    lists = tuple(_revocations(name, octets) for name, octets in members.items() if name.startswith(REVOKED))
    sealing = [_certificates(name, octets) for name, octets in members.items() if _SEALING.fullmatch(name)]
    return Trust(
        _certificates(ROOTS, members[ROOTS]),
        _certificates(TSA_ROOTS, members.get(TSA_ROOTS, b"")),
        lists,
        _policy(members[POLICY]),
        trust_fingerprint(members),
        frozenset(one[0].public_bytes(Encoding.DER) for one in sealing if one),
    )


def _policy(octets: bytes) -> Policy:
    try:
        return read_policy(octets.decode())
    except NoPolicy as error:
        if error.line:
            why = "policy is no policy of logs and witnesses, line {line}: {cause}"
            raise Unusable(why, line=error.line, cause=error.why) from error
        raise Unusable("policy is no policy of logs and witnesses: {cause}", cause=error.why) from error
    except UnicodeDecodeError as error:
        raise Unusable("policy is no policy of logs and witnesses: {cause}", cause="not UTF-8") from error


def _revocations(name: str, octets: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_der_x509_crl(octets)
    except ValueError as error:
        raise Unusable("{member} is no list of revoked certificates", member=name) from error


def _certificates(name: str, pem: bytes) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(pem)) if pem.strip() else ()
    except ValueError as error:
        raise Unusable("{member} has no certificates", member=name) from error
