"""Each durable write, failed and not stored, failed but stored, short; then a restart. And a really full disk, and kill."""

import asyncio
import errno
import os
import random
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from sealpost.content.placement import ContentUnavailable, Placement
from sealpost.content.segments import LocalSegments
from sealpost.content.spool import Spool
from tests.content.appender import payload  # pyright: ignore[reportMissingImports] - pytest adds the root
from tests.content.conftest import ENVIRONMENT, Faults, Gate, Rows, descriptors, names  # pyright: ignore[reportMissingImports] - pytest adds the root


def creating(_path: object, flags: int, *_: object) -> bool:
    return bool(flags & os.O_EXCL)


def of_folder(fd: int) -> bool:
    return Path(f"/proc/self/fd/{fd}").readlink().name == "content"  # not its parent, which is synced as well


def of_file(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)


def of_header(_fd: int, pieces: list[bytes]) -> bool:
    return len(pieces) == 1


def of_group(_fd: int, pieces: list[bytes]) -> bool:
    return len(pieces) > 1


CREATION: dict[str, tuple[str, Callable[..., bool], int]] = {
    "create": ("open", creating, errno.ENOSPC),
    "header": ("writev", of_header, errno.ENOSPC),
    "header sync": ("fsync", of_file, errno.EIO),
    "folder sync": ("fsync", of_folder, errno.EIO),
}
APPEND: dict[str, tuple[str, Callable[..., bool], int]] = {
    "write": ("writev", of_group, errno.ENOSPC),
    "write, I/O": ("writev", of_group, errno.EIO),
    "sync": ("fdatasync", of_file, errno.EIO),
}
stored_or_not = pytest.mark.parametrize("stored", [False, True], ids=["not stored", "stored"])


async def opened(folder: Path, rows: Rows, max_segment: int = 1 << 30) -> LocalSegments:
    store = LocalSegments(folder, rows.committed_end, max_segment)
    await store.open()
    return store


async def assert_all_there_after_restart(folder: Path, rows: Rows, expected: list[bytes]) -> None:
    store = await opened(folder, rows)
    assert [await store.read(placement) for placement in rows.placed] == expected
    placement = await store.append(b"after restart")
    assert await store.read(placement) == b"after restart"
    assert [await store.read(row) for row in rows.placed] == expected
    await store.close()


@stored_or_not
@pytest.mark.parametrize("write", CREATION)
async def test_a_failed_creation_when_rolling(
    folder: Path, rows: Rows, faults: Faults, write: str, stored: bool
) -> None:
    store = await opened(folder, rows, 1)
    rows.placed.append(await store.append(b"before"))
    name, only, number = CREATION[write]
    faults.once(name, number, stored=stored, only=only)
    with pytest.raises(ContentUnavailable):
        await store.append(b"refused")
    assert faults.fired == 1
    rows.placed.append(await store.append(b"after"))
    await store.close()
    await assert_all_there_after_restart(folder, rows, [b"before", b"after"])


@stored_or_not
@pytest.mark.parametrize("write", CREATION)
async def test_a_failed_creation_at_open_leaves_reads_and_recovers(
    folder: Path, rows: Rows, faults: Faults, write: str, stored: bool
) -> None:
    store = await opened(folder, rows, 1)
    rows.placed.append(await store.append(b"before"))
    await store.close()
    name, only, number = CREATION[write]
    faults.once(name, number, stored=stored, only=only)
    store = await opened(folder, rows, 1)
    assert faults.fired == 1
    assert await store.read(rows.placed[0]) == b"before"
    rows.placed.append(await store.append(b"after"))
    await store.close()
    await assert_all_there_after_restart(folder, rows, [b"before", b"after"])


@stored_or_not
@pytest.mark.parametrize("write", APPEND)
async def test_a_failed_append_fails_its_whole_group_and_only_that(
    folder: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch, write: str, stored: bool
) -> None:
    store = await opened(folder, rows)
    gate = Gate(monkeypatch)
    before = asyncio.create_task(store.append(b"before"))
    await gate.wait_reached()
    refused = [asyncio.create_task(store.append(b"refused")) for _ in range(5)]
    await asyncio.sleep(0)  # each task reaches its wait
    name, only, number = APPEND[write]
    Faults(monkeypatch).once(name, number, stored=stored, only=only)
    gate.open.set()
    rows.placed.append(await before)
    results = await asyncio.gather(*refused, return_exceptions=True)
    assert [type(result) for result in results] == [ContentUnavailable] * 5
    after = await store.append(b"after")
    rows.placed.append(after)
    assert (after.segment == rows.placed[0].segment) == (write != "sync")
    assert (after.offset == rows.placed[0].offset + 6 + 4 + 16) == (write != "sync")
    await store.close()
    await assert_all_there_after_restart(folder, rows, [b"before", b"after"])


@stored_or_not
async def test_a_tail_that_cannot_be_taken_back_ends_the_segment(
    folder: Path, rows: Rows, faults: Faults, stored: bool
) -> None:
    store = await opened(folder, rows)
    rows.placed.append(await store.append(b"before"))
    faults.once("writev", errno.ENOSPC, stored=True, only=of_group)
    faults.once("ftruncate", errno.EIO, stored=stored)
    with pytest.raises(ContentUnavailable):
        await store.append(b"refused")
    assert faults.fired == 2
    rows.placed.append(await store.append(b"after"))
    assert rows.placed[1].segment != rows.placed[0].segment
    await store.close()
    await assert_all_there_after_restart(folder, rows, [b"before", b"after"])


@stored_or_not
@pytest.mark.parametrize("call", ["ftruncate", "fsync"])
async def test_a_cut_that_fails_leaves_the_segment_alone(
    folder: Path, rows: Rows, faults: Faults, call: str, stored: bool
) -> None:
    store = await opened(folder, rows)
    rows.placed.append(await store.append(b"before"))
    await store.close()
    with (folder / f"{rows.placed[0].segment}.seg").open("ab") as file:
        file.write(b"torn")
    faults.once(call, errno.EIO, stored=stored, only=lambda fd, *_: of_file(fd))
    store = await opened(folder, rows)
    assert faults.fired == 1
    rows.placed.append(await store.append(b"after"))
    assert rows.placed[1].segment != rows.placed[0].segment
    await store.close()
    await assert_all_there_after_restart(folder, rows, [b"before", b"after"])


@stored_or_not
async def test_an_inherited_name_that_cannot_be_made_durable_is_not_used(
    folder: Path, rows: Rows, faults: Faults, stored: bool
) -> None:
    store = await opened(folder, rows)
    rows.placed.append(await store.append(b"before"))
    await store.close()
    faults.once("fsync", errno.EIO, stored=stored, only=of_folder)
    store = await opened(folder, rows)
    assert faults.fired == 1
    rows.placed.append(await store.append(b"after"))
    assert rows.placed[1].segment != rows.placed[0].segment
    await store.close()
    await assert_all_there_after_restart(folder, rows, [b"before", b"after"])


async def test_a_short_write_is_completed(store: LocalSegments, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.writev
    sizes = iter([1, 16, 17, 3000])

    def short(fd: int, pieces: list[bytes]) -> int:
        return real(fd, [b"".join(pieces)[: next(sizes, None)]])

    monkeypatch.setattr(os, "writev", short)
    body = os.urandom(20_000)
    placements = await store.append_all([body, b"next"])
    assert [await store.read(placement) for placement in placements] == [body, b"next"]


async def test_a_short_write_on_a_disk_then_full_is_taken_back(
    store: LocalSegments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await store.append(b"before")
    path = folder / f"{before.segment}.seg"
    whole = path.read_bytes()
    real = os.writev
    with monkeypatch.context() as patch:

        def filling(fd: int, pieces: list[bytes]) -> int:
            if len(pieces) == 1:
                raise OSError(errno.ENOSPC, "full")
            return real(fd, pieces[:2])

        patch.setattr(os, "writev", filling)
        with pytest.raises(ContentUnavailable):
            await store.append(b"refused")
    assert path.read_bytes() == whole
    after = await store.append(b"after")
    assert (after.segment, await store.read(after)) == (before.segment, b"after")


async def test_an_abandoned_segment_keeps_its_lock_and_is_never_written_again(
    folder: Path, rows: Rows, faults: Faults
) -> None:
    store = await opened(folder, rows)
    rows.placed.append(await store.append(b"before"))
    path = folder / f"{rows.placed[0].segment}.seg"
    faults.once("fdatasync", errno.EIO, stored=False)
    with pytest.raises(ContentUnavailable):
        await store.append(b"refused")
    left = path.read_bytes()
    await store.append(b"after")
    assert "FLOCK" in lock_of(path)
    await store.close()
    assert "FLOCK" not in lock_of(path)
    stores = [await opened(folder, rows) for _ in range(3)]
    assert rows.placed[0].segment not in {(await each.append(b"x")).segment for each in stores}
    assert await stores[0].read(rows.placed[0]) == b"before"
    assert path.read_bytes() == left
    for each in stores:
        await each.close()


def lock_of(path: Path) -> str:
    inode = f":{path.stat().st_ino} "
    return "".join(line for line in Path("/proc/locks").read_text().splitlines() if inode in line)


async def test_a_disk_that_keeps_failing_eats_neither_descriptors_nor_segments(
    folder: Path, rows: Rows, faults: Faults
) -> None:
    store = await opened(folder, rows)
    rows.placed.append(await store.append(b"before"))
    faults.once("fdatasync", errno.EIO, stored=True, times=30)
    before = descriptors()
    for _ in range(30):
        with pytest.raises(ContentUnavailable):
            await store.append(b"refused")
    assert faults.fired == 30
    assert descriptors() <= before
    assert len(names(folder)) == 1
    assert await store.read(await store.append(b"after")) == b"after"
    await store.close()


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE])
async def test_a_read_that_the_disk_does_not_answer(store: LocalSegments, faults: Faults, number: int) -> None:
    placement = await store.append(b"x")
    faults.once("pread" if number == errno.EIO else "open", number, stored=False)
    with pytest.raises(ContentUnavailable):
        await store.read(placement)
    assert await store.read(placement) == b"x"


async def test_out_of_memory_while_writing_leaves_the_next_append_in_place(
    store: LocalSegments, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.writev
    with monkeypatch.context() as patch:

        def starving(fd: int, pieces: list[bytes]) -> int:
            real(fd, pieces[:1])
            raise MemoryError

        patch.setattr(os, "writev", starving)
        with pytest.raises(ContentUnavailable):
            await store.append(b"refused")
    assert await store.read(await store.append(b"after")) == b"after"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("A REAL FULL DISK IS NOT TESTED: mounting needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=False)
    if mounted.returncode:
        pytest.skip("A REAL FULL DISK IS NOT TESTED: mount is refused here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


async def test_a_really_full_disk(small_disk: Path, rows: Rows) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2 << 20))
    store = await opened(small_disk / "content", rows)
    body = os.urandom(300_000)
    results = [await asyncio.gather(store.append(body), return_exceptions=True) for _ in range(40)]
    rows.placed = [result for (result,) in results if isinstance(result, Placement)]
    assert {type(result) for (result,) in results} == {Placement, ContentUnavailable}
    assert 10 < len(rows.placed) < 30
    with Spool(small_disk) as spool, pytest.raises(ContentUnavailable):
        spool.write(bytes(8 << 20))
    for placement in rows.placed:
        assert await store.read(placement) == body
    ballast.unlink()
    after = await store.append(body)
    assert after.segment == rows.placed[0].segment
    rows.placed.append(after)
    await store.close()
    await assert_all_there_after_restart(small_disk / "content", rows, [body] * len(rows.placed))


async def test_a_store_opens_on_a_full_disk_and_recovers(small_disk: Path, rows: Rows) -> None:
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="space"):
        ballast.write_bytes(bytes(9 << 20))
    store = await opened(small_disk / "content", rows)
    with pytest.raises(ContentUnavailable):
        await store.append(b"refused")
    ballast.unlink()
    assert await store.read(await store.append(b"after")) == b"after"
    await store.close()


@pytest.mark.parametrize("committed", [True, False])
async def test_kill_9_loses_nothing_acknowledged(folder: Path, rows: Rows, committed: bool) -> None:
    program = Path(__file__).with_name("appender.py")
    acked: list[tuple[Placement, int]] = []
    for turn in range(5):
        start = turn * 1_000_000
        with subprocess.Popen(  # noqa: ASYNC220 - the process to be killed is the subject
            [sys.executable, program, folder, str(start)], stdout=subprocess.PIPE, env=ENVIRONMENT
        ) as process:
            assert process.stdout
            lines = [await asyncio.to_thread(process.stdout.readline) for _ in range(random.randint(1, 400))]
            process.kill()
            lines += process.stdout.readlines()
        for line in lines:
            segment, offset, length, number = line.split()
            acked.append((Placement(UUID(segment.decode()), int(offset), int(length)), int(number)))
        rows.placed = [placement for placement, _ in acked] if committed else []
        store = await opened(folder, rows)
        new = await store.append(b"after the kill")
        for placement, number in acked:
            assert await store.read(placement) == payload(number)
        assert await store.read(new) == b"after the kill"
        await store.close()
    assert len(names(folder)) == 1
