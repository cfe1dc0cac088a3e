"""Reads PDF files with the command's reader: `python read_pdf.py FOLDER`. Prints what `page/read_pdf.mjs` prints."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from sealpost.verifier.pdf_file import Pdf, Unreadable


def read(octets: bytes) -> str:
    """The fingerprints of all embedded files."""
    pdf = Pdf(octets)
    root = pdf.entries(pdf.trailer.get("Root"))
    tree = pdf.entries(pdf.entries(root.get("Names")).get("EmbeddedFiles"))
    found = list[str]()
    for one in pdf.leaves(tree):
        inner = pdf.entries(pdf.entries(one).get("EF"))
        found.append(hashlib.sha256(pdf.octets(inner.get("F") or inner.get("UF"))).hexdigest())
    return " ".join(found)


def outcome_of(octets: bytes) -> str:
    """What a reader says of a file."""
    try:
        return read(octets)
    except Unreadable as error:
        return f"Unreadable: {error}"
    except Exception as error:  # noqa: BLE001 - shown, and then the test fails
        return f"{type(error).__name__}: {error}"


def _peak() -> float:
    """The highest that this process ever took, in megabytes; `getrusage` would count the parent's memory, too."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text("ascii"))
    return int(found[1]) / 1024 if found else 0


def main() -> None:
    """A line for each file, then one for all."""
    before = _peak()
    for path in sorted(Path(sys.argv[1]).iterdir()):
        began = time.process_time()
        said: dict[str, Any] = {"name": path.name, "outcome": outcome_of(path.read_bytes())}
        print(json.dumps({**said, "seconds": time.process_time() - began}))
    print(json.dumps({"megabytes": _peak() - before}))


if __name__ == "__main__":
    main()
