"""The API's description (OpenAPI 3.1) in the shape of the page ``/docs``. Made once, when the service starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sealpost.web.reference.example import curl, first, shown
from sealpost.web.reference.fields import OURS, Node, Row, members, parameter, resolved, row
from sealpost.web.reference.text import Line, Paragraphs, line, paragraphs


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer of an operation: status, meaning, the members of its body, and an example, which may be empty."""

    status: str
    meaning: Line
    members: tuple[Row, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address.

    Args:
        anchor: of its section.
        ways: names of the security schemes, one of which is needed; empty: none is.
        credentials_in_body: credentials may stand in the body instead.
        media: of the request's body, or empty.
        members: of the request's body.
    """

    anchor: str
    method: str
    path: str
    summary: str
    ours: bool
    meaning: Paragraphs
    ways: tuple[str, ...]
    credentials_in_body: bool
    parameters: tuple[Row, ...]
    media: str
    members: tuple[Row, ...]
    curl: str
    answer: Outcome
    problems: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Operations that belong together."""

    anchor: str
    name: str
    meaning: Paragraphs
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """The whole page.

    Args:
        mark: of what is an addition of this service.
        meaning: what holds for every operation.
        ways: the security schemes.
        headers: of answers.
        groups: the operations.
        problem: members of an error's body.
        problems: every kind of error, with an example each.
    """

    mark: str
    meaning: Paragraphs
    ways: tuple[tuple[str, Line], ...]
    headers: tuple[Row, ...]
    groups: tuple[Group, ...]
    problem: tuple[Row, ...]
    problems: tuple[Outcome, ...]


def reference(document: Node) -> Reference:
    """Reads a description.

    Args:
        document: OpenAPI 3.1, as ``/openapi.json`` gives it.
    """
    parts = document["components"]
    problems = tuple(_problem(document, one) for one in parts["responses"].values())
    return Reference(
        mark=OURS,
        meaning=paragraphs(document["info"]["description"]),
        ways=tuple((name, line(way["description"])) for name, way in parts["securitySchemes"].items()),
        headers=tuple(
            row(document, name, one["schema"], one, required=one["required"]) for name, one in parts["headers"].items()
        ),
        groups=tuple(_group(document, tag) for tag in document["tags"]),
        problem=problems[0].members,
        problems=problems,
    )


def _group(document: Node, tag: Node) -> Group:
    operations = tuple(_operations(document, tag["name"]))
    anchor = "about-" + tag["name"].lower().replace(" ", "-")  # an operation may have the same name
    return Group(anchor, tag["name"], paragraphs(tag["description"]), operations)


def _operations(document: Node, tag: str) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"]:
                yield _operation(document, method.upper(), path, operation)


def _operation(document: Node, method: str, path: str, operation: Node) -> Operation:
    media, schema = _body(operation.get("requestBody"))
    outcomes = [_outcome(document, status, node) for status, node in operation["responses"].items()]
    return Operation(
        anchor=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        ours=operation["x-origin"] == OURS,
        meaning=paragraphs(operation["description"]),
        ways=tuple(name for way in operation["security"] for name in way),
        credentials_in_body={} in operation["security"],
        parameters=tuple(parameter(document, node) for node in operation["parameters"]),
        media=media,
        members=tuple(members(document, schema)),
        curl=curl(document, method, path, operation),
        answer=outcomes[0],
        problems=tuple(outcomes[1:]),
    )


def _body(body: Node) -> tuple[str, Node]:
    if body is None:
        return "", {}
    ((media, content),) = body["content"].items()
    return media, content["schema"]


def _outcome(document: Node, status: str, node: Node) -> Outcome:
    found = resolved(document, node)
    _, schema = _body(found if "content" in found else None)
    content = next(iter(found.get("content", {}).values()), None)
    told = tuple(members(document, schema))
    return Outcome(status, line(found["description"]), told, shown(first(content)) if content else "")


def _problem(document: Node, node: Node) -> Outcome:
    (content,) = node["content"].values()
    return _outcome(document, first(content)["status"], node)
