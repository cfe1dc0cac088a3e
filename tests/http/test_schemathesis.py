"""Schemathesis against the served application: whatever is sent, the answer is one that the description names.

It runs as a process of its own, since it brings threads, loops and warnings of its own. Always the same requests.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sealpost.api.openapi import document
from sealpost.cli.running import listen
from tests import site as sites
from tests.site import Site, new_site

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "negative_data_rejection", "unsupported_method", "use_after_free",
    "ensure_resource_availability",
)  # fmt: skip
# What breaks the description must never be accepted. 412 is a refusal too: a made-up sender is found out before the
# attachments are read.
CONFIG = """
[generation]
deterministic = true
database = "none"
max-examples = 8
[phases.stateful]
max-steps = 6
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 412, 413, 415, 422]
[warnings]
enabled = false
[[operations]]
include-path = "/oauth/client_credential/accesstoken"
headers = { Authorization = "PAIR" }
"""
SECONDS = 100
pytestmark = pytest.mark.slow


def listen_without_delay(host: str, port: int) -> socket.socket:
    """Connections inherit it; else Nagle's algorithm and this client's late acknowledgements cost 40 ms each time."""
    listening = listen(host, port)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


@pytest_asyncio.fixture
async def served(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Site]:
    monkeypatch.setattr(sites, "listen", listen_without_delay)
    async with new_site(dsn, tmp_path) as made:
        yield made


async def schemathesis(site: Site, folder: Path, location: str, *options: str) -> tuple[int | None, str]:
    """Runs it; its exit code and its report."""
    pair = f"{site.world.alice_client.name}:{site.world.alice_client.secret}"
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG.replace("PAIR", "Basic " + base64.b64encode(pair.encode()).decode()))
    command = (sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run", location, "--no-color")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "PYTEST_"))}
    running = await asyncio.create_subprocess_exec(
        *command,
        *options,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        report, _ = await asyncio.wait_for(running.communicate(), SECONDS)
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    return running.returncode, report.decode()


async def administrator(site: Site) -> str:
    bearer = await site.bearer(site.world.alice_client.name, site.world.alice_client.secret)
    return f"Authorization: {bearer['Authorization']}"


def changed(site: Site, folder: Path, change: Any) -> str:
    """A copy of the description, with every operation changed."""
    copy = document(site.base_url)
    for methods in copy["paths"].values():
        for operation in methods.values():
            change(operation)
    path = folder / "changed.json"
    path.write_text(json.dumps(copy))
    return str(path)


async def test_every_answer_is_documented(served: Site, tmp_path: Path) -> None:
    # From a file: what is fetched from the service leaves out its own address.
    whole = changed(served, tmp_path, lambda _: None)
    options = ("--url", served.base_url, "-H", await administrator(served), "-c", ",".join(CHECKS))
    code, report = await schemathesis(served, tmp_path, whole, *options)
    assert code == 0, report
    count = sum(map(len, document(served.base_url)["paths"].values()))
    assert f"{count} selected / {count} total" in report
    assert await served.world.service.pool.fetchval("select count(*) from tickets") > 0, "some were taken in"


async def test_nothing_is_answered_without_credentials(served: Site, tmp_path: Path) -> None:
    def closed(operation: dict[str, Any]) -> None:
        """401, and what can be wrong with a request before its caller matters."""
        if operation["security"]:
            before = {"400"} if {} in operation["security"] else set[str]()
            kept = {"401"} | before
            operation["responses"] = {code: told for code, told in operation["responses"].items() if code in kept}

    copy = changed(served, tmp_path, closed)
    checks = "status_code_conformance,not_a_server_error"
    options = ("--url", served.base_url, "-c", checks, "-m", "positive", "--phases", "examples,coverage,fuzzing")
    code, report = await schemathesis(
        served, tmp_path, copy, *options, "--exclude-path", "/oauth/client_credential/accesstoken"
    )
    assert code == 0, report
    assert await served.world.service.pool.fetchval("select count(*) from tickets") == 0


@pytest.mark.parametrize("missing", ["400", "header"])
async def test_what_is_not_documented_is_found(served: Site, tmp_path: Path, missing: str) -> None:
    def forget(operation: dict[str, Any]) -> None:
        operation["responses"].pop(missing, None)
        for told in operation["responses"].values():
            if missing == "header":
                told.get("headers", {})["x-nothing"] = {"required": True, "schema": {"type": "string"}}

    copy = changed(served, tmp_path, forget)
    options = ("--url", served.base_url, "-c", ",".join(CHECKS), "--phases", "coverage", "--max-failures", "1")
    only = ("--include-operation-id", "listAddresses", "-H", await administrator(served))
    code, report = await schemathesis(served, tmp_path, copy, *options, *only)
    assert (code, "1 failed" in report) == (1, True), report
