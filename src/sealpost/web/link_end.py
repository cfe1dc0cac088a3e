"""A mailed link with what mail programs and chats take along behind it: a full stop, a bracket, a blank, a line end.

For the pages that mailed links open. A secret's known form ends it, so that only these characters, behind a whole one, are cut
off, and the browser goes on to the link itself. Nothing is looked up for that: whether the link is ours is told there.
"""

from __future__ import annotations

import re

from litestar import Response

from sealpost.text.catalogue import LANGUAGES
from sealpost.usecases.service import Face
from sealpost.web.pages import PageRequest, redirect

ADDED = ".,)> \r\n"
WITH_END = re.compile(rf"([A-Za-z0-9_-]{{43}})[{ADDED}]{{1,8}}")


def link_itself(request: PageRequest, face: Face, room: str) -> Response[str] | None:
    """303 to the link without its end; None where there is no such end.

    Args:
        request: its path has the ``secret`` last.
        face: of the service.
        room: the path before the secret, with both slashes.
    """
    found = WITH_END.fullmatch(str(request.path_params["secret"]))
    if found is None:
        return None
    language = request.query_params.get("lang")
    return redirect(face, f"{room}{found[1]}" + (f"?lang={language}" if language in LANGUAGES else ""))


def without_end(text: str) -> str:
    """The last value of a link's query without such an end."""
    return text.rstrip(ADDED)
