"""``sealpost demo``: the whole service in one process, with an inbox in the browser in place of a mail server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from secrets import token_urlsafe
from typing import Annotated

import typer

from sealpost import bootstrap
from sealpost.cli.running import listen, run, serve_web, set_up_logs, stop_on_signals
from sealpost.domain.errors import PreconditionFailed
from sealpost.inbound.catcher import Catcher
from sealpost.settings import Settings, read_settings
from sealpost.store.embedded import default_data_folder
from sealpost.usecases.found import NewAccount, found_account, found_client, found_user
from sealpost.usecases.keep_mail import keep_mail
from sealpost.usecases.service import Service
from sealpost.worker.run import run as work

SENDER = "alice@example.org"
RECIPIENT = "bob@example.com"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a visitor of the demo needs; kept beside the data so that a second start has the same."""

    client_id: str
    client_secret: str
    admin_email: str
    admin_password: str
    web_service_user: str
    web_service_password: str
    sender_email: str


def demo(
    data: Annotated[Path | None, typer.Option(help="folder for everything; kept between starts")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="port on 127.0.0.1")] = 8025,
    ready_file: Annotated[Path | None, typer.Option(help="write addresses and credentials here once it serves")] = None,
    test_clock: Annotated[bool, typer.Option(help="let POST /demo/clock move the time")] = False,
) -> None:
    """Run everything in one process, to see and try it. No legal value."""
    set_up_logs(pretty=sys.stderr.isatty())
    base = f"http://127.0.0.1:{port}"
    settings = read_settings(
        data=(data or default_data_folder()).absolute(),
        database_url="",  # never somebody's real database
        base_url=base,
        bind="127.0.0.1",
        port=port,
        smtp_host="127.0.0.1",
        smtp_tls="none",
        smtp_user="",
        smtp_password="",
        our_name="demo.sealpost.test",
        mail_domain="demo.sealpost.test",
        legal_name="Sealpost Demo",
        environment="test",
        tsa_url="own",
        second_source="none",
        policy="",
    )
    run(_demo(settings, ready_file, test_clock=test_clock))


async def _demo(settings: Settings, ready_file: Path | None, *, test_clock: bool) -> None:
    stop = stop_on_signals()
    web = listen(settings.bind, settings.port)
    serving: asyncio.Future[Service] = asyncio.get_running_loop().create_future()

    async def keep(mail_from: str, rcpt_to: str, raw: bytes) -> None:
        await keep_mail(await serving, mail_from, rcpt_to, raw)

    catcher = Catcher(keep)
    smtp_port = await catcher.start()
    settings = replace(settings, smtp_port=smtp_port)
    try:
        async with bootstrap.database(settings) as dsn:
            await bootstrap.migrate(dsn)
            await bootstrap.renew_seals(settings, dsn, demo=True)
            async with bootstrap.opened(settings, dsn, demo=True) as service:
                serving.set_result(service)
                credentials = await _founded(service, settings.data)
                async with bootstrap.asgi(service, test_clock=test_clock) as app, asyncio.TaskGroup() as parts:
                    parts.create_task(serve_web(app, web, stop, ""))
                    parts.create_task(work(service, stop))
                    _announce(settings, credentials, ready_file)
    finally:
        await catcher.stop()


async def _founded(service: Service, data: Path) -> Credentials:
    """The demo's account. A crash in the middle founds a second one at the next start; the first is then unused."""
    kept = data / "demo-credentials.json"
    if kept.exists():
        return Credentials(**json.loads(kept.read_text()))
    account_id = await found_account(service, NewAccount("Alice Incasso N.V.", language="en"))
    password = token_urlsafe(12)
    suffix = "" if await _free(service, account_id, SENDER, password) else f".{account_id}"
    sender = SENDER.replace("@", f"{suffix}@")
    if suffix:
        await found_user(service, account_id, sender, password, "administrator")
    client = await found_client(service, account_id, "oauth", f"demo-client-{account_id}", "administrator")
    basic = await found_client(service, account_id, "web_service", f"demo-service-{account_id}", "administrator")
    credentials = Credentials(client.name, client.secret, sender, password, basic.name, basic.secret, sender)
    write_private(kept, asdict(credentials))
    return credentials


async def _free(service: Service, account_id: int, email: str, password: str) -> bool:
    try:
        await found_user(service, account_id, email, password, "administrator")
    except PreconditionFailed:
        return False
    return True


def write_private(path: Path, members: object) -> None:
    """A JSON file of mode 0600 that appears whole or not at all."""
    descriptor, draft = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        json.dump(members, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(descriptor)
    Path(draft).replace(path)


def _announce(settings: Settings, credentials: Credentials, ready_file: Path | None) -> None:
    base = settings.base_url
    print(_banner(base, credentials, _example()), flush=True)
    if ready_file:
        write_private(ready_file, {"base_url": base, "inbox_url": f"{base}/inbox", **asdict(credentials)})


def _example() -> Path:
    return Path(str(files("sealpost") / "examples" / "notice.pdf"))


def _banner(base: str, credentials: Credentials, example: Path) -> str:
    return f"""
  ┌──────────────────────────────────────────────────────────┐
  │  SEALPOST DEMO — no legal value, for this computer only  │
  └──────────────────────────────────────────────────────────┘

  Inbox        {base}/inbox          every mail that the demo sends
  Dashboard    {base}/dashboard/     {credentials.admin_email}  /  {credentials.admin_password}
  API client   {credentials.client_id}  /  {credentials.client_secret}
  Web service  {credentials.web_service_user}  /  {credentials.web_service_password}

  Send a message with a real PDF (paste this):

  curl -sS {base}/webservice/mailsender/send \\
    -u '{credentials.web_service_user}:{credentials.web_service_password}' -H 'Content-Type: application/json' \\
    -d '{{"sender_email":"{credentials.sender_email}","sender_real_name":"Alice","subject":"Notice of default",
         "recipient_email":"{RECIPIENT}","recipient_language":"en",
         "message_body":"Dear Bob,\\n\\nPlease read the attached notice.\\n\\nAlice",
         "attachments":[{{"attachment_name":"notice.pdf","attachment_type":"application/pdf",
           "attachment":"'"$(base64 < '{example}' | tr -d '\\n')"'"}}]}}'

  Then open the inbox. Ctrl-C stops the demo; its data stays.
"""
