"""A small world to test in: Alice sends, Bob receives, Charlie (of another account) must see nothing."""

from __future__ import annotations

import dataclasses
import email
import email.policy
import hashlib
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import pybase64

from sealpost import bootstrap
from sealpost.domain.parties import Sender
from sealpost.inbound.catcher import Catcher
from sealpost.settings import read_settings
from sealpost.store import workers
from sealpost.usecases.enqueue_due import enqueue_due
from sealpost.usecases.found import NewAccount, NewClient, found_account, found_client, found_user
from sealpost.usecases.service import Service
from sealpost.usecases.submit import Submitter
from sealpost.usecases.submit_message import Attachment, SubmitMessage
from sealpost.usecases.web_act import WebAct
from sealpost.worker.run import ENTRY_POINTS

START = datetime(2026, 11, 23, 10, 15, 2, 481000, tzinfo=UTC)
PDF = b"%PDF-1.4\n% a small one\n" + bytes(range(256)) * 8 + b"\n%%EOF\n"
ACT = WebAct("192.0.2.77", "Mozilla/5.0 (test)", hashlib.sha256(b"page").digest(), ())
PASSWORD = "correct horse battery staple"


class MovableClock:
    """A clock that the test moves; real time stands beside it for sessions and tokens."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at
        self.real_at = at

    def now(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return self.real_at

    def statement(self) -> dict[str, Any]:
        return {"source": "none"}

    def advance(self, **span: float) -> None:
        self.at += timedelta(**span)


@dataclass
class Mailbox:
    """What the catcher took: (from, to, bytes), in order."""

    mails: list[tuple[str, str, bytes]]

    def to(self, address: str) -> list[EmailMessage]:
        return [parsed(raw) for _, rcpt, raw in self.mails if rcpt == address]

    def subjects(self, address: str) -> list[str]:
        return [str(mail["subject"]) for mail in self.to(address)]


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)  # type: ignore[return-value]


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return part.get_content()


def links_in(mail: EmailMessage) -> list[str]:
    return re.findall(r"https?://\S+", text_of(mail))


@dataclass
class World:
    """Everything that a test of the service needs."""

    service: Service
    submitter: Submitter
    clock: MovableClock
    mailbox: Mailbox
    catcher: Catcher
    alice: int
    alice_user: int
    alice_client: NewClient
    alice_basic: NewClient
    charlie: int
    charlie_client: NewClient
    charlie_basic: NewClient

    def message(self, **changes: Any) -> SubmitMessage:
        base = SubmitMessage(
            sender=Sender(
                self.alice, "Alice Incasso N.V.", f"client:{self.alice_client.name}", "oauth2-client-credentials"
            ),
            authenticated_at=START,
            sender_email="alice@example.org",
            sender_name="Alice",
            subject="Notice of default",
            recipient_email="bob@example.com",
            recipient_name="Bob",
            language="en",
            body="Dear Bob,\n\nplease read this.\n",
            attachments=[Attachment("notice.pdf", "application/pdf", [pybase64.b64encode(PDF)])],
            own_id="Notice 2026-11",
            own_guid="",
            campaign="",
            reminder_days=None,
            expiry_days=None,
            address_basis="",
            request_sha256=hashlib.sha256(b"request").digest(),
            face="POST /webservice/mailsender/send",
            large=False,
        )
        return dataclasses.replace(base, **changes)

    async def send(self, **changes: Any) -> str:
        """Submits and announces; the ticket token."""
        token = await self.submitter.submit(self.message(**changes))
        await self.work_off()
        return token

    async def work_off(self) -> None:
        """Runs every job that waits, as the worker would, until none is left; jobs that fail raise here."""
        while True:
            await enqueue_due(self.service)
            jobs = await self.service.pool.fetch(
                "delete from pgqueuer where status = 'queued' returning entrypoint, payload"
            )
            if not jobs:
                return
            for job in jobs:
                await ENTRY_POINTS[job["entrypoint"]](self.service, UUID(job["payload"].decode()))

    def secret(self, recipient: str = "bob@example.com", number: int = -1) -> str:
        """The link secret of a mail to the recipient: as a browser would hold it."""
        links = [link for mail in self.mailbox.to(recipient) for link in links_in(mail) if "/p/" in link]
        return links[number].rsplit("/", 1)[1]

    async def kinds(self, token: str) -> list[str]:
        rows = await self.service.pool.fetch(
            "select r.kind from records r join tickets t on t.id = r.ticket_id where t.token = $1 order by r.seq", token
        )
        return [row["kind"] for row in rows]

    async def records(self, token: str) -> list[bytes]:
        rows = await self.service.pool.fetch(
            "select r.octets from records r join tickets t on t.id = r.ticket_id where t.token = $1 order by r.seq",
            token,
        )
        return [row["octets"] for row in rows]


@asynccontextmanager
async def _stopped_at_the_end(catcher: Catcher) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await catcher.stop()


_kept_keys = TemporaryDirectory(prefix="sealpost-keys-", ignore_cleanup_errors=True)
"""The keys of the first world of each time. To make them, each durably, is a third of the cost of a world."""


def _lend_keys(folder: Path, at: datetime) -> None:
    kept = Path(_kept_keys.name, f"{at.timestamp()}")
    if kept.exists() and not folder.exists():
        shutil.copytree(kept, folder)


def _keep_keys(folder: Path, at: datetime) -> None:
    kept = Path(_kept_keys.name, f"{at.timestamp()}")
    if not kept.exists():
        shutil.copytree(folder, kept)


@asynccontextmanager
async def new_world(
    dsn: str,
    folder: Path,
    *,
    base_url: str = "http://127.0.0.1:8025",
    demo: bool = False,
    at: datetime = START,
    **changes: Any,
) -> AsyncGenerator[World]:
    """Builds the world on a migrated database, at a time; ``changes`` replace parts of the Service."""
    mailbox = Mailbox([])

    async def keep(mail_from: str, rcpt_to: str, raw: bytes) -> None:
        mailbox.mails.append((mail_from, rcpt_to, raw))

    catcher = Catcher(keep)
    port = await catcher.start()
    settings = read_settings(
        {}, data=folder, smtp_host="127.0.0.1", smtp_port=port, smtp_tls="none", mail_domain="sealpost.example", base_url=base_url,
        our_name="out1.sealpost.example", legal_name="Sealpost Test B.V.", environment="test", pool=8, tsa_url="own",
    )  # fmt: skip
    clock = MovableClock(at)
    async with _stopped_at_the_end(catcher), bootstrap.opened(settings, dsn, clock=clock, demo=demo) as opened:
        service = dataclasses.replace(opened, **changes)
        submitter = Submitter(service)
        alice = await found_account(service, NewAccount("Alice Incasso N.V."))
        charlie = await found_account(service, NewAccount("Charlie B.V."))
        alice_user = await found_user(service, alice, "alice@example.org", PASSWORD, "administrator")
        await found_user(service, charlie, "charlie@example.net", PASSWORD, "administrator")
        async with service.pool.acquire() as session:
            await workers.enlist(session, service.worker)
            try:
                yield World(
                    service=service,
                    submitter=submitter,
                    clock=clock,
                    mailbox=mailbox,
                    catcher=catcher,
                    alice=alice,
                    alice_user=alice_user,
                    alice_client=await found_client(service, alice, "oauth", "alice-client", "administrator"),
                    alice_basic=await found_client(service, alice, "web_service", "alice-service", "user"),
                    charlie=charlie,
                    charlie_client=await found_client(service, charlie, "oauth", "charlie-client", "administrator"),
                    charlie_basic=await found_client(service, charlie, "web_service", "charlie-service", "user"),
                )
            finally:
                await submitter.close()
