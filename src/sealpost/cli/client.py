"""``sealpost client …``: credentials of programs. Secrets are shown once."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from sealpost.cli.acting import with_look, with_service
from sealpost.domain.canonical import instant
from sealpost.usecases.clients import change_client, clients_of, revoke_client
from sealpost.usecases.found import found_client
from sealpost.usecases.service import Service

client = typer.Typer(help="Clients: credentials of programs.", no_args_is_help=True)

Role = Literal["user", "administrator"]
Name = Annotated[str, typer.Argument(help="the client's public name")]
Quota = Annotated[
    int | None, typer.Option(min=0, help="calls in each interval of SEALPOST_QUOTA_UNIT; 0: those of SEALPOST_QUOTA")
]


@client.command("add")
def add_account_client(
    account_id: Annotated[int, typer.Argument(help="the account's number")],
    kind: Annotated[
        Literal["oauth", "web_service"], typer.Option(help="oauth, or web_service for HTTP Basic")
    ] = "oauth",
    name: Annotated[str, typer.Option(help="public name; one is made if not given")] = "",
    role: Annotated[Role, typer.Option(help="administrator may add users")] = "user",
    quota: Quota = None,
) -> None:
    """Add API credentials and print them; the secret is shown this once."""

    async def act(service: Service) -> None:
        new = await found_client(service, account_id, kind, name, role, quota or None)
        print(f"id      {new.name}\nsecret  {new.secret}")

    with_service(act)


@client.command("set")
def set_client(
    name: Name,
    quota: Quota = None,
    role: Annotated[Role | None, typer.Option(help="administrator may add users")] = None,
) -> None:
    """Change a client's quota or role; a running service follows within five seconds."""
    if quota is None and role is None:
        raise typer.BadParameter("give --quota or --role")

    async def act(service: Service) -> None:
        await change_client(service, name, quota, role)
        told = [f"quota {quota or 'of the installation'}"] if quota is not None else []
        print(f"client {name}: {', '.join([*told, *([f'role {role}'] if role else [])])}")

    with_service(act)


@client.command("revoke")
def end_client(name: Name) -> None:
    """End a client and its tokens, within five seconds everywhere. Its tickets stay, its name stays taken."""

    async def act(service: Service) -> None:
        await revoke_client(service, name)
        print(f"client {name}: revoked")

    with_service(act)


@client.command("list")
def list_clients(account_id: Annotated[int, typer.Argument(help="the account's number")]) -> None:
    """List an account's clients, one in each line, with tabs between name, kind, role, quota and revocation."""

    async def act(service: Service) -> None:
        print("name\tkind\trole\tquota\trevoked")
        for one in await clients_of(service, account_id):
            revoked = instant(one.revoked_at) if one.revoked_at else "-"
            print(f"{one.name}\t{one.kind}\t{one.role}\t{one.quota or '-'}\t{revoked}")

    with_look(act)
