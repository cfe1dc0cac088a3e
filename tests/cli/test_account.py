"""``sealpost account``: settings, suspension; each command in a process of its own, on a database of the test's."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from sealpost.domain.errors import InvalidInput, NotFound
from sealpost.usecases.change_account import AccountChange, AccountSettings, change_account
from tests.cli.test_commands import sealpost
from tests.world import World

DEFAULT = ("announcement_failed", "accepted", "refused", "expired", "content_delivered", "content_failed")


async def test_what_is_not_said_stays(world: World) -> None:
    ordered = ("announcement_failed", "accepted", "content_delivered", "content_failed", "refused", "expired")
    steps = (
        (AccountChange(), AccountSettings(6, 12, None, None, DEFAULT)),
        (AccountChange(expiry_days=20), AccountSettings(6, 20, None, None, DEFAULT)),
        (AccountChange(reminder_days=15), AccountSettings(15, 20, None, None, DEFAULT)),
        (AccountChange(max_mb=5), AccountSettings(15, 20, 5_000_000, None, DEFAULT)),
        (AccountChange(max_attachments=3), AccountSettings(15, 20, 5_000_000, 3, DEFAULT)),
        (
            AccountChange(notices="refused, accepted,accepted"),
            AccountSettings(15, 20, 5_000_000, 3, ("accepted", "refused")),
        ),
        (AccountChange(max_mb=0, max_attachments=0, notices=""), AccountSettings(15, 20, None, None, ())),
        (AccountChange(notices=",".join(DEFAULT)), AccountSettings(15, 20, None, None, ordered)),
    )
    for change, settings in steps:
        assert await change_account(world.service, world.alice, change) == settings
        assert await change_account(world.service, world.alice, AccountChange()) == settings
    assert await change_account(world.service, world.charlie, AccountChange()) == AccountSettings(
        6, 12, None, None, DEFAULT
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (AccountChange(reminder_days=12), "reminder_days"), (AccountChange(expiry_days=6), "reminder_days"),
        (AccountChange(expiry_days=91), "expiry_days"), (AccountChange(reminder_days=0), "reminder_days"),
        (AccountChange(max_mb=-1), "max-mb"), (AccountChange(max_mb=26), "max-mb"),
        (AccountChange(max_attachments=-1), "max-attachments"), (AccountChange(max_attachments=10**6), "max-attachments"),
        (AccountChange(notices="submitted"), "notices"), (AccountChange(notices="accepted,nonsense"), "notices"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_named(quiet_world: World, change: AccountChange, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await change_account(quiet_world.service, quiet_world.alice, change)
    assert refused.value.field == field
    assert (await change_account(quiet_world.service, quiet_world.alice, AccountChange())).notices == DEFAULT


async def test_no_such_account(world: World) -> None:
    with pytest.raises(NotFound):
        await change_account(world.service, 1, AccountChange())


async def test_a_chosen_notice_is_sent(world: World) -> None:
    await change_account(world.service, world.alice, AccountChange(notices="announcement_accepted"))
    await world.send()
    (confirmation, notice) = world.mailbox.subjects("alice@example.org")
    assert confirmation != notice


async def test_the_commands(dsn: str, tmp_path: Path) -> None:
    async def run(*words: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(sealpost, *words, database_url=dsn, data=tmp_path)

    number = (await run("account", "add", "Alice Incasso N.V.")).stdout.split()[1]
    changed = await run("account", "set", number, "--max-mb", "5", "--notices", "accepted")
    assert changed.stdout.splitlines() == [
        f"account {number}: reminder on day 6, expiry on day 12",
        "message      5 MB",
        "attachments  the installation's limit",
        "notices      accepted",
        "content      kept 30 days after a ticket's end",
        "delivery     encrypted where it can be",
        "senders      any confirmed address",
    ]
    for word, said in (("suspend", "suspended"), ("suspend", "suspended"), ("resume", "resumed")):
        done = await run("account", word, number)
        assert (done.returncode, done.stdout) == (0, f"account {number}: {said}\n")
        assert f"account {said}" in done.stderr
        assert number in done.stderr
    missing = await run("account", "suspend", "1")
    assert (missing.returncode, missing.stdout, missing.stderr) == (1, "", "sealpost: no account 1\n")
