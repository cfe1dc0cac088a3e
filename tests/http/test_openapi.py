"""The description of the API against the API: valid, complete, and true."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - the library is not typed
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from schemathesis.specs.openapi.definitions import OPENAPI_31

from sealpost.access.envelope import MESSAGES
from sealpost.access.middleware import SMALL_BODY
from sealpost.api import lists, oauth
from sealpost.api.json_scan import MAX_DEPTH, MAX_VALUES
from sealpost.api.openapi import OCTETS, document
from sealpost.api.send import SEND_PATH
from sealpost.bootstrap.web import litestar_app
from sealpost.domain.errors import InvalidInput
from sealpost.domain.parties import ADDRESS_OCTETS
from sealpost.domain.status import TABLE
from sealpost.domain.timetable import MAX_EXPIRY_DAYS
from sealpost.usecases import allow_address, fields, user_fields
from sealpost.usecases.change_account import MOST_ATTACHMENTS, AccountChange, change_account
from sealpost.usecases.service import Face, Limits
from sealpost.web.failures import is_page
from sealpost.xmlapi import tickets
from sealpost.xmlapi.schema import XSD_PATH
from tests.http.test_body import letter
from tests.http.test_body import read as read_body
from tests.site import Site, request_body

DOCUMENT: dict[str, Any] = json.loads(OCTETS)
SCHEMAS = DOCUMENT["components"]["schemas"]
REGISTRY = Registry().with_resource("urn:api", Resource(contents=DOCUMENT, specification=DRAFT202012))
TOKEN_PATH = "/oauth/client_credential/accesstoken"
FORM = "application/x-www-form-urlencoded"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


OPERATIONS = {operation["operationId"]: (path, method, operation) for path, method, operation in operations()}


def resolved(node: Any) -> Any:
    if "$ref" not in node:
        return node
    found: Any = DOCUMENT
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return {**resolved(found), **{name: value for name, value in node.items() if name != "$ref"}}


def places(node: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Every object of the document with the pointer to it (RFC 6901)."""
    if isinstance(node, dict):
        yield "/" + "/".join(part.replace("~", "~0").replace("/", "~1").replace("%", "%25") for part in path), node
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in pairs:
        yield from places(value, *path, str(name))


def problems(pointer: str, value: Any) -> list[str]:
    """What a schema of the document says against a value."""
    schema = {"$ref": f"urn:api#{pointer}"}
    validator = Draft202012Validator(schema, registry=REGISTRY, format_checker=FormatChecker())
    return [f"{pointer}: {error.message}" for error in validator.iter_errors(value)]


def test_valid_openapi() -> None:
    assert re.fullmatch(r"3\.1\.\d+", DOCUMENT["openapi"])
    assert [error.message for error in Draft202012Validator(OPENAPI_31).iter_errors(DOCUMENT)] == []
    for pointer, node in places(DOCUMENT):
        for name in ("schema", *(SCHEMAS if pointer == "/components/schemas" else ())):
            Draft202012Validator.check_schema(node.get(name, {}))


def test_references_lead_somewhere_and_nothing_is_left_over() -> None:
    led = {node["$ref"] for _, node in places(DOCUMENT) if isinstance(node.get("$ref"), str)}
    parts = {f"#/components/{kind}/{name}" for kind, named in DOCUMENT["components"].items() for name in named}
    assert led - parts == set()
    unused = {one for one in parts - led if "/securitySchemes/" not in one}
    assert unused == {"#/components/responses/MethodNotAllowed"}, "no operation can have that one"
    ways = {way for _, _, operation in operations() for one in operation["security"] for way in one}
    assert ways == set(DOCUMENT["components"]["securitySchemes"])


def test_every_address_and_method_of_the_application() -> None:
    face = Face("http://127.0.0.1:8025", "127.0.0.1:8025", secure=False, demo=False, service_name="", mail_domain="")
    service: Any = SimpleNamespace(face=face)
    served = {(SEND_PATH, "POST")}
    for one in litestar_app(service, test_clock=False).routes:
        route: Any = one
        path = re.sub(r":\w+}", "}", route.path)
        if not is_page(path):
            served |= {(path, method) for method in route.methods - {"OPTIONS", "HEAD"}}
    assert {(path.rstrip("/"), method) for path, method, _ in operations()} == served


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_an_operation_is_described_whole(name: str) -> None:
    path, _, operation = OPERATIONS[name]
    assert len(OPERATIONS) == len(list(operations())), "a name stands twice"
    assert operation["summary"]
    assert operation["description"]
    assert operation["x-origin"] in {"vendor", "sealpost"}
    assert [tag for tag in operation["tags"] if tag not in {one["name"] for one in DOCUMENT["tags"]}] == []
    parameters = [resolved(one) for one in operation["parameters"]]
    assert re.findall(r"{(\w+)}", path) == [one["name"] for one in parameters if one["in"] == "path"]
    assert [one["name"] for one in parameters if not one["description"]] == []
    codes = list(operation["responses"])
    assert codes[0] in {"200", "201"}
    assert "500" in codes
    assert ("401" in codes, "429" in codes, "503" in codes) == ((bool(operation["security"]),) * 3)
    assert ("415" in codes, "413" in codes) == (("requestBody" in operation,) * 2)


def contents() -> Iterator[Any]:
    """Pointer and node of every body."""
    for pointer, node in places(DOCUMENT):
        if "content" in node and not pointer.endswith("/properties"):
            for media, content in node["content"].items():
                yield pytest.param(f"{pointer}/content/{media.replace('/', '~1')}", content, id=f"{pointer} {media}")


@pytest.mark.parametrize(("pointer", "content"), list(contents()))
def test_every_body_has_examples_and_they_are_valid(pointer: str, content: Any) -> None:
    assert content["examples"], pointer
    for example in content["examples"].values():
        assert example["summary"]
        assert problems(f"{pointer}/schema", example["value"]) == []


def test_examples_of_parameters_are_valid() -> None:
    for pointer, node in places(DOCUMENT):
        if "in" in node and "example" in node:
            assert problems(f"{pointer}/schema", node["example"]) == []


def test_every_member_says_what_it_is_and_whose() -> None:
    for name, schema in SCHEMAS.items():
        for member, told in schema.get("properties", {}).items():
            assert resolved(told)["description"], f"{name}.{member}"
            assert told.get("x-origin", "vendor") in {"vendor", "sealpost"}
        assert schema.get("additionalProperties") is None, f"{name}: callers may send more, answers may have more"


@pytest.mark.parametrize("name", list(DOCUMENT["components"]["responses"]))
def test_problems_are_those_of_the_service(name: str) -> None:
    for example in DOCUMENT["components"]["responses"][name]["content"]["application/json"]["examples"].values():
        told = example["value"]
        status = int(told["status"])
        assert (told["name"], told["message"]) == (HTTPStatus(status).phrase, MESSAGES[status])


def test_xml_examples_follow_the_grammar() -> None:
    grammar = etree.XMLSchema(
        etree.fromstring(files("sealpost.xmlapi").joinpath("sealpost-biljetten.xsd").read_bytes())
    )
    for name in ("tickets", "ticketXml"):
        content = OPERATIONS[name][2]["responses"]["200"]["content"]["application/xml"]
        for example in content["examples"].values():
            grammar.assertValid(etree.fromstring(example["value"].encode()))


def limits() -> dict[str, tuple[Any, Any]]:
    """What the document says and what the code says."""
    message = SCHEMAS["Message"]["properties"]
    query = {one["name"]: one.get("schema") for one in OPERATIONS["tickets"][2]["parameters"] if "name" in one}
    page = {one["name"]: one.get("schema") for one in OPERATIONS["listUsers"][2]["parameters"] if "name" in one}
    sending, general = OPERATIONS["send"][2]["description"], DOCUMENT["info"]["description"]
    return {
        "body": (message["message_body"]["maxLength"], Limits().body_text),
        "sender": (message["sender_real_name"]["maxLength"], fields.NAME),
        "recipient": (message["recipient_name"]["maxLength"], fields.NAME),
        "subject": (message["subject"]["maxLength"], fields.SUBJECT),
        "own": ([message[f"x-own-{one}"]["maxLength"] for one in ("id", "guid", "campaign")], [fields.OWN] * 3),
        "basis": (message["address_basis"]["maxLength"], fields.BASIS),
        "days": (message["expiry_days"]["maximum"], MAX_EXPIRY_DAYS),
        "reminder": (message["reminder_days"]["maximum"], MAX_EXPIRY_DAYS - 1),
        "attachments": (message["attachments"]["maxItems"], MOST_ATTACHMENTS),
        "address": (message["recipient_email"]["maxLength"], ADDRESS_OCTETS),
        "client": (SCHEMAS["TokenRequest"]["properties"]["client_id"]["maxLength"], oauth.LONGEST),
        "real name": (SCHEMAS["NewUser"]["properties"]["real_name"]["maxLength"], user_fields.NAME),
        "statuses": (query["status"]["enum"], [status.code for status in TABLE]),
        "reference": (query["campaign"]["maxLength"], tickets.LONGEST),
        "tickets": (query["limit"]["maximum"], tickets.MOST),
        "page": ((page["limit"]["default"], page["limit"]["maximum"]), (lists.DEFAULT, lists.MOST)),
        "request": (f"{Limits().request:,} octets" in sending, True),
        "decoded": (f"{Limits().decoded:,} decoded octets" in sending, True),
        "depth": (f"nested {MAX_DEPTH} deep and hold {MAX_VALUES:,} values" in sending, True),
        "small body": (f"{SMALL_BODY:,} octets" in general, True),
        "addresses": (f"{allow_address.MOST:,} such" in OPERATIONS["allowAddress"][2]["description"], True),
        "xsd": (XSD_PATH in DOCUMENT["paths"], True),
    }


@pytest.mark.parametrize("name", list(limits()))
def test_limits_are_those_of_the_code(name: str) -> None:
    said, checked = limits()[name]
    assert said == checked


async def test_everybody_gets_it(quiet_site: Site) -> None:
    async with quiet_site.client() as client:
        answer = await client.get("/openapi.json")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.headers["cache-control"] == "public, max-age=3600"
        assert answer.json() == document(quiet_site.base_url)
        assert answer.json()["servers"] == [{"url": quiet_site.base_url}]
        flow = answer.json()["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]
        pair = (quiet_site.world.alice_client.name, quiet_site.world.alice_client.secret)
        assert (await client.post(flow["tokenUrl"], auth=pair)).status_code == 200
        assert (await client.post("/openapi.json")).status_code == 405


# The examples, sent

IN_ORDER = (
    "issueToken", "revokeToken", "addUser", "listUsers", "getUser", "changeUser", "inviteUser", "deleteUser",
    "allowAddress", "getAddress", "listAddresses", "disallowAddress", "send", "ticketXml", "tickets", "evidence", "certificate",
    "xmlSchema", "openapi",
)  # fmt: skip


class Sender:
    """Sends the document's own examples, with what only this installation knows filled in."""

    def __init__(self, site: Site, client: httpx2.AsyncClient, bearer: dict[str, str]) -> None:
        self.site, self.client, self.bearer = site, client, bearer
        pair = site.world.alice_client
        self.known: dict[str, Any] = {"client_id": pair.name, "client_secret": pair.secret}
        self.numbers = itertools.count()

    def value(self, name: str, example: Any) -> Any:
        return f"{example}-{next(self.numbers)}" if name == "Idempotency-Key" else self.known.get(name, example)

    def request(self, name: str, body: Any) -> dict[str, Any]:
        path, method, operation = OPERATIONS[name]
        given: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
        for one in map(resolved, operation["parameters"]):
            if "example" in one:
                given[one["in"]][one["name"]] = str(self.value(one["name"], one["example"]))
        ways = [way for one in operation["security"] for way in one]
        headers = given["header"] | (self.bearer if "bearer" in ways else {})
        asked = {"method": method, "url": path.format(**given["path"]), "params": given["query"], "headers": headers}
        if body is not None and FORM in operation["requestBody"]["content"]:
            return {**asked, "data": {key: self.value(key, value) for key, value in body.items()}}
        return asked if body is None else {**asked, "json": body}

    async def send(self, name: str) -> None:
        content = OPERATIONS[name][2].get("requestBody", {"content": {"": {"examples": {"": {"value": None}}}}})[
            "content"
        ]
        for example in next(iter(content.values()))["examples"].values():
            answer = await self.client.request(**self.request(name, example["value"]))
            self.check(name, answer)
            self.learn(name, answer)

    def check(self, name: str, answer: httpx2.Response) -> None:
        path, method, operation = OPERATIONS[name]
        (documented,) = (code for code in operation["responses"] if code < "300")
        assert str(answer.status_code) == documented, f"{name}: {answer.text}"
        told = operation["responses"][documented]
        for header, node in told["headers"].items():
            assert header in answer.headers or not resolved(node)["required"], f"{name}: {header}"
        if "content" not in told:
            assert answer.content == b""
            return
        media = answer.headers["content-type"].partition(";")[0]
        value = answer.json() if media == "application/json" else answer.text
        at = f"/paths/{path.replace('/', '~1')}/{method.lower()}/responses/{documented}/content/{media.replace('/', '~1')}/schema"
        assert problems(at, value) == [], name

    def learn(self, name: str, answer: httpx2.Response) -> None:
        if name == "issueToken":
            self.known["token"] = answer.json()["access_token"]
        elif name == "send":
            self.known["ticket_token"] = answer.json()["ticket_token"]
        elif name == "addUser":
            self.known.setdefault("user_id", answer.json()["id"])
        elif name == "allowAddress":
            self.known["address_id"] = answer.json()["id"]


async def test_examples_of_requests_get_the_documented_answers(site: Site) -> None:
    assert sorted(IN_ORDER) == sorted(OPERATIONS)
    bearer = await site.bearer(site.world.alice_client.name, site.world.alice_client.secret)
    async with site.client() as client:
        sender = Sender(site, client, bearer)
        for name in IN_ORDER:
            await sender.send(name)
            site.world.clock.real_at += timedelta(minutes=2)  # so that a mail may be asked for again
        assert (await site.world.service.pool.fetchval("select count(*) from tickets")) == 2


@pytest.mark.parametrize("name", [name for name in OPERATIONS if OPERATIONS[name][2]["security"]])
async def test_without_credentials(quiet_site: Site, name: str) -> None:
    """The examples as they stand: nobody has such an id, a secret or a token."""
    async with quiet_site.client() as client:
        sender = Sender(quiet_site, client, {})
        sender.known = {}
        content = OPERATIONS[name][2].get("requestBody", {"content": {"": {"examples": {"": {"value": None}}}}})[
            "content"
        ]
        for example in next(iter(content.values()))["examples"].values():
            answer = await client.request(**sender.request(name, example["value"]))
            assert answer.status_code == 401, answer.text
            assert answer.headers["www-authenticate"]


# What a caller can demand of the delivery


@pytest.mark.parametrize("value", [True, False, "true", "", 0, 1, 1.0, [], {}, None])
def test_verified_tls_is_described_as_it_is_read(value: Any) -> None:
    described = problems("/components/schemas/Message/properties/verified_tls", value) == []
    try:
        read_body(letter(verified_tls=value))
    except InvalidInput as refused:
        assert (refused.field, described) == ("verified_tls", False)
    else:
        assert described


async def test_verified_tls_is_answered_as_described(site: Site) -> None:
    async with site.client() as client:

        async def status(value: Any) -> int:
            body = request_body(verified_tls=value)
            return (await client.post(SEND_PATH, json=body, headers=site.alice_basic)).status_code

        assert [await status(value) for value in (True, False, "true", 1)] == [200, 200, 400, 400]
    rows = await site.world.service.pool.fetch("select tls_verified from tickets order by submitted_at, id")
    assert sorted(row["tls_verified"] for row in rows) == [False, True]
    examples = OPERATIONS["send"][2]["requestBody"]["content"]["application/json"]["examples"].values()
    assert [one["value"]["verified_tls"] for one in examples if "verified_tls" in one["value"]] == [True]


async def test_a_domain_that_is_not_verified_is_answered_as_described(site: Site) -> None:
    await change_account(site.world.service, site.world.alice, AccountChange(domain_demanded=True))
    assert "verified domains only" in OPERATIONS["send"][2]["responses"]["412"]["description"]
    async with site.client() as client:
        answer = await client.post(SEND_PATH, json=request_body(), headers=site.alice_basic)
        assert answer.status_code == 412
        assert problems("/components/schemas/Problem", answer.json()) == []
        assert answer.json()["info"].startswith("sender_email: its domain is not verified")
        theirs = request_body(sender_email="charlie@example.net")
        assert (await client.post(SEND_PATH, json=theirs, headers=site.charlie_basic)).status_code == 200
    assert await site.world.service.pool.fetchval("select count(*) from tickets") == 1
