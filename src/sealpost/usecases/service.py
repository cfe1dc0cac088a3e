"""What the use cases work with. Built once by bootstrap and handed over; plain values, no settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sealpost.clock import Clock
from sealpost.content.erasure_list import ErasureList
from sealpost.content.placement import ContentStore
from sealpost.content.vault import Vault
from sealpost.domain.ids import Random
from sealpost.domain.records import Issuer
from sealpost.mail.compose import Composer
from sealpost.mail.dns import Dns
from sealpost.mail.return_path import ReturnPaths
from sealpost.mail.transport import Transport
from sealpost.seal.adoption_list import AdoptionList
from sealpost.seal.evidence import Evidence
from sealpost.seal.signer import Signer
from sealpost.store.pool import Pool
from sealpost.text.nouns import noun
from sealpost.usecases.group import Groups
from sealpost.usecases.quotas import Quotas
from sealpost.usecases.readiness import Readiness
from sealpost.usecases.signing_cache import SigningCache
from sealpost.usecases.throttle import Throttle
from sealpost.usecases.tls_certificates import KeptCertificates
from sealpost.usecases.ways_out import WaysOut


@dataclass(frozen=True, slots=True)
class Face:
    """How the service looks from outside.

    Args:
        base_url: without a slash at the end.
        host: its authority, as people see it: ``sealpost.example``, ``127.0.0.1:8025``.
        secure: served over HTTPS.
        demo: no legal value; pages and mails say so.
        service_name: what pages and mails call it.
        mail_domain: the domain of Message-IDs, return paths and of our own From address.
        nouns: what the operator calls a message, per language.
    """

    base_url: str
    host: str
    secure: bool
    demo: bool
    service_name: str
    mail_domain: str
    nouns: Mapping[str, str] = field(default_factory=dict[str, str])

    def noun(self, language: str) -> str:
        """What a message is called; a label, not a part of a sentence."""
        return noun(language, self.nouns)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one submission may be.

    Args:
        decoded: octets of the body and all attachments together.
        attachments: how many.
        body_text: characters of ``message_body``.
        request: octets of the HTTP body.
        odd_dots: recipients' addresses may have dots where RFC 5321 has none.
    """

    decoded: int = 25_000_000
    attachments: int = 100
    body_text: int = 1_000_000
    request: int = 36_000_000
    odd_dots: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """The parts; ``worker`` is this process's name among the workers, ``mac_key`` makes addresses comparable only.

    ``under_way``: workers and the mails that they are at, in this process.
    ``backups_kept``: how long after an erasure a backup may still have what was erased.
    """

    pool: Pool
    clock: Clock
    random: Random
    content: ContentStore
    content_vault: Vault
    mail_vault: Vault
    spool_folder: Path
    composer: Composer
    transport: Transport
    ways: WaysOut
    issuer: Issuer
    face: Face
    limits: Limits
    mac_key: bytes
    return_paths: ReturnPaths
    dns: Dns
    signing: SigningCache
    groups: Groups
    under_way: set[tuple[UUID, UUID]]
    worker: UUID
    quotas: Quotas
    sealer: Signer
    evidence: Evidence
    readiness: Readiness
    throttle: Throttle
    erasures: ErasureList
    adoptions: AdoptionList
    backups_kept: timedelta
    certificates: KeptCertificates = field(default_factory=KeptCertificates)
