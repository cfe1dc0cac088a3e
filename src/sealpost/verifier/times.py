"""Time tokens: of every checkpoint, and of the seals of decisive records (RFC 3161; JAdES B-T, evidence format 2 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from sealpost.domain.seals import imprinted
from sealpost.verifier.case import Case, Record
from sealpost.verifier.certificates import Certificates, shown
from sealpost.verifier.der import octets_of
from sealpost.verifier.report import Said
from sealpost.verifier.tables import LIMITS, ORDER, RULES
from sealpost.verifier.timestamps import BadToken, StampedTime, check_token
from sealpost.verifier.trust import Trust

DER, SPKI = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
# asn1crypto has no types: read through Any.
_cms: Any = cms
_tsp: Any = tsp


def check(case: Case) -> None:
    """Says time."""
    for name in sorted(case.signed):
        _check_checkpoint(case, name)
    for name, found in case.named("token"):
        number = int(found[3] or 1)
        before = _token_name(f"checkpoints/{found[1]}-{found[2]}.txt", number - 1)
        if f"checkpoints/{found[1]}-{found[2]}.txt" not in case.signed or (number > 1 and before not in case.members):
            case.findings.say("time.unused", name)
    for record in case.records.values():
        _check_own(case, record)


def _token_name(checkpoint: str, number: int) -> str:
    """``…-42.tsr``; tokens that renew it have their number: ``…-42.2.tsr``."""
    return checkpoint.removesuffix(".txt") + (".tsr" if number == 1 else f".{number}.tsr")


def _check_checkpoint(case: Case, name: str) -> None:
    """The first token gives the time; each later one is over the text and all tokens before it, and not older."""
    findings, number, last = case.findings, 1, None
    with findings.about("time", _token_name(name, 1)):
        if name not in case.members or _token_name(name, 1) not in case.members:
            raise Said("time.missing", about=name)
        octets = case.members.read(name)
        while (token_name := _token_name(name, number)) in case.members:
            if number > LIMITS["renewals"]:  # each is over all before it
                raise Said("time.token", about=token_name, reason="more time stamps than a checkpoint may have")
            token = case.members.read(token_name)
            found = stamped(case.trust, token, octets)
            if last is not None and found.at < last.at:
                raise Said("time.token", about=token_name, reason="older than the one that it renews")
            if last is None:
                case.times[name] = found
            _say(case, token_name, name, found)
            number, last, octets = number + 1, found, octets + token


def _check_own(case: Case, record: Record) -> None:
    findings, about = case.findings, f"records/{record.seq:03}.jades.json"
    with findings.about("time", about, record=record.seq):
        if record.seal is None:
            return  # said by the check of seals
        if record.seal.time_token is None:
            if record.event in ORDER["stamped"]:
                raise Said("time.decisive", event=record.event)
            return
        octets = imprinted(record.seal.signature)
        record.own_time = stamped(case.trust, record.seal.time_token, octets)
        _say(case, about, about, record.own_time)


def _say(case: Case, member: str, about: str, found: StampedTime) -> None:
    code = "time.own" if is_own(case, found) else "time.ok" if case.trust else "time.trust"
    case.findings.say(code, member, about=about, time=shown(found.at), authority=found.authority)


def stamped(trust: Trust | None, token: bytes, octets: bytes) -> StampedTime:
    """The time that a token gives; with a trust folder, on the word of an authority that it knows.

    Args:
        trust: the chosen one, or None.
        token: DER.
        octets: what it must be over.

    Raises:
        Said: ``time.token``, ``time.authority`` or ``time.revoked``.
    """
    try:
        found = check_token(token, octets)
    except BadToken as error:
        raise Said("time.token", reason=str(error)) from error
    if trust is None:
        return found
    if not trust.tsa_roots:  # without any, the path would be left open
        raise Said("time.authority", reason="the folder names no authority")
    try:
        anchored = check_token(token, octets, trust.tsa_roots)
    except BadToken as error:
        raise Said("time.authority", reason=str(error)) from error
    _require_unrevoked(Certificates(trust.tsa_roots, trust.revocations), _carried(token), found.at)
    return anchored


def _require_unrevoked(lists: Certificates, carried: Sequence[x509.Certificate], at: datetime) -> None:
    if any(lists.is_revoked(one, at) for one in carried):
        raise Said("time.revoked")


def _carried(token: bytes) -> list[x509.Certificate]:
    """The certificates of a token that was checked before."""
    info = _cms.ContentInfo.load(token)
    try:
        signed = info["content"]["certificates"]
    except (ValueError, KeyError, TypeError):
        signed = _tsp.TimeStampResp.load(token)["time_stamp_token"]["content"]["certificates"]
    return [x509.load_der_x509_certificate(octets_of(one.chosen)) for one in signed]


def proven(case: Case, record: Record) -> StampedTime | None:
    """When a record's seal was there at the latest: by its own token or that of its checkpoint, whichever is earlier."""
    found = [one for one in (record.own_time, case.times.get(record.covered)) if one is not None]
    return min(found, key=lambda one: one.at, default=None)


def is_own(case: Case, found: StampedTime) -> bool:
    """Whether an authority is the issuer's own, whatever policy its tokens name: then its time is the issuer's word.

    It is where it says so (the demo's policy), where its certificate or root is of the issuer's organisation, and where
    it shares a key with the issuer's seals, or a root of nobody else.
    """
    if found.policy in RULES["ownTimeStampPolicies"]:
        return True
    anchors = [found.anchor] if found.anchor else []
    ours = _issuers_names(case)
    if any(name in ours for one in (found.signer, *anchors) for name in _organisations(one)):
        return True
    keys = {one.public_bytes(DER, SPKI) for chain in _seal_chains(case) for one in [one.public_key() for one in chain]}
    theirs = {one.public_key().public_bytes(DER, SPKI) for one in (found.signer, *anchors)}
    roots = {one.public_key().public_bytes(DER, SPKI) for one in (case.trust.roots if case.trust else ())}
    shared = any(one.public_key().public_bytes(DER, SPKI) in roots and not _organisations(one) for one in anchors)
    return shared or not keys.isdisjoint(theirs)


def _seal_chains(case: Case) -> list[list[x509.Certificate]]:
    """The certificates that records' seals carry, each chain once."""
    chains = dict.fromkeys(one.seal.certificates for one in case.records.values() if one.seal)
    found = list[list[x509.Certificate]]()
    for chain in chains:
        with suppress(ValueError):  # what cannot be read the check of seals says
            found.append([x509.load_der_x509_certificate(one) for one in chain])
    return found


def _issuers_names(case: Case) -> set[str]:
    """What the issuer is called in its records, and in the certificates of their seals."""
    names = {name for chain in _seal_chains(case) for name in _organisations(chain[0])}
    for record in case.records.values():
        with suppress(KeyError, TypeError, IndexError):
            issuer: Any = (record.value or {})["EvidenceIssuerDetails"]
            names |= {_plain(one["AttributeValue"][0]) for one in issuer["Identity"]["Attribute"]}
    return names - {""}


def _organisations(certificate: x509.Certificate) -> set[str]:
    """Name and identifier of a certificate's organisation."""
    wanted = (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATION_IDENTIFIER)
    return {_plain(one.value) for oid in wanted for one in certificate.subject.get_attributes_for_oid(oid)} - {""}


def _plain(name: object) -> str:
    """A name as people would compare it: letter case and blanks tell no two organisations apart."""
    return " ".join(str(name).split()).casefold()
