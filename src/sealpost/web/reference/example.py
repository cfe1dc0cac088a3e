"""Examples of the API's description as a person uses them: a line for curl, an answer's text. For the page ``/docs``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from urllib.parse import quote, urlencode

from sealpost.web.reference.fields import Node, resolved

JSON = "application/json"
SHORT = 60  # characters that stand well on one line
BEARER = '-H "Authorization: Bearer $TOKEN"'
PAIR = '-u "$CLIENT_ID:$CLIENT_SECRET"'


def curl(document: Node, method: str, path: str, operation: Node) -> str:
    """A call of an operation with the description's own examples, one option on a line.

    Args:
        document: the whole description.
        method: in capitals.
        path: as the description names it.
        operation: the operation.
    """
    parameters = [resolved(document, node) for node in operation["parameters"]]
    given = [one for one in parameters if "example" in one]
    address = path
    for one in given:
        address = address.replace(f"{{{one['name']}}}", quote(str(one["example"])))
    query = urlencode({one["name"]: one["example"] for one in given if one["in"] == "query"})
    url = document["servers"][0]["url"] + address + (f"?{query}" if query else "")
    headers = [shlex.join(["-H", f"{one['name']}: {one['example']}"]) for one in given if one["in"] == "header"]
    body = list(_body(operation))
    options = [*_method(method, body=bool(body)), *_credentials(operation, body), *headers, *body]
    return " \\\n  ".join([f"curl -sS {shlex.quote(url)}", *options])


def shown(value: Node) -> str:
    """A value of an example, as an answer's body shows it."""
    if isinstance(value, str):
        return value.strip()
    short = json.dumps(value, ensure_ascii=False)
    return short if len(short) <= SHORT else json.dumps(value, indent=2, ensure_ascii=False)


def first(content: Node) -> Node:
    """The first example of a body's content."""
    return next(iter(content["examples"].values()))["value"]


def _method(method: str, *, body: bool) -> list[str]:
    return [] if method == ("POST" if body else "GET") else [f"-X {method}"]


def _credentials(operation: Node, body: list[str]) -> list[str]:
    ways = [name for way in operation["security"] for name in way]
    if "client" in ways:
        return [] if any("client_id" in option for option in body) else [PAIR]
    return [BEARER] if ways else []


def _body(operation: Node) -> Iterator[str]:
    if "requestBody" not in operation:
        return
    ((media, content),) = operation["requestBody"]["content"].items()
    if media == JSON:
        yield shlex.join(["-H", f"Content-Type: {JSON}"])
        yield shlex.join(["-d", shown(first(content))])
    else:
        yield from (shlex.join(["-d", urlencode([pair])]) for pair in first(content).items())
