"""What is sent: parts, their fingerprints, and the rules for file names and declared types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from unicodedata import normalize

from sealpost.domain.errors import InvalidInput
from sealpost.domain.lines import line, visible

MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
RESERVED_NAMES = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")
BODY = "message_body"
LONGEST_PLAIN = 80  # characters of a name that came from outside
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}")

# First octets of formats that have a fixed one, and the types that those octets may be declared as. Only a
# contradiction between two formats that are both known is refused (design, section 4); unknown types pass.
ZIP_TYPES = re.compile(
    r"application/(?:zip|x-zip-compressed|java-archive|epub\+zip|vnd\.(?:openxmlformats|oasis|ms-\w+|etsi|android)[\w.+-]*)"
)
SIGNATURES: tuple[tuple[bytes, re.Pattern[str]], ...] = (
    (b"%PDF-", re.compile(r"application/(?:x-)?pdf")),
    (b"\x89PNG\r\n\x1a\n", re.compile(r"image/(?:x-)?png|image/apng")),
    (b"\xff\xd8\xff", re.compile(r"image/p?jpe?g")),
    (b"GIF87a", re.compile(r"image/gif")),
    (b"GIF89a", re.compile(r"image/gif")),
    (b"II*\x00", re.compile(r"image/tiff")),
    (b"MM\x00*", re.compile(r"image/tiff")),
    (b"PK\x03\x04", ZIP_TYPES),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        re.compile(r"application/(?:msword|vnd\.ms-[\w.+-]+|x-ole-storage|vnd\.visio)"),
    ),
    (b"\x1f\x8b", re.compile(r"application/(?:x-)?(?:gzip|gtar|compressed-tar)")),
    (b"7z\xbc\xaf\x27\x1c", re.compile(r"application/x-7z-compressed")),
    (b"Rar!\x1a\x07", re.compile(r"application/(?:vnd\.rar|x-rar(?:-compressed)?)")),
    (b"{\\rtf", re.compile(r"(?:application|text)/rtf")),
    (b"MZ", re.compile(r"application/(?:x-(?:msdownload|dosexec|msdos-program)|vnd\.microsoft\.portable-executable)")),
    (b"\x7fELF", re.compile(r"application/x-(?:executable|sharedlib|elf|pie-executable)")),
)
UNTOLD = frozenset({"application/octet-stream", "binary/octet-stream", "application/x-download"})


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message: the body or an attachment.

    Args:
        name: ``message_body`` or the attachment's file name.
        content_type: declared media type.
        size: octets.
        sha256: the fingerprint, 32 octets.
    """

    name: str
    content_type: str
    size: int
    sha256: bytes


def shown_name(name: str, content_type: str) -> str:
    """A part's file name; the body's is ``message.txt`` or ``message.html``."""
    if name != BODY:
        return name
    return "message.html" if content_type.startswith("text/html") else "message.txt"


def plain_name(name: str) -> str:
    """A file name in ASCII letters, digits, dot, dash and underscore, not hidden, not long, its ending kept."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = _NOT_PLAIN.sub("_", plain).lstrip(".")
    stem, dot, ending = plain.rpartition(".")
    if not stem or not _EXTENSION.fullmatch(dot + ending):
        return plain[:LONGEST_PLAIN] or "file"
    return stem[: LONGEST_PLAIN - len(ending) - 1] + dot + ending


def file_name(field: str, text: str) -> str:
    """A file name: one line, no path, no control or bidi character, not a device's name, at most 255 octets.

    Raises:
        InvalidInput: naming ``field``.
    """
    name = line(field, text, 255)
    if "/" in name or "\\" in name or name.strip(" .") == "" or name != name.strip():
        raise InvalidInput(field, "is not a plain file name")
    _, dot, ending = name.rpartition(".")
    if not visible(name[0]) or (dot and visible(ending) != ending):
        raise InvalidInput(field, "has an invisible character at its start or in its ending")
    if len(name.encode()) > 255 or RESERVED_NAMES.fullmatch(name) or name == BODY:
        raise InvalidInput(field, "is not a usable file name")
    return name


def media_type(field: str, text: str, head: bytes) -> str:
    """A declared media type, held against the file's first octets.

    Args:
        field: the field's name for the error.
        text: the declared type; parameters are not taken.
        head: the file's first 16 octets or more.

    Raises:
        InvalidInput: not a media type, or a known one that contradicts a known signature.
    """
    declared = text.lower()
    if not MEDIA_TYPE.fullmatch(declared):
        raise InvalidInput(field, "is not a MIME type")
    if declared.startswith(("multipart/", "message/")):
        raise InvalidInput(field, "a mail or a multipart cannot be an attachment's type")
    found = next(((octets, allowed) for octets, allowed in SIGNATURES if head.startswith(octets)), None)
    if found and declared not in UNTOLD and _contradicts(declared, *found):
        raise InvalidInput(field, "does not agree with the file's content")
    return declared


def _contradicts(declared: str, octets: bytes, allowed: re.Pattern[str]) -> bool:
    """Whether a declared type cannot be a file that begins with these octets."""
    if allowed.fullmatch(declared):
        return False
    if declared.startswith("text/"):
        return len(octets) > 3  # a text may well begin with "MZ"
    return any(other.fullmatch(declared) for _, other in SIGNATURES)
