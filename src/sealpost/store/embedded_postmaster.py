"""Makes a PostgreSQL cluster, starts its postmaster, finds it again after a `kill -9` of ours, and stops it.

For `store/embedded.py`, which holds the lock around every call. The truth about a server is PostgreSQL's own
`postmaster.pid`: the process number and, in its eighth line, the state that the postmaster writes of itself.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from sealpost.store.embedded_place import ENVIRONMENT, PORT, EmbeddedServerError, Place, sync_folder, write_file

ROLE = DATABASE = "sealpost"
_READY_SECONDS = 300  # crash recovery replays at most max_wal_size
_STOP_SECONDS = 60
_ORPHANS_SECONDS = 20  # a killed postmaster's backends still hold its shared memory that long at most
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_compression": "pglz",  # the wheel is built without lz4
    "shared_buffers": "128MB",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


def initialise(place: Place) -> None:
    """Make the cluster and its database beside its final name, then rename it: it exists whole or not at all.

    Raises:
        EmbeddedServerError: initdb failed; the sentence holds its last lines.
    """
    if place.cluster.exists():
        return
    fresh = place.base / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)  # what a crash below leaves
    place.account.own(fresh)
    initdb = [f"--username={ROLE}", "--auth-local=peer", "--auth-host=reject", "--data-checksums", "--encoding=UTF8"]
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    _checked(place.account.run(place.binaries / "bin/initdb", "-D", fresh, *initdb, *locale))
    single = ["--single", "-c", "exit_on_error=on", "-D", fresh, "postgres"]
    made = place.account.run(place.binaries / "bin/postgres", *single, script=f"CREATE DATABASE {DATABASE}\n")
    _checked(made)
    fresh.rename(place.cluster)
    sync_folder(place.base)


def _checked(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        raise EmbeddedServerError(f"{Path(done.args[0]).name} failed: {_last_lines(done.stderr or done.stdout)}")


def _last_lines(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-4:])


def ensure_running(place: Place) -> bool:
    """Attach to a live postmaster, whoever started it, or start one. The caller holds the lock.

    Returns:
        Whether it had to be started.

    Raises:
        EmbeddedServerError: it does not come up; the sentence holds the log's last lines.
    """
    if _comes_up(place.cluster):
        return False
    for file in (place.cluster / "postmaster.pid", place.socket / f".s.PGSQL.{PORT}.lock"):
        _forget_stranger(file)
    write_file(place.cluster / "pg_hba.conf", f"local all {ROLE} peer map=sealpost\n", 0o644)
    write_file(place.cluster / "pg_ident.conf", f'sealpost "{pwd.getpwuid(os.geteuid()).pw_name}" {ROLE}\n', 0o644)
    _start(place)
    return True


def _forget_stranger(file: Path) -> None:
    """Remove a dead postmaster's lock file if its number is now a living stranger's: PostgreSQL would refuse to start.

    Otherwise the file stays: PostgreSQL checks by it that no orphaned backend still writes to the cluster. (Without
    it, it finds these by the cluster's shared memory key, so nothing is at risk here.)
    """
    with suppress(FileNotFoundError):
        first = file.read_text(errors="replace").partition("\n")[0]
        if not first.isdigit() or _exists(int(first)):
            file.unlink()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start(place: Place) -> None:
    deadline = time.monotonic() + _ORPHANS_SECONDS
    while True:
        process = _launch(place)
        if _comes_up(place.cluster, process):
            return
        text = place.log.read_text(errors="replace")
        if "still in use" not in text or time.monotonic() > deadline:
            raise EmbeddedServerError(f"PostgreSQL did not start: {_last_lines(text)} (see {place.log})")
        time.sleep(0.1)


def _launch(place: Place) -> subprocess.Popen[bytes]:
    settings = _SETTINGS | {"unix_socket_directories": str(place.account.own(place.socket))}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with suppress(FileNotFoundError):
        place.log.rename(place.log.with_name(place.log.name + ".1"))  # one old log is kept, so it stays small
    log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(  # noqa: S603 - our own binary, no shell
            [place.binaries / "bin/postgres", "-D", place.cluster, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,  # a terminal's Ctrl-C is meant for us; we stop the server in order
            **place.account.run_as,
        )
    finally:
        os.close(log)
    threading.Thread(target=process.wait, daemon=True, name="postgres-reaper").start()  # no zombie stays
    return process


def _comes_up(cluster: Path, started: subprocess.Popen[bytes] | None = None) -> bool:
    """Wait until this cluster's postmaster says "ready"; False if there is none, or it dies first."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        found = _postmaster(cluster)
        if found is not None and found[1] == "ready":
            return True
        if found is None and (started is None or started.poll() is not None):
            return False
        time.sleep(0.01)
    raise EmbeddedServerError(f"PostgreSQL in {cluster} is not ready after {_READY_SECONDS} s (crash recovery?)")


def _postmaster(cluster: Path) -> tuple[int, str] | None:
    """The live postmaster of a cluster: its process number, and the state that it writes of itself."""
    try:
        lines = (cluster / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].isdigit() or os.fsencode(cluster) not in _arguments(int(lines[0])):
        return None
    return int(lines[0]), lines[7].strip() if len(lines) > 7 else "starting"


def _arguments(pid: int) -> list[bytes]:
    """A process's words; none for a dead one or a zombie. Its `cwd` would be closed to root in a container."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return []
    shown = subprocess.run(["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, check=False)  # noqa: S603 - fixed words
    found = re.search(rb"postgres -D (.*?) -c ", shown.stdout)
    return [found[1]] if found else []


def stop(place: Place) -> None:
    """Stop this cluster's postmaster, whoever started it, and wait for its end. The caller holds the lock.

    Raises:
        EmbeddedServerError: it outlives even an immediate shutdown.
    """
    for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, _STOP_SECONDS)):  # fast, then immediate
        found = _postmaster(place.cluster)
        if found is None:
            break
        with suppress(ProcessLookupError):
            os.kill(found[0], number)
        if _is_gone(place.cluster, seconds):
            break
    else:
        raise EmbeddedServerError(f"PostgreSQL in {place.cluster} does not stop (see {place.log})")
    with suppress(OSError):
        place.socket.rmdir()


def _is_gone(cluster: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _postmaster(cluster) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
