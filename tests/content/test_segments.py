"""The store at work: groups, placements, cancellation, rolling, adoption, ownership."""

import asyncio
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from sealpost.content.frames import FILE_HEADER, MAX_PAYLOAD, frame_of
from sealpost.content.placement import ContentDamaged, ContentStore, ContentUnavailable, Placement
from sealpost.content.reading import SegmentReader
from sealpost.content.segments import LocalSegments
from sealpost.content.spool import Spool
from tests.content.conftest import ENVIRONMENT, Gate, Rows, descriptors, names  # pyright: ignore[reportMissingImports] - pytest adds the root


async def reopened(folder: Path, rows: Rows, max_segment: int = 1 << 30) -> LocalSegments:
    store = LocalSegments(folder, rows.committed_end, max_segment)
    await store.open()
    return store


async def test_what_was_appended_is_read(store: LocalSegments) -> None:
    as_protocol: ContentStore = store
    blobs = [b"", b"x", os.urandom(75_000), os.urandom(600_000)]
    placements = [await as_protocol.append(blob) for blob in blobs]
    assert [await as_protocol.read(placement) for placement in placements] == blobs
    assert [placement.length for placement in placements] == list(map(len, blobs))


async def test_append_all_keeps_the_order(store: LocalSegments) -> None:
    blobs = [os.urandom(n) for n in (5, 0, 5000, 1)]
    placements = await store.append_all(blobs)
    assert [await store.read(placement) for placement in placements] == blobs
    assert await store.append_all([]) == []


async def test_a_placement_is_handed_out_only_after_fdatasync(
    store: LocalSegments, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    append = asyncio.create_task(store.append(b"early"))
    await gate.wait_reached()
    assert not append.done()
    gate.open.set()
    assert await store.read(await append) == b"early"


async def test_concurrent_appends_share_one_fdatasync(store: LocalSegments, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    first = asyncio.create_task(store.append(b"first"))
    await gate.wait_reached()
    rest = [asyncio.create_task(store.append(b"%d" % n)) for n in range(100)]
    await asyncio.sleep(0)  # each task reaches its wait
    gate.open.set()
    await asyncio.gather(first, *rest)
    assert gate.calls == 2
    assert [await store.read(task.result()) for task in rest] == [b"%d" % n for n in range(100)]


async def test_a_group_is_bounded(store: LocalSegments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealpost.content.segments._GROUP_BYTES", 3000)
    gate = Gate(monkeypatch)
    first = asyncio.create_task(store.append(b"first"))
    await gate.wait_reached()
    rest = [asyncio.create_task(store.append(bytes(900))) for _ in range(8)]
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(first, *rest)
    assert gate.calls == 3


async def test_a_cancelled_caller_disturbs_nobody(
    store: LocalSegments, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    written = asyncio.create_task(store.append(b"written in vain"))
    beside = asyncio.create_task(store.append(b"beside"))
    await gate.wait_reached()
    queued = asyncio.create_task(store.append(b"never written"))
    after = asyncio.create_task(store.append(b"after"))
    await asyncio.sleep(0)
    written.cancel()
    queued.cancel()
    gate.open.set()
    assert await store.read(await beside) == b"beside"
    assert await store.read(await after) == b"after"
    assert written.cancelled()
    assert queued.cancelled()
    (path,) = names(folder)
    assert b"never written" not in path.read_bytes()


async def test_a_spool_is_stored_though_its_owner_closes_it(
    store: LocalSegments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    first = asyncio.create_task(store.append(b"first"))
    await gate.wait_reached()
    body = os.urandom((3 << 20) + 1)
    before = descriptors()
    with Spool(tmp_path) as spool:
        spool.write(body)
        append = asyncio.create_task(store.append(spool))
        gone = asyncio.create_task(store.append(spool))
        await asyncio.sleep(0)
    gone.cancel()
    gate.open.set()
    await first
    placement = await append
    assert await store.read(placement) == body
    await store.append(b"the cancelled one is past")
    assert descriptors() <= before + 1  # the reader's


async def test_an_oversized_blob_is_refused_and_its_neighbours_let_go(store: LocalSegments, tmp_path: Path) -> None:
    class Huge:
        size = MAX_PAYLOAD + 1

        def fileno(self) -> int:
            raise AssertionError

    with Spool(tmp_path) as spool:
        spool.write(b"small")
        before = descriptors()
        with pytest.raises(ValueError, match="more than one frame"):
            await store.append_all([spool, Huge()])
        assert descriptors() == before


async def test_a_spool_shorter_than_it_says_is_not_stored(store: LocalSegments, tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        spool.write(b"longer")
        os.ftruncate(spool.fileno(), 3)
        with pytest.raises(ContentUnavailable):
            await store.append(spool)
    assert await store.read(await store.append(b"next")) == b"next"


async def test_a_full_segment_is_left_for_a_new_one(folder: Path, rows: Rows) -> None:
    store = await reopened(folder, rows, 1000)
    placements = [await store.append(bytes([n]) * 600) for n in range(5)]
    assert len({placement.segment for placement in placements}) == 3
    assert [await store.read(placement) for placement in placements] == [bytes([n]) * 600 for n in range(5)]
    await store.close()


async def test_appends_end_with_close_and_what_waits_is_finished(
    folder: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalSegments(folder, rows.committed_end)
    with pytest.raises(ContentUnavailable):
        await store.append(b"before open")
    await store.open()
    gate = Gate(monkeypatch)
    waiting = [asyncio.create_task(store.append(b"%d" % n)) for n in range(20)]
    await gate.wait_reached()
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    gate.open.set()
    await closing
    await store.close()
    assert [await store.read(await task) for task in waiting] == [b"%d" % n for n in range(20)]
    with pytest.raises(ContentUnavailable):
        await store.append(b"after close")


async def test_files_are_for_their_owner_only(store: LocalSegments, folder: Path) -> None:
    await store.append(b"x")
    assert [path.stat().st_mode & 0o777 for path in (folder, *names(folder))] == [0o700, 0o600]


async def test_a_folder_that_was_open_to_others_is_closed(folder: Path, rows: Rows) -> None:
    await asyncio.to_thread(folder.mkdir, 0o755)
    store = await reopened(folder, rows)
    assert [path.stat().st_mode & 0o777 for path in (folder, *names(folder))] == [0o700, 0o600]
    await store.close()


async def test_a_restart_continues_the_same_segment(folder: Path, rows: Rows) -> None:
    for n in range(4):
        store = await reopened(folder, rows)
        rows.placed.append(await store.append(b"%d" % n))
        assert [await store.read(placement) for placement in rows.placed] == [b"%d" % i for i in range(n + 1)]
        await store.close()
    assert len(names(folder)) == 1


async def test_two_stores_never_share_a_segment(store: LocalSegments, folder: Path, rows: Rows) -> None:
    other = await reopened(folder, rows)
    mine, theirs = await store.append(b"mine"), await other.append(b"theirs")
    assert mine.segment != theirs.segment
    assert await store.read(theirs) == b"theirs"
    await other.close()


async def test_another_process_is_not_robbed_and_its_segment_inherited(folder: Path, rows: Rows) -> None:
    program = Path(__file__).with_name("appender.py")
    with subprocess.Popen(  # noqa: ASYNC220 - the other process is the subject
        [sys.executable, program, folder, "1"], stdout=subprocess.PIPE, env=ENVIRONMENT
    ) as other:
        assert other.stdout
        first = await asyncio.to_thread(other.stdout.readline)
        segment = first.split()[0].decode()
        store = await reopened(folder, rows)
        assert str((await store.append(b"ours")).segment) != segment
        await store.close()
        other.kill()
        other.stdout.read()
    before = [path.stem for path in names(folder)]
    stores = [await reopened(folder, rows) for _ in range(3)]
    used = [str((await store.append(b"x")).segment) for store in stores]
    assert used[:2] == before
    assert used[2] not in before
    for each in stores:
        await each.close()


async def test_every_torn_tail_is_cut_and_nothing_else(folder: Path, rows: Rows) -> None:
    store = await reopened(folder, rows)
    rows.placed.append(await store.append(b"committed"))
    in_flight = await store.append(b"complete, its row still committing")
    await store.close()
    path = folder / f"{in_flight.segment}.seg"
    whole = path.read_bytes()
    torn = b"".join(frame_of(b"torn").pieces())
    for size in range(len(torn)):
        path.write_bytes(whole + torn[:size])
        store = await reopened(folder, rows)
        assert path.read_bytes() == whole
        new = await store.append(b"new")
        assert (new.segment, new.offset) == (in_flight.segment, len(whole) + 16)
        assert await store.read(in_flight) == b"complete, its row still committing"
        assert await store.read(new) == b"new"
        await store.close()


async def test_a_cut_is_logged_without_content(folder: Path, rows: Rows) -> None:
    store = await reopened(folder, rows)
    placement = await store.append(b"Alice")
    await store.close()
    with (folder / f"{placement.segment}.seg").open("ab") as file:
        file.write(b"Bob's bytes")
    with capture_logs() as logs:
        await (await reopened(folder, rows)).close()
    cut = next(line for line in logs if line["event"] == "torn segment tail cut")
    assert (cut["segment"], cut["cut"]) == (str(placement.segment), 11)
    assert "Bob" not in str(logs)


@pytest.mark.parametrize("missing", [1, 3, 4, 5, 13, 29, 40])
async def test_a_segment_shorter_than_its_rows_is_damage_and_left_alone(folder: Path, rows: Rows, missing: int) -> None:
    store = await reopened(folder, rows)
    rows.placed.append(await store.append(b"committed"))
    await store.close()
    path = folder / f"{rows.placed[0].segment}.seg"
    short = path.read_bytes()[:-missing]
    path.write_bytes(short)
    with capture_logs() as logs:
        store = await reopened(folder, rows)
    assert [line["log_level"] for line in logs if line.get("segment") == path.stem] == ["error"]
    assert (await store.append(b"new")).segment != rows.placed[0].segment
    assert path.read_bytes() == short
    with pytest.raises(ContentDamaged):
        await store.read(rows.placed[0])
    await store.close()


async def test_a_committed_frame_that_rots_is_never_cut(folder: Path, rows: Rows) -> None:
    store = await reopened(folder, rows)
    rows.placed += await store.append_all([b"rotten", b"good"])
    await store.close()
    path = folder / f"{rows.placed[0].segment}.seg"
    rotten = bytearray(path.read_bytes())
    rotten[rows.placed[0].offset] ^= 1
    path.write_bytes(rotten)
    store = await reopened(folder, rows)
    assert (await store.append(b"new")).segment == rows.placed[0].segment
    assert await store.read(rows.placed[1]) == b"good"
    with pytest.raises(ContentDamaged):
        await store.read(rows.placed[0])
    await store.close()


@pytest.mark.parametrize("size", [0, 1, 27])
async def test_a_segment_whose_creation_was_torn_is_begun_anew(folder: Path, rows: Rows, size: int) -> None:
    store = await reopened(folder, rows)
    await store.close()
    (path,) = names(folder)
    path.write_bytes(path.read_bytes()[:size])
    store = await reopened(folder, rows)
    placement = await store.append(b"new")
    assert str(placement.segment) == path.stem
    assert await store.read(placement) == b"new"
    await store.close()
    assert path.stat().st_size == FILE_HEADER + 16 + 3 + 4


@pytest.mark.parametrize("change", ["foreign header", "another's name", "not a name", "symbolic link", "folder"])
async def test_what_is_not_our_segment_is_left_alone(folder: Path, rows: Rows, change: str, tmp_path: Path) -> None:
    store = await reopened(folder, rows)
    await store.append(b"x")
    await store.close()
    (path,) = names(folder)
    whole = path.read_bytes()
    target = folder / f"{uuid4()}.seg"
    if change == "foreign header":
        target = path
        whole = b"\0" * 100
        path.write_bytes(whole)
    elif change == "another's name":
        path.rename(target)
    elif change == "not a name":
        target = path.rename(folder / "notes.seg")
    elif change == "symbolic link":
        target = path
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.unlink()
        target.mkdir()
    store = await reopened(folder, rows)
    placement = await store.append(b"new")
    assert str(placement.segment) != target.stem
    assert target.is_dir() or target.read_bytes() == whole
    await store.close()


async def test_a_segment_removed_while_being_claimed_is_not_used(
    folder: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await reopened(folder, rows)).close()
    (path,) = names(folder)
    real = fcntl.flock

    def removed_first(fd: int, how: int) -> None:
        path.unlink(missing_ok=True)
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", removed_first)
    store = await reopened(folder, rows)
    assert await store.read(await store.append(b"found again")) == b"found again"
    await store.close()


async def test_a_database_that_does_not_answer_stops_the_opening_and_frees_the_lock(folder: Path, rows: Rows) -> None:
    await (await reopened(folder, rows)).close()

    async def away(_: object) -> int:
        raise ConnectionRefusedError

    broken = LocalSegments(folder, away)
    with pytest.raises(ConnectionRefusedError):
        await broken.open()
    await broken.close()
    store = await reopened(folder, rows)
    await store.append(b"x")
    await store.close()
    assert len(names(folder)) == 1


async def test_reads_of_what_is_not_there(store: LocalSegments) -> None:
    placement = await store.append(b"there")
    for wrong in [
        Placement(uuid4(), placement.offset, 5),
        Placement(uuid4(), placement.offset, 1 << 20),
        Placement(placement.segment, placement.offset + 1, 4),
        Placement(placement.segment, 1 << 40, 5),
        Placement(placement.segment, placement.offset, 1 << 20),
    ]:
        with pytest.raises(ContentDamaged):
            await store.read(wrong)


async def test_the_reader_keeps_few_descriptors(folder: Path, rows: Rows) -> None:
    store = await reopened(folder, rows, 1)
    placements = [await store.append(b"%d" % n) for n in range(12)]
    await store.close()
    reader = SegmentReader(folder, keep=3)
    before = descriptors()
    for _ in range(2):
        assert [reader.read(placement) for placement in placements] == [b"%d" % n for n in range(12)]
        assert descriptors() == before + 3
    reader.close()
    assert descriptors() == before
