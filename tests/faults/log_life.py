"""The life of a log around one ticket: sealed late, logged, stamped, given out; then decided, and all of it again."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import shutil
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sealpost.domain.checkpoint import Checkpoint, read_checkpoint
from sealpost.domain.note import read
from sealpost.seal.bundle.bundle import Bundle
from sealpost.seal.log.folder import LogDamaged, LogFolder
from sealpost.store import logs
from sealpost.store.tickets import Visible
from sealpost.usecases import extend_log as writer
from sealpost.usecases.decide import decide
from sealpost.usecases.extend_log import LogStopped, extend_log
from sealpost.usecases.gather import for_sender
from sealpost.usecases.reads.trust import trust_folder
from sealpost.usecases.seals import seal_pending
from sealpost.usecases.service import Service
from sealpost.usecases.stamp import stamp_pending
from sealpost.verifier.audit import BadLog, audit_log
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.trust import Trust, trust_of
from sealpost.verifier.verify import verify
from tests.faults.breaking import Faults, Mode
from tests.faults.disk import Disk
from tests.faults.invariants import demand
from tests.faults.site import Site, Violation
from tests.world import ACT, START

EMPTIED = "truncate records, checkpoints, logs, tickets, messages, mails, pgqueuer, readiness cascade"
FILLING = """
    insert into records (ticket_id, seq, kind, evidence_id, at, octets, sha256, salt, seal)
    select gen_random_uuid(), 1, 'submitted', gen_random_uuid(), at, octets, sha256(n::text::bytea),
           sha256(gen_random_uuid()::text::bytea), seal
    from (select * from records where seal is not null and seq = 1 limit 1) as one, generate_series(1, $1) as n
"""
LATE = "update records set seal = null where log_index is null and kind = $1"
UNPROVEN = {
    ("witness", "witness.quorum"), ("mail", "mail.absent"), ("environment", "environment.test"), ("clock", "clock.none"),
    ("time", "time.own"), ("dating", "dating.none"),
}  # fmt: skip
"""What no bundle here can prove: there is no witness, and links are alive."""


@dataclass
class Signed:
    """Every checkpoint that was ever signed, or put in the folder's place for it: origin and size → roots."""

    roots: dict[tuple[str, int], set[bytes]] = field(default_factory=lambda: defaultdict(set))

    def note(self, octets: bytes) -> None:
        self.add(read_checkpoint(read(octets).text))

    def add(self, checkpoint: Checkpoint) -> None:
        self.roots[checkpoint.origin, checkpoint.size].add(checkpoint.root)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Every signature from here on."""
        sign = writer.log_lines

        def watched(name: str, checkpoint: Checkpoint, *rest: Any) -> Any:
            self.add(checkpoint)
            return sign(name, checkpoint, *rest)

        patch.setattr(writer, "log_lines", watched)


class LogSite:
    """A site whose log can be broken: its database statements and its files.

    Args:
        site: the process and its successors.
        folder: of the installation.
    """

    def __init__(self, site: Site, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.site, self.logs, self.signed = site, folder / "log", Signed()
        disk = Disk(self.logs, self.signed.note)
        disk.faults = lambda: site.faults
        disk.watch(patch)
        self.signed.watch(patch)

    async def reset(self) -> None:
        """Nothing was ever sent, and there is no log."""
        self.site.begin(Faults())
        self.site.world.clock.at = START
        self.site.world.mailbox.mails.clear()
        await self.site.world.service.pool.execute(EMPTIED)
        shutil.rmtree(self.logs, ignore_errors=True)
        self.signed.roots.clear()
        self.site.service.evidence.folders.clear()

    async def fill(self, entries: int) -> None:
        """Records of others, whose content nobody looks at."""
        await self.site.world.service.pool.execute(FILLING, entries)

    async def logged(self) -> None:
        """All that waits is in the log; nothing breaks."""
        while await extend_log(self.site.service):
            pass

    async def sent(self) -> str:
        token = await self.site.submitter.submit(self.site.world.message())
        await self.site.survive(self.site._work_off)
        return token


async def octets(bundle: Bundle) -> bytes:
    return b"".join([piece async for piece in bundle.chunks()])


async def given_out(service: Service, account: int, token: str) -> bytes:
    async with for_sender(service, Visible(account), token, "en") as bundle:
        return await octets(bundle)


async def trust_now(service: Service) -> Trust:
    return trust_of(await trust_folder(service))


@dataclass
class LogCourse:
    """One course of a log's life with one fault in its durable acts; everything else of it goes well."""

    place: LogSite
    faults: Faults

    async def live(self, begin: int) -> None:
        """Raises Violation when something that was promised does not hold.

        Args:
            begin: entries that the log has before; 0: it begins in this life.
        """
        site = self.place.site
        await self.place.reset()
        token = await self.place.sent()
        if begin:
            await self.place.fill(begin - 4)
            await self._logged(Faults())
        pool = site.world.service.pool
        if begin:
            token = await self.place.sent()
        await pool.execute(LATE, "announcement_accepted")
        await self._logged()
        first = await self._bundle(token, [])
        await decide(site.service, token, [site.world.secret()], "accepted", "", ACT)
        await site.survive(site._work_off)
        await pool.execute(LATE, "content_delivered")
        await self._logged()
        second = await self._bundle(token, [first])
        await self._check([first, second])

    async def _logged(self, faults: Faults | None = None) -> None:
        """What waits is sealed, logged and stamped by the worker; here the faults are."""
        site = self.place.site
        site.begin(faults or self.faults)
        for act in (seal_pending, extend_log, stamp_pending):
            await self._done(act)
        if faults is None:
            self.faults = site.faults
        site.begin(Faults())

    async def _done(self, act: Callable[[Service], Awaitable[int | None]]) -> None:
        """Until it says that there was nothing to do any more."""
        left: list[int | None] = [None]

        async def step() -> None:
            left[0] = await act(self.place.site.service)

        for _ in range(200):
            try:
                await self.place.site.persist(step)
            except LogStopped as stopped:
                raise Violation(f"stopped without need: {stopped}") from stopped
            if left[0] == 0:
                return
            if left[0] is None:
                await asyncio.sleep(0.01)  # the database still holds the lock of the dead
        raise Violation(f"{act} never ends")

    async def _bundle(self, token: str, receipts: list[bytes]) -> bytes:
        site = self.place.site
        found = await given_out(site.service, site.world.alice, token)
        await self._verify(found, receipts)
        return found

    async def _verify(self, bundle: bytes, receipts: list[bytes]) -> None:
        trust, folder = await trust_now(self.place.site.service), self.place.logs / "2026"
        given = [Receipt(f"receipt {number}", one) for number, one in enumerate(receipts)]
        report = await asyncio.to_thread(verify, bundle, trust, given, log=folder)
        open_claims = {(one.check, one.why) for one in report.claims if one.verdict != "PASS"}
        demand(
            open_claims <= UNPROVEN,
            f"a bundle that was given out: {[(one.why, one.values) for one in report.claims if (one.check, one.why) in open_claims - UNPROVEN]}",
        )

    async def _check(self, bundles: list[bytes]) -> None:
        pool = self.place.site.world.service.pool
        left = await pool.fetch(
            "select kind, seq from records where log_index is null or log_index < 0 or seal is null"
        )
        demand(not left, f"not in the log: {[tuple(one) for one in left]}")
        bare = await pool.fetchval("select count(*) from checkpoints where token is null or note is null")
        demand(not bare, f"{bare} checkpoints without note or token")
        for at, bundle in enumerate(bundles):
            await self._verify(bundle, bundles[:at])
        await check_log(pool, self.place.logs, self.place.signed)


async def check_log(pool: Any, folder: Path, signed: Signed) -> None:
    """Of every log: one root for each size, the settled one; all of them beginnings of the tree; every record in its place.

    Raises:
        Violation: it is not so.
    """
    forks = {place: roots for place, roots in signed.roots.items() if len(roots) > 1}
    demand(not forks, f"two roots for one size: {list(forks)}")
    for tree in await logs.all_of(pool):
        demand(tree.stopped is None or "goes on from here" in tree.stopped, f"{tree.name} is stopped: {tree.stopped}")
        known = {size: next(iter(roots)) for (origin, size), roots in signed.roots.items() if origin == tree.origin}
        await _check_tree(pool, tree, LogFolder(folder / tree.name), known)


async def _check_tree(pool: Any, tree: logs.Log, folder: LogFolder, known: dict[int, bytes]) -> None:
    octets = folder.checkpoint()
    newest = read_checkpoint(read(octets).text) if octets else None
    size = newest.size if newest else 0
    demand(size == max(known, default=0), f"{tree.name}: {max(known, default=0)} were signed, the folder has {size}")
    try:
        found = audit_log(folder.folder, size, sizes=set(known), indices=range(size))
        if size:
            folder.check(size)
    except (BadLog, LogDamaged) as error:
        raise Violation(f"{tree.name}: {error}") from error
    for one, root in known.items():
        demand(found.roots[one] == root, f"{tree.name}: the tree of {one} is not the beginning of that of {size}")
        settled = await pool.fetchval("select root from checkpoints where log_id = $1 and size = $2", tree.id, one)
        demand(settled == root, f"{tree.name}: {one} was signed with another root than is settled, or none")
    rows = await logs.placed(pool, tree.id, 0, 1_000_000)
    demand(
        [row["log_index"] for row in rows] == list(range(len(rows))), f"{tree.name}: places are not one after another"
    )
    for row in rows[:size]:
        demand(
            folder.entry(row["log_index"], size) == writer.entry_of(row),
            f"{tree.name}: another entry at {row['log_index']} than the record gives",
        )


@dataclass
class Swept:
    """What a sweep did."""

    cells: int = 0
    acts: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


def _differs(act: str, mode: Mode) -> bool:
    """Half an act exists in a file only; what only reads cannot be stored."""
    if mode is Mode.torn:
        return act == "file: write"
    return not (mode.done and act.startswith(("commit: reads", "statement: select")))


async def sweep(place: LogSite, begin: int, chosen: Callable[[int, Mode], bool]) -> Swept:
    """Breaks every act of the log's life in every way that is chosen."""
    course, swept = LogCourse(place, Faults()), Swept()
    await course.live(begin)
    swept.acts = list(course.faults.acts)
    for at in itertools.count(1):
        struck = 0
        for mode in Mode:
            if at <= len(swept.acts) and not (_differs(swept.acts[at - 1], mode) and chosen(at, mode)):
                continue
            struck += await _cell(LogCourse(place, Faults(at, mode)), begin, swept)
        if not struck and at > len(swept.acts):
            return swept
    raise AssertionError


async def _cell(course: LogCourse, begin: int, swept: Swept) -> bool:
    given = dataclasses.replace(course.faults)
    try:
        await course.live(begin)
    except Violation as violation:
        swept.violations.append(
            f"from {begin}, act {given.at} ({course.place.site.faults.struck}) {given.mode}: {violation}"
        )
        await course.place.site.bury()
        await course.place.site.open()
    struck = bool(course.faults.struck)
    swept.cells += struck
    return struck
