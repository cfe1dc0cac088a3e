"""The exact bytes of a mail: built and signed once, durable and encrypted before they are sent, read back for a repeat."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from sealpost.content.placement import ContentDamaged, Placement
from sealpost.domain.canonical import sha256
from sealpost.domain.parties import kept_address
from sealpost.mail.build import build
from sealpost.mail.dkim import DkimKey, signed
from sealpost.mail.letter import Letter, needs_smtputf8
from sealpost.store import mails, tickets
from sealpost.usecases.sending import Draft
from sealpost.usecases.service import Service
from sealpost.usecases.sign_mail import signing_keys, verified_domain
from sealpost.usecases.signing_cache import VerifiedDomain

INLINE = 200_000
"""Octets up to which a mail is built on the event loop; larger ones in a thread."""


async def build_mail(service: Service, held: mails.Claim, draft: Draft) -> tuple[mails.Built, bytes]:
    """Builds the bytes that will be sent, now and in every repeat. A crash here leaves unnamed bytes in a segment.

    Raises:
        UnsafeMail: a field could mean something else than it says.
        Unavailable, ContentUnavailable: no key to sign with, or nowhere to keep them.
    """
    letter = await _from_the_sender(service, held, draft)
    domain = letter.sender.address.rpartition("@")[2]
    keys = await signing_keys(service, held.account_id, domain)
    large = sum(len(file.content) for file in letter.files) > INLINE
    octets = await asyncio.to_thread(_made, service, letter, keys) if large else _made(service, letter, keys)
    ciphertext, sealed = service.mail_vault.seal(held.id, octets)
    placement = await service.content.append(ciphertext)
    stored = tickets.Stored(
        held.id, placement.segment, placement.offset, placement.length, sealed.nonce, sealed.wrapped_key
    )
    built = mails.Built(
        message_header=letter.message_id,
        rcpt_to=letter.recipient.address,
        smtputf8=needs_smtputf8(letter),
        sha256=sha256(octets),
        size=len(octets),
        stored=stored,
    )
    return built, octets


def _made(service: Service, letter: Letter, keys: Sequence[DkimKey]) -> bytes:
    octets = build(letter)
    return signed(octets, keys, service.clock.now()) if keys else octets


async def _from_the_sender(service: Service, held: mails.Claim, draft: Draft) -> Letter:
    """Under the sender's own address where its domain is verified for the account, else *via* us (design, section 6)."""
    if draft.on_behalf is None:
        return draft.letter
    domain = draft.on_behalf.address.rpartition("@")[2]
    if await verified_domain(service, held.account_id, domain) is None:
        return draft.letter
    return replace(draft.letter, sender=draft.on_behalf, reply_to=None)


async def shown_domain(service: Service, ticket: tickets.Ticket) -> VerifiedDomain | None:
    """The ticket's sender's domain, if its mails may show it."""
    domain = kept_address(ticket.evidence.sender_email).domain
    return await verified_domain(service, ticket.account_id, domain)


async def read_back(service: Service, held: mails.Claim) -> tuple[mails.Built, bytes]:
    """The bytes of an earlier attempt.

    Raises:
        ContentDamaged: they are not those that were built; nothing is sent.
    """
    built = held.built
    if built is None:
        raise ContentDamaged("a mail without bytes")
    octets = await opened(service, service.mail_vault.open, built.stored)
    if sha256(octets) != built.sha256:
        raise ContentDamaged("a stored mail is not what was built")
    return built, octets


async def opened(
    service: Service, unseal: Callable[[UUID, bytes, bytes, bytes], bytes], stored: tickets.Stored
) -> bytes:
    """Reads and decrypts something stored.

    Raises:
        ContentDamaged: erased, or not what was stored.
        ContentUnavailable: the store is away.
    """
    if stored.wrapped_key is None:
        raise ContentDamaged("its key was erased")
    ciphertext = await service.content.read(Placement(stored.segment, stored.offset, stored.length))
    return unseal(stored.owner, stored.nonce, stored.wrapped_key, ciphertext)
