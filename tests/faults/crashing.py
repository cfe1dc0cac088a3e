"""Starts processes of the service that can be killed at a point: ``python -m tests.faults.crashing``, driven by a pipe.

It has everything imported, and forks for each order (one JSON object a line): a process of its own in every respect but
the two seconds that an interpreter needs to come up. What runs there is ``sealpost serve``, with knives (`crash_points`),
with less patience than in earnest, and, for negative controls, without one of its safeguards.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

from pgqueuer.core.qm import QueueManager

from sealpost.cli import serve
from sealpost.cli.running import run, set_up_logs
from sealpost.content import segment_file
from sealpost.domain.ticket import DECISIONS, TicketState, apply
from sealpost.settings import read_settings
from sealpost.store import mails, workers
from sealpost.usecases import chain, enlist, extend_log, submit_once
from sealpost.web.pickup import deciding
from sealpost.worker import run as working
from tests.faults import crash_points

PR_SET_PDEATHSIG = 1  # of linux/prctl.h
HASTE: tuple[tuple[Any, str, Any], ...] = (
    (workers, "GRACE", "0.3 seconds"),
    (workers, "RESTARTED", "1 second"),
    (enlist, "BEAT", 0.1),
    (working, "TICK", 0.1),
    (working, "HOUR", 0.2),
    (working, "OUT_OF_ORDER", 0.2),
    (working, "SEALING", 0.5),
    (working, "HEARTBEAT", timedelta(seconds=2)),
    (extend_log, "LATEST", timedelta(seconds=1)),
    (extend_log, "QUIET", 10**6),
    (submit_once, "LEASE", timedelta(seconds=0.4)),
)
"""What the service waits for when a process has died: seconds instead of minutes."""


def forgetful(state: TicketState, kind: str, at: datetime, event: str = "") -> TicketState:
    """The state machine of somebody who does not remember a decision when the next one comes."""
    return apply(dataclasses.replace(state, decision=None) if kind in DECISIONS else state, kind, at, event)


def without_memory() -> None:
    """Neither the pages nor the state machine know a decision; what still holds is the index."""
    real = deciding.visit

    async def visit(request: Any, service: Any) -> Any:
        found = await real(request, service)
        pickup = dataclasses.replace(found.pickup, decision=None) if found else None
        return dataclasses.replace(found, pickup=pickup) if found and pickup else found

    put(deciding, "visit", visit)
    put(chain, "apply", forgetful)


def look_again_soon() -> None:
    """The timers' second look at what is under way, by the name that each module imported."""
    places = [one for name, one in sys.modules.items() if name.startswith("sealpost.") and hasattr(one, "LOOK_AGAIN")]
    assert len(places) > 2
    for place in places:
        put(place, "LOOK_AGAIN", timedelta(seconds=2))


async def unmarked(_: Any, attempts: Sequence[tuple[mails.Claim, int]], *__: Any) -> set[UUID]:
    """No mark before the dot."""
    return {held.id for held, _ in attempts}


CONTROLS = {
    "no flush": lambda: put(segment_file, "_flush", lambda _: None),
    "no mark": lambda: put(mails, "dots_due", unmarked),
    "no memory": without_memory,
}


def put(owner: Any, name: str, value: Any) -> None:
    """Replaces something that is there."""
    getattr(owner, name)
    setattr(owner, name, value)


def live(order: dict[str, Any]) -> None:
    """One process, until it is told to end or is killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if order["control"]:
        CONTROLS[order["control"]]()
    for owner, name, value in HASTE:
        put(owner, name, value)
    look_again_soon()
    put(workers, "STALE", order["stale"])
    put(QueueManager._run_periodic_health_check, "__defaults__", (timedelta(seconds=1),))
    crash_points.set_up(crash_points.Knife(Path(order["folder"])))
    given = {**order["settings"], "data": Path(order["settings"]["data"])}
    settings = read_settings({}, **given)
    set_up_logs(pretty=False)
    run(serve._serve(settings, order["role"], -1))


def main() -> None:
    """Forks for each line; says the process's number. Its children die with it, however it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: they vanish by themselves
    print(0, flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            lived(json.loads(line))
        print(pid, flush=True)


def lived(order: dict[str, Any]) -> NoReturn:
    """A whole life in a child; whatever it ends with, it does not go on as its parent."""
    code = 70
    try:
        live(order)
        code = 0
    except BaseException:  # noqa: BLE001 - told in its log, as an interpreter would
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
