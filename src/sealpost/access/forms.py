"""Form bodies and query strings read strictly: UTF-8, each name once (RFC 6749, section 3.2), few of them.

The type of a form may say more than is needed, or be missing: clients are not of one mind about it, and a form that is
none has no name that anybody asks for.

For ``sealpost.api.oauth`` and ``sealpost.xmlapi.tickets``.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from sealpost.access.media_types import check_type
from sealpost.domain.errors import InvalidInput

FORM_TYPE = "application/x-www-form-urlencoded"
MOST = 50


def query(raw: bytes) -> dict[str, str]:
    """The parameters of a query string.

    Raises:
        InvalidInput: a name that stands twice, bad UTF-8, too many.
    """
    return _pairs("query", raw)


def form(content_type: str, raw: bytes) -> dict[str, str]:
    """The fields of a form body; an empty body has none, whatever its type says.

    Args:
        content_type: as the caller has it; empty for none.
        raw: the body; line ends behind it, as editors and shells add them, are left out.

    Raises:
        UnsupportedMediaType: a body of another type.
        InvalidInput: a name that stands twice, bad UTF-8, too many.
    """
    raw = raw.rstrip(b"\r\n")
    if not raw:
        return {}
    check_type(content_type or FORM_TYPE, FORM_TYPE)
    return _pairs("body", raw)


def _pairs(where: str, raw: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST)
    except ValueError:
        raise InvalidInput(where, "is malformed") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidInput(where, "has a name twice")
    return fields
