"""Accept rate with 100 kB attachments, this service against Postfix, in turns in one run (design, section 10).

Run `script/bench accept`, as root (see `bench/postfix.py`). Absolute figures of a shared machine move by a factor of
two; the ratio within a round is the result. Afterwards the tickets are counted and a sample of contents is decrypted.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from postfix import Postfix, running_postfix
from serving import SEND, TEXT, Served, file_system, free_port, load, pdf, send_body, served

from sealpost import bootstrap
from sealpost.content.keys import load_or_create
from sealpost.content.placement import Placement
from sealpost.content.reading import SegmentReader
from sealpost.content.vault import Vault
from sealpost.store.pool import Connection, connector

ATTACHMENT = 100_000
CONNECTIONS, SESSIONS = 64, 10
SAMPLE = 50
COUNTS = """
    select (select count(*) from tickets) as tickets, (select count(*) from messages) as messages,
           (select count(*) from records) as records, (select count(*) from mails) as mails,
           (select count(*) from pgqueuer) as jobs
"""
DIFFERENCES = """
What differs:
  for us:     Postfix also queues and discards every mail while it accepts (its queue manager takes each one off the disk
              again), and syncs each mail alone; wrk holds 64 connections, smtp-source 10, as the goal is set.
  against us: we check a bearer token, parse and validate JSON, undo base64, hash and encrypt, and commit message, ticket,
              chained record, planned announcement and job in PostgreSQL; our request is 133 kB of JSON for 100,000 octets
              of attachment, where Postfix gets a mail of 100,000 octets in all (as MIME it would be 137 kB); Postfix
              writes no log line, we write one for each request; the generators run on the same cores.
  alike:      one folder and file system, everything durable before the answer, connections stay open, the other side
              idle and its queue empty, disks synced between turns. Our worker is stopped, so nothing is sent meanwhile.
"""


@dataclass(frozen=True)
class Turn:
    """What wrk saw: 200s, other answers, broken connections, seconds, latency in milliseconds."""

    accepted: int
    refused: int
    broken: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        return self.accepted / self.seconds


def load_service(service: Served, body: Path, seconds: float) -> Turn:
    """One turn of wrk."""
    size = ["-t", "2", "-c", str(CONNECTIONS), "-d", f"{seconds:.0f}s"]
    script = ["-s", str(Path(__file__).with_suffix(".lua")), service.settings.base_url + SEND]
    command = ["wrk", *size, *script, "--", str(body), service.token]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = re.search(r"^RESULT (.*)$", shown, re.MULTILINE)
    assert result, shown
    return Turn(**json.loads(result[1]))


class Contest:
    """The rounds; who begins changes each time, so that a machine that slows down favours nobody."""

    def __init__(self, service: Served, postfix: Postfix, body: Path, seconds: float) -> None:
        self._service, self._postfix, self._body, self._seconds = service, postfix, body, seconds
        self._messages = 300
        self.turns: list[Turn] = []
        self.ratios: list[float] = []

    def warm_up(self) -> None:
        self._postfix_turn()
        self._postfix_turn()
        self.turns.append(self._service_turn(2))

    def round(self, number: int) -> None:
        sides: list[Callable[[], object]] = [self._postfix_turn, self._own_turn]
        if number % 2:
            sides.reverse()
        rates = {side: side() for side in sides}
        theirs, turn = rates[self._postfix_turn], rates[self._own_turn]
        assert isinstance(theirs, float)
        assert isinstance(turn, Turn)
        self.turns.append(turn)
        self.ratios.append(turn.rate / theirs)
        print(
            f"round {number + 1}: sealpost {turn.rate:6.0f}/s (p50 {turn.p50_ms:.0f} ms, p99 {turn.p99_ms:.0f} ms, "
            f"{turn.refused} refused, {turn.broken} broken)   postfix {theirs:6.0f}/s   "
            f"ratio {self.ratios[-1]:.2f}   load {load()}",
            flush=True,
        )

    def _own_turn(self) -> Turn:
        return self._service_turn(self._seconds)

    def _service_turn(self, seconds: float) -> Turn:
        turn = load_service(self._service, self._body, seconds)
        os.sync()
        return turn

    def _postfix_turn(self) -> float:
        rate = self._messages / self._postfix.take(self._messages, SESSIONS, ATTACHMENT)
        self._messages = max(100, int(rate * self._seconds))
        self._postfix.wait_until_empty()
        os.sync()
        return rate


async def check(service: Served, accepted: int, content: bytes) -> str:
    """Whether everything that was answered with 200 is there, and a sample of it as it was sent.

    Raises:
        AssertionError: something is missing or altered.
    """
    async with bootstrap.database(service.settings) as dsn:
        connection = await connector(dsn)()
        try:
            row = dict(await connection.fetchrow(COUNTS))
            assert row["tickets"] >= accepted, (row, accepted)
            assert len(set(row.values())) == 1, row
            await _check_sample(service, connection, content)
        finally:
            await connection.close()
    return f"{accepted} answers 200; {row}; {SAMPLE} random contents decrypted and as sent"


async def _check_sample(service: Served, connection: Connection, content: bytes) -> None:
    rows = await connection.fetch(
        'select id, segment, "offset", length, nonce, wrapped_key from messages order by random() limit $1', SAMPLE
    )
    ring = load_or_create(service.settings.keys)["content"]
    vault, reader = Vault(ring.keys, ring.current, b"content"), SegmentReader(service.settings.content)
    for row in rows:
        sealed = reader.read(Placement(row["segment"], row["offset"], row["length"]))
        assert vault.open(row["id"], row["nonce"], row["wrapped_key"], sealed) == content, row["id"]
    reader.close()


def run(folder: Path, rounds: int, seconds: float) -> None:
    attachment = pdf(ATTACHMENT)
    body = folder / "body.json"
    body.write_bytes(send_body(attachment))
    (folder / "postfix").mkdir()
    with served(folder) as service, running_postfix(folder / "postfix", free_port()) as postfix:
        print(f"Postfix {postfix.version}; {file_system(folder)}; {os.cpu_count()} cores; load at the start {load()}")
        contest = Contest(service, postfix, body, seconds)
        contest.warm_up()
        for number in range(rounds):
            contest.round(number)
        accepted = sum(turn.accepted for turn in contest.turns)
        print("checked:", asyncio.run(check(service, accepted, TEXT.encode() + attachment)))
    rates = [turn.rate for turn in contest.turns[1:]]
    print(f"\nmedian ratio {statistics.median(contest.ratios):.2f}, worst {min(contest.ratios):.2f} (aim: 3)")
    print(f"median rate  {statistics.median(rates):.0f}/s of {rounds} rounds, {seconds:.0f} s each side")
    print(DIFFERENCES)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="of each side in each round")
    parser.add_argument("--folder", type=Path, help="where to make the throw-away folder; decides the disk")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; `script/bench accept` installs it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    with tempfile.TemporaryDirectory(prefix="sealpost-bench-", dir=options.folder) as folder:
        run(Path(folder), options.rounds, options.seconds)


if __name__ == "__main__":
    main()
