"""kill -9 of any process at any moment, under 20 submissions a second: web, two workers, inbound, and the database.

For ``tests.faults.killing --kills N``. A stretch: Alice's program submits without a pause and asks again after every cut
connection, Bob accepts some, his server sends some mails back, and every second or so something is killed and started
again; then all of it is worked off, and everything must hold of every ticket. Only the recipients' server lives through
it all.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import random
import signal
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiosmtplib
import httpx2

from sealpost.store.embedded_postmaster import _postmaster
from sealpost.store.pool import AWAY
from tests.faults.given_out import Kept
from tests.faults.installation import Installation, Nursery, new_installation, until
from tests.faults.invariants import demand
from tests.faults.site import Violation
from tests.faults.witness import BOUNCE, UNFINISHED, check_ticket
from tests.world import links_in, parsed

RATE = 20
"""Submissions a second."""
STRETCH = 20
"""Kills until all is looked at."""
ROLES = {"web": "web", "worker 1": "worker", "worker 2": "worker", "inbound": "inbound"}
DATABASE = "database"
CHECKED = 5
"""Bundles that are verified in each stretch."""


@dataclass
class Stretch:
    """What the outside knows of a stretch.

    Args:
        sent: own id → (body, PDF).
        acknowledged: ticket token → own id, for every 200.
        decided: tokens of which Bob was told that they are accepted.
        keyed: own ids that were sent with an Idempotency-Key.
        ended: processes that ended by themselves while the database was away.
    """

    at: Installation
    number: int
    chance: random.Random
    sent: dict[str, tuple[bytes, bytes]] = field(default_factory=dict)
    acknowledged: dict[str, str] = field(default_factory=dict)
    decided: set[str] = field(default_factory=set)
    keyed: set[str] = field(default_factory=set)
    bounced: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    tickets: int = 0
    seen: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def bob(self) -> str:
        return f"bob.{self.number}@example.com"

    async def play(self, kills: int, kept: Kept) -> None:
        """Submissions, decisions, bounces and kills at once; then the checks.

        Raises:
            Violation: something was lost, or came twice without a word.
        """
        async with asyncio.TaskGroup() as acting:
            acting.create_task(self._sending())
            acting.create_task(self._answering())
            acting.create_task(self._killing(kills))
        await self._all_up()
        await self._settled()
        async with asyncio.TaskGroup() as answering:
            self._answer(answering)
        await self._settled()
        await self._check(kept)
        self.at.sink.forget()

    # Alice --------------------------------------------------------------------------------------------------------------

    async def _sending(self) -> None:
        began, count = time.monotonic(), 0
        async with self.at.browser(auth=self._alice, limits=LIMITS) as program, asyncio.TaskGroup() as sending:
            while not self.over.is_set():
                sending.create_task(self._send(program, count))
                count += 1
                await self._wait(began + count / RATE - time.monotonic())

    @property
    def _alice(self) -> tuple[str, str]:
        return self.at.ready["web_service_user"], self.at.ready["web_service_password"]

    async def _send(self, program: httpx2.AsyncClient, count: int) -> None:
        """With a key she asks until she has an answer; without one she leaves it."""
        own_id = f"s{self.number}.{count}"
        body, pdf = f"Dear Bob, this is {own_id}.", b"%PDF-1.4\n" + os.urandom(self.chance.choice([300, 3000, 30_000]))
        self.sent[own_id] = body.encode(), pdf
        attached = {"attachment_name": "notice.pdf", "attachment_type": "application/pdf"}
        request = {
            "sender_email": self.at.ready["sender_email"], "sender_real_name": "Alice", "subject": own_id,
            "recipient_email": self.bob, "recipient_language": "en", "message_body": body, "x-own-id": own_id,
            "attachments": [{**attached, "attachment": base64.b64encode(pdf).decode()}],
        }  # fmt: skip
        keyed = count % 2 == 0
        if keyed:
            self.keyed.add(own_id)

        async def done() -> bool:
            try:
                headers = {"Idempotency-Key": own_id} if keyed else {}
                answer = await program.post("/webservice/mailsender/send", json=request, headers=headers)
            except httpx2.TransportError:
                return not keyed
            if answer.status_code == 200:
                self.acknowledged[answer.json()["ticket_token"]] = own_id
            # 409: the first request with this key still runs, or is thought to
            demand(answer.status_code in {200, 409, 503}, f"send: {answer.status_code} {answer.text[:300]}")
            return answer.status_code == 200 or not keyed

        await until(done, f"{own_id} is not taken")

    # Bob, and his server -------------------------------------------------------------------------------------------------

    async def _answering(self) -> None:
        async with asyncio.TaskGroup() as answering:
            while not self.over.is_set():
                self._answer(answering)
                await self._wait(0.1)

    def _answer(self, answering: asyncio.TaskGroup) -> None:
        """To what has come since the last time."""
        new, self.seen = self.at.sink.arrived[self.seen :], len(self.at.sink.arrived)
        for mail_from, rcpt_to, raw in new:
            links = [link for link in links_in(parsed(raw)) if "/p/" in link] if rcpt_to == self.bob else []
            if links and self.chance.random() < 0.25:
                answering.create_task(self._accept(links[0]))
            elif links and self.chance.random() < 0.1:
                answering.create_task(self._bounce(mail_from))

    async def _accept(self, link: str) -> None:
        async def done() -> bool:
            try:
                async with self.at.browser() as browser:
                    landed = await browser.get(link)
                    if landed.status_code != 303:
                        return False
                    page = landed.headers["location"]
                    await browser.post(page, data={"decision": "accept"})
                    answer = await browser.post(f"{page}/accept", data={"confirm": "yes"})
            except httpx2.TransportError:
                return False
            demand(answer.status_code in {303, 409, 503}, f"confirm: {answer.status_code} {answer.text[:300]}")
            if answer.status_code != 503:
                self.decided.add(page.rsplit("/", 1)[1])
            return answer.status_code != 503

        await until(done, "Bob cannot decide")

    async def _bounce(self, path: str) -> None:
        async def given() -> bool:
            try:
                async with aiosmtplib.SMTP(hostname="127.0.0.1", port=self.at.inbound_port, timeout=10) as client:
                    await client.sendmail("", [path], BOUNCE.format(self.bob).encode())
            except (aiosmtplib.SMTPException, OSError):
                return False
            return True

        await until(given, "a bounce is not taken")
        self.bounced += 1

    # What kills ----------------------------------------------------------------------------------------------------------

    async def _killing(self, kills: int) -> None:
        try:
            for _ in range(kills):
                await asyncio.sleep(self.chance.uniform(0.3, 3))
                name = self.chance.choice([*ROLES, DATABASE])
                self.killed[name] += await self._kill(name)
                self._restart()
        finally:
            self.over.set()

    async def _kill(self, name: str) -> bool:
        if name == DATABASE:
            found = _postmaster(self.at._place().cluster)
            if found:
                os.kill(found[0], signal.SIGKILL)
            return found is not None  # it may be on its way up from the last time
        await self.at.processes[name].killed()
        self.at.again(name)
        return True

    def _restart(self) -> None:
        """As the system's supervisor does; whoever starts while the database is away may end."""
        for name in ROLES:
            if not self.at.processes[name].alive:
                self.ended[name] += 1
                self.at.again(name)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), max(seconds, 0))

    # Afterwards ----------------------------------------------------------------------------------------------------------

    async def _all_up(self) -> None:
        async def up() -> bool:
            self._restart()
            try:
                async with self.at.browser() as client:
                    return (await client.get("/trust/policy")).status_code < 500
            except httpx2.TransportError:
                return False

        await until(up, "it does not serve")

    async def _settled(self) -> None:
        """I6: everything comes to its end by itself."""
        left = list[dict[str, Any]]()

        async def done() -> bool:
            self._restart()
            try:
                left[:] = map(dict, await self.at.service.pool.fetch(UNFINISHED, self.bob))
            except AWAY:
                return False
            return not left

        try:
            await until(done, "I6: stuck")
        except Violation as error:
            raise Violation(f"{error}: {len(left)}, first {left[:5]}; {await self._about()}") from error

    async def _about(self) -> str:
        """What the database is at, for whoever looks for the cause."""
        workers = await self.at.service.pool.fetch("select id, now() - beat_at as beat from workers")
        sessions = await self.at.service.pool.fetch(
            """select application_name, state, wait_event_type, wait_event, now() - state_change as since, left(query, 80) as query
               from pg_stat_activity where datname = current_database() and state <> 'idle' and pid <> pg_backend_pid()"""
        )
        return f"workers {list(map(dict, workers))}, sessions {list(map(dict, sessions))}"

    async def _check(self, kept: Kept) -> None:
        pool = self.at.service.pool
        rows = await pool.fetch(
            "select token, own_id, decision from tickets where recipient_key = $1 order by id", self.bob
        )
        found = {row["token"]: row for row in rows}
        self.tickets = len(found)
        demand(self.acknowledged.keys() <= found.keys(), "I1: acknowledged, but gone")
        demand(self.keyed <= set(self.acknowledged.values()), "I1: a submission with a key has no ticket")
        twice = [own for own, count in Counter(row["own_id"] for row in rows).items() if count > 1]
        demand(not twice, f"I2: two tickets of one request: {twice}")
        for token, row in found.items():
            told = "accepted" if token in self.decided else None
            demand(told in {None, row["decision"]}, f"I2: Bob was told {told}, stored is {row['decision']}")
            for _, copies in await check_ticket(self.at, token, self.sent, row["decision"]):
                self.repeats += copies - 1
        for old in list(kept.bundles)[:-CHECKED]:
            del kept.bundles[old]
        chosen = self.chance.sample(sorted(found), min(CHECKED, len(found)))
        await asyncio.to_thread(kept.check, self.at, dict.fromkeys(chosen, ""))

    def told(self) -> str:
        """A line's worth of words."""
        dead = ", ".join(f"{name} {count}" for name, count in sorted(self.killed.items()))
        return (
            f"{self.killed.total()} kills ({dead}); {len(self.acknowledged)} of {len(self.sent)} acknowledged, "
            f"{self.tickets} tickets, {len(self.decided)} decided, {self.bounced} bounces, {self.repeats} mails repeated"
            + (f", {self.ended.total()} ended by themselves" if self.ended else "")
        )


LIMITS = httpx2.Limits(max_connections=100)


async def _stretches(wanted: list[int], options: Any, state: dict[str, Any]) -> int:
    violations = 0
    with tempfile.TemporaryDirectory(prefix="sealpost-kills-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the database's own account must get through
        nursery = Nursery(folder / "nursery.log")
        try:
            async with new_installation(folder, nursery) as at:
                kept = Kept()
                for one, role in ROLES.items():
                    at.launch(one, role)
                for number in wanted:
                    violations += not await _told(at, number, kept, options, state)
        finally:
            nursery.close()
    return violations


async def _told(at: Installation, number: int, kept: Kept, options: Any, state: dict[str, Any]) -> bool:
    """One stretch and its line; what it said is in the state file when it has held."""
    began, stretch = time.monotonic(), Stretch(at, number, random.Random(f"{options.seed} {number}"))
    kills = min(STRETCH, options.kills - (number - 1) * STRETCH)
    try:
        await stretch._all_up()
        await stretch.play(kills, kept)
        broken = ""
    except* (Violation, OSError, httpx2.HTTPError) as violation:
        broken = "; ".join(repr(one) for one in violation.exceptions)
    if broken:
        print(f"stretch {number}: BROKEN: {broken}; {stretch.told()}", flush=True)
        kept_folder = Path(tempfile.mkdtemp(prefix="sealpost-violation-"))
        for log in at.folder.glob("*.log"):
            (kept_folder / log.name).write_bytes(log.read_bytes())
        print(f"logs kept in {kept_folder}", flush=True)
        at.sink.forget()
    else:
        state[f"kills {number}"] = {"held": stretch.killed.total(), "repeats": stretch.repeats}
        print(f"stretch {number}: held; {stretch.told()}; {time.monotonic() - began:.0f} s", flush=True)
    if options.state:
        draft = options.state.with_suffix(".new")
        draft.write_text(json.dumps(state))
        draft.replace(options.state)
    return not broken


def play(options: Any) -> int:
    """Plays all stretches that the state file does not know as held; how many were broken.

    Args:
        options: ``kills`` in all, ``state`` (a file or None), ``seed``.
    """
    state: dict[str, Any] = {}
    if options.state and options.state.exists():
        state = json.loads(options.state.read_text())
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # of the observer's pool, whose database dies
    numbers = range(1, -(-options.kills // STRETCH) + 1)
    wanted = [number for number in numbers if f"kills {number}" not in state]
    print(f"seed {options.seed}: {options.kills} kills, {len(wanted)} of {len(numbers)} stretches to go", flush=True)
    violations = asyncio.run(_stretches(wanted, options, state)) if wanted else 0
    held = [one for name, one in state.items() if name.startswith("kills ")]
    kills, repeats = sum(one["held"] for one in held), sum(one["repeats"] for one in held)
    print(f"{kills} kills held, {repeats} mails repeated and marked, {violations} stretches broken", flush=True)
    return violations
