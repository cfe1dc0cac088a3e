"""The contract's own examples, its sections 1, 2, 3 and 5, sent as they stand there.

The texts are copied from the contract and must not follow the code: an integration that was written by them must work.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.site import Site, basic, request_body

TOKEN = "/oauth/client_credential/accesstoken?grant_type=client_credentials"
USER = '{"email_address": "alice@example.com"}'
TICKET_TOKEN = re.compile(r"[A-Z]\.[A-Za-z0-9_-]{22,}")  # a letter, a dot, URL-safe characters: at least 128 bits
SENT = {
    "ticket_token": "K.…",
    "ticket_url": "https://HOST/webservice/dashboard/?ticket_token=K.…&action=ticket_html&lang=nl",
    "message": "OK",
}
BILJETTEN = """\
<biljetten>
  <biljet id="K.…" afzender="alice@…" ontvanger="bob@…" onderwerp="…" customer_id="123456" taal="nl" handtekening_nodig="0">
    <bijlagen>
      <bijlage bijlage="example.pdf" hash="(44 base64 characters)" geaccepteerd="1"/>
    </bijlagen>
    <statussen>
      <status statusdatumtijd="2020-03-03 15:43:20" statusomschrijving="…" statuscode="95" statusdetail=" "/>
    </statussen>
  </biljet>
</biljetten>
"""


async def post(site: Site, path: str, **options: Any) -> Any:
    async with site.client() as client:
        return await client.post(path, **options)


async def bearer(site: Site) -> dict[str, str]:
    client = site.world.alice_client
    return await site.bearer(client.name, client.secret)


@pytest.mark.parametrize("way", ["form", "basic"])
async def test_section_1(site: Site, way: str) -> None:
    client = site.world.alice_client
    form = {"client_id": client.name, "client_secret": client.secret}
    pair = {"data": form} if way == "form" else {"headers": basic(client.name, client.secret)}
    answer = await post(site, TOKEN, **pair)
    assert answer.status_code == 200
    told = answer.json()
    assert told["token_type"] == "Bearer"
    assert isinstance(told["expires_in"], int)
    headers = {"Authorization": f"Bearer {told['access_token']}"}
    assert (await post(site, "/api/user/", content=USER, headers=headers | json_type())).status_code == 201
    assert (await post(site, "/oauth/revoke", data={"token": told["access_token"]}, headers=headers)).status_code == 200


def json_type() -> dict[str, str]:
    return {"Content-Type": "application/json"}


async def test_section_1_without_credentials(quiet_site: Site) -> None:
    answer = await post(quiet_site, "/api/user/", content=USER, headers=json_type())
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers
    assert answer.headers["api-version"]


async def test_section_2(site: Site) -> None:
    headers = await bearer(site) | json_type()
    made = await post(site, "/api/user/", content=USER, headers=headers)
    assert made.status_code == 201
    assert list(made.json()) == ["id"]
    assert isinstance(made.json()["id"], int)
    again = await post(site, "/api/user/", content=USER, headers=headers)
    assert again.status_code == 412
    assert "exists" in again.json()["info"]
    await site.world.work_off()
    assert len(site.world.mailbox.to("alice@example.com")) == 1


async def test_section_3(site: Site) -> None:
    answer = await post(
        site, "/webservice/mailsender/send", json=request_body(recipient_language="nl"), headers=await bearer(site)
    )
    assert answer.status_code == 200
    told = answer.json()
    assert list(told) == list(SENT)
    assert TICKET_TOKEN.fullmatch(told["ticket_token"])
    ours = SENT["ticket_url"].replace("https://HOST", site.base_url).replace("K.…", told["ticket_token"])
    assert (told["ticket_url"], told["message"]) == (ours, SENT["message"])


@pytest.mark.parametrize(
    "address",
    ["/webservice/dashboard/?ticket_token={}&action=ticket_xml", "/webservice/xml/?ticket_token={}",
     "/webservice/xml/?from=2026-01-01&to=2027-01-01"],
)  # fmt: skip
async def test_section_5(site: Site, address: str) -> None:
    token = await site.send()
    async with site.client() as client:
        answer = await client.get(address.format(token), headers=site.alice_basic)
    assert answer.headers["content-type"] == "application/xml; charset=utf-8"
    at = least(ET.fromstring(answer.content), ET.fromstring(BILJETTEN))
    assert at == []


def least(came: ET.Element, promised: ET.Element) -> list[str]:
    """What the contract promises and the answer does not have: elements, attributes. Ours may have more of both."""
    missing = [f"{promised.tag}/@{name}" for name in promised.keys() if name not in came.keys()]  # noqa: SIM118 - no dict
    missing += [child.tag for child in promised if came.find(child.tag) is None]
    pairs = [(one, child) for child in promised for one in came.findall(child.tag)]
    return missing + [lack for one, child in pairs for lack in least(one, child)]
