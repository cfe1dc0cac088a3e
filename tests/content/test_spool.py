"""The unnamed temporary file."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealpost.content.placement import ContentUnavailable
from sealpost.content.spool import Spool
from tests.content.conftest import Faults  # pyright: ignore[reportMissingImports] - pytest adds the root


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=5000), min_size=1, max_size=9).filter(any))
def test_what_was_written_is_mapped(tmp_path: Path, pieces: list[bytes]) -> None:
    with Spool(tmp_path) as spool:
        for piece in pieces:
            spool.write(memoryview(piece))
        mapped = spool.map()
    with mapped:
        assert bytes(mapped) == b"".join(pieces)
        assert spool.size == len(mapped)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EISDIR])
def test_a_file_system_without_unnamed_files(tmp_path: Path, faults: Faults, number: int) -> None:
    faults.once("open", number, stored=False)
    with Spool(tmp_path) as spool:
        assert faults.fired == 1
        assert not list(tmp_path.iterdir())
        spool.write(b"kept")
        assert os.pread(spool.fileno(), 10, 0) == b"kept"
        assert os.fstat(spool.fileno()).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE])
def test_a_disk_that_takes_nothing(tmp_path: Path, faults: Faults, number: int) -> None:
    faults.once("open", number, stored=False)
    with pytest.raises(ContentUnavailable):
        Spool(tmp_path)
    with Spool(tmp_path) as spool:
        faults.once("write", number, stored=False)
        with pytest.raises(ContentUnavailable):
            spool.write(b"x")
        assert spool.size == 0


def test_short_writes_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with Spool(tmp_path) as spool:
        monkeypatch.setattr(os, "write", lambda fd, piece: real(fd, piece[:3]))
        spool.write(b"0123456789")
        assert spool.size == 10
        assert os.pread(spool.fileno(), 20, 0) == b"0123456789"


def test_a_closed_spool_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.close()
    spool.close()
    with pytest.raises(ValueError, match="closed"):
        spool.write(b"x")


def test_an_empty_spool_has_no_map(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool, pytest.raises(ValueError, match="empty"):
        spool.map()
