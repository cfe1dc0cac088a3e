"""The command line: one file per command."""

from __future__ import annotations

import sys

import typer

from sealpost.cli.account import account, user
from sealpost.cli.client import client
from sealpost.cli.demo import demo
from sealpost.cli.doctor import doctor
from sealpost.cli.migrate import migrate
from sealpost.cli.serve import serve, worker
from sealpost.domain.errors import SealpostError
from sealpost.settings import SettingsError
from sealpost.store.embedded import EmbeddedServerError

app = typer.Typer(
    help="Sealpost: registered e-mail with evidence that anyone can verify.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(serve)
app.command()(worker)
app.command()(migrate)
app.command()(doctor)
app.add_typer(account, name="account")
app.add_typer(user, name="user")
app.add_typer(client, name="client")


def main() -> None:
    """Runs a command; an error that has a sentence is told in one line."""
    try:
        app()
    except (SealpostError, SettingsError, EmbeddedServerError, OSError) as error:
        print(f"sealpost: {error}", file=sys.stderr)
        sys.exit(1)
