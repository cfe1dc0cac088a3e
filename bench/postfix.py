"""Debian's Postfix, unpacked into a throw-away folder and run there: never installed, the machine's own stays untouched.

For `bench/accept.py` and `bench/announce.py`. Postfix wants users of its own: it runs in a mount namespace whose /etc/passwd and /etc/group are
copies with `postfix` and `postdrop` in them, so root is needed. All mail goes to its discard transport, unless told otherwise.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.debian import CannotUnpack, environment, library_packages, missing_libraries, unpack

OWNER, DROP = 64801, 64802
PRIVATE = ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"]
WAITING = ("incoming", "active", "deferred", "maildrop")

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/state
command_directory = {unpacked}/usr/sbin
daemon_directory = {unpacked}/usr/lib/postfix/sbin
shlib_directory = {unpacked}/usr/lib/postfix
meta_directory = {folder}/etc
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH={unpacked}/usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = bench.invalid
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
default_transport = discard:
relay_transport = discard:
"""

# In its own mount namespace: what is mounted here, nobody else sees, and it ends with the process. A machine with a
# system log is spared ten thousands of lines.
SHELL = """\
set -eu
mount --bind {folder}/passwd /etc/passwd
mount --bind {folder}/group /etc/group
[ ! -e /dev/log ] || mount --bind /dev/null /dev/log
cd {folder}/queue
exec {unpacked}/usr/lib/postfix/sbin/master -d -c {folder}/etc
"""


class Postfix:
    """A running Postfix.

    Args:
        folder: everything of it.
        unpacked: the package's files.
        port: on 127.0.0.1.
        master: the process number of its master.
    """

    def __init__(self, folder: Path, unpacked: Path, port: int, master: int) -> None:
        self.master = master
        self._folder = folder
        self._unpacked = unpacked
        self._port = port

    def take(self, messages: int, sessions: int, octets: int) -> float:
        """Gives it messages by smtp-source on connections that stay open; seconds until the last is accepted."""
        return self.source(self._unpacked, self._port, messages, sessions, octets)

    @staticmethod
    def source(unpacked: Path, port: int, messages: int, sessions: int, octets: int) -> float:
        """Gives messages to any server on this machine by smtp-source; seconds until the last is accepted."""
        program = unpacked / "usr/sbin/smtp-source"
        counts = ["-s", str(sessions), "-m", str(messages), "-l", str(octets)]
        command = [program, "-d", *counts, "-f", "alice@example.org", "-t", "bob@example.com"]
        began = time.monotonic()
        subprocess.run([*command, f"127.0.0.1:{port}"], env=_environment(unpacked), check=True)
        return time.monotonic() - began

    def wait_until_empty(self) -> None:
        """Until everything that it accepted is discarded, so that its work does not fall into another's turn."""
        while any(path.is_file() for name in WAITING for path in (self._folder / "queue" / name).rglob("*")):
            time.sleep(0.1)

    @property
    def version(self) -> str:
        command = [self._unpacked / "usr/sbin/postconf", "-c", self._folder / "etc", "-h", "mail_version"]
        environment = _environment(self._unpacked)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def running_postfix(folder: Path, port: int, *, unpacked: Path | None = None, more: str = "") -> Generator[Postfix]:
    """Unpacks Postfix into a folder, unless that is done, and runs it until the end of the block.

    ``more``: lines of its configuration that replace ours of the same name.
    """
    if os.geteuid() != 0:
        sys.exit("this benchmark needs root: Postfix starts as root, in a mount namespace of its own")
    unpacked = unpacked or fetched(folder)
    _configure(folder, unpacked, port, more)
    script = SHELL.format(folder=shlex.quote(str(folder)), unpacked=shlex.quote(str(unpacked)))
    with (folder / "postfix.log").open("wb") as log:
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        master = subprocess.Popen(command, env=_environment(unpacked), stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_it_answers(master, folder)
        yield Postfix(folder, unpacked, port, master.pid)
    finally:
        master.terminate()  # it takes its children with it
        master.wait(30)


def fetched(folder: Path) -> Path:
    """The package's files, unpacked into a folder."""
    print("fetching Debian's postfix package to unpack it into a throw-away folder; nothing is installed", flush=True)
    try:
        unpacked = unpack(folder, "postfix")
    except CannotUnpack as why:
        sys.exit(f"this benchmark cannot run Postfix: {why}")
    if missing_libraries(unpacked / "usr/lib/postfix/sbin/smtpd", _environment(unpacked)):
        names = " ".join(sorted(library_packages(folder)))
        sys.exit(f"Postfix needs libraries that are not here: apt-get install --no-install-recommends {names}")
    return unpacked


def _environment(unpacked: Path) -> dict[str, str]:
    return environment(unpacked, "postfix")


def _configure(folder: Path, unpacked: Path, port: int, more: str) -> None:
    """Debian's defaults but for the port, the places, no chroot (it needs a populated one), and the discard transport."""
    folder.chmod(0o711)
    etc = folder / "etc"
    etc.mkdir()
    given = {line.split(" = ")[0] for line in more.splitlines()}
    ours = MAIN_CF.format(folder=folder, unpacked=unpacked).splitlines(keepends=True)
    (etc / "main.cf").write_text("".join(line for line in ours if line.split(" = ")[0] not in given) + more)
    services = (unpacked / "usr/share/postfix/master.cf.dist").read_text()
    services = re.sub(r"(?m)^smtp(\s+inet\s)", rf"127.0.0.1:{port}\1", services)
    services = re.sub(r"(?m)^(\S+\s+\S+\s+\S\s+\S\s+)y", r"\1n", services)
    (etc / "master.cf").write_text(services)
    for name in ("postfix-files", "dynamicmaps.cf"):
        source = unpacked / "usr/share/postfix" / name
        if source.exists():
            (etc / name).write_bytes(source.read_bytes())
    users, groups = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    (folder / "passwd").write_text(_without(users) + f"postfix:x:{OWNER}:{OWNER}::/nonexistent:/bin/false\n")
    (folder / "group").write_text(_without(groups) + f"postfix:x:{OWNER}:\npostdrop:x:{DROP}:\n")
    _make_queue(folder)


def _without(lines: str) -> str:
    return re.sub(r"(?m)^(postfix|postdrop):.*\n", "", lines)


def _make_queue(folder: Path) -> None:
    for name in ("state", "queue", "queue/pid", *(f"queue/{name}" for name in PRIVATE)):
        (folder / name).mkdir()
        (folder / name).chmod(0o700)
        os.chown(folder / name, OWNER, OWNER)
    for name in ("queue", "queue/pid"):
        (folder / name).chmod(0o755)
        os.chown(folder / name, 0, 0)
    for name, mode in (("queue/public", 0o710), ("queue/maildrop", 0o730)):
        (folder / name).mkdir()
        os.chown(folder / name, OWNER, DROP)
        (folder / name).chmod(mode)


def _wait_until_it_answers(master: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(100):
        if master.poll() is not None:
            break
        if (folder / "queue/public/cleanup").exists() and (folder / "queue/public/qmgr").exists():
            return
        time.sleep(0.1)
    sys.exit(f"Postfix does not start: {(folder / 'postfix.log').read_text(errors='replace')[-2000:]}")
