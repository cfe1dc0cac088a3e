"""Debian's OpenDKIM as a signing milter, unpacked into a throw-away folder and run there. For `bench/announce.py`."""

import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.serving import free_port
from tests.debian import CannotUnpack, environment, unpack_program

CONF = """\
Mode s
Syslog no
Domain example.org
Selector bench
KeyFile {folder}/bench.key
Canonicalization relaxed/relaxed
Socket inet:{port}@127.0.0.1
InternalHosts 127.0.0.1
RequireSafeKeys no
UserID root
Background no
"""


@contextmanager
def running_opendkim(parent: Path) -> Generator[str]:
    """Runs it with a key of 2048 bits until the end of the block; Postfix's name for it."""
    folder = parent / "opendkim"
    folder.mkdir(exist_ok=True)
    unpacked = _unpacked(folder)
    key, port = rsa.generate_private_key(65537, 2048), free_port()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "bench.key").write_bytes(pem)
    (folder / "conf").write_text(CONF.format(folder=folder, port=port))
    with (folder / "log").open("wb") as log:
        command = [unpacked / "usr/sbin/opendkim", "-f", "-x", folder / "conf"]
        running = subprocess.Popen(command, env=environment(unpacked, "opendkim"), stdout=log, stderr=log)
    try:
        _wait(running, port, folder)
        yield f"inet:127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(10)


def _wait(running: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    for _ in range(100):
        if running.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"OpenDKIM does not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")


def _unpacked(folder: Path) -> Path:
    try:
        return unpack_program(folder, "opendkim", "usr/sbin/opendkim")
    except CannotUnpack as why:
        sys.exit(f"this benchmark cannot run OpenDKIM: {why}")
