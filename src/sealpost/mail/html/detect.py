"""Whether a body is HTML or plain text, never guessed wrong (contract, section 3: ``message_format``)."""

from __future__ import annotations

import re

from sealpost.domain.errors import InvalidInput
from sealpost.mail.html.tree import names

FORMATS = ("text", "html")
INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q ruby s samp small span strike strong sub sup time tt u var wbr".split()  # noqa: SIM905
)
ELEMENTS = INLINE | names(
    "address applet area article aside audio base basefont bgsound blink blockquote body br button canvas caption "
    "center col colgroup datalist dd details dialog dir div dl dt embed fieldset figcaption figure footer form "
    "frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe image img input isindex keygen legend li "
    "link listing main map marquee math menu menuitem meta meter multicol nav nextid nobr noembed noframes "
    "noscript object ol optgroup option output p param picture plaintext portal pre progress rb rp rt rtc script "
    "search section select slot source spacer style summary svg table tbody td template textarea tfoot th thead "
    "title tr track ul video xmp"
)
_TAG = re.compile(r"<(?:!doctype\s+html|/?([a-z][a-z0-9]*)(?=[\s/>]))", re.IGNORECASE)
_ADVICE = (
    "holds line breaks and only inline tags: say message_format html (line breaks are blanks) or text (tags are shown)"
)


def is_html(field: str, text: str, said: str | None = None) -> bool:
    """Whether a body is HTML.

    Args:
        field: the field's name for the error.
        text: the body.
        said: ``text`` or ``html`` where the caller says it; None: any start or end tag of an HTML element makes it HTML.

    Raises:
        InvalidInput: nobody can tell: it has line breaks, and its only tags are inline.
    """
    if said is not None:
        return said == "html"
    found = [match[1].lower() if match[1] else "html" for match in _TAG.finditer(text)]
    known = {name for name in found if name in ELEMENTS}
    if known and known <= INLINE and "\n" in text.strip().replace("\r", "\n"):
        raise InvalidInput(field, _ADVICE)
    return bool(known)
