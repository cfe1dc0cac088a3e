"""Debian's OpenDKIM as a signing milter, unpacked into a throw-away folder and run there. For `bench/announce.py`."""

import os
import re
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

# Of the C run time, which must be the machine's own.
KEPT = re.compile(r"lib(c6|gcc-s1|stdc\+\+6|ssl3\w*|crypt1)$")
CONF = """\
Mode s
Syslog no
Domain example.org
Selector bench
KeyFile {folder}/bench.key
Canonicalization relaxed/simple
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
    program, environment = _unpacked(folder)
    key, port = rsa.generate_private_key(65537, 2048), free_port()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "bench.key").write_bytes(pem)
    (folder / "conf").write_text(CONF.format(folder=folder, port=port))
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen([program, "-f", "-x", folder / "conf"], env=environment, stdout=log, stderr=log)
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


def _unpacked(folder: Path) -> tuple[Path, dict[str, str]]:
    """The program and its environment; libraries are fetched until the loader finds all."""
    root, had, wanted = folder / "root", set[str](), {"opendkim"}
    for _ in range(5):
        sandbox = ["-o", "APT::Sandbox::User=root"]
        subprocess.run(["apt-get", "-qq", *sandbox, "download", *sorted(wanted - had)], cwd=folder, check=True)
        had |= wanted
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, root], check=True)
        places = [str(path) for path in (root / "usr/lib", *root.glob("usr/lib/*-linux-gnu*"))]
        environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(places)}
        program = root / "usr/sbin/opendkim"
        shown = subprocess.run(["ldd", program], env=environment, capture_output=True, text=True, check=True).stdout
        if "not found" not in shown:
            return program, environment
        for package in folder.glob("*.deb"):
            field = subprocess.run(["dpkg-deb", "-f", package, "Depends"], capture_output=True, text=True, check=True)
            found = re.findall(r"(?:^|[ ,|])(lib[a-z0-9.+-]+)", field.stdout)
            wanted |= {name for name in found if not KEPT.match(name)}
    sys.exit("OpenDKIM needs a library that is not here")
