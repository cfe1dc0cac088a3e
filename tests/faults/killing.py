"""Kills the whole demo at a random moment with requests in flight, again and again, and looks whether anything is lost.

``python -m tests.faults.killing [--rounds N] [--shard I/N] [--state FILE] [--seed S] [--kills N]``; for ``script/faults``
and, with few rounds, for ``test_kill``. With ``--kills`` other processes are killed (`random_kills`). A round: three
senders and a recipient at work → kill -9 → start → every 200 is there, byte for byte; every ticket was announced; what is open is accepted now; Bob has each content; nothing came twice but
what a record calls uncertain; the evidence that was given out before binds what is given out now (`Kept`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import asyncpg
import httpx2

from tests.faults import random_kills
from tests.faults.demo_process import PATIENCE, Demo, pause
from tests.faults.given_out import Kept
from tests.faults.invariants import TAKEN, check_chain, check_copies, demand, extension_of
from tests.faults.site import Violation
from tests.world import parsed

AWAY = (httpx2.TransportError,)
SENDERS = 3
MOST = 12
"""Requests of one sender in a round."""


@dataclass
class Round:
    """What the outside knows of a round.

    Args:
        sent: own id → (body, PDF).
        acknowledged: ticket token → own id, for every 200.
        decided: ticket token → the decision whose confirmation was answered with 303.
        strange: answers that should not have been.
        repeats: mails that came twice, as a record says.
    """

    number: int
    demo: Demo
    sent: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    decided: dict[str, str] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    repeats: int = 0
    kept: Kept = field(default_factory=Kept)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def bob(self) -> str:
        return f"bob.{self.number}@example.com"

    def send(self, sender: int, chance: random.Random) -> None:
        """One of the programs that send."""
        with self.demo.program() as program:
            for count in range(MOST):
                if self.over.is_set():
                    return
                own_id = f"kill{self.number}.{sender}.{count}"
                size = chance.choice([300, 20_000, 100_000, 900_000])
                body, pdf = f"Dear Bob, this is {own_id}.", b"%PDF-1.4\n" + os.urandom(size)
                self.sent[own_id] = body.encode(), pdf
                try:
                    answer = program.post("/webservice/mailsender/send", json=self._request(own_id, body, pdf))
                except AWAY:
                    return
                if answer.status_code == 200:
                    self.acknowledged[answer.json()["ticket_token"]] = own_id
                elif answer.status_code != 503:
                    self.strange.append(f"send: {answer.status_code} {answer.text[:300]}")

    def _request(self, own_id: str, body: str, pdf: bytes) -> dict[str, Any]:
        attached = {"attachment_name": "notice.pdf", "attachment_type": "application/pdf"}
        return {
            "sender_email": self.demo.ready["sender_email"],
            "sender_real_name": "Alice",
            "subject": own_id,
            "recipient_email": self.bob,
            "recipient_language": "en",
            "message_body": body,
            "x-own-id": own_id,
            "attachments": [{**attached, "attachment": base64.b64encode(pdf).decode()}],
        }

    def receive(self, chance: random.Random) -> None:
        """Bob, who accepts or refuses as mails come in."""
        seen: set[str] = set()
        try:
            with self.demo.client() as client:
                while not self.over.is_set():
                    for mail in self.demo.inbox(client, self.bob):
                        links = [link for link in mail["links"] if "/p/" in link]
                        if links and mail["id"] not in seen and not self.over.is_set():
                            seen.add(mail["id"])
                            self.decide(links[0], chance.choice(["accept", "accept", "refuse"]))
                    pause()
        except (*AWAY, httpx2.HTTPStatusError):
            return  # killed, or its database was

    def decide(self, link: str, choice: str) -> int:
        """Walks through the pages; the status of the last one."""
        with self.demo.client() as browser:
            landed = browser.get(link)
            if landed.status_code != 303:
                return landed.status_code
            page = landed.headers["location"]
            browser.post(page, data={"decision": choice})
            answer = browser.post(f"{page}/{choice}", data={"confirm": "yes"})
            if answer.status_code == 303:
                self.decided[page.rsplit("/", 1)[1]] = f"{choice}ed".replace("refuseed", "refused")
            elif answer.status_code not in {409, 503}:
                self.strange.append(f"confirm: {answer.status_code} {answer.text[:300]}")
            return answer.status_code


def play(number: int, demo: Demo, seed: str, kept: Kept) -> Round:
    """One round: work, kill, start, check.

    Args:
        number: of the round.
        demo: runs.
        seed: of the moments.
        kept: what was given out in earlier rounds; more comes to it.

    Raises:
        Violation: something was lost, or came twice.
    """
    chance = random.Random(f"{seed} {number}")
    playing = Round(number, demo, kept=kept)
    workers = [threading.Thread(target=playing.send, args=(n, random.Random(n + number))) for n in range(SENDERS)]
    workers.append(threading.Thread(target=playing.receive, args=(random.Random(number),)))
    workers.append(threading.Thread(target=kept.watch, args=(demo, playing.over)))
    workers.append(threading.Thread(target=kept.collect, args=(demo, playing.decided, playing.over)))
    for worker in workers:
        worker.start()
    threading.Event().wait(chance.uniform(0.3, 2.5))
    demo.kill(database_too=number % 3 == 0)
    playing.over.set()
    for worker in workers:
        worker.join()
    demo.start()
    demand(not playing.strange, f"answers that should not have been: {playing.strange}")
    asyncio.run(_checked(playing))
    kept.check(demo, playing.decided)
    return playing


async def _checked(playing: Round) -> None:
    demo = playing.demo
    with demo.program() as program:
        for token, own_id in playing.acknowledged.items():
            _check_listed(program, token, playing.sent[own_id][1])
    connection: Any = await asyncpg.connect(demo.dsn)
    try:
        with demo.client() as client:
            # What a dead process left half-done is looked at again after five minutes.
            client.post("/demo/clock", json={"advance_seconds": 360}).raise_for_status()
            await _settled(connection, playing)
            for mail in demo.inbox(client, playing.bob):
                for link in [link for link in mail["links"] if "/p/" in link]:
                    demand(playing.decide(link, "accept") in {303, 409}, f"Bob cannot accept {mail['subject']}")
        await _settled(connection, playing)
        await _check_all(connection, playing)
    finally:
        await connection.close()


def _check_listed(program: httpx2.Client, token: str, pdf: bytes) -> None:
    """I1, from outside: the ticket is there, with the fingerprint of what was sent."""
    answer = program.get("/webservice/dashboard/", params={"ticket_token": token, "action": "ticket_xml"})
    demand(answer.status_code == 200, f"I1: acknowledged, but {answer.status_code}: {token}")
    part = ET.fromstring(answer.content).find(".//bijlage")
    demand(part is not None, f"I1: {token} has no attachment")
    digest = base64.b64encode(hashlib.sha256(pdf).digest()).decode()
    demand(part is not None and part.get("hash") == digest, f"I1: {token} is not what was sent")


UNFINISHED = """
    select m.purpose, m.state, m.claimed_by is not null as claimed, m.tries from mails m join tickets t on t.id = m.ticket_id
    where t.recipient_key = $1 and (m.state in ('planned', 'built') or m.claimed_by is not null
        or exists (select from attempts a where a.mail_id = m.id and a.state in ('prepared', 'dot_due')))
"""


async def _settled(connection: Any, playing: Round) -> None:
    """I6: everything comes to its end by itself."""
    deadline = time.monotonic() + PATIENCE
    while left := await connection.fetch(UNFINISHED, playing.bob):
        demand(time.monotonic() < deadline, f"I6: stuck {[dict(one) for one in left]}")
        pause()


async def _check_all(connection: Any, playing: Round) -> None:
    inbox = await connection.fetch("select octets from inbox_mails where rcpt_to in ($1, $2)", playing.bob,
                                   playing.demo.ready["sender_email"])  # fmt: skip
    received: dict[str, list[bytes]] = {}
    for row in inbox:
        received.setdefault(str(parsed(row["octets"])["message-id"]), []).append(row["octets"])
    tickets = await connection.fetch("select * from tickets where recipient_key = $1", playing.bob)
    demand(set(playing.acknowledged) <= {ticket["token"] for ticket in tickets}, "I1: acknowledged, but gone")
    for ticket in tickets:
        told = playing.decided.get(ticket["token"])
        demand(told in {None, ticket["decision"]}, f"I2: confirmed as {told}, stored as {ticket['decision']}")
        await _check_ticket(connection, playing, ticket, received)


async def _check_ticket(connection: Any, playing: Round, ticket: Any, received: dict[str, list[bytes]]) -> None:
    records = await connection.fetch("select * from records where ticket_id = $1 order by seq", ticket["id"])
    check_chain(ticket, records)
    finals = [extension_of(record)["smtp"]["final"] for record in records if record["kind"] in TAKEN]
    demand(len(set(finals)) == len(finals), f"I2: one 250 recorded twice: {finals}")
    mails = await connection.fetch(
        """select m.*, (select array_agg(a.state order by a.number) from attempts a where a.mail_id = m.id) as states
           from mails m where ticket_id = $1 and state <> 'cancelled'""",
        ticket["id"],
    )
    for mail in mails:
        copies = received.get(mail["message_header"], [])
        check_copies(mail, copies, {record["kind"] for record in records})
        playing.repeats += len(copies) - 1
    content = [received[mail["message_header"]][0] for mail in mails if mail["purpose"] == "content"]
    demand(bool(content) == (ticket["decision"] == "accepted"), f"{ticket['token']}: {len(content)} content mails")
    for raw in content:
        arrived = tuple(part.get_payload(decode=True) for part in parsed(raw).iter_attachments())
        demand(arrived == playing.sent[ticket["own_id"]], f"I1: {ticket['own_id']} arrived as something else")


def main(arguments: list[str]) -> int:
    """Plays the rounds of this shard that the state file does not know as done."""
    parser = argparse.ArgumentParser(description="Kills the demo again and again; exit code 1 on any violation.")
    parser.add_argument("--rounds", type=int, default=30, help="of all shards together")
    parser.add_argument("--shard", default="1/1", help="I/N: only every N-th round, from the I-th on")
    parser.add_argument("--state", type=Path, help="file of the rounds done, to go on after an interruption")
    parser.add_argument("--seed", default=time.strftime("%Y%m%d%H%M%S"), help="of the moments; printed")
    parser.add_argument("--kills", type=int, default=0, help="instead of rounds: so many kills of any process")
    options = parser.parse_args(arguments)
    if options.kills:
        return 1 if random_kills.play(options) else 0
    shard, shards = map(int, options.shard.split("/"))
    state: dict[str, str] = {}
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text())
    wanted = [n for n in range(1, options.rounds + 1) if n % shards == shard % shards and state.get(str(n)) != "held"]
    print(f"seed {options.seed}: {len(wanted)} rounds to go", flush=True)
    with tempfile.TemporaryDirectory(prefix="sealpost-faults-") as name:
        Path(name).chmod(0o711)  # root's embedded server, another account, keeps its files in it rather than elsewhere
        violations = _play_all(Path(name), wanted, options, state) if wanted else 0
    print(f"{len(wanted)} rounds, {violations} violations", flush=True)
    return 1 if violations else 0


def _play_all(folder: Path, wanted: list[int], options: argparse.Namespace, state: dict[str, str]) -> int:
    folder.chmod(0o711)  # the database's own account must get through
    demo, kept = Demo(folder), Kept()
    violations = 0
    try:
        demo.start()
        for number in wanted:
            violations += not _told(number, demo, options.seed, state, kept)
            if options.state:
                draft = options.state.with_suffix(".new")
                draft.write_text(json.dumps(state))
                draft.replace(options.state)
            if state[str(number)] != "held":
                demo.end()
                demo.start()
    finally:
        if violations:
            kept = Path(tempfile.mkdtemp(prefix="sealpost-violation-"))
            shutil.copy(folder / "demo.log", kept)
            print(f"log kept in {kept}", flush=True)
        demo.end()
    return violations


def _told(number: int, demo: Demo, seed: str, state: dict[str, str], kept: Kept) -> bool:
    began = time.monotonic()
    try:
        played = play(number, demo, seed, kept)
    except (Violation, RuntimeError, *AWAY) as violation:
        state[str(number)] = f"broken: {violation!r}"
        print(f"round {number}: BROKEN: {violation!r}", flush=True)
        return False
    state[str(number)] = "held"
    print(
        f"round {number}: held; {len(played.acknowledged)} of {len(played.sent)} acknowledged, "
        f"{len(played.decided)} decided, {played.repeats} mails repeated; {kept.told()}; "
        f"{time.monotonic() - began:.1f} s",
        flush=True,
    )
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
