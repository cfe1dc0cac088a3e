"""The service under measurement: two web processes and no worker, as an operator starts them, with one account.

For `bench/accept.py` and `bench/memory.py`. Everything lies in the given folder; with DATABASE_URL the tables lie there,
and an account is added to them.
"""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from sealpost.settings import Settings, read_settings

ROOT = Path(__file__).resolve().parent.parent
SEND = "/webservice/mailsender/send"
SENDER = "alice@example.org"
TEXT = "Dear Bob,\n\nPlease read the attached notice.\n\nAlice"
PASSWORD = "a long enough pass phrase"
STARTS_WITHIN = 90


@dataclass(frozen=True)
class Served:
    """The service as it runs: settings, a bearer token, process numbers of the supervisor and of the web processes, and
    the environment that further processes of it need.
    """

    settings: Settings
    token: str
    supervisor: int
    processes: list[int]
    environment: dict[str, str]


@contextmanager
def served(folder: Path) -> Generator[Served]:
    """Starts the service in a folder, founds an account, stops the service at the end."""
    # The database's own account must pass through; what it finds there is closed to all others.
    folder.chmod(0o711)
    port = free_port()
    settings = read_settings(data=folder / "data", port=port, base_url=f"http://127.0.0.1:{port}")
    environment = os.environ | {
        "SEALPOST_DATA": str(settings.data),
        "SEALPOST_PORT": str(port),
        "SEALPOST_BASE_URL": settings.base_url,
        "SEALPOST_QUOTA": "1000000000",
        "PYTHONPATH": os.environ.get("PYTHONPATH") or str(ROOT / "src"),
    }
    log = folder / "serve.log"
    with log.open("wb") as lines:
        command = [sys.executable, "-m", "sealpost", "serve", "--role", "web", "--processes", "2"]
        process = subprocess.Popen(command, env=environment, stderr=lines, start_new_session=True)
    try:
        _wait_until_it_answers(process, port, log)
        token = _token(port, *_founded(environment))
        yield Served(settings, token, process.pid, _web_processes(process.pid), environment)
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            _request(port, "GET", "/webservice/xml/", "", {})
        except OSError:
            time.sleep(0.2)
        else:
            return
    sys.exit(f"the service does not start:\n{log.read_text(errors='replace')[-2000:]}")


def _request(port: int, method: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _founded(environment: dict[str, str]) -> tuple[str, str]:
    """An account with a sender and an OAuth client, by the commands that an operator uses."""

    def sealpost(*words: str, stdin: str = "") -> str:
        command = [sys.executable, "-m", "sealpost", *words]
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"sealpost {' '.join(words)}: {done.stderr[-2000:]}")
        return done.stdout

    def found(pattern: str, text: str) -> str:
        match = re.search(pattern, text)
        assert match, text
        return match[1]

    account = found(r"account (\d+)", sealpost("account", "add", "Alice Incasso N.V."))
    sealpost("user", "add", account, sender(), "--password-stdin", stdin=f"{PASSWORD}\n")
    client = sealpost("client", "add", account, "--role", "administrator")
    return found(r"id +(\S+)", client), found(r"secret +(\S+)", client)


def sender() -> str:
    """The sender's address; of this run alone, since an address is one user's in a whole database."""
    return SENDER.replace("@", f".{os.getpid()}@")


def _token(port: int, client: str, secret: str) -> str:
    form = urlencode({"grant_type": "client_credentials", "client_id": client, "client_secret": secret})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, octets = _request(port, "POST", "/oauth/client_credential/accesstoken", form, headers)
    assert status == 200, octets
    return json.loads(octets)["access_token"]


def sign_in(service: Served) -> str:
    """A signed-in person's cookie."""
    connection = http.client.HTTPConnection("127.0.0.1", service.settings.port, timeout=30)
    form = urlencode({"email": sender(), "password": PASSWORD})
    connection.request("POST", "/signin", form, {"Content-Type": "application/x-www-form-urlencoded"})
    response = connection.getresponse()
    response.read()
    connection.close()
    assert response.status == 303, response.status
    return response.headers["set-cookie"].partition(";")[0]


def _web_processes(supervisor: int) -> list[int]:
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    found = [int(pid) for pid in children if b"web" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    assert len(found) == 2, children
    return found


def send_body(attachment: bytes) -> bytes:
    """The JSON of one registered e-mail with one PDF."""
    members = {
        "sender_email": sender(),
        "sender_real_name": "Alice",
        "subject": "Notice of default",
        "recipient_email": "bob@example.com",
        "recipient_name": "Bob",
        "recipient_language": "en",
        "message_body": TEXT,
        "x-own-id": "2026-0042",
        "attachments": [
            {
                "attachment_name": "notice.pdf",
                "attachment_type": "application/pdf",
                "attachment": base64.b64encode(attachment).decode(),
            }
        ],
    }
    return json.dumps(members).encode()


def pdf(octets: int) -> bytes:
    """So many octets that begin like a PDF and do not compress."""
    return b"%PDF-1.7\n" + os.urandom(octets - 9)


def end_on_sigterm() -> None:
    """Makes SIGTERM end this program in order, so that what it started is stopped, too."""

    def end(*_: object) -> None:
        sys.exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


def load() -> str:
    return " ".join(f"{one:.1f}" for one in os.getloadavg())


def file_system(folder: Path) -> str:
    """The type of file system that a folder lies on, from the longest mount point above it."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(above)[1]
