"""``sealpost account|user …``: the organisations that send, and their people."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import typer

from sealpost.cli.acting import with_look, with_service
from sealpost.cli.running import set_up_logs
from sealpost.domain.errors import InvalidInput
from sealpost.usecases.add_user import add_user
from sealpost.usecases.change_account import MEGABYTE, AccountChange, AccountSettings, account_settings, change_account
from sealpost.usecases.found import NewAccount, found_account, found_user
from sealpost.usecases.service import Service
from sealpost.usecases.set_relay import RelayFields, set_relay
from sealpost.usecases.suspend import resume, suspend
from sealpost.usecases.user_fields import UserFields

account = typer.Typer(help="Accounts: the organisations that send.", no_args_is_help=True)
user = typer.Typer(help="Users: people who sign in to the pages.", no_args_is_help=True)

Role = Literal["user", "administrator"]
Tls = Literal["none", "opportunistic", "required"]
Number = Annotated[int, typer.Argument(help="the account's number")]


@account.command("add")
def add_account(
    name: Annotated[str, typer.Argument(help="the organisation's legal name")],
    zone: Annotated[str, typer.Option(help="time zone of its deadlines")] = "Europe/Amsterdam",
    language: Annotated[str, typer.Option(help="default language: nl, en, de or fr")] = "nl",
    reminder_days: Annotated[int, typer.Option(help="reminder on this day at 08:00")] = 6,
    expiry_days: Annotated[int, typer.Option(help="expiry on this day at 08:00")] = 12,
) -> None:
    """Add an account and print its number."""

    async def act(service: Service) -> None:
        new = NewAccount(name, zone, language, reminder_days, expiry_days)
        print(f"account {await found_account(service, new)}")

    with_service(act)


@account.command("set")
def set_account(
    account_id: Number,
    reminder_days: Annotated[int | None, typer.Option(help="reminder on this day at 08:00")] = None,
    expiry_days: Annotated[int | None, typer.Option(help="expiry on this day at 08:00")] = None,
    max_mb: Annotated[
        int | None, typer.Option(help="megabytes of a message, decoded; 0: the installation's limit")
    ] = None,
    max_attachments: Annotated[
        int | None, typer.Option(help="attachments of a message; 0: the installation's limit")
    ] = None,
    notices: Annotated[
        str | None, typer.Option(help="statuses that senders are told of, separated by commas; empty: none")
    ] = None,
    keep_days: Annotated[
        int | None, typer.Option(help="days that content is kept after a ticket's end; accepted content at least 30")
    ] = None,
    verified_tls: Annotated[
        bool | None,
        typer.Option(
            "--verified-tls/--any-tls",
            help="deliver to recipients over verified TLS or not at all; else as well as it goes",
        ),
    ] = None,
    own_domains: Annotated[
        bool | None,
        typer.Option("--own-domains/--any-domain", help="only addresses of the account's verified domains may send"),
    ] = None,
) -> None:
    """Change what is given and print all; tickets that are under way keep their days. Without options it only looks."""
    change = AccountChange(
        reminder_days, expiry_days, max_mb, max_attachments, notices, keep_days, verified_tls, own_domains
    )
    looks = change == AccountChange()

    async def act(service: Service) -> None:
        now = account_settings(service, account_id) if looks else change_account(service, account_id, change)
        print(_shown(account_id, await now))

    (with_look if looks else with_service)(act)


@account.command("relay")
def set_account_relay(
    account_id: Number,
    host: Annotated[str, typer.Argument(help="the relay's name; none: the account's mail goes as the installation's")],
    port: Annotated[int, typer.Option(help="its port")] = 587,
    tls: Annotated[Tls, typer.Option(help="none, opportunistic or required")] = "required",
    user_name: Annotated[
        str, typer.Option("--user", help="name for AUTH; its password is read from standard input")
    ] = "",
) -> None:
    """Send an account's mail through a relay of its own; workers follow within a minute."""

    async def act(service: Service) -> None:
        password = sys.stdin.readline().rstrip("\n") if user_name else ""
        if not host:
            raise InvalidInput("host", "is empty; none ends the account's own relay")
        ended = host == "none"
        await set_relay(service, account_id, RelayFields("" if ended else host, port, tls, user_name, password))
        print(f"account {account_id}: " + ("no relay of its own" if ended else f"relay {host}:{port}, TLS {tls}"))

    with_service(act)


@account.command("suspend")
def suspend_account(account_id: Number) -> None:
    """Stop an account: no calls, no signing in, no links, no mails. Nothing is lost, and terms run on."""
    _act_logged(account_id, suspend, "suspended")


@account.command("resume")
def resume_account(account_id: Number) -> None:
    """Let a suspended account go on; its waiting mails go out."""
    _act_logged(account_id, resume, "resumed")


@user.command("add")
def add_account_user(
    account_id: Number,
    email: Annotated[str, typer.Argument(help="address, which is also the sign-in name")],
    role: Annotated[Role, typer.Option(help="user or administrator")] = "administrator",
    password_stdin: Annotated[
        bool, typer.Option(help="read a password from standard input and activate at once")
    ] = False,
) -> None:
    """Add a user; without --password-stdin an activation mail is sent by the worker."""

    async def act(service: Service) -> None:
        if password_stdin:
            password = sys.stdin.readline().rstrip("\n")
            print(f"user {await found_user(service, account_id, email, password, role)}, active")
        else:
            print(f"user {await add_user(service, account_id, UserFields(email), role)}, invited")

    with_service(act)


def _act_logged(account_id: int, act: Callable[[Service, int], Awaitable[None]], done: str) -> None:
    set_up_logs(pretty=sys.stderr.isatty())

    async def acted(service: Service) -> None:
        await act(service, account_id)
        print(f"account {account_id}: {done}")

    with_service(acted)


def _shown(account_id: int, now: AccountSettings) -> str:
    ours = "the installation's limit"
    size = ours if now.max_decoded is None else f"{now.max_decoded // MEGABYTE} MB"
    return (
        f"account {account_id}: reminder on day {now.reminder_days}, expiry on day {now.expiry_days}\n"
        f"message      {size}\n"
        f"attachments  {ours if now.max_attachments is None else now.max_attachments}\n"
        f"notices      {', '.join(now.notices) or 'none'}\n"
        f"content      kept {now.keep_days} days after a ticket's end\n"
        f"delivery     {'over verified TLS only' if now.tls_verified else 'encrypted where it can be'}\n"
        f"senders      {'of verified domains only' if now.domain_demanded else 'any confirmed address'}"
    )
