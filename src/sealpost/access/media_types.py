"""``Content-Type`` of requests, read as callers write it: in any letter case, with parameters that nobody needs.

For every face that takes a body (RFC 9110, section 8.3).
"""

from __future__ import annotations

import re

from sealpost.access.refusals import UnsupportedMediaType

UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})
_PARAMETER = re.compile(r'[ \t]*;[ \t]*(?:([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^ \t;"]*))?')
_KIND = re.compile(r"[ \t]*([^ \t;]+)")


def check_type(content_type: str, wanted: str) -> None:
    """Refuses a body of another type, or in another character set than UTF-8; further parameters change nothing.

    Args:
        content_type: the header's value.
        wanted: ``type/subtype``, in lower case.

    Raises:
        UnsupportedMediaType: it is another one.
    """
    kind = _KIND.match(content_type)
    if kind is None or kind[1].lower() != wanted:
        raise UnsupportedMediaType(f"the body must be {wanted}")
    at = kind.end()
    while found := _PARAMETER.match(content_type, at):
        at = found.end()
        if (found[1] or "").lower() == "charset" and found[2].strip('"').lower() not in UTF_8:
            raise UnsupportedMediaType(f"the body must be {wanted} in UTF-8")
    if content_type[at:].strip(" \t"):
        raise UnsupportedMediaType("the Content-Type is malformed")
