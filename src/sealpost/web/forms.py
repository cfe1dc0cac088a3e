"""What a form sent: the fields of ``application/x-www-form-urlencoded`` (WHATWG URL, section 5), strictly read."""

from __future__ import annotations

from urllib.parse import parse_qsl

from litestar.exceptions import ClientException

from sealpost.web.pages import PageRequest

FORM = "application/x-www-form-urlencoded"
LONGEST = 32_768
MOST_FIELDS = 40


async def fields(request: PageRequest) -> dict[str, str]:
    """The fields of a form; one that stands there twice is left out, for it says nothing clear.

    Raises:
        ClientException: another media type, too many fields, not UTF-8.
        RequestEntityTooLarge: more than the limit of the routes.
    """
    kind = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    octets = await request.body()
    if kind != FORM and octets:
        raise ClientException("not a form")
    return read_fields(octets)


def read_fields(octets: bytes) -> dict[str, str]:
    """The fields of a form's body; errors as for ``fields``."""
    try:
        pairs = parse_qsl(octets.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise ClientException("not a form that a page of ours sends") from error
    names = [name for name, _ in pairs]
    return {name: value for name, value in pairs if names.count(name) == 1}
