"""``sealpost account|user|client add``: the first account, its users, its API credentials. Secrets are shown once."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import typer

from sealpost import bootstrap
from sealpost.cli.running import run
from sealpost.domain.parties import address
from sealpost.settings import read_settings
from sealpost.usecases.add_user import add_user
from sealpost.usecases.found import NewAccount, change_days, found_account, found_client, found_user
from sealpost.usecases.service import Service

account = typer.Typer(help="Accounts: the organisations that send.", no_args_is_help=True)
user = typer.Typer(help="Users: people who sign in to the pages.", no_args_is_help=True)
client = typer.Typer(help="Clients: credentials of programs.", no_args_is_help=True)

Role = Literal["user", "administrator"]


def with_service(act: Callable[[Service], Awaitable[None]]) -> None:
    """Runs an act on a migrated database."""

    async def work() -> None:
        settings = read_settings()
        async with bootstrap.database(settings) as dsn:
            await bootstrap.migrate(dsn)
            async with bootstrap.opened(settings, dsn) as service:
                await act(service)

    run(work())


@account.command("add")
def add_account(
    name: Annotated[str, typer.Argument(help="the organisation's legal name")],
    zone: Annotated[str, typer.Option(help="time zone of its deadlines")] = "Europe/Amsterdam",
    language: Annotated[str, typer.Option(help="default language: nl or en")] = "nl",
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
    account_id: Annotated[int, typer.Argument(help="the account's number")],
    reminder_days: Annotated[int, typer.Option(help="reminder on this day at 08:00")],
    expiry_days: Annotated[int, typer.Option(help="expiry on this day at 08:00")],
) -> None:
    """Change an account's days; tickets that are under way keep theirs."""

    async def act(service: Service) -> None:
        await change_days(service, account_id, reminder_days, expiry_days)
        print(f"account {account_id}: reminder on day {reminder_days}, expiry on day {expiry_days}")

    with_service(act)


@user.command("add")
def add_account_user(
    account_id: Annotated[int, typer.Argument(help="the account's number")],
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
            print(f"user {await add_user(service, account_id, address('email', email), role)}, invited")

    with_service(act)


@client.command("add")
def add_account_client(
    account_id: Annotated[int, typer.Argument(help="the account's number")],
    kind: Annotated[
        Literal["oauth", "web_service"], typer.Option(help="oauth, or web_service for HTTP Basic")
    ] = "oauth",
    name: Annotated[str, typer.Option(help="public name; one is made if not given")] = "",
    role: Annotated[Role, typer.Option(help="administrator may add users")] = "user",
) -> None:
    """Add API credentials and print them; the secret is shown this once."""

    async def act(service: Service) -> None:
        new = await found_client(service, account_id, kind, name, role)
        print(f"id      {new.name}\nsecret  {new.secret}")

    with_service(act)
