"""Output that never fails by what it is written to: any code page, a pipe that is closed, no output at all.

For ``sealpost verify``. What a code page does not have is shown in ASCII: marks of our sentences by the plain ones, all
else by its number, as ``<U+00E9>``, so that nothing that a record says is changed unseen.
"""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys
from typing import TextIO

from sealpost.verifier.report import Report

CLOSED = frozenset({errno.EPIPE, errno.EINVAL})
"""What a write to a closed pipe ends with; the second on Windows."""
_HANDLER = "sealpost.shown"
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2018\u2019\u201a", "'"),
        **dict.fromkeys("\u2010\u2011\u2013\u2014", "-"),
        **dict.fromkeys("\u00a0\u202f", " "),
        "\u2026": "...",
        "\u2192": "->",
        "\u00d7": "x",
        "\u27e8": "<",
        "\u27e9": ">",
    }
)


def make_printable() -> None:
    """Lets standard output and error show every character in some way, whatever their encoding."""
    codecs.register_error(_HANDLER, _in_plain_marks)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _in_plain_marks(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unknown = error.object[error.start : error.end].translate(_PLAIN)
    return "".join(one if one.isascii() else f"<U+{ord(one):04X}>" for one in unknown), error.end


def in_ascii(report: Report) -> str:
    """The report as JSON whose values are literal, and in which nothing but printable ASCII stands."""
    return json.dumps(report.as_json(), indent=1).replace("\x7f", "\\u007f")


def flush(stream: TextIO | None) -> None:
    """Writes what waits; a stream whose descriptor was closed before the start is None."""
    if stream is not None:
        stream.flush()


def silence(stream: TextIO) -> None:
    """Lets what is left of an output go nowhere, so that the interpreter does not complain at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
