"""``sealpost domain …``: domains that accounts send from, and the service's own key records."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from typing import Annotated

import typer

from sealpost.cli.acting import with_look, with_service
from sealpost.cli.running import set_up_logs
from sealpost.domain.canonical import instant
from sealpost.mail.dkim import strings
from sealpost.mail.domain_records import Finding
from sealpost.usecases.check_domains import check_domain
from sealpost.usecases.sender_domains import (
    SenderDomain,
    ZoneRecord,
    add_domain,
    list_domains,
    one_domain,
    own_records,
    remove_domain,
    rotate_domain,
    rotate_own,
)
from sealpost.usecases.service import Service

domain = typer.Typer(help="Sender domains: what an account may show as its own.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="the account's number")]
Name = Annotated[str, typer.Argument(help="the domain, such as example.org")]
_TITLES = {
    "dkim": "DKIM key",
    "dkim_next": "next DKIM key",
    "return_path": "return path",
    "dmarc": "DMARC",
    "spf": "SPF",
}


@domain.command("add")
def add(account_id: Number, name: Name) -> None:
    """Add a domain and print the records to be made."""
    _shown(account_id, name, add_domain)


@domain.command("list")
def list_all(account_id: Number) -> None:
    """List an account's domains, one in each line, tabs between name, since when verified, return path, last check."""

    async def act(service: Service) -> None:
        print("name\tverified\treturn path\tchecked")
        for one in await list_domains(service, account_id):
            used = "yes" if one.return_path else "no"
            print(f"{one.name}\t{_instant(one.verified_at)}\t{used}\t{_instant(one.checked_at)}")

    with_look(act)


@domain.command("show")
def show(account_id: Number, name: Name) -> None:
    """Print a domain's records and how they stood when they were last looked up."""
    _shown(account_id, name, one_domain, with_look)


@domain.command("check")
def check(account_id: Number, name: Name) -> None:
    """Look a domain's records up now, and print them."""
    _shown(account_id, name, check_domain)


@domain.command("rotate")
def rotate(account_id: Number, name: Name) -> None:
    """Make the next key; it comes into use once its record is found. The old record must stay for 14 days after that."""
    _shown(account_id, name, rotate_domain)


@domain.command("remove")
def remove(account_id: Number, name: Name) -> None:
    """Remove a domain and its keys; its mails say "via" from the next minute on."""
    set_up_logs(pretty=sys.stderr.isatty())

    async def act(service: Service) -> None:
        await remove_domain(service, account_id, name)
        print(f"account {account_id}: {name} removed")

    with_service(act)


@domain.command("zone")
def zone(
    next_key: Annotated[
        bool, typer.Option("--rotate", help="first make the next key of the service's own domain")
    ] = False,
) -> None:
    """Print the key records of the service's own domain as lines of a zone file."""

    async def act(service: Service) -> None:
        if next_key:
            await rotate_own(service)
        for record in await own_records(service):
            print(_zone_line(record))

    with_service(act)


def _shown(
    account_id: int,
    name: str,
    act: Callable[[Service, int, str], Awaitable[SenderDomain]],
    run: Callable[[Callable[[Service], Awaitable[None]]], None] = with_service,
) -> None:
    set_up_logs(pretty=sys.stderr.isatty())

    async def acted(service: Service) -> None:
        print("\n".join(lines(await act(service, account_id, name))))

    run(acted)


def lines(one: SenderDomain) -> Iterator[str]:
    """What the commands print of a domain."""
    verified = f"verified since {instant(one.verified_at)}" if one.verified_at else "not verified"
    yield f"{one.name}: {verified}; checked {_instant(one.checked_at)}, again {instant(one.due_at)}"
    for finding in one.findings:
        yield ""
        yield from _finding_lines(finding)
    for key in one.keys:
        if key.until:
            yield ""
            yield f"retired   key {key.selector}: its record stays until {instant(key.until)}"


def _finding_lines(one: Finding) -> Iterator[str]:
    since = f", since {instant(one.since)}" if one.since else ""
    yield f"{one.state:<9} {_TITLES[one.record]}{since}"
    yield f"          {one.words}"
    yield f"          {one.name}  {one.type}  {one.expected}"
    if one.alternative:
        yield f"      or  {one.name}  CNAME  {one.alternative}"
    if one.state != "right":
        yield from (f"    seen  {value}" for value in one.seen)


def _zone_line(record: ZoneRecord) -> str:
    quoted = " ".join(f'"{part}"' for part in strings(record.value))
    return f"{record.name}. 3600 IN TXT ( {quoted} ) ; {record.purpose}"


def _instant(at: datetime | None) -> str:
    return instant(at) if at else "-"
