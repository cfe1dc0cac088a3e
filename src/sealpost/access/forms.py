"""Form bodies and query strings read strictly: UTF-8, each name once (RFC 6749, section 3.2), few of them.

For ``sealpost.api.oauth`` and ``sealpost.xmlapi.tickets``.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from sealpost.access.refusals import UnsupportedMediaType
from sealpost.domain.errors import InvalidInput

FORM_TYPE = re.compile(r'(?i)application/x-www-form-urlencoded[ \t]*(?:;[ \t]*charset=(?:utf-8|"utf-8")[ \t]*)?;?')
MOST = 50


def query(raw: bytes) -> dict[str, str]:
    """The parameters of a query string.

    Raises:
        InvalidInput: a name that stands twice, bad UTF-8, too many.
    """
    return _pairs("query", raw)


def form(content_type: str, raw: bytes) -> dict[str, str]:
    """The fields of a form body; an empty body has none, whatever its type says.

    Raises:
        UnsupportedMediaType: a body of another type.
        InvalidInput: a name that stands twice, bad UTF-8, too many.
    """
    if not raw:
        return {}
    if not FORM_TYPE.fullmatch(content_type.strip()):
        raise UnsupportedMediaType("the body must be application/x-www-form-urlencoded")
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
