"""``sealpost domain``: each command in a process of its own, on a database of the test's."""

from __future__ import annotations

import asyncio
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sealpost.cli.domain import lines
from sealpost.mail.domain_records import KEY_MISSING, PATH_RIGHT, Finding
from sealpost.usecases.sender_domains import KeyLine, SenderDomain
from tests.cli.test_commands import environment
from tests.support.command import command

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_what_is_printed_of_a_domain() -> None:
    one = SenderDomain(
        "alice.example",
        AT,
        return_path=True,
        checked_at=AT + timedelta(hours=1),
        due_at=AT + timedelta(days=1),
        findings=(
            Finding(
                "dkim",
                "TXT",
                "s._domainkey.alice.example",
                "v=DKIM1; p=x",
                ("other",),
                "wrong",
                KEY_MISSING,
                "t.o.test",
                AT,
            ),
            Finding("return_path", "CNAME", "rp.alice.example", "o.test", ("o.test",), "right", PATH_RIGHT),
        ),
        keys=(KeyLine("old", "retired", AT, AT + timedelta(days=14)), KeyLine("s", "active", AT, None)),
    )
    assert list(lines(one)) == [
        "alice.example: verified since 2026-11-23T08:00:00.000Z; checked 2026-11-23T09:00:00.000Z, again 2026-11-24T08:00:00.000Z",
        "",
        "wrong     DKIM key, since 2026-11-23T08:00:00.000Z",
        f"          {KEY_MISSING}",
        "          s._domainkey.alice.example  TXT  v=DKIM1; p=x",
        "      or  s._domainkey.alice.example  CNAME  t.o.test",
        "    seen  other",
        "",
        "right     return path",
        f"          {PATH_RIGHT}",
        "          rp.alice.example  CNAME  o.test",
        "",
        "retired   key old: its record stays until 2026-12-07T08:00:00.000Z",
    ]


async def test_the_commands(dsn: str, tmp_path: Path) -> None:
    async def run(*words: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [*command(), *words],
            env=environment(database_url=dsn, data=tmp_path, mail_domain="post.example.org"),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    number = (await run("account", "add", "Alice Incasso N.V.")).stdout.split()[1]
    added = await run("domain", "add", number, "Alice.Example")
    assert (added.returncode, added.stderr) == (0, "")
    assert added.stdout.startswith("alice.example: not verified; checked -, again ")
    assert re.findall(r"^(\w+) +(.+)$", added.stdout, re.MULTILINE)[:4] == [
        ("unknown", "DKIM key"),
        ("unknown", "return path"),
        ("unknown", "DMARC"),
        ("unknown", "SPF"),
    ]
    key = re.search(r"(sp\w{8})\._domainkey\.alice\.example  TXT  (v=DKIM1; k=rsa; p=\S+)\n", added.stdout)
    assert key
    assert f"CNAME  {key[1]}.alice-example._domainkey.post.example.org\n" in added.stdout
    assert (await run("domain", "show", number, "alice.example")).stdout == added.stdout
    assert (
        await run("domain", "list", number)
    ).stdout == "name\tverified\treturn path\tchecked\nalice.example\t-\tno\t-\n"
    rotated = (await run("domain", "rotate", number, "alice.example")).stdout
    assert "unknown   next DKIM key\n" in rotated
    zone = (await run("domain", "zone", "--rotate")).stdout.splitlines()
    assert [line.rsplit(" ; ")[1] for line in zone] == [
        "post.example.org, active",
        "post.example.org, next",
        "alice.example, active",
        "alice.example, next",
    ]
    assert zone[2].startswith(f"{key[1]}.alice-example._domainkey.post.example.org. 3600 IN TXT ( ")
    assert "".join(re.findall(r'"([^"]{1,255})"', zone[2])) == key[2]
    again = await run("domain", "add", number, "alice.example")
    assert (again.returncode, again.stdout, again.stderr) == (
        1,
        "",
        "sealpost: the account has alice.example already\n",
    )
    removed = await run("domain", "remove", number, "alice.example")
    assert (removed.returncode, removed.stdout) == (0, f"account {number}: alice.example removed\n")
    assert "sender domain removed" in removed.stderr
    gone = await run("domain", "show", number, "alice.example")
    assert (gone.returncode, gone.stderr) == (1, "sealpost: the account has no domain alice.example\n")
