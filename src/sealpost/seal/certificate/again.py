"""Sets a certificate again from the records in its bundle, and compares: does it say what they say?

For `sealpost verify --reset-certificate`, which gives it a bundle in which everything else was found right. The inputs that are
not records are those that the PDF names; whatever they are, the whole file must be what they and the records give.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from sealpost.domain.anchors import trust_fingerprint
from sealpost.seal.bundle import names
from sealpost.seal.bundle.bundle import SealedRecord, StampedCheckpoint
from sealpost.seal.certificate.certificate import CannotPrint, certificate
from sealpost.seal.certificate.making import Making, made_here, read_making
from sealpost.seal.certificate.pades import is_sealed_form_of
from sealpost.text.catalogue import LANGUAGES

_RECORD = re.compile(r"records/(\d{3,9})\.json", re.ASCII)
_CHECKPOINT = re.compile(r"checkpoints/(\d{4}(?:-\d+)?)-(\d+)\.txt", re.ASCII)
_MOST_TOKENS = 1_000


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it.

    Args:
        is_same: whether the PDF is, octet for octet, what the records give, but for its seal.
        made_with: the versions that the PDF names; empty where it names none.
        installed: the versions here.
        fault: what the PDF names and the records do not allow; empty for nothing.
        address: of another host's verifier than the records name; empty for none.
    """

    is_same: bool
    made_with: str
    installed: str
    fault: str = ""
    address: str = ""


def set_again(members: Mapping[str, bytes]) -> Comparison:
    """Compares a bundle's certificate with what its records give.

    Args:
        members: of the bundle, by name: certificate, records and what stands beside them, checkpoints, trust folder.

    Raises:
        ValueError, KeyError: records that are not ours.
    """
    whole = members[names.CERTIFICATE]
    making = read_making(whole)
    if making is None:
        return Comparison(is_same=False, made_with="", installed=made_here("", "", "").versions)
    installed = made_here(making.language, making.zone, making.verify).versions
    records = tuple(_records(members))
    values: list[dict[str, Any]] = [json.loads(one.octets) for one in records]
    fault = _fault(making, values)
    if fault:
        return Comparison(is_same=False, made_with=making.versions, installed=installed, fault=fault)
    is_same = _is_same(members, records, making, whole)
    address = "" if not is_same or making.verify in _addresses(values) else making.verify
    return Comparison(is_same=is_same, made_with=making.versions, installed=installed, address=address)


def _is_same(members: Mapping[str, bytes], records: tuple[SealedRecord, ...], making: Making, whole: bytes) -> bool:
    prefix = "trust/"
    trust = {name.removeprefix(prefix): octets for name, octets in members.items() if name.startswith(prefix)}
    try:
        pdf = certificate(
            records,
            tuple(_checkpoints(members)),
            language=making.language,
            verify_url=making.verify,
            zone=ZoneInfo(making.zone),
            trust=trust_fingerprint(trust),
            making=making,
        )
    except CannotPrint:
        return False
    return asyncio.run(is_sealed_form_of(whole, pdf))


def _fault(making: Making, values: list[dict[str, Any]]) -> str:
    """What cannot be, or is another than the records say."""
    if making.language not in LANGUAGES:
        return f"language {making.language}"
    try:
        ZoneInfo(making.zone)
    except (ValueError, OSError, LookupError):
        return f"zone {making.zone}"
    terms = [one["Extensions"][0]["sealpost/1"].get("term", {}) for one in values]
    zones = {term["zone"] for term in terms if "zone" in term}
    return f"zone {making.zone}, {', '.join(sorted(zones))}" if zones and making.zone not in zones else ""


def _addresses(values: list[dict[str, Any]]) -> set[str]:
    """The verifier's pages of the hosts that issued the records."""
    policies = [str(one) for value in values for one in value["EvidenceIssuerPolicyID"]["PolicyID"]]
    return {f"{one.rpartition('/evidence/')[0]}/verify" for one in policies}


def _records(members: Mapping[str, bytes]) -> Iterator[SealedRecord]:
    for name in sorted(members, key=lambda one: (len(one), one)):
        found = _RECORD.fullmatch(name)
        if found:
            seq = int(found[1])
            seal, salt, proof = (members.get(one(seq)) for one in (names.seal, names.salt, names.proof))
            yield SealedRecord(seq, members[name], seal or b"", salt or b"", proof)


def _checkpoints(members: Mapping[str, bytes]) -> Iterator[StampedCheckpoint]:
    for name in sorted(members):
        found = _CHECKPOINT.fullmatch(name)
        if found:
            log, size = found[1], int(found[2])
            stated = [names.token(log, size, number) for number in range(1, _MOST_TOKENS)]
            yield StampedCheckpoint(log, size, members[name], tuple(members[one] for one in stated if one in members))
