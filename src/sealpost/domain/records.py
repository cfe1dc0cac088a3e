"""Evidence records (evidence format, section 1; ETSI EN 319 522-3 V1.2.1): one canonical JSON statement per event.

Pure: everything that varies comes in. A record is chained to the one before it by ``seq`` and ``prev``; seal and log
entry are made later from its bytes and its salt.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sealpost.domain.canonical import canonical, digest, instant, sha256
from sealpost.domain.content import Part

EVENT = "http://uri.etsi.org/19522/Event/"
ATTRIBUTE_URI = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
VERSION = "EN319522v1.1.1"
SUITE = "2026-2"

# Record kind → ETSI event name, or None: an event of our own, under the issuer's domain.
EVENTS: dict[str, str | None] = {
    "submitted": "SubmissionAcceptance",
    "announcement_offered": None,
    "announcement_uncertain": None,
    "announcement_accepted": "NotificationForAcceptance",
    "announcement_delayed": None,
    "announcement_failed": "NotificationForAcceptanceFailure",
    "announcement_delivered": "NotificationDelivered",
    "announcement_opened": "NotificationAccessTracking",
    "accepted": "ConsignmentAcceptance",
    "refused": "ConsignmentRejection",
    "expired": "AcceptanceRejectionExpiry",
    "withdrawn": None,
    "reminder_offered": None,
    "reminder_uncertain": None,
    "reminder_accepted": "NotificationForAcceptance",
    "reminder_delayed": None,
    "reminder_failed": "NotificationForAcceptanceFailure",
    "reminder_delivered": "NotificationDelivered",
    "content_offered": None,
    "content_uncertain": None,
    "content_delayed": None,
    "content_delivered": "RelayToNonERDS",
    "content_failed": "RelayToNonERDSFailure",
    "content_downloaded": "ContentHandover",
    "content_erased": None,
}
# Kinds of records about the installation itself, in a chain without a ticket; the events are our own.
INSTALLATION = frozenset({"key_rotated", "restored", "log_begun"})
# A record about the records before it: an upgrade adopted them. It says nothing of the ticket, so no status shows it.
ADOPTED = "adopted"
FORWARDED = frozenset({"content_delivered", "content_failed"})
PURPOSES = ("announcement", "reminder", "content")
"""Of mails that evidence is made of."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues the records of this installation.

    Args:
        base: our own URIs begin with it, for example ``https://sealpost.example/evidence``.
        legal_name: the operator's legal name.
        legal_id: its identifier (EN 319 412-1 style, as ``NTRNL-12345678``), or empty.
        environment: ``live`` or ``test``.
        software: name, version and commit.
    """

    base: str
    legal_name: str
    legal_id: str
    environment: str
    software: dict[str, str]


@dataclass(frozen=True, slots=True)
class Subject:
    """What all records of one ticket say alike: the parties and the content."""

    ticket_token: str
    submitted_at: datetime
    account_name: str
    sender_email: str
    delegate: str
    method: str
    authenticated_at: datetime
    recipient_email: str
    recipient_name: str
    own_id: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """The place in the ticket's chain: the number of this record and the hash of the one before it (None at 1)."""

    seq: int
    prev: bytes | None


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    Args:
        kind: one of ``EVENTS`` or ``INSTALLATION``, or ``ADOPTED``.
        at: when it happened.
        recorded_at: when this record is made.
        reasons: (code, detail) pairs, of kinds that `has_reasons` names alone; codes become URIs under the issuer's base.
        host: the server content was forwarded to.
        transcripts: ``{type, lines}`` objects, the literal dialogue.
        extension: members of ``sealpost/1`` by kind (``smtp``, ``web``, ``request`` …).
        mail: purpose of the mail that is meant, one of ``PURPOSES``, and the attempt at it, from 1; 0: there was none.
        cause: (code, text in English) of what ended that mail where no attempt of it did.
        earlier: attempts at it that were delayed before, in brief, where it ended without another.
    """

    kind: str
    at: datetime
    recorded_at: datetime
    reasons: tuple[tuple[str, str], ...] = ()
    host: str = ""
    transcripts: tuple[dict[str, Any], ...] = ()
    extension: dict[str, Any] = field(default_factory=dict[str, Any])
    mail: tuple[str, int] | None = None
    cause: tuple[str, str] | None = None
    earlier: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """A finished record: its place, its canonical bytes and their hash."""

    evidence_id: UUID
    seq: int
    kind: str
    at: datetime
    octets: bytes
    sha256: bytes


def make(
    issuer: Issuer,
    subject: Subject,
    link: Link,
    event: Event,
    evidence_id: UUID,
    clock: dict[str, Any],
    certificate_sha256: bytes | None = None,
) -> Record:
    """Makes the record of an event.

    Args:
        issuer: who issues it.
        subject: the ticket it is about.
        link: its place in the chain.
        event: what happened.
        evidence_id: a UUIDv7.
        clock: the second time source and its offset, or ``{"source": "none"}``.
        certificate_sha256: of the certificate by which the record will be sealed, where that is known.

    Raises:
        NotCanonical: a value that records do not hold.
        KeyError: an unknown kind.
    """
    octets = canonical(evidence(issuer, subject, link, event, evidence_id, clock, certificate_sha256))
    return Record(evidence_id, link.seq, event.kind, event.at, octets, sha256(octets))


def evidence(
    issuer: Issuer,
    subject: Subject,
    link: Link,
    event: Event,
    evidence_id: UUID,
    clock: dict[str, Any],
    certificate_sha256: bytes | None = None,
) -> dict[str, Any]:
    """The record as a JSON object, in the member names of EN 319 522-3."""
    members: dict[str, Any] = {
        "version": VERSION,
        "EvidenceIdentifier": str(evidence_id),
        "ERDSEventId": event_uri(issuer, event.kind),
        "EventTime": instant(event.at),
        "EvidenceIssuerDetails": _issuer_details(issuer, certificate_sha256),
        "EvidenceIssuerPolicyID": {"PolicyID": [f"{issuer.base}/policy/1"]},
        "SenderDetails": _sender(issuer, subject),
        "SenderDelegateDetails": _delegate(issuer, subject.delegate),
        "RecipientDetails": [_recipient(subject)],
        "EvidenceRefersToRecipient": 1,
        "SubmissionTime": instant(subject.submitted_at),
        "MessageIdentifier": subject.ticket_token,
        "Extensions": [{"isCritical": False, "sealpost/1": _extension(issuer, subject, link, event, clock)}],
    }
    if subject.parts:
        members["UserContentInfo"] = _content(subject)
    if event.reasons:
        members["EventReasons"] = {"EventReason": [_reason(issuer, *reason) for reason in event.reasons]}
    if event.host and event.kind in FORWARDED:
        members["ForwardedToExternalSystem"] = event.host
    if event.transcripts:
        members["TransactionLogInformation"] = {"TransactionLog": list(event.transcripts)}
    return members


def has_reasons(kind: str) -> bool:
    """Whether events of this kind have reasons: a refusal, a failure, an expiry; nothing else has."""
    return kind in {"refused", "expired"} or kind.endswith("_failed")


def event_uri(issuer: Issuer, kind: str) -> str:
    """The event's URI: ETSI's where it has one, else ours."""
    name = None if kind in INSTALLATION or kind == ADOPTED else EVENTS[kind]
    return EVENT + name if name else f"{issuer.base}/event#{kind}"


def _extension(issuer: Issuer, subject: Subject, link: Link, event: Event, clock: dict[str, Any]) -> dict[str, Any]:
    return {
        "seq": link.seq,
        "prev": digest(link.prev) if link.prev else None,
        "recordedAt": instant(event.recorded_at),
        "clock": clock,
        "software": issuer.software,
        "suite": SUITE,
        "environment": issuer.environment,
        "parts": [{"Identifier": part.name, "size": part.size} for part in subject.parts],
        **_mail(event),
        **event.extension,
    }


def _mail(event: Event) -> dict[str, Any]:
    """Which mail is meant, and what ended it where no attempt did."""
    if event.mail is None:
        return {}
    purpose, attempt = event.mail
    members: dict[str, Any] = {"purpose": purpose, **({"attempt": attempt} if attempt else {})}
    if event.cause:
        members |= {"cause": event.cause[0], "why": event.cause[1]}
    if event.earlier:
        members["earlier"] = list(event.earlier)
    return {"mail": members}


def _attribute(friendly: str, name: str, value: str) -> dict[str, Any]:
    return {"FriendlyName": friendly, "Name": name, "NameFormat": ATTRIBUTE_URI, "AttributeValue": [value]}


def _legal_name(name: str) -> dict[str, Any]:
    return _attribute("LegalName", "http://eidas.europa.eu/attributes/legalperson/LegalName", name)


def _legal_attributes(issuer: Issuer) -> list[dict[str, Any]]:
    identifier = "http://eidas.europa.eu/attributes/legalperson/LegalPersonIdentifier"
    attributes = [_legal_name(issuer.legal_name)]
    if issuer.legal_id:
        attributes.append(_attribute("LegalPersonIdentifier", identifier, issuer.legal_id))
    return attributes


def _issuer_details(issuer: Issuer, certificate_sha256: bytes | None) -> dict[str, Any]:
    """Who issues the record, and the certificate that is to seal it; one that is sealed later does not name any."""
    details: dict[str, Any] = {"Identity": {"Attribute": _legal_attributes(issuer)}}
    if certificate_sha256 is not None:
        details["CertificateDetails"] = [{"CertID": {"CertDigest": digest(certificate_sha256)}}]
    return details


def _email(address: str) -> dict[str, str]:
    return {"value": address, "IdentifierSchemeName": "email"}


def _sender(issuer: Issuer, subject: Subject) -> dict[str, Any]:
    return {
        "Identity": {"Attribute": [_legal_name(subject.account_name)]},
        "Identifier": _email(subject.sender_email),
        "AssuranceLevelsDetails": {
            "GlobalAssuranceLevel": {"AssuranceLevel": f"{issuer.base}/assurance#account"},
            "AuthenticationDetails": {
                "AuthenticationTime": instant(subject.authenticated_at),
                "AuthenticationMethod": f"{issuer.base}/authentication#{subject.method}",
            },
        },
    }


def _delegate(issuer: Issuer, delegate: str) -> dict[str, Any]:
    kind, _, name = delegate.partition(":")
    scheme = "api-client" if kind == "client" else "user"
    return {"Identifier": {"value": name, "IdentifierSchemeName": f"{issuer.base}/identifier#{scheme}"}}


def _recipient(subject: Subject) -> dict[str, Any]:
    details: dict[str, Any] = {"Identifier": _email(subject.recipient_email)}
    if subject.recipient_name:
        details["Identity"] = {"Attribute": [_attribute("cn", "urn:oid:2.5.4.3", subject.recipient_name)]}
    return details


def _content(subject: Subject) -> dict[str, Any]:
    parts = [
        {"ContentType": part.content_type, **digest(part.sha256), "Identifier": part.name} for part in subject.parts
    ]
    content: dict[str, Any] = {"ComposingParts": len(parts), "PartsInfo": {"PartInfo": parts}}
    if subject.own_id:
        content["AppLayerIdentifier"] = subject.own_id
    return content


def _reason(issuer: Issuer, code: str, detail: str) -> dict[str, Any]:
    reason: dict[str, Any] = {"Code": f"{issuer.base}/reason#{code}"}
    if detail:
        reason["Details"] = [detail]
    return reason
