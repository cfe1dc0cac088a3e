"""Schemas of the API's description as rows of a table: name, type with its limits, whether it is required, meaning.

For ``sealpost.web.reference.view``. Only what the description uses is read (JSON Schema 2020-12 as OpenAPI 3.1 has it).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sealpost.web.reference.text import Line, line

OURS = "sealpost"
FORMATS = {"idn-email": "e-mail", "date": "date", "date-time": "UTC", "uri": "URL", "uuid": "UUID"}
Node = Any
"""A part of the description: whatever JSON can hold."""


@dataclass(frozen=True, slots=True)
class Row:
    """One parameter, header or member of a body.

    Args:
        name: with the path to it: ``attachments[].attachment``.
        kind: type and limits, in words.
        required: it must be there.
        ours: an addition of this service, not the vendor's.
        meaning: in words.
        place: of a parameter: ``path``, ``query`` or ``header``.
    """

    name: str
    kind: str
    required: bool
    ours: bool
    meaning: Line
    place: str = ""


def resolved(document: Node, node: Node) -> Node:
    """What a node stands for; what stands beside a reference goes before what it leads to (OpenAPI 3.1, section 4.8.23)."""
    if "$ref" not in node:
        return node
    found = document
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return {**resolved(document, found), **{name: value for name, value in node.items() if name != "$ref"}}


def members(document: Node, schema: Node, prefix: str = "") -> Iterator[Row]:
    """The members of an object, those of objects in its arrays behind them; nothing for what is no object.

    Args:
        document: the whole description.
        schema: of the object, or a reference to it.
        prefix: what stands before the names.
    """
    whole = resolved(document, schema)
    for name, part in whole.get("properties", {}).items():
        found = resolved(document, part)
        yield row(document, prefix + name, found, found, required=name in whole.get("required", ()))
        if found.get("type") == "array":
            yield from members(document, found["items"], f"{prefix}{name}[].")


def parameter(document: Node, node: Node) -> Row:
    """A parameter of an operation."""
    found = resolved(document, node)
    schema = resolved(document, found["schema"])
    return row(document, found["name"], schema, found, required=found["required"], place=found["in"])


def row(document: Node, name: str, schema: Node, told: Node, *, required: bool, place: str = "") -> Row:
    """A row.

    Args:
        document: the whole description.
        name: with the path to it.
        schema: its type and limits.
        told: where its meaning and its origin stand.
        required: it must be there.
        place: of a parameter.
    """
    ours = told.get("x-origin") == OURS
    return Row(name, kind(document, schema), required, ours, line(told.get("description", "")), place)


def kind(document: Node, schema: Node) -> str:
    """Type and limits of a value, in few words: ``string or null, ≤ 200 characters``."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if values:
        return ", ".join(json.dumps(value) for value in values)
    types = schema.get("type", "object")
    words = " or ".join([types] if isinstance(types, str) else types)
    if types == "array":
        words += f" of {resolved(document, schema['items']).get('type', 'object')}s"
    return ", ".join([words, *_limits(schema)])


def _limits(schema: Node) -> Iterator[str]:
    if schema.get("format") in FORMATS:
        yield FORMATS[schema["format"]]
    if schema.get("contentEncoding"):
        yield schema["contentEncoding"]
    for least, most, unit in (
        ("minLength", "maxLength", " characters"),
        ("minimum", "maximum", ""),
        ("", "maxItems", ""),
    ):
        yield from _range(schema.get(least), schema.get(most), unit)
    if "default" in schema:
        yield f"default {json.dumps(schema['default'])}"


def _range(least: int | None, most: int | None, unit: str) -> Iterator[str]:
    if least is not None and most is not None and least != 0:
        yield f"{least} to {most:,}{unit}"
    elif most is not None:
        yield f"≤ {most:,}{unit}"
    elif least is not None:
        yield f"≥ {least}{unit}"
