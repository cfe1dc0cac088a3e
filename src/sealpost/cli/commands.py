"""The commands that need the extra `server`: one file per command. `main` calls them."""

from __future__ import annotations

import sys

import typer

from sealpost.cli.account import account, user
from sealpost.cli.backup import backup
from sealpost.cli.client import client
from sealpost.cli.demo import demo
from sealpost.cli.doctor import doctor
from sealpost.cli.domain import domain
from sealpost.cli.keys import keys
from sealpost.cli.log import log
from sealpost.cli.migrate import migrate
from sealpost.cli.records import records
from sealpost.cli.restore import restore
from sealpost.cli.serve import serve, worker
from sealpost.cli.trust import trust
from sealpost.cli.verify import run
from sealpost.cli.witness import witness
from sealpost.domain.errors import SealpostError
from sealpost.settings import SettingsError
from sealpost.store.embedded import EmbeddedServerError

PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


def verify(context: typer.Context) -> None:
    """Verify an evidence bundle (.asice), offline; `sealpost verify --help` says how."""
    raise typer.Exit(run(context.args))


app = typer.Typer(
    help="Sealpost: e-mail whose sending, offer and decision are recorded, with evidence that anyone can verify.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(serve)
app.command()(worker)
app.command()(migrate)
app.command()(doctor)
app.command()(backup)
app.command()(restore)
app.command()(witness)
app.command("verify", context_settings=PASSED_ON, add_help_option=False)(verify)
app.add_typer(account, name="account")
app.add_typer(user, name="user")
app.add_typer(client, name="client")
app.add_typer(domain, name="domain")
app.add_typer(keys, name="keys")
app.add_typer(log, name="log")
app.add_typer(records, name="records")
app.add_typer(trust, name="trust")


def call() -> None:
    """Runs a command; an error that has a sentence is told in one line."""
    try:
        app()
    except (SealpostError, SettingsError, EmbeddedServerError, OSError) as error:
        print(f"sealpost: {error}", file=sys.stderr)
        sys.exit(1)
