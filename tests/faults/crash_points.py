"""The 24 points at which a process is killed (reliability reference, section 3), and the knives that do it.

The product knows nothing of them: the process that is to die wraps its own functions before it runs (`set_up`). Where a
function is no longer there, or is no longer called, that is an error, never a point that passes.
"""

from __future__ import annotations

import inspect
import json
import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection as SqlConnection

from sealpost.content import segment_file
from sealpost.content.segments import LocalSegments
from sealpost.mail import sending
from sealpost.mail.session import Session
from sealpost.mail.wire import Wire
from sealpost.seal.log.folder import LogFolder
from sealpost.store import mails
from sealpost.usecases import erase, handover, submission_group, submit, take_returned
from sealpost.web.pickup import deciding

ARMED, STRUCK = "armed.json", "struck.json"
CHANGES = ("create", "alter", "drop", "update", "insert")


@dataclass(frozen=True)
class Point:
    """A place to die at.

    Args:
        name: as the reference counts them.
        told: in words.
        times: at which call, from 1 to this, the knife may fall.
        copies: how often the mail that was under way there comes in the end, at least and at most.
    """

    name: str
    told: str
    times: int = 3
    copies: tuple[int, int] = (1, 1)


POINTS = (
    Point("K1", "submission parsed"),
    Point("K2", "content written, not flushed"),
    Point("K3", "content flushed"),
    Point("K4", "submission before its commit"),
    Point("K5", "submission committed, not answered"),
    Point("K6", "announcement claimed"),
    Point("K7", "its intent committed"),
    Point("K8", "after RCPT"),
    Point("K9", "mid-DATA"),
    Point("K10", "final dot sent", copies=(1, 2)),
    Point("K11", "250 read, not committed", copies=(2, 2)),
    Point("K12", "evidence committed"),
    Point("K13", "leaves staged", times=2),
    Point("K14", "checkpoint settled, not published", times=2),
    Point("K15", "decision's POST validated"),
    Point("K16", "decision committed, no page yet"),
    Point("K17", "content: after RCPT"),
    Point("K18", "content: mid-DATA"),
    Point("K19", "content: final dot sent", copies=(1, 2)),
    Point("K20", "content: 250 read, not committed", copies=(2, 2)),
    Point("K21", "bounce stored, before its transaction", times=1),
    Point("K22", "sender's notice handed over"),
    Point("K23", "mid-erasure"),
    Point("K24", "mid-migration", times=15),
)
_doing: ContextVar[tuple[str, str]] = ContextVar("doing", default=("", ""))
"""Purpose and id of the mail that this task hands over."""


class Knife:
    """Kills this process, where the file ``armed.json`` says so: {"run", "point", "time", "signal"}.

    Args:
        folder: of that file, and of ``struck.json``, which tells the outside what was under way.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counted = dict[tuple[str, str], int]()
        self._one = threading.Lock()
        self.flushed = dict[str, int]()
        """Segment file → octets that are on the disk for sure."""

    def fall(self, point: str, mail_id: str = "") -> None:
        """Counts a call at a point; does not return from the one that it is armed for."""
        try:
            armed = json.loads((self._folder / ARMED).read_text())
        except FileNotFoundError:
            return
        with self._one:
            place = armed["run"], point
            self._counted[place] = self._counted.get(place, 0) + 1
            if armed["point"] != point or armed["time"] != self._counted[place]:
                return
            told = {**armed, "mail": mail_id, "flushed": self.flushed, "pid": os.getpid()}
            (self._folder / "struck.new").write_text(json.dumps(told))
            (self._folder / "struck.new").replace(self._folder / STRUCK)
            os.kill(os.getpid(), armed["signal"])
            if armed["signal"] == signal.SIGKILL:
                threading.Event().wait()  # it comes; nothing may pass meanwhile


Spoken = Callable[..., object]


def around(owner: Any, name: str, *, before: Spoken | None = None, after: Spoken | None = None) -> None:
    """Wraps a function; ``before`` gets its arguments, ``after`` its result and its arguments.

    Raises:
        AttributeError: there is no such function any more.
    """
    real = getattr(owner, name)

    def begin(args: Any) -> None:
        if before:
            before(*args)

    def end(result: Any, args: Any) -> Any:
        if after:
            after(result, *args)
        return result

    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        begin(args)
        return end(await real(*args, **kwargs), args)

    def plain(*args: Any, **kwargs: Any) -> Any:
        begin(args)
        return end(real(*args, **kwargs), args)

    setattr(owner, name, asynchronous if inspect.iscoroutinefunction(real) else plain)


def set_up(knife: Knife) -> None:
    """Wraps everything that a point names."""
    _watch_flushes(knife)
    _submission(knife)
    _mails(knife)
    _dialogue(knife)
    around(LogFolder, "grow", after=lambda *_: knife.fall("K13"))
    around(LogFolder, "publish", before=lambda *_: knife.fall("K14"))
    around(deciding, "decide", before=lambda *_: knife.fall("K15"), after=lambda *_: knife.fall("K16"))
    around(take_returned, "_stored", after=lambda *_: knife.fall("K21"))
    around(erase, "_list", after=lambda *_: knife.fall("K23"))
    around(erase, "_erase", after=lambda *_: knife.fall("K23"))
    around(SqlConnection, "exec_driver_sql", after=lambda _, __, sql, *___: _migrated(knife, sql))


def _migrated(knife: Knife, sql: str) -> None:
    if sql.lstrip("- \n").lower().startswith(CHANGES):
        knife.fall("K24")


def _submission(knife: Knife) -> None:
    around(submit, "read_fields", after=lambda *_: knife.fall("K1"))
    appending = set[int]()  # submissions whose content is on its way to the disk
    real = LocalSegments.append

    async def append(self: LocalSegments, blob: Any) -> Any:
        one = object()
        if submitting.get():
            appending.add(id(one))
        try:
            return await real(self, blob)
        finally:
            appending.discard(id(one))

    LocalSegments.append = append
    submitting: ContextVar[bool] = ContextVar("submitting", default=False)
    around(submit.Submitter, "_check_sender", before=lambda *_: submitting.set(True))

    def falls(point: str) -> Spoken:
        return lambda *_: knife.fall(point) if appending else None

    around(segment_file, "_flush", before=falls("K2"), after=falls("K3"))
    transaction = submission_group.transaction

    @asynccontextmanager
    async def before_commit(service: Any) -> AsyncGenerator[Any]:
        async with transaction(service) as connection:
            yield connection
            knife.fall("K4")

    submission_group.transaction = before_commit
    around(submission_group, "write", after=lambda *_: knife.fall("K5"))


def _mails(knife: Knife) -> None:
    def claimed(held: Any, *_: Any) -> None:
        if held and held.purpose == "announcement":
            knife.fall("K6", str(held.id))

    def prepared(done: Any, _: Any, held: Any, *__: Any) -> None:
        if done and held.purpose == "announcement":
            knife.fall("K7", str(held.id))

    def settled(_: Any, __: Any, held: Any, *___: Any) -> None:
        if held.purpose == "announcement":
            knife.fall("K12", str(held.id))
        if held.purpose.startswith("notice:"):
            knife.fall("K22", str(held.id))

    around(handover, "_claim", after=claimed)
    around(handover, "_prepare", after=prepared)
    around(handover, "_send", before=lambda _, held, *__: _doing.set((held.purpose, str(held.id))))
    around(handover, "settle", after=settled)
    # Not one of the 24, but where a worker that only stands still holds locks: in the middle of an outcome's transaction.
    around(mails, "end_attempts", after=lambda *_: knife.fall("settling"))


def _dialogue(knife: Knife) -> None:
    def fall(announcement: str, content: str) -> None:
        purpose, mail_id = _doing.get()
        if purpose in {"announcement", "content"}:
            knife.fall(announcement if purpose == "announcement" else content, mail_id)

    def heard(_: Any, __: Any, stage: str, *___: Any) -> None:
        if stage == "rcpt":
            fall("K8", "K17")
        if stage == "dot":
            fall("K11", "K20")

    pour = Wire.pour

    async def half(self: Wire, octets: bytes, seconds: float) -> None:
        middle = len(octets) // 2
        await pour(self, octets[:middle], seconds)
        fall("K9", "K18")
        await pour(self, octets[middle:], seconds)

    around(Session, "hear", after=heard)
    around(sending, "_put_dot", after=lambda *_: fall("K10", "K19"))
    Wire.pour = half


def _watch_flushes(knife: Knife) -> None:
    """What is not on the disk when the power goes is gone; the outside cuts the files back to what was (`flushed`)."""

    def note(fd: int) -> None:
        path = str(Path(f"/proc/self/fd/{fd}").readlink())
        if path.endswith(".seg"):
            knife.flushed[path] = os.fstat(fd).st_size

    around(os, "fdatasync", after=lambda _, fd: note(fd))
    around(os, "fsync", after=lambda _, fd: note(fd))
    # What an earlier process left is as durable as it will ever be.
    around(segment_file.SegmentFile, "recover", before=lambda file, _: note(file._fd))
