"""Gather the evidence of a ticket (evidence format, section 5), for its sender and for its recipient.

Either whole, as a bundle, or the certificate alone: the same PDF, by the same rules about who may have it and when.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from sealpost.content.placement import ContentDamaged, ContentUnavailable
from sealpost.domain.anchors import trust_fingerprint
from sealpost.domain.canonical import digest
from sealpost.domain.content import shown_name
from sealpost.domain.errors import Conflict, NoEvidence, NotFound, Unavailable
from sealpost.domain.records import Event
from sealpost.seal.adoption_list import CLOSED, OFFERED
from sealpost.seal.bundle.bundle import Bundle, BundleParts, File, prepared
from sealpost.seal.certificate.certificate import certificate
from sealpost.seal.certificate.pades import sealed
from sealpost.seal.evidence import Stamper
from sealpost.seal.key_files import KeysRefused
from sealpost.seal.log.folder import LogDamaged
from sealpost.seal.signer import SigningFailed
from sealpost.store import links, mails, records, tickets
from sealpost.store.pool import Connection
from sealpost.store.records import ASIDE
from sealpost.store.tickets import Ticket, Visible
from sealpost.usecases import tls_certificates
from sealpost.usecases.adopt import to_adopt
from sealpost.usecases.chain import record
from sealpost.usecases.database import transaction
from sealpost.usecases.deliver import split
from sealpost.usecases.letters import SHOWN_AFTERWARDS
from sealpost.usecases.mail_bytes import opened
from sealpost.usecases.opened import opened_ticket
from sealpost.usecases.reads.proofs import Covered, Proven, covered, proven
from sealpost.usecases.reads.trust import keys_and_policy
from sealpost.usecases.service import Service
from sealpost.usecases.web_act import WebAct, web

OPEN = 32
"""Bundles and certificates that may be on their way out in this process: files of bundles take room on the disk."""
AT_ONCE = asyncio.Semaphore(2)
"""How many are worked on in this process: each takes a tenth of a second of CPU, and a bundle may hold its contents.

Held neither while the time stamp authority is asked nor while a bundle is given out: a slow one of either would keep
all others waiting.
"""


_open = asyncio.Semaphore(OPEN)


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the database knows of a ticket's evidence."""

    ticket: Ticket
    covered: Covered
    mails: Sequence[Any]
    certificates: Mapping[str, bytes]


@asynccontextmanager
async def for_sender(service: Service, visible: Visible, token: str, language: str) -> AsyncGenerator[Bundle]:
    """The bundle for the ticket's account, with its contents while they are kept.

    Args:
        service: the parts.
        visible: whose tickets the caller may see.
        token: the ticket's.
        language: of the certificate.

    Raises:
        NotFound: no such ticket for this caller.
        Unavailable: database, content store, key or time stamp authority away.
    """
    gathered = await _of_sender(service, visible, token)
    async with _bundle(service, gathered, language, with_content=True) as bundle:
        yield bundle


async def certificate_for_sender(service: Service, visible: Visible, token: str, language: str) -> bytes:
    """The sealed certificate alone; arguments and errors as `for_sender`."""
    return await _sealed_certificate(service, await _of_sender(service, visible, token), language)


async def _of_sender(service: Service, visible: Visible, token: str) -> Gathered:
    async with transaction(service) as connection:
        ticket = await tickets.by_token(connection, token, visible)
        if ticket is None:
            raise NotFound("no such ticket")
        return await _gathered(service, connection, ticket)


@asynccontextmanager
async def for_recipient(
    service: Service, token: str, secrets: Sequence[str], language: str, act: WebAct
) -> AsyncGenerator[Bundle]:
    """The bundle for the recipient, after the decision or the expiry; with the contents only after acceptance.

    Contents that leave in it are a handover: the first one of a ticket is recorded before any octet leaves.

    Raises:
        NotFound: no secret opens this ticket.
        Conflict: nothing is decided yet.
        Unavailable: as for the sender.
    """
    gathered, link = await _of_recipient(service, token, secrets)
    has_content = _may_download(service, gathered.ticket)
    async with _bundle(service, gathered, language, with_content=has_content) as bundle:
        if has_content:
            await _handed_over(service, gathered.ticket.id, web(service, act, "download", link))
        yield bundle


async def certificate_for_recipient(service: Service, token: str, secrets: Sequence[str], language: str) -> bytes:
    """The sealed certificate alone; arguments and errors as `for_recipient`. No content is in it: nothing is recorded."""
    gathered, _ = await _of_recipient(service, token, secrets)
    return await _sealed_certificate(service, gathered, language)


async def _of_recipient(service: Service, token: str, secrets: Sequence[str]) -> tuple[Gathered, bytes]:
    """What the link's ticket has, once it is over, and the hash of the link."""
    async with transaction(service) as connection:
        ticket_id, link = await opened_ticket(service, connection, token, secrets)
        ticket = await tickets.by_id(connection, ticket_id)
        if ticket.state.decision is None:
            raise Conflict("there is no evidence for the recipient before the decision")
        return await _gathered(service, connection, ticket), link


def _may_download(service: Service, ticket: Ticket) -> bool:
    """The same rule as for single files (`hand_out`)."""
    until = ticket.state.decided_at and ticket.state.decided_at + SHOWN_AFTERWARDS
    is_kept = ticket.content.wrapped_key is not None and until is not None and service.clock.now() < until
    return ticket.state.decision == "accepted" and is_kept


async def _handed_over(service: Service, ticket_id: UUID, extension: dict[str, Any]) -> None:
    """Records the first download: once the bundle is complete, so that what is recorded can happen, and before it leaves."""
    async with transaction(service) as connection:
        ticket = await tickets.lock(connection, ticket_id)
        if "content_downloaded" not in await records.kinds(connection, ticket_id):
            now = service.clock.now()
            await record(service, connection, ticket, [Event("content_downloaded", now, now, extension=extension)])


async def streamed(bundle: AbstractAsyncContextManager[Bundle]) -> tuple[int, AsyncIterator[bytes]]:
    """How many octets a bundle has, and its octets; whatever can fail has failed before this returns.

    Args:
        bundle: of `for_sender` or `for_recipient`; closed when its octets are read, or nobody reads on.
    """
    sizes = list[int]()

    async def octets() -> AsyncIterator[bytes]:
        async with bundle as made:
            sizes.append(made.size)
            yield b""
            async for piece in made.chunks():
                yield piece

    pieces = octets()
    # Begun here: a generator that was never begun would not close its bundle when it is thrown away.
    await anext(pieces)
    return sizes[0], pieces


async def _gathered(service: Service, connection: Connection, ticket: Ticket) -> Gathered:
    rows = await records.with_seals(connection, ticket.id)
    bare = [row for row in rows if row["seal"] is None]
    if any(row["log_index"] == ASIDE for row in bare):
        await _explain(service, connection, ticket)
    if bare:
        raise Unavailable("a record waits for its seal")
    found = await covered(connection, rows)
    is_live = await links.any_alive(connection, ticket.id, service.clock.now())
    sent = () if is_live else await mails.announcements(connection, ticket.id)
    shown = await tls_certificates.named_in(connection, [row["octets"] for row in rows])
    return Gathered(ticket, found, sent, shown)


async def _explain(service: Service, connection: Connection, ticket: Ticket) -> None:
    """Says why records of a ticket were set aside, unless they get their seals by themselves.

    Raises:
        NoEvidence: they do not.
    """
    listed = await asyncio.to_thread(service.adoptions.read)
    rows = (await records.of_chains(connection, [ticket.id]))[ticket.id]
    old = [] if listed is None or listed.state == CLOSED else to_adopt(service, rows, listed, ticket.token)
    if {row["seq"] for row in rows if row["seal"] is None and row["log_index"] == ASIDE} - {row["seq"] for row in old}:
        raise NoEvidence("a record of this ticket is not this service's own, so no evidence is made of it")
    if listed is not None and listed.state == OFFERED:
        raise NoEvidence("records of this ticket are of an earlier release and wait for the operator")


@asynccontextmanager
async def _bundle(service: Service, gathered: Gathered, language: str, *, with_content: bool) -> AsyncGenerator[Bundle]:
    async with AsyncExitStack() as stack:
        stamper = await stack.enter_async_context(_place(service))
        with _what_is_away():
            signer = service.evidence.signer("pdf-seal")
            async with AT_ONCE:
                parts = await _parts(service, gathered, language, with_content=with_content)
            pdf = await sealed(parts.certificate, signer, stamper.stamp, service.clock.now())
            made = prepared(
                replace(parts, certificate=pdf),
                signer,
                stamper.stamp,
                service.clock.now(),
                service.spool_folder,
                AT_ONCE,
            )
            bundle = await stack.enter_async_context(made)
        yield bundle


async def _sealed_certificate(service: Service, gathered: Gathered, language: str) -> bytes:
    async with _place(service) as stamper:
        with _what_is_away():
            signer = service.evidence.signer("pdf-seal")
            async with AT_ONCE:
                made, keys = await proven(service, gathered.covered), await keys_and_policy(service)
                pdf = await _certificate(service, gathered, language, made, keys)
            return await sealed(pdf, signer, stamper.stamp, service.clock.now())


@asynccontextmanager
async def _place(service: Service) -> AsyncGenerator[Stamper]:
    """A place among those that are on their way out, and who stamps."""
    stamper = service.evidence.stamper
    if stamper is None:
        raise Unavailable("no time stamp authority is set, and evidence needs one")
    if _open.locked():
        raise Unavailable("too many bundles are on their way out")
    async with _open:
        yield stamper


@contextmanager
def _what_is_away() -> Generator[None]:
    """Says in one way that evidence cannot be made now."""
    try:
        yield
    except (SigningFailed, KeysRefused, LogDamaged, ContentUnavailable, OSError) as error:
        raise Unavailable(f"the evidence cannot be put together: {error}") from error


async def _parts(service: Service, gathered: Gathered, language: str, *, with_content: bool) -> BundleParts:
    """All of it, with the certificate still unsealed."""
    made, keys = await proven(service, gathered.covered), await keys_and_policy(service)
    return BundleParts(
        ticket_token=gathered.ticket.token,
        records=made.records,
        checkpoints=made.checkpoints,
        mails=_mails(service, gathered),
        contents=_contents(service, gathered.ticket) if with_content else [],
        trust={**keys, **gathered.certificates},
        certificate=await _certificate(service, gathered, language, made, keys),
    )


async def _certificate(
    service: Service, gathered: Gathered, language: str, made: Proven, keys: Mapping[str, bytes]
) -> bytes:
    return await asyncio.to_thread(
        certificate,
        made.records,
        made.checkpoints,
        language=language,
        verify_url=f"{service.face.base_url}/verify",
        zone=ZoneInfo(gathered.ticket.zone),
        trust=trust_fingerprint(keys),
    )


def _mails(service: Service, gathered: Gathered) -> list[File]:
    """The announcements that were sent; one that no record speaks of is left out."""
    found = [(_seq_of(row, gathered.covered.rows), row) for row in gathered.mails]
    return [File(seq, row["purpose"], _opened_mail(service, row)) for seq, row in found if seq]


def _seq_of(row: Any, kept: Iterable[Any]) -> int:
    """The first record that carries the mail's hash, or 0."""
    wanted = digest(row["sha256"])["DigestValue"]
    for one in kept:
        smtp = msgspec.json.decode(one["octets"])["Extensions"][0]["sealpost/1"].get("smtp", {})
        if smtp.get("sent", {}).get("DigestValue") == wanted:
            return one["seq"]
    return 0


async def _opened_mail(service: Service, row: Any) -> AsyncIterator[bytes]:
    yield await opened(service, service.mail_vault.open, mails.stored(row))


def _contents(service: Service, ticket: Ticket) -> list[File]:
    """The parts as they were submitted; none once they were erased."""
    if ticket.content.wrapped_key is None:
        return []
    kept = dict[str, list[bytes]]()

    async def part(index: int) -> AsyncIterator[bytes]:
        if "all" not in kept:
            try:
                octets = await opened(service, service.content_vault.open, ticket.content)
            except ContentDamaged as error:
                raise Unavailable("the content is damaged") from error
            kept["all"] = split(ticket.evidence.parts, octets)
        yield kept["all"][index]

    parts = ticket.evidence.parts
    return [File(number + 1, shown_name(one.name, one.content_type), part(number)) for number, one in enumerate(parts)]
