"""How many announcements a second go from *submitted* to *250 recorded*, signed with DKIM, into smtp-sink.

`script/bench announce [--tickets N] [--workers N] [--turns N]`: in turns, in one run: our workers; Postfix with
OpenDKIM, which relays mails of the same size; smtp-source straight into smtp-sink. Root, as bench/accept.
`--hanging 10`: instead, directly to 1,000 destinations, in turns with and without as many that take connections and
never say a word.
"""

import argparse
import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.opendkim import running_opendkim
from bench.postfix import Postfix, fetched, running_postfix
from bench.serving import ROOT, free_port
from sealpost import bootstrap
from sealpost.domain.parties import Sender
from sealpost.settings import Settings, read_settings
from sealpost.usecases.found import NewAccount, found_account, found_user
from sealpost.usecases.service import Service
from sealpost.usecases.submit import Submitter
from sealpost.usecases.submit_message import SubmitMessage
from tests.debian import environment
from tests.mail.dns_server import DnsServer, running

RECORDED = "select count(*), extract(epoch from max(at) - min(at)) from records where kind = 'announcement_accepted' and at > $1"
WITHIN = 600.0
DESTINATIONS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--hanging", type=int, default=0, help="of 1,000 destinations")
    parser.add_argument("--only-ours", action="store_true", help="no Postfix: for profiling")
    with tempfile.TemporaryDirectory(prefix="sealpost-bench-", ignore_cleanup_errors=True) as name:
        asyncio.run(_run(parser.parse_args(), Path(name)))


async def _run(options: argparse.Namespace, folder: Path) -> None:
    await asyncio.to_thread(folder.chmod, 0o711)
    unpacked = fetched(folder)
    sink = free_port()
    direct = {"smtp_host": "", "smtp_private": "yes", "dns": "127.0.0.1"} if options.hanging else {}
    settings = read_settings(
        {}, data=folder / "data", smtp_host="127.0.0.1", smtp_port=sink, smtp_tls="none", mail_domain="bench.example",
        our_name="out.bench.example", environment="test", tsa_url="own",
    )  # fmt: skip
    settings = replace(settings, **direct)
    async with bootstrap.database(settings) as dsn:
        await bootstrap.migrate(dsn)
        async with bootstrap.opened(settings, dsn) as service:
            with smtp_sink(unpacked, sink, folder):
                if options.hanging:
                    await _destinations(options, service, settings, folder)
                else:
                    await _turns(options, service, settings, unpacked, folder, sink)


async def _turns(
    options: argparse.Namespace, service: Service, settings: Settings, unpacked: Path, folder: Path, sink: int
) -> None:
    sender = await _account(service)
    size, ours = await _ours(options, service, settings, sender, folder)
    print(
        f"announcement: {size} octets; {options.tickets} tickets a turn, {options.workers} worker processes", flush=True
    )
    if options.only_ours:
        print(f"ours {ours:.0f}/s")
        return
    rates: dict[str, list[float]] = {"ours": [], "postfix": [], "source": []}
    with running_opendkim(folder) as milter:
        more = f"relayhost = [127.0.0.1]:{sink}\ndefault_transport = smtp\nrelay_transport = smtp\nsmtpd_milters = {milter}\n"
        with running_postfix(folder, free_port(), unpacked=unpacked, more=more) as postfix:
            for turn in range(options.turns):
                rates["postfix"].append(_postfix(options, postfix, size))
                rates["ours"].append((await _ours(options, service, settings, sender, folder))[1])
                rates["source"].append(_source(options, unpacked, sink, size))
                shown = ", ".join(f"{name} {found[-1]:.0f}/s" for name, found in rates.items())
                print(f"turn {turn + 1}: {shown}", flush=True)
    ours, theirs, source = (statistics.median(rates[name]) for name in ("ours", "postfix", "source"))
    print(f"medians: ours {ours:.0f}/s, Postfix with OpenDKIM {theirs:.0f}/s, smtp-source to smtp-sink {source:.0f}/s")
    print(
        f"ours / Postfix with OpenDKIM = {ours / theirs:.2f} (to reach: 1, then 2); share of the sink {ours / source:.3f}"
    )


async def _destinations(options: argparse.Namespace, service: Service, settings: Settings, folder: Path) -> None:
    """All names lead to the sink at 127.0.0.1, those that hang to a listener at 127.0.0.9 that nobody serves."""
    sender = await _account(service)
    names = [f"d{number}.example" for number in range(DESTINATIONS)]
    slow = [f"h{number}.example" for number in range(options.hanging)]
    zones = {name: {"A": ["127.0.0.1"]} for name in names} | {name: {"A": ["127.0.0.9"]} for name in slow}
    rates: dict[str, list[float]] = {"all well": [], "some hang": []}
    with socket.create_server(("127.0.0.9", settings.smtp_port), backlog=1000):
        async with running(DnsServer(zones)) as dns:
            settings = replace(settings, dns_port=dns.port)
            for turn in range(options.turns + 1):
                for label, more in (("all well", []), ("some hang", slow)):
                    several = options.tickets // DESTINATIONS
                    wanted = [f"bob@{name}" for name in [*more * several, *names * several]]
                    _, rate = await _ours(options, service, settings, sender, folder, wanted, len(names) * several)
                    if turn:  # the first warms up
                        rates[label].append(rate)
                        print(f"turn {turn}: {label} {rate:.0f}/s", flush=True)
    well, hang = (statistics.median(one) for one in rates.values())
    print(
        f"medians: {well:.0f}/s, with {options.hanging} of {DESTINATIONS} hanging {hang:.0f}/s: {hang / well:.2f} (to reach: 0.9)"
    )


async def _account(service: Service) -> Sender:
    account = await found_account(service, NewAccount("Bench B.V."))
    await found_user(service, account, "alice@example.org", "a long enough pass phrase", "administrator")
    return Sender(account, "Bench B.V.", "client:bench", "client-secret")


async def _ours(
    options: argparse.Namespace,
    service: Service,
    settings: Settings,
    sender: Sender,
    folder: Path,
    recipients: Sequence[str] = (),
    awaited: int = 0,
) -> tuple[int, float]:
    """Submits, then lets workers announce; the announcement's size, and announcements a second from first to last.

    ``recipients``: of all, instead of Bob; ``awaited``: how many of them are waited for.
    """
    recipients, awaited = recipients or ["bob@example.com"] * options.tickets, awaited or options.tickets
    await service.pool.execute("delete from pgqueuer")
    await service.pool.execute(
        "update mails set state = 'cancelled', due_at = null where state in ('planned', 'built')"
    )
    began = datetime.now(UTC)
    submitter = Submitter(service)
    for start in range(0, len(recipients), 50):
        await asyncio.gather(*(submitter.submit(_message(sender, one)) for one in recipients[start : start + 50]))
    await submitter.close()
    with workers(settings, options.workers, folder):
        until = time.monotonic() + WITHIN
        count, seconds = 0, 0.0
        while count < awaited:
            if time.monotonic() > until:
                sys.exit(f"only {count} of {awaited} announcements in {WITHIN} s")
            await asyncio.sleep(0.2)
            count, seconds = await service.pool.fetchrow(RECORDED, began)
    size = await service.pool.fetchval("select max(size) from mails where purpose = 'announcement'")
    return size, count / float(seconds)


def _message(sender: Sender, recipient: str) -> SubmitMessage:
    return SubmitMessage(
        sender=sender, authenticated_at=datetime.now(UTC), sender_email="alice@example.org", sender_name="Alice",
        subject="Notice of default", recipient_email=recipient, recipient_name="Bob", language="en",
        body="Dear Bob,\n\nPlease read this.\n" + "x" * 2000, attachments=(), own_id="", own_guid="", campaign="",
        reminder_days=None, expiry_days=None, address_basis="", request_sha256=bytes(32), face="bench", large=False,
    )  # fmt: skip


@contextmanager
def workers(settings: Settings, count: int, folder: Path) -> Generator[None]:
    """Runs worker processes."""
    variables = os.environ | {
        "SEALPOST_DATA": str(settings.data), "SEALPOST_SMTP_HOST": settings.smtp_host, "SEALPOST_SMTP_PORT": str(settings.smtp_port),
        "SEALPOST_DNS": settings.dns, "SEALPOST_DNS_PORT": str(settings.dns_port), "SEALPOST_SMTP_PRIVATE": settings.smtp_private,
        "SEALPOST_SMTP_TLS": "none", "SEALPOST_MAIL_DOMAIN": settings.mail_domain, "SEALPOST_OUR_NAME": settings.our_name,
        "SEALPOST_ENVIRONMENT": "test", "SEALPOST_TSA_URL": "own", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}",
    }  # fmt: skip
    program = os.environ.get("SEALPOST_BENCH_WORKER", "-m sealpost").split()
    with (folder / "worker.log").open("ab") as log:
        running = [
            subprocess.Popen([sys.executable, *program, "worker"], env=variables, stderr=log, start_new_session=True)
            for _ in range(count)
        ]
    try:
        yield
    finally:
        for one in running:
            one.send_signal(signal.SIGTERM)
        for one in running:
            one.wait(60)


@contextmanager
def smtp_sink(unpacked: Path, port: int, folder: Path) -> Generator[None]:
    """Postfix's own sink: takes everything and keeps nothing."""
    # As many conversations as there are destinations, to each of which a connection may be kept.
    program = [unpacked / "usr/sbin/smtp-sink", "-u", "nobody", "-c", "-m", "2000", f"127.0.0.1:{port}", "1000"]
    with (folder / "sink.log").open("wb") as log:
        running = subprocess.Popen(program, env=environment(unpacked, "postfix"), stdout=log, stderr=log, cwd=folder)
    try:
        yield
    finally:
        running.terminate()
        running.wait(10)


def _postfix(options: argparse.Namespace, postfix: Postfix, size: int) -> float:
    """From the first mail that it is given until its queue is empty again."""
    began = time.monotonic()
    postfix.take(options.tickets, options.sessions, size)
    postfix.wait_until_empty()
    return options.tickets / (time.monotonic() - began)


def _source(options: argparse.Namespace, unpacked: Path, sink: int, size: int) -> float:
    return options.tickets * 5 / Postfix.source(unpacked, sink, options.tickets * 5, options.sessions, size)


if __name__ == "__main__":
    main()
