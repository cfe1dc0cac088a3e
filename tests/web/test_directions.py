"""On every page the words of others keep their reading direction to themselves: a Hebrew subject keeps its brackets."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sealpost.domain.status import Status
from sealpost.text.catalogue import LANGUAGES
from sealpost.web.pages import render
from tests.support.isolation import elements
from tests.web.specimens import FACE, pages

MARKER = "שלום (1)"
FOREIGN = {
    "sender_name", "sender_email", "recipient_name", "recipient_email", "account_name", "subject", "reason", "name", "email",
    "real_name", "mail_from", "rcpt_to", "reply", "recipients_words", "own_id", "own_guid", "campaign", "address_basis", "literal", "sender", "to", "text", "source", "x-own-id", "x-own-guid",
}  # fmt: skip
# What is ours, or cannot be Hebrew; a text under any other name has to be put into one of the two.
OURS = {
    "back", "cause", "content_type", "decision", "delivered_by", "delivery", "event", "framed", "host", "html", "id", "kind", "language",
    "links", "newest", "next", "older", "problem", "purpose", "role", "secrets", "state", "status", "statuses", "ticket_token", "token", "view",
}  # fmt: skip
NO_PARTS = ("reference/", "evidence/", "failure.html", "dashboard/notices.html", "genuine/")
EVERY = [pytest.param(*page, id=page[0]) for page in pages("en") if not page[1].startswith(NO_PARTS)]


def foreign(value: Any, name: str = "") -> Any:
    """A page's context with the marker in place of each text of others."""
    if isinstance(value, str):
        assert name in FOREIGN | OURS, f"whose words are {name}?"
        return MARKER if name in FOREIGN and value not in {"", "message_body"} else value
    if isinstance(value, dict):
        return {key: foreign(one, str(key)) for key, one in value.items()}
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return tuple(foreign(one, name) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Status)):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        return dataclasses.replace(value, **{key: foreign(one, key) for key, one in fields.items()})
    return value


@pytest.mark.parametrize(("name", "template", "context"), EVERY)
def test_words_of_others_are_isolated(name: str, template: str, context: dict[str, Any]) -> None:
    for language in LANGUAGES:
        seen = elements(render(FACE, template, language, **foreign(context)), MARKER)
        assert all(seen.found), (name, language)
        assert {one.split()[1] for one in seen.attributes} <= {"value", "aria-label"}
