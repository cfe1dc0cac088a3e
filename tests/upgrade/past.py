"""Lives a small life with the code of a past state; `make` runs this file under that state's own code.

It uses only what every past state has, and asks for the rest (log, time stamps, bundles). Alice sends; Bob's server
takes the mails in this process. Arguments: database address, data folder, ``born`` or ``grown``, file for what came of
it, folder for bundles.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import importlib
import importlib.util
import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import UUID

import pybase64

from sealpost import bootstrap
from sealpost.domain.parties import Sender
from sealpost.inbound.catcher import Catcher
from sealpost.settings import Settings, read_settings
from sealpost.store import workers
from sealpost.usecases.decide import decide
from sealpost.usecases.enqueue_due import enqueue_due
from sealpost.usecases.found import NewAccount, found_account, found_client, found_user
from sealpost.usecases.hand_out import hand_out
from sealpost.usecases.open_pickup import open_pickup
from sealpost.usecases.submit import Submitter
from sealpost.usecases.submit_message import Attachment, SubmitMessage
from sealpost.usecases.web_act import WebAct
from sealpost.usecases.withdraw import withdraw
from sealpost.worker.run import ENTRY_POINTS

START = datetime(2026, 11, 23, 10, 15, 2, 481000, tzinfo=UTC)
PDF = b"%PDF-1.4\n% a small one\n" + bytes(range(256)) + b"\n%%EOF\n"
ACT = WebAct("192.0.2.77", "Mozilla/5.0 (test)", hashlib.sha256(b"page").digest(), ())
PASSWORD = "correct horse battery staple"
UNKNOWN = (
    "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n"
    "550-5.1.1 double-checking the recipient's email address for typos.\r\n"
    "550 5.1.1 No such user - gsmtp"
)


class Clock:
    """Moved by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def real(self) -> datetime:
        return self.at

    def statement(self) -> dict[str, Any]:
        return {"source": "none"}


class Away:
    """A key that cannot be had: what happens meanwhile is stored without a seal."""

    def __init__(self, signer: Any) -> None:
        self._signer = signer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._signer, name)

    def sign(self, _octets: bytes) -> bytes:
        from sealpost.seal.signer import SigningFailed  # noqa: PLC0415 - the first release has no such module

        raise SigningFailed("away")


class Bobs(Catcher):
    """The recipients' server. ``answers``: what it says to a recipient instead of taking the mail."""

    def __init__(self) -> None:
        super().__init__(self._keep_mail)
        self.mails = list[tuple[str, bytes]]()
        self.answers = dict[str, str]()

    async def _keep_mail(self, _mail_from: str, rcpt_to: str, raw: bytes) -> None:
        self.mails.append((rcpt_to, raw))

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if address not in self.answers:
            envelope.rcpt_tos.append(address)
        return self.answers.get(address, "250 2.1.5 Ok")


class Past:
    """The service of a past state, and whom it mails."""

    def __init__(self, service: Any, clock: Clock, catcher: Bobs) -> None:
        self.service, self.clock, self.mails, self.answers = service, clock, catcher.mails, catcher.answers
        self.account = self.user = 0
        self.client = ""
        self.tickets = dict[str, dict[str, Any]]()

    async def send(self, name: str, recipient: str = "bob@example.com", **changes: Any) -> str:
        submitter = Submitter(self.service)
        message = SubmitMessage(
            sender=Sender(self.account, "Alice Incasso N.V.", f"client:{self.client}", "oauth2-client-credentials"),
            authenticated_at=self.clock.at, sender_email="alice@example.org", sender_name="Alice",
            subject="Notice of default", recipient_email=recipient, recipient_name="Bob", language="en",
            body="Dear Bob,\n\nplease read this.\n",
            attachments=[Attachment("notice.pdf", "application/pdf", [pybase64.b64encode(PDF)])],
            own_id=name, own_guid="", campaign="", reminder_days=None, expiry_days=None, address_basis="",
            request_sha256=hashlib.sha256(b"request").digest(), face="POST /webservice/mailsender/send", large=False,
        )  # fmt: skip
        token = await submitter.submit(dataclasses.replace(message, **changes))
        await submitter.close()
        await self.work_off()
        self.tickets[name] = {"token": token, "secrets": self.secrets(token)}
        return token

    def secrets(self, token: str) -> list[str]:
        """The links that Bob's server has for a ticket."""
        found = list[str]()
        for _, raw in self.mails:
            part = message_from_bytes(raw, policy=policy.default).get_body(("plain",))
            text = part.get_content() if part else ""
            if token in text:
                found += [link.rsplit("/", 1)[1] for link in re.findall(r"https?://\S+/p/\S+", text)]
        return found

    async def decide(self, name: str, decision: Any, reason: str = "") -> None:
        one = self.tickets[name]
        await decide(self.service, one["token"], one["secrets"], decision, reason, ACT)
        await self.work_off()

    async def work_off(self) -> None:
        """Every job that waits, as the worker would."""
        while True:
            await enqueue_due(self.service)
            jobs = await self.service.pool.fetch(
                "delete from pgqueuer where status = 'queued' returning entrypoint, payload"
            )
            if not jobs:
                return
            for job in jobs:
                await ENTRY_POINTS[job["entrypoint"]](self.service, UUID(job["payload"].decode()))

    async def at(self, moment: datetime) -> None:
        self.clock.at = moment
        await self.work_off()

    async def prove(self) -> None:
        """Seals, log and time stamps, as far as this state has them."""
        for module, name in (("seals", "seal_pending"), ("extend_log", "extend_log"), ("stamp", "stamp_pending")):
            with suppress(ModuleNotFoundError):
                act = getattr(importlib.import_module(f"sealpost.usecases.{module}"), name)
                while await act(self.service):
                    pass


def settings_of(folder: Path, port: int) -> Settings:
    known = {one.name for one in dataclasses.fields(Settings)}
    given = {
        "data": folder, "smtp_host": "127.0.0.1", "smtp_port": port, "smtp_tls": "none",
        "mail_domain": "sealpost.example", "base_url": "http://127.0.0.1:8025", "our_name": "out1.sealpost.example",
        "legal_name": "Sealpost Test B.V.", "environment": "test", "pool": 8, "tsa_url": "own",
    }  # fmt: skip
    return read_settings({}, **{name: value for name, value in given.items() if name in known})


@asynccontextmanager
async def past(dsn: str, folder: Path, at: datetime) -> AsyncGenerator[Past]:
    catcher = Bobs()
    settings, clock = settings_of(folder, await catcher.start()), Clock(at)
    await bootstrap.migrate(dsn)
    async with bootstrap.opened(settings, dsn, clock=clock) as service, service.pool.acquire() as session:
        await workers.enlist(session, service.worker)
        yield Past(service, clock, catcher)
    await catcher.stop()


async def born(one: Past) -> None:
    """The life of a new installation."""
    one.account = await found_account(one.service, NewAccount("Alice Incasso N.V."))
    one.user = await found_user(one.service, one.account, "alice@example.org", PASSWORD, "administrator")
    made = await found_client(one.service, one.account, "oauth", "alice-client", "administrator")
    one.client = made.name
    await one.service.pool.execute("update accounts set notices = '{refused}'")  # each is ten kB more in the fixture
    await _ended(one)
    await one.send("open")
    if hasattr(one.service, "sealer"):
        await _without_key(one)
    for days in (1, 2):  # the reminder of "expired", and the end of its term
        await one.at(START + timedelta(days=days))


async def _ended(one: Past) -> None:
    token = await one.send("accepted")
    one.clock.at += timedelta(minutes=3)
    secrets = one.tickets["accepted"]["secrets"]
    await open_pickup(one.service, token, secrets, ACT)
    await one.decide("accepted", "accepted")
    await hand_out(one.service, token, secrets, 1, ACT)
    await one.send("refused")
    one.clock.at += timedelta(minutes=3)
    await one.decide("refused", "refused", "Not mine.")
    await one.send("expired", reminder_days=1, expiry_days=2)
    one.answers["nobody@example.com"] = UNKNOWN
    await one.send("failed", "nobody@example.com")
    one.answers["slow@example.com"] = "451 4.7.1 Greylisted, come again"
    await one.send("delayed", "slow@example.com")
    one.answers.clear()
    for _ in range(8):
        one.clock.at += timedelta(minutes=20)
        await one.work_off()
    one.tickets["delayed"]["secrets"] = one.secrets(one.tickets["delayed"]["token"])
    token = await one.send("withdrawn")
    await withdraw(one.service, await _seen_by(one), one.user, token)


async def _seen_by(one: Past) -> Any:
    from sealpost.store import tickets  # noqa: PLC0415 - the first release asks for the account's number

    return tickets.Visible(one.account) if hasattr(tickets, "Visible") else one.account


async def _without_key(one: Past) -> None:
    """A ticket whose facts, from its announcement on, wait for their seals."""
    service = one.service
    await one.send("keyless")
    one.service = dataclasses.replace(service, sealer=Away(service.sealer))
    one.clock.at += timedelta(minutes=3)
    await one.decide("keyless", "accepted")
    one.service = service


async def grown(one: Past) -> None:
    """What a later state does with an installation that it finds: its worker works, Bob accepts one more."""
    await one.prove()
    await one.decide("delayed", "accepted")


async def bundles(one: Past, folder: Path) -> None:
    """Genuine bundles, where this state can make some."""
    try:
        gather = importlib.import_module("sealpost.usecases.gather")
        trust = importlib.import_module("sealpost.usecases.reads.trust")
    except ModuleNotFoundError:
        return
    for name in ("accepted", "expired"):
        try:
            async with gather.for_sender(one.service, await _seen_by(one), one.tickets[name]["token"], "en") as made:
                octets = b"".join([piece async for piece in made.chunks()])
        except Exception as error:  # noqa: BLE001 - the very fault that an upgrade must mend
            print(f"no bundle of {name}: {error}", file=sys.stderr)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.asice").write_bytes(octets)
    for name, octets in (await trust.trust_folder(one.service)).items():
        path = folder / "trust" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)


async def main(dsn: str, folder: Path, life: str, told: Path, kept: Path) -> None:
    before = json.loads(told.read_text()) if told.exists() else {}
    at = datetime.fromisoformat(before["at"]) + timedelta(hours=1) if before else START
    async with past(dsn, folder, at) as one:
        for name in ("account", "user", "client", "tickets"):
            setattr(one, name, before.get(name, getattr(one, name)))
        await (born if life == "born" else grown)(one)
        if importlib.util.find_spec("sealpost.usecases.extend_log"):  # else what waits for its seal goes on waiting
            await one.prove()
        await bundles(one, kept)
        kinds = await one.service.pool.fetch(
            "select t.token, array_agg(r.kind order by r.seq) as kinds from records r join tickets t on t.id = r.ticket_id group by 1"
        )
        by_token = {row["token"]: row["kinds"] for row in kinds}
        for ticket in one.tickets.values():
            ticket["kinds"] = by_token[ticket["token"]]
        said = {"at": one.clock.at.isoformat(), "account": one.account, "user": one.user, "client": one.client}
        told.write_text(json.dumps({**said, "tickets": one.tickets}, indent=1) + "\n")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    asyncio.run(main(arguments[0], Path(arguments[1]), arguments[2], Path(arguments[3]), Path(arguments[4])))
