"""A small strict XML writer: elements whose values are all attributes, as the *biljetten* interface has them.

For ``sealpost.xmlapi.document``. Whatever a value holds, the output is well-formed XML 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

# All but Char of XML 1.0, section 2.2: those cannot even be written as a reference.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(name: str, values: Iterable[tuple[str, str]] = (), inner: str = "") -> str:
    """One element.

    Args:
        name: ours, a valid XML name.
        values: its attributes.
        inner: elements inside, already written.
    """
    opening = f"<{name}{attributes(values)}"
    return f"{opening}>{inner}</{name}>" if inner else f"{opening}/>"


def attributes(values: Iterable[tuple[str, str]]) -> str:
    """Attributes as they stand in a tag: names (ours) and values (anybody's)."""
    return "".join(f" {key}={_quoted(value)}" for key, value in values)


def _quoted(value: str) -> str:
    return quoteattr(NOT_XML.sub("\ufffd", value))
