"""What is proven of the times that records claim: not later than the earliest time token over each.

For the certificate; the verifier's `dating` has the same rule, in code of its own. A token is that of the checkpoint to which
the record's proof leads, or, of a decision or an expiry, that of its own seal. Nothing is checked here: these are our own
tokens, and checking is the verifier's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.x509.oid import NameOID

from sealpost.domain import checkpoint, note
from sealpost.domain.seals import read as read_seal
from sealpost.seal.bundle.bundle import SealedRecord, StampedCheckpoint
from sealpost.seal.certificate.story import Story, Told, attribute
from sealpost.seal.exact import octets_of
from sealpost.seal.timestamps.local import POLICY as OWN_POLICY

# asn1crypto has no types: read through Any.
_cms: Any = cms
_tsp: Any = tsp
PROMISED = timedelta(hours=1)
"""How far claimed and proven time may lie apart: what the log promises; the verifier's rules have the same number."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a time token says.

    Args:
        at: its time.
        policy: OID in dotted form.
        organisations: name and identifier of whose certificate signed it.
    """

    at: datetime
    policy: str
    organisations: frozenset[str]


@dataclass(frozen=True, slots=True)
class Dating:
    """What is proven of one record's time.

    Args:
        at: not later than this; None: no token is over it yet.
        own: whether the only tokens are of the issuer's own authority, whose time is the issuer's word.
        close: whether the claimed time fits what is proven.
    """

    at: datetime | None = None
    own: bool = False
    close: bool = False

    @property
    def proves(self) -> bool:
        """Whether the claimed time is as good as proven."""
        return self.at is not None and self.close and not self.own


def date_records(
    story: Story, records: Sequence[SealedRecord], checkpoints: Sequence[StampedCheckpoint]
) -> dict[int, Dating]:
    """What is proven of each record's time, by its number.

    Args:
        story: of the records.
        records: with their seals.
        checkpoints: that their proofs use.

    Raises:
        ValueError: a token or a seal that is not ours.
    """
    trees = {_tree(one.text): read_token(one.tokens[0]) for one in checkpoints if one.tokens}
    seals = {one.seq: one.seal for one in records}
    found = dict[int, Dating]()
    for told in story.told:
        stamps = [trees.get((told.place.tree.origin, told.place.tree.size))] if told.place else []
        own = read_seal(seals[told.seq]).time_token if seals.get(told.seq) else None
        stamps += [read_token(own)] if own else []
        found[told.seq] = _dating(story, told, [one for one in stamps if one], found)
    return found


def _tree(text: bytes) -> tuple[str, int]:
    tree = checkpoint.read_checkpoint(note.read(text).text)
    return tree.origin, tree.size


def _dating(story: Story, told: Told, stamps: Sequence[Stamp], before: Mapping[int, Dating]) -> Dating:
    if not stamps:
        return Dating()
    first = min(stamps, key=lambda one: one.at)
    close = first.at <= told.at + PROMISED or _follows_from_term(story, told, before)
    return Dating(first.at, _is_own(story, first), close)


def _is_own(story: Story, stamp: Stamp) -> bool:
    issuer = story.first.members["EvidenceIssuerDetails"]
    names = {attribute(issuer, "LegalName").casefold(), attribute(issuer, "LegalPersonIdentifier").casefold()} - {""}
    return stamp.policy == OWN_POLICY or not names.isdisjoint(stamp.organisations)


def _follows_from_term(story: Story, told: Told, before: Mapping[int, Dating]) -> bool:
    """The end of a term that was proven to be stated before it came."""
    stated = next((one for one in reversed(story.told[: story.told.index(told)]) if "term" in one.extension), None)
    if told.kind != "expired" or stated is None:
        return False
    proven = before[stated.seq]
    is_before = proven.at is not None and not proven.own and proven.at <= told.at
    return is_before and datetime.fromisoformat(stated.extension["term"]["expiryAt"]) == told.at


def read_token(octets: bytes) -> Stamp:
    """What a token says, as an authority answered (TimeStampResp) or bare (ContentInfo), DER.

    Raises:
        ValueError: it is none.
    """
    try:
        signed: Any = _signed(octets)
        stated: Any = signed["encap_content_info"]["content"].parsed
        signer: Any = signed["signer_infos"][0]["sid"].chosen
        certificates: list[Any] = [one.chosen for one in signed["certificates"]]
        found = [one for one in certificates if one.serial_number == signer["serial_number"].native]
        return Stamp(stated["gen_time"].native, stated["policy"].dotted, _organisations(found[0]))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"no time token: {error}") from error


def _signed(octets: bytes) -> Any:
    try:
        outer = _cms.ContentInfo.load(octets)
        if outer["content_type"].native == "signed_data":
            return outer["content"]
    except (ValueError, TypeError):
        pass  # an answer, not a bare token
    return _tsp.TimeStampResp.load(octets)["time_stamp_token"]["content"]


def _organisations(certificate: Any) -> frozenset[str]:
    subject = x509.load_der_x509_certificate(octets_of(certificate)).subject
    wanted = (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATION_IDENTIFIER)
    return frozenset(str(one.value).casefold() for oid in wanted for one in subject.get_attributes_for_oid(oid))
