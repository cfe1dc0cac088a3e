"""The main job over HTTP, as an integration and a browser do it, and the contract's answers."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET

import pybase64
import pytest

from sealpost.usecases.decide import decide
from tests.site import Site, basic, request_body
from tests.world import ACT, PDF, links_in

SEND = "/webservice/mailsender/send"


async def test_from_token_to_delivered_mail(site: Site) -> None:
    bearer = await site.bearer(site.world.alice_client.name, site.world.alice_client.secret)
    async with site.client() as program:
        answer = await program.post(SEND, json=request_body(), headers=bearer)
    assert answer.status_code == 200
    assert answer.headers["api-version"] == "1"
    told = answer.json()
    assert set(told) == {"ticket_token", "ticket_url", "message"}
    assert re.fullmatch(r"K\.[A-Za-z0-9_-]{22}", told["ticket_token"])
    assert told["message"] == "OK"
    token = told["ticket_token"]
    await site.world.work_off()

    async with site.client() as browser:
        (link,) = [link for link in links_in(site.world.mailbox.to("bob@example.com")[0]) if "/p/" in link]
        landed = await browser.get(link)
        assert landed.status_code == 303
        assert landed.headers["location"].endswith(f"/pickup/{token}")
        page = await browser.get(landed.headers["location"])
        assert page.status_code == 200
        assert "checked" not in page.text
        chosen = await browser.post(landed.headers["location"], data={"decision": "accept"})
        assert chosen.status_code == 303
        confirm = chosen.headers["location"]
        assert (await browser.get(confirm)).status_code == 200
        assert "accepted" not in await site.world.kinds(token), "choosing decides nothing"
        done = await browser.post(confirm, data={"confirm": "yes"})
        assert done.status_code == 303
        await site.world.work_off()
        page = await browser.get(landed.headers["location"])
        download = await browser.post(f"/pickup/{token}/download/1")
        assert download.content == PDF
        assert download.headers["content-disposition"].startswith("attachment")

    async with site.client() as program:
        xml = await program.get(
            "/webservice/dashboard/", params={"ticket_token": token, "action": "ticket_xml"}, headers=bearer
        )
        same = await program.get("/webservice/xml/", params={"ticket_token": token}, headers=bearer)
    assert xml.headers["content-type"] == "application/xml; charset=utf-8"
    assert xml.content == same.content
    ticket = ET.fromstring(xml.content)[0]
    codes = [status.get("statuscode") for status in ticket.iter("status")]
    assert codes == ["10", "20", "30", "50", "70", "75", "80", "80"]
    assert [part.get("geaccepteerd") for part in ticket.iter("bijlage")] == ["1"]

    async with site.client() as browser:
        first = await browser.get(told["ticket_url"])
        assert first.status_code == 302
        await site.sign_in(browser)
        page = await browser.get(told["ticket_url"])
        assert page.status_code == 200
        assert "250 2.0.0 Ok: queued as" in page.text
        listed = await browser.get("/dashboard/")
        assert "bob@example.com" in listed.text


async def test_a_new_user_is_invited_and_signs_in(site: Site) -> None:
    bearer = await site.bearer(site.world.alice_client.name, site.world.alice_client.secret)
    async with site.client() as program:
        made = await program.post("/api/user/", json={"email_address": "Bob@example.org"}, headers=bearer)
        assert made.status_code == 201
        assert type(made.json()["id"]) is int
        again = await program.post("/api/user/", json={"email_address": "bob@EXAMPLE.org"}, headers=bearer)
        assert again.status_code == 412
        assert "exists" in again.json()["info"]
        refused = await program.post("/api/user/", json={"email_address": "x@example.org"}, headers=site.alice_basic)
        assert refused.status_code == 403
    await site.world.work_off()
    (mail,) = site.world.mailbox.to("Bob@example.org")
    (link,) = [link for link in links_in(mail) if "/activate/" in link]
    # An address that is not active yet may not send.
    async with site.client() as program:
        body = request_body(sender_email="bob@example.org")
        assert (await program.post(SEND, json=body, headers=bearer)).status_code == 412
    async with site.client() as browser:
        assert (await browser.get(link)).status_code == 200
        weak = await browser.post(link, data={"password": "short", "password_again": "short"})
        assert weak.status_code == 400
        password = {"password": "a long enough password", "password_again": "a long enough password"}
        assert (await browser.post(link, data=password)).status_code == 303
        assert (await browser.get("/dashboard/")).status_code == 200
        assert (await browser.get(link)).status_code == 410, "the link is used up"
    async with site.client() as program:
        assert (await program.post(SEND, json=body, headers=bearer)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"sender_email": "charlie@example.net"}, 412, "sender_email"),
        ({"sender_email": "nobody@example.org"}, 412, "sender_email"),
        ({"recipient_email": "bob"}, 400, "recipient_email"),
        ({"recipient_email": "bob@example.com\r\nBcc: charlie@example.com"}, 400, "recipient_email"),
        ({"subject": "a\nBcc: charlie@example.com"}, 400, "subject"),
        ({"subject": "=?UTF-8?Q?=0A?=Bcc: charlie@example.com"}, 400, "subject"),
        ({"subject": ""}, 400, "subject"),
        ({"subject": 7}, 400, "subject"),
        ({"subject": None}, 400, "subject"),
        ({"sender_real_name": "Alice\u202e"}, 400, "sender_real_name"),
        ({"sender_real_name": "Bank <service@example.com>"}, 400, "sender_real_name"),
        ({"sender_real_name": "Bank service＠example.com"}, 400, "sender_real_name"),
        ({"sender_real_name": "Bank =?utf-8?q?service=40example.com?="}, 400, "sender_real_name"),
        ({"recipient_name": "Bank <service@example.com>"}, 400, "recipient_name"),
        ({"recipient_email": "b\u3164ob@example.com"}, 400, "recipient_email"),
        ({"recipient_email": "b..ob@example.com"}, 400, "recipient_email"),
        ({"subject": "\u200b\u2060"}, 400, "subject"),
        ({"message_body": ""}, 400, "message_body"),
        ({"message_body": "a\0b"}, 400, "message_body"),
        ({"message_body": "<p>Hi<script>alert(1)</script></p>"}, 400, "message_body"),
        ({"message_body": "<p><img src='https://example.com/pixel.png'></p>"}, 400, "message_body"),
        ({"message_body": "<form action='/x'><input></form><p>x</p>"}, 400, "message_body"),
        ({"attachments": None}, 400, "attachments"),
        ({"attachments": "x"}, 400, "attachments"),
        ({"attachments": [{}]}, 400, "attachments[0].attachment"),
        ({"attachments": [{"attachment": "YQ", "attachment_name": "a", "attachment_type": "text/plain"}]}, 400, "attachments[0].attachment"),
        ({"attachments": [{"attachment": "YQ==YQ==", "attachment_name": "a", "attachment_type": "text/plain"}]}, 400, "attachments[0].attachment"),
        ({"attachments": [{"attachment": "YR==", "attachment_name": "a", "attachment_type": "text/plain"}]}, 400, "attachments[0].attachment"),
        ({"attachments": [{"attachment": "YWJ!j", "attachment_name": "a", "attachment_type": "text/plain"}]}, 400, "attachments[0].attachment"),
        ({"attachments": [{"attachment": "-_-_", "attachment_name": "a", "attachment_type": "text/plain"}]}, 400, "attachments[0].attachment"),
        ({"attachments": [{"attachment": "YWJj", "attachment_name": "../a", "attachment_type": "text/plain"}]}, 400, "attachments[0].attachment_name"),
        ({"attachments": [{"attachment": "JVBERi0=", "attachment_name": "a.png", "attachment_type": "image/png"}]}, 400, "attachments[0].attachment_type"),
        ({"reminder_days": 12, "expiry_days": 12}, 400, "reminder_days"),
        ({"expiry_days": 91}, 400, "expiry_days"),
        ({"expiry_days": 1}, 400, "reminder_days"),
        ({"expiry_days": True}, 400, "expiry_days"),
        ({"identification": "idin"}, 400, "identification"),
        ({"signature_required": True}, 400, "signature_required"),
    ],
)  # fmt: skip
async def test_refused_with_the_fields_name(quiet_site: Site, changes: dict, status: int, field: str) -> None:
    async with quiet_site.client() as program:
        answer = await program.post(SEND, json=request_body(**changes), headers=quiet_site.alice_basic)
    assert answer.status_code == status, answer.text
    envelope = answer.json()
    assert set(envelope) == {"transactionId", "status", "name", "message", "info"}
    assert all(isinstance(member, str) for member in envelope.values())
    assert envelope["transactionId"] == answer.headers["x-request-id"]
    assert envelope["info"].startswith(field)
    for table in ("messages", "tickets", "records", "mails", "pgqueuer"):
        assert await quiet_site.world.service.pool.fetchval(f"select count(*) from {table}") == 0, "nothing half-stored"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404), ("GET", SEND, 405), ("DELETE", "/api/user/", 405), ("GET", "/api/nothing", 404),
        ("POST", "/webservice/xml/", 405), ("GET", "/webservice/dashboard/?action=other", 400), ("GET", "/v1/x", 404),
        ("PUT", "/oauth/client_credential/accesstoken", 405), ("GET", "/webservice/xml/?ticket_token=x", 401),
        ("GET", "/inbox", 404), ("GET", "/inbox/api/messages", 404), ("POST", "/demo/clock", 404),
    ],
)  # fmt: skip
async def test_every_error_has_its_form(quiet_site: Site, method: str, path: str, status: int) -> None:
    async with quiet_site.client() as program:
        answer = await program.request(method, path)
    assert answer.status_code == status, answer.text
    if status == 405:
        assert answer.headers["allow"]
    if status == 401:
        assert answer.headers["www-authenticate"]
    if path == "/inbox":
        assert "text/html" in answer.headers["content-type"]
    else:
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["status"] == str(status)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("path", "kind"), [("/signin", "text/html"), ("/api/user/", "application/json")])
async def test_too_much_is_refused_in_the_form_of_its_face(quiet_site: Site, path: str, kind: str) -> None:
    async with quiet_site.client() as browser:
        answer = await browser.post(
            path, content=b"x" * 100_000, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["x-request-id"] in answer.text


@pytest.mark.parametrize("large", [False, True])
async def test_what_is_sent_arrives_octet_for_octet(site: Site, large: bool) -> None:
    octets = os.urandom(3_000_000 if large else 70_000)
    attachment = {
        "attachment": pybase64.b64encode(octets).decode(),
        "attachment_name": "a b.bin",
        "attachment_type": "application/octet-stream",
    }
    text = request_body(attachments=[attachment, {**attachment, "attachment": "", "attachment_name": "empty.txt"}])
    token = await site.send(**text)
    await decide(site.world.service, token, [site.world.secret()], "accepted", "", ACT)
    await site.world.work_off()
    mail = site.world.mailbox.to("bob@example.com")[-1]
    files = {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}
    assert files == {"message.txt": text["message_body"].encode(), "a b.bin": octets, "empty.txt": b""}


async def test_php_writes_slashes_with_a_backslash(site: Site) -> None:
    body = json.dumps(
        request_body(attachments=[{"attachment": "////", "attachment_name": "a", "attachment_type": "text/plain"}])
    )
    async with site.client() as program:
        answer = await program.post(
            SEND,
            content=body.replace("/", "\\/").encode(),
            headers={**site.alice_basic, "Content-Type": "application/json"},
        )
    assert answer.status_code == 200


async def test_wrong_secrets(quiet_site: Site) -> None:
    async with quiet_site.client() as program:
        for headers in ({}, basic("alice-service", "wrong"), basic("nobody", "x"), {"Authorization": "Bearer x"}):
            answer = await program.post(SEND, json=request_body(), headers=headers)
            assert answer.status_code == 401
            assert "basic" in answer.headers["www-authenticate"].lower()


async def test_a_revoked_token_and_a_suspended_account_stop(site: Site) -> None:
    bearer = await site.bearer(site.world.alice_client.name, site.world.alice_client.secret)
    token = await site.send()
    secret = site.world.secret()
    async with site.client() as program:
        assert (await program.post(SEND, json=request_body(), headers=bearer)).status_code == 200
        revoked = await program.post(
            "/oauth/revoke", data={"token": bearer["Authorization"].split()[1]}, headers=bearer
        )
        assert revoked.status_code == 200
        site.world.clock.real_at = site.world.clock.real_at.replace(minute=16)
        assert (await program.post(SEND, json=request_body(), headers=bearer)).status_code == 401
        await site.world.service.pool.execute("update accounts set suspended_at = now()")
        site.world.clock.real_at = site.world.clock.real_at.replace(minute=17)
        assert (await program.post(SEND, json=request_body(), headers=site.alice_basic)).status_code == 403
        assert (await program.get(f"/p/{secret}")).status_code == 403
    assert await site.world.kinds(token), "its evidence stays"
