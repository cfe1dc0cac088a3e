"""The commands as an operator types them: each in a process of its own, on a data folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sealpost.settings import SettingsError, read_settings
from tests.support.command import command

SOURCE = str(Path(__file__).parents[2] / "src")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(**settings: object) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("SEALPOST_") and name != "DATABASE_URL"
    }
    return {
        **kept,
        "PYTHONPATH": SOURCE,
        **{f"SEALPOST_{name.upper()}": str(value) for name, value in settings.items()},
    }


def sealpost(*words: str, given: str = "", **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command(), *words],
        env=environment(**settings),
        input=given,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@contextmanager
def running(*words: str, **settings: object) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [*command(), *words],
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        process.said = out + err  # type: ignore[attr-defined]


def wait_for(condition, seconds: float = 60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)  # another process is at work: there is nothing to be told by
    raise AssertionError("waited in vain")


def status_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def answers(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def test_an_installation_from_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert "up to date" in sealpost("migrate", data=data).stdout
    added = sealpost("account", "add", "Alice Incasso N.V.", "--reminder-days", "3", "--expiry-days", "9", data=data)
    account = re.fullmatch(r"account (\d+)\n", added.stdout)
    assert account, added.stderr
    number = account[1]
    changed = sealpost("account", "set", number, "--reminder-days", "4", "--expiry-days", "8", data=data)
    assert "reminder on day 4" in changed.stdout
    user = sealpost(
        "user", "add", number, "alice@example.org", "--password-stdin", given="a long enough password\n", data=data
    )
    assert "active" in user.stdout, user.stderr
    again = sealpost(
        "user", "add", number, "alice@example.org", "--password-stdin", given="a long enough password\n", data=data
    )
    assert (again.returncode, again.stderr) == (1, "sealpost: this user exists already\n")
    client = sealpost("client", "add", number, "--kind", "web_service", "--name", "alice-service", data=data)
    made = re.fullmatch(r"id +alice-service\nsecret +([A-Za-z0-9_-]{43})\n", client.stdout)
    assert made, client.stderr

    doctor = sealpost("doctor", data=data, smtp_host="127.0.0.1", smtp_port=free_port())
    lines = doctor.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["ok", "database"], ["ok", "content"], ["ok", "keys"], ["FAIL", "evidence"], ["ok", "clock"], ["FAIL", "smtp"], ["ok", "names"], ["ok", "abuse"],
    ]  # fmt: skip
    assert doctor.returncode == 1
    made_keys = [path for path in (data / "keys").rglob("*") if ".cert." not in path.name]
    assert {path.name for path in made_keys} >= {
        "content-1.key",
        "mail-1.key",
        "evidence",
        "record-seal-1.key.pem",
        "passphrase",
    }
    for path in made_keys:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert "record-seal 1 until" in doctor.stdout
    with made_secret_nowhere(data, made[1]):
        pass

    port = free_port()
    with running(
        "serve", "--processes", "2", data=data, port=port, inbound_port=free_port(), base_url=f"http://127.0.0.1:{port}"
    ) as service:
        assert wait_for(lambda: answers(f"http://127.0.0.1:{port}/signin")) == 200
        assert answers(f"http://127.0.0.1:{port}/inbox") == 404
        assert answers(f"http://127.0.0.1:{port}/demo/clock") == 404
        doctor = sealpost("doctor", data=data)
        assert "ok    database" in doctor.stdout, "beside a running service"
    assert service.returncode == 0, service.said  # type: ignore[attr-defined]
    assert "Traceback" not in service.said  # type: ignore[attr-defined]
    assert made[1] not in service.said  # type: ignore[attr-defined]


@contextmanager
def made_secret_nowhere(data: Path, secret: str) -> Generator[None]:
    """Only the hash of a secret is kept: the secret itself is in no file of the installation."""
    for path in data.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
    yield


def smtp(port: int, *commands: bytes) -> list[bytes]:
    """What a server says to each command, the greeting first."""
    with socket.create_connection(("127.0.0.1", port), 10) as peer, peer.makefile("rb") as heard:
        said = [heard.readline()]
        for command in commands:
            peer.sendall(command + b"\r\n")
            said.append(heard.readline())
            while said[-1][3:4] == b"-":
                said[-1] = heard.readline()
        return said


def test_the_role_inbound_takes_nothing_that_is_not_ours(tmp_path: Path) -> None:
    port = free_port()
    own: dict[str, Any] = {"data": tmp_path / "data", "our_name": "mx.example.org", "mail_domain": "mail.example.org"}
    with running("serve", "--role", "inbound", inbound_port=port, **own) as service:
        wait_for(lambda: is_open(port))
        greeting, _, _, forged, foreign, empty = smtp(
            port, b"EHLO out.example.net", b"MAIL FROM:<>", b"RCPT TO:<b-" + b"a" * 50 + b"@mail.example.org>",
            b"RCPT TO:<bob@example.com>", b"DATA",
        )  # fmt: skip
        assert greeting.startswith(b"220 mx.example.org ")
        assert (forged[:9], foreign[:5], empty[:3]) == (b"550 5.1.1", b"550 5", b"503")
        other = sealpost("serve", "--role", "inbound", inbound_port=port, **own)
        assert other.returncode == 1
        assert f"cannot take mail in on 127.0.0.1:{port}" in other.stderr
        assert "Traceback" not in other.stderr
    assert service.returncode == 0, service.said  # type: ignore[attr-defined]


def test_the_role_inbound_without_a_port_has_nothing_to_do(tmp_path: Path) -> None:
    refused = sealpost("serve", "--role", "inbound", inbound_port=0, data=tmp_path / "data")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(r"sealpost: SEALPOST_INBOUND_PORT is 0, [^\n]*\n", refused.stderr)
    assert not (tmp_path / "data").exists()


def is_open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_the_demo_keeps_its_promises(tmp_path: Path) -> None:
    ready, port = tmp_path / "ready.json", free_port()
    words = ("demo", "--data", str(tmp_path / "data"), "--port", str(port), "--ready-file", str(ready))
    with running(*words, database_url="postgresql://nobody@127.0.0.1:1/none") as first:
        wait_for(ready.exists)
        assert stat.S_IMODE(ready.stat().st_mode) == 0o600
        told = json.loads(ready.read_text())
        assert set(told) == {
            "base_url", "inbox_url", "client_id", "client_secret", "admin_email", "admin_password", "web_service_user",
            "web_service_password", "sender_email",
        }  # fmt: skip
        assert answers(told["inbox_url"]) == 200
        request = urllib.request.Request(
            f"{told['base_url']}/demo/clock", b'{"advance_seconds": 1}', {"Content-Type": "application/json"}
        )
        assert status_of(request) == 404, "the clock moves only with --test-clock"
        foreign = urllib.request.Request(told["inbox_url"], headers={"Host": "evil.example"})
        assert status_of(foreign) == 403
        taken = sealpost("demo", "--data", str(tmp_path / "other"), "--port", str(port))
        assert taken.returncode == 1
        assert f"cannot listen on 127.0.0.1:{port}" in taken.stderr
        first.send_signal(signal.SIGINT)
        assert first.wait(60) == 0
    assert "no legal value" in first.said  # type: ignore[attr-defined]
    assert "curl" in first.said  # type: ignore[attr-defined]
    ready.unlink()
    with running(*words, "--test-clock") as second:
        wait_for(ready.exists)
        assert json.loads(ready.read_text()) == told, "a second start has the same credentials"
        with urllib.request.urlopen(request, timeout=10) as answer:
            moved = json.load(answer)
        assert moved["now"].endswith("Z")
    assert second.returncode == 0


PAIR = {"SEALPOST_INBOUND_CERTIFICATE": "chain.pem", "SEALPOST_INBOUND_KEY": "key.pem"}


@pytest.mark.parametrize(
    "variables",
    [
        {"SEALPOST_PORT": "x"}, {"SEALPOST_PORT": "-1"}, {"SEALPOST_SMTP_TLS": "maybe"}, {"SEALPOST_ENVIRONMENT": "prod"},
        {"SEALPOST_BASE_URL": "sealpost.example"}, {"SEALPOST_BASE_URL": "https://sealpost.example/"},
        {"SEALPOST_BASE_URL": "https://pöst.example"}, {"SEALPOST_BASE_URL": "https://alice@post.example"},
        {"SEALPOST_BASE_URL": "https://post.example#x"}, {"SEALPOST_BASE_URL": "https://post.example\n"},
        {"SEALPOST_SMTP_PRIVATE": "maybe"}, {"SEALPOST_SMTP_PRIVATE": "YES"}, {"SEALPOST_SMTP_PORT": "smtp"},
        {"SEALPOST_DNS": "resolver.example"}, {"SEALPOST_DNS": "192.0.2.1;192.0.2.2"}, {"SEALPOST_DNS": "192.0.2.1,x"},
        {"SEALPOST_DNS": "[::1]"}, {"SEALPOST_DNS": "192.0.2.1:53"}, {"SEALPOST_DNS_PORT": "x"}, {"SEALPOST_DNS_PORT": "-1"},
        {"SEALPOST_INBOUND_PORT": "x"}, {"SEALPOST_INBOUND_CERTIFICATE": "chain.pem"}, {"SEALPOST_INBOUND_KEY": "key.pem"},
        {"SEALPOST_GATEWAY": "gateway.example"}, {"SEALPOST_GATEWAY": "post.example", "SEALPOST_MAIL_DOMAIN": "Post.example", **PAIR},
        *({"SEALPOST_GATEWAY": name, **PAIR} for name in ("gateway", "Gateway.example", ".example", "gateway.example.", "a_b.example",
            "bücher.example", "gateway.example\n", "@gateway.example", "a..example", "-a.example", "a" * 200 + ".example")),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(variables: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(variables)
    assert next(iter(variables)) in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8025", "https://post.example.org", "https://xn--pst-sna.example", "http://[::1]:8025"]
)
def test_base_urls_that_can_be(url: str) -> None:
    assert read_settings({"SEALPOST_BASE_URL": url}).base_url == url


def test_empty_variables_count_as_unset() -> None:
    assert read_settings({"SEALPOST_PORT": "", "DATABASE_URL": ""}) == read_settings({})
    assert read_settings({"DATABASE_URL": "postgresql://x"}).database_url == "postgresql://x"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SEALPOST_SMTP_PRIVATE": "yes"}, {"smtp_private": "yes"}),
        ({"SEALPOST_DNS": "127.0.0.1, ::1,2001:db8::53", "SEALPOST_DNS_PORT": "5353"}, {"dns": "127.0.0.1, ::1,2001:db8::53", "dns_port": 5353}),
        ({"SEALPOST_INBOUND_PORT": "0", "SEALPOST_INBOUND_BIND": "::"}, {"inbound_port": 0, "inbound_bind": "::"}),
        ({"SEALPOST_GATEWAY": "gateway.post.example", "SEALPOST_MAIL_DOMAIN": "post.example", **PAIR}, {"gateway": "gateway.post.example"}),
        ({"SEALPOST_GATEWAY": "xn--bcher-kva.example", **PAIR}, {"gateway": "xn--bcher-kva.example", "inbound_key": "key.pem"}),
        ({}, {"smtp_host": "", "smtp_port": 25, "smtp_private": "no", "dns": "", "dns_port": 53, "inbound_port": 8026, "gateway": ""}),
    ],
)  # fmt: skip
def test_settings_of_mail_that_can_be(variables: dict[str, str], expected: dict[str, object]) -> None:
    settings = read_settings(variables)
    assert {name: getattr(settings, name) for name in expected} == expected


UNCHECKED = [
    {"SEALPOST_DNS": "999.999.999.999"}, {"SEALPOST_DNS": ":::::"}, {"SEALPOST_DNS_PORT": "0"}, {"SEALPOST_DNS_PORT": "65536"},
    {"SEALPOST_SMTP_PORT": "0"}, {"SEALPOST_SMTP_PORT": "65536"}, {"SEALPOST_INBOUND_PORT": "65536"},
    {"SEALPOST_OUR_NAME": "no name"}, {"SEALPOST_OUR_NAME": "out1.example\r\nRSET"}, {"SEALPOST_MAIL_DOMAIN": "no domain"},
]  # fmt: skip


@pytest.mark.parametrize("variables", UNCHECKED)
def test_settings_of_mail_that_cannot_be(variables: dict[str, str]) -> None:
    test_settings_that_cannot_be(variables)
