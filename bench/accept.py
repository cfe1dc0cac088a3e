"""Accept rate with 100 kB attachments, this service against Postfix, in turns in one run (design, section 10).

Run `script/bench accept`, as root (see `bench/postfix.py`). Absolute figures of a shared machine move by a factor of
two; the ratio within a round is the result. Afterwards the tickets are counted and a sample of contents is decrypted.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from postfix import Postfix, running_postfix
from processes import cpu_seconds, machine_seconds
from serving import SEND, TEXT, Served, end_on_sigterm, file_system, free_port, load, pdf, send_body, served

from sealpost import bootstrap
from sealpost.content.keys import load_or_create
from sealpost.content.placement import Placement
from sealpost.content.reading import SegmentReader
from sealpost.content.vault import Vault
from sealpost.store.pool import Connection, connector

ATTACHMENT = 100_000
CONNECTIONS, SESSIONS = 64, 10
SAMPLE = 50
BUSY = 0.2  # cores taken by other programs from which a rate says little
COUNTS = """
    select (select count(*) from tickets) as tickets, (select count(*) from messages) as messages,
           (select count(*) from records where ticket_id <> '00000000-0000-0000-0000-000000000000') as records, (select count(*) from mails) as mails,
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
              idle and its queue empty, disks synced between turns. Our worker is stopped, so nothing is sent meanwhile;
              with --log its part that writes the log works beside, and our turn ends when every record has its place in a
              signed checkpoint.
"""


@dataclass(frozen=True)
class Answers:
    """What wrk saw: 200s, other answers, broken connections, seconds, latency in milliseconds."""

    accepted: int
    refused: int
    broken: int
    seconds: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Turn:
    """One side's turn: accepted mails per second, CPU milliseconds of all its processes per mail, cores left to others."""

    rate: float
    cpu_ms: float
    others: float

    def __str__(self) -> str:
        return f"{self.rate:5.0f}/s at {self.cpu_ms:.2f} ms CPU (others {self.others:.1f} cores)"


def load_service(service: Served, body: Path, seconds: float) -> Answers:
    """One turn of wrk."""
    size = ["-t", "2", "-c", str(CONNECTIONS), "-d", f"{seconds:.0f}s"]
    script = ["-s", str(Path(__file__).with_suffix(".lua")), service.settings.base_url + SEND]
    command = ["wrk", *size, *script, "--", str(body), service.token]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = re.search(r"^RESULT (.*)$", shown, re.MULTILINE)
    assert result, shown
    return Answers(**json.loads(result[1]))


class LogWriter:
    """The log's writer as a process beside the service."""

    def __init__(self, service: Served) -> None:
        command = [sys.executable, str(Path(__file__).with_name("log_beside.py"))]
        self._process = subprocess.Popen(
            command,
            env=service.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._said()
        self.pid, self.added = self._process.pid, list[int]()

    def _said(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the log's writer has ended"
        return line

    def _say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line)
        self._process.stdin.flush()

    @contextmanager
    def beside(self) -> Generator[None]:
        """What is accepted within has its place in the log at the end."""
        self._say("go\n")
        yield
        self._say("enough\n")
        self.added.append(int(self._said()))

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)


def timed(roots: list[int], load_it: Callable[[], tuple[int, float]]) -> Turn:
    """A turn of the side whose processes stand below `roots`; `load_it` gives mails accepted and seconds taken."""
    before = sum(map(cpu_seconds, roots)), machine_seconds(), resource.getrusage(resource.RUSAGE_CHILDREN)
    accepted, seconds = load_it()
    own, machine = sum(map(cpu_seconds, roots)) - before[0], machine_seconds() - before[1]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    generator = after.ru_utime + after.ru_stime - before[2].ru_utime - before[2].ru_stime
    return Turn(accepted / seconds, own / accepted * 1000, max(0.0, machine - own - generator) / seconds)


class Contest:
    """The rounds; who begins changes each time, so that a machine that slows down favours nobody."""

    def __init__(
        self, service: Served, postfix: Postfix, body: Path, seconds: float, log: LogWriter | None = None
    ) -> None:
        self._log, self._service, self._postfix, self._body, self._seconds = log, service, postfix, body, seconds
        self._messages = 300
        self.answers: list[Answers] = []
        self.turns: list[tuple[Turn, Turn]] = []

    def warm_up(self) -> None:
        self._postfix_turn()
        self._postfix_turn()
        self._own_turn()

    def round(self, number: int) -> None:
        if number % 2:
            own, postfix = self._own_turn(), self._postfix_turn()
        else:
            postfix, own = self._postfix_turn(), self._own_turn()
        self.turns.append((own, postfix))
        seen = self.answers[-1]
        print(
            f"round {number + 1}: sealpost {own}, p50 {seen.p50_ms:.0f} p99 {seen.p99_ms:.0f} ms, "
            f"{seen.refused + seen.broken} not 200 | postfix {postfix} | ratio {own.rate / postfix.rate:.2f}",
            flush=True,
        )

    def _own_turn(self) -> Turn:
        def load_it() -> tuple[int, float]:
            began = time.monotonic()
            with self._log.beside() if self._log else nullcontext():
                seen = load_service(self._service, self._body, self._seconds)
            self.answers.append(seen)
            return seen.accepted, time.monotonic() - began if self._log else seen.seconds

        turn = timed([self._service.supervisor] + ([self._log.pid] if self._log else []), load_it)
        os.sync()  # what is still to be written must not fall into the other's turn
        return turn

    def _postfix_turn(self) -> Turn:
        turn = timed([self._postfix.master], self._load_postfix)
        self._messages = max(100, int(turn.rate * self._seconds))
        self._postfix.wait_until_empty()
        os.sync()
        return turn

    def _load_postfix(self) -> tuple[int, float]:
        return self._messages, self._postfix.take(self._messages, SESSIONS, ATTACHMENT)


def result(turns: list[tuple[Turn, Turn]]) -> str:
    """The figures that count."""
    ratios = [own.rate / postfix.rate for own, postfix in turns]
    costs = [postfix.cpu_ms / own.cpu_ms for own, postfix in turns]
    busiest = max(turn.others for pair in turns for turn in pair)
    lines = [
        f"median ratio of rates {statistics.median(ratios):.2f}, worst {min(ratios):.2f} (aim: 3)",
        f"median ratio of CPU per mail {statistics.median(costs):.2f}, worst {min(costs):.2f}",
    ]
    if busiest > BUSY:
        lines.append(
            f"NOT A QUIET RUN: other programs took up to {busiest:.1f} of {os.cpu_count()} cores, and the scheduler does not "
            "share alike between the two sides. CPU per mail says more then; take the ratio of rates on an idle machine."
        )
    return "\n".join(lines)


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


def run(folder: Path, rounds: int, seconds: float, *, has_log: bool) -> None:
    attachment = pdf(ATTACHMENT)
    body = folder / "body.json"
    body.write_bytes(send_body(attachment))
    (folder / "postfix").mkdir()
    with served(folder) as service, running_postfix(folder / "postfix", free_port()) as postfix:
        print(f"Postfix {postfix.version}; {file_system(folder)}; {os.cpu_count()} cores; load at the start {load()}")
        log = LogWriter(service) if has_log else None
        contest = Contest(service, postfix, body, seconds, log)
        contest.warm_up()
        for number in range(rounds):
            contest.round(number)
        accepted = sum(seen.accepted for seen in contest.answers)
        if log:
            log.end()
            print(f"in the log, by turn: {log.added}")
        print("checked:", asyncio.run(check(service, accepted, TEXT.encode() + attachment)))
    print(f"\n{result(contest.turns)}")
    print(DIFFERENCES)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6, help="of each side in each round")
    parser.add_argument("--folder", type=Path, help="where to make the throw-away folder; decides the disk")
    parser.add_argument("--log", action="store_true", help="the log's writer works beside, until nothing waits")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; `script/bench accept` installs it")
    end_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="sealpost-bench-", dir=options.folder) as folder:
        run(Path(folder), options.rounds, options.seconds, has_log=options.log)


if __name__ == "__main__":
    main()
