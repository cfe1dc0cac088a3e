"""How a file is handed to a browser so that it keeps it and never runs it (RFC 6266, RFC 8187)."""

from __future__ import annotations

import re
from urllib.parse import quote

# Types that say nothing which a browser would run. Everything else, HTML, SVG and XML first of all, is plain octets.
HARMLESS = re.compile(
    r"application/(?:pdf|zip|rtf|json|msword|vnd\.(?:openxmlformats-officedocument|oasis\.opendocument)\.[a-z.-]+|"
    r"vnd\.ms-(?:excel|powerpoint|outlook))|image/(?:png|jpeg|gif|webp|tiff|heic)|text/(?:plain|csv|calendar)|"
    r"audio/(?:mpeg|mp4|wav)|video/mp4"
)
ATTR_CHAR = "!#$&+-.^_`|~"
UNSAFE = re.compile(r"[^A-Za-z0-9._ ()+-]")


def attachment(name: str) -> str:
    """A Content-Disposition value that keeps the file under its name.

    Args:
        name: the file's name; a path in it is cut off, controls are left out.
    """
    plain = re.sub(r"[\x00-\x1f\x7f]", "", name.replace("\\", "/").rpartition("/")[2]) or "file"
    ascii_name = UNSAFE.sub("_", plain)
    if ascii_name == plain:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(plain, safe=ATTR_CHAR, errors='replace')}"


def safe_type(declared: str) -> str:
    """The type to send for a file of a declared type."""
    bare = declared.partition(";")[0].strip().lower()
    return bare if HARMLESS.fullmatch(bare) else "application/octet-stream"
