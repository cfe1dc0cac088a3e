"""The web application on a real port of this machine, for tests that speak HTTP."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pybase64

from sealpost import bootstrap
from sealpost.cli.running import listen, serve_web
from tests.world import PASSWORD, PDF, START, World, new_world


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def request_body(**changes: Any) -> dict[str, Any]:
    return {
        "message_body": "Dear Bob,\n\nplease read this.\n",
        "sender_email": "alice@example.org",
        "sender_real_name": "Alice",
        "subject": "Notice of default",
        "recipient_email": "bob@example.com",
        "recipient_language": "en",
        "attachments": [
            {
                "attachment": pybase64.b64encode(PDF).decode(),
                "attachment_name": "notice.pdf",
                "attachment_type": "application/pdf",
            }
        ],
        **changes,
    }


@dataclass
class Site:
    """A served world."""

    world: World
    base_url: str

    def client(self, **options: Any) -> httpx2.AsyncClient:
        """A browser or a program: it keeps cookies and follows no redirect."""
        return httpx2.AsyncClient(base_url=self.base_url, timeout=20, **options)

    @property
    def alice_basic(self) -> dict[str, str]:
        return basic(self.world.alice_basic.name, self.world.alice_basic.secret)

    @property
    def charlie_basic(self) -> dict[str, str]:
        return basic(self.world.charlie_basic.name, self.world.charlie_basic.secret)

    async def send(self, **changes: Any) -> str:
        """Sends over HTTP and announces; the ticket token."""
        async with self.client() as client:
            answer = await client.post(
                "/webservice/mailsender/send", json=request_body(**changes), headers=self.alice_basic
            )
        assert answer.status_code == 200, answer.text
        await self.world.work_off()
        return answer.json()["ticket_token"]

    async def bearer(self, client_id: str, secret: str) -> dict[str, str]:
        async with self.client() as client:
            form = {"client_id": client_id, "client_secret": secret}
            answer = await client.post("/oauth/client_credential/accesstoken?grant_type=client_credentials", data=form)
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def sign_in(self, client: httpx2.AsyncClient, email: str = "alice@example.org") -> None:
        answer = await client.post("/signin", data={"email": email, "password": PASSWORD})
        assert answer.status_code == 303, answer.text


@asynccontextmanager
async def new_site(
    dsn: str, folder: Path, *, demo: bool = False, test_clock: bool = False, at: datetime = START
) -> AsyncGenerator[Site]:
    """Serves a world at a time; ends cleanly."""
    listening = listen("127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    stop = asyncio.Event()
    async with (
        new_world(dsn, folder, base_url=base_url, demo=demo, at=at) as world,
        bootstrap.asgi(world.service, test_clock=test_clock) as app,
    ):
        serving = asyncio.create_task(serve_web(app, listening, stop))
        try:
            yield Site(world, base_url)
        finally:
            stop.set()
            await serving
