"""What a demo has given out, kept by somebody outside: checkpoints, the trust folder, bundles. It binds what comes later."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from sealpost.domain.checkpoint import Checkpoint, read_checkpoint
from sealpost.domain.note import read
from sealpost.verifier.audit import BadLog, audit_log
from sealpost.verifier.earlier import Receipt
from sealpost.verifier.trust import Trust, trust_of
from sealpost.verifier.verify import verify
from tests.faults.demo_process import PATIENCE, Demo, pause
from tests.faults.invariants import demand

AWAY = (httpx2.TransportError,)
TRUST = ("roots.pem", "tsa-roots.pem", "policy")
EVIDENCE = "/webservice/evidence/"
RECEIPTS = 10
"""Tickets of earlier rounds that are looked at again: the last ones."""


@dataclass
class Kept:
    """Across all rounds of one demo.

    Args:
        checkpoints: every one that was served, by log and size; two roots of one size stand side by side.
        bundles: ticket token → the last bundle that was fetched.
        verified: bundles that were verified.
    """

    checkpoints: dict[tuple[str, int], set[bytes]] = field(default_factory=dict)
    bundles: dict[str, bytes] = field(default_factory=dict)
    verified: int = 0
    receipts: int = 0

    def watch(self, demo: Demo, over: threading.Event) -> None:
        """Fetches the newest checkpoint all the time, until the demo is dead."""
        try:
            with demo.client() as client:
                while not over.is_set():
                    self._fetch(client)
                    pause()
        except AWAY:
            return

    def _fetch(self, client: httpx2.Client) -> Checkpoint | None:
        answer = client.get(f"/log/{time.strftime('%Y', time.gmtime())}/checkpoint")
        if answer.status_code != 200:
            return None  # none yet, or the database is dead
        found = read_checkpoint(read(answer.content).text)
        self.checkpoints.setdefault((found.origin, found.size), set()).add(found.root)
        return found

    def collect(self, demo: Demo, decided: dict[str, str], over: threading.Event) -> None:
        """Fetches bundles of what was decided, until the demo is dead: receipts for afterwards."""
        try:
            with demo.program() as program:
                while not over.is_set():
                    for token in [one for one in list(decided) if one not in self.bundles]:
                        answer = program.get(EVIDENCE, params={"ticket_token": token})
                        if answer.status_code == 200:
                            self.bundles[token] = answer.content
                    pause()
        except AWAY:
            return

    def check(self, demo: Demo, decided: dict[str, str]) -> None:
        """After the restart: every checkpoint is a beginning of the tree, every bundle is right and agrees with before.

        Raises:
            Violation: one is not.
        """
        with demo.program() as program:
            trust = _trust(program)
            self._wait(program)
            again = [*decided, *[one for one in self.bundles if one not in decided][-RECEIPTS:]]
            bundles = {token: _bundle(program, token) for token in again}
            newest = self._fetch(program)
        demand(newest is not None, "no checkpoint is served")
        if newest is None:
            return
        log = demo.data / "log" / newest.origin.rsplit("/", 1)[1]
        self._check_tree(log, newest)
        for token, bundle in bundles.items():
            self._check_bundle(token, bundle, trust, log)

    def _wait(self, program: httpx2.Client) -> None:
        """Until the log has served a checkpoint that is as good as all of what was seen."""
        deadline = time.monotonic() + PATIENCE
        largest = max((size for _, size in self.checkpoints), default=0)
        while (found := self._fetch(program)) is None or found.size < largest:
            demand(time.monotonic() < deadline, f"the log does not come back to {largest} entries")
            pause()

    def _check_tree(self, log: Path, newest: Checkpoint) -> None:
        forks = [place for place, roots in self.checkpoints.items() if len(roots) > 1]
        demand(not forks, f"two roots for one size were served: {forks}")
        known = {
            size: next(iter(roots)) for (origin, size), roots in self.checkpoints.items() if origin == newest.origin
        }
        # The folder may be longer by now, never shorter.
        try:
            found = audit_log(log, newest.size, sizes=set(known))
        except BadLog as error:
            demand(False, f"the log does not fit itself: {error} {error.tile}")
            return
        for size, root in known.items():
            demand(found.roots[size] == root, f"what was served for {size} entries is no beginning of the tree")

    def _check_bundle(self, token: str, bundle: bytes, trust: Trust, log: Path) -> None:
        before = [Receipt("before", self.bundles[token])] if token in self.bundles else []
        report = verify(bundle, trust, before, log=log)
        failed = [(one.why, one.about, one.values) for one in report.claims if one.verdict == "FAIL"]
        demand(not failed and report.exit_code in {0, 2}, f"the evidence of {token}: {failed}")
        self.bundles[token] = bundle
        self.verified += 1
        self.receipts += len(before)

    def told(self) -> str:
        """A few words for the line of a round; all of them of all rounds so far."""
        return (
            f"{len(self.checkpoints)} checkpoints, {self.verified} bundles right, {self.receipts} agree with receipts"
        )


def _trust(program: httpx2.Client) -> Trust:
    found: dict[str, bytes] = {}
    for name in TRUST:
        answer = program.get(f"/trust/{name}")
        answer.raise_for_status()
        found[name] = answer.content
    return trust_of(found)


def _bundle(program: httpx2.Client, token: str) -> bytes:
    answer = program.get(EVIDENCE, params={"ticket_token": token}, timeout=PATIENCE)
    demand(answer.status_code == 200, f"no evidence of {token}: {answer.status_code} {answer.text[:200]}")
    return answer.content
