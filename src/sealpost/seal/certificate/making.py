"""What a certificate was made with, beside the records: named in the PDF's keywords, so that it can be set again.

``sealpost verify --reset-certificate`` reads them there. Nothing of them is believed: whoever sets the certificate again
compares the whole file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

from sealpost import __version__

_KEYWORDS = re.compile(rb"<pdf:Keywords>([^<&]{1,1000})</pdf:Keywords>")
_SAFE = re.compile(r"[A-Za-z0-9/:._+\[\]-]{1,300}")
_SOURCES = ("seal/certificate", "text", "domain")
_LIBRARIES = ("babel", "segno", "pyhanko", "tzdata")


@dataclass(frozen=True, slots=True)
class Making:
    """What else goes into a certificate, and what made it.

    Args:
        language: of its words.
        zone: of local times.
        verify: address of the verifier's page.
        template: version of template, words and all code that fills it in.
        typst: version of the typesetter.
    """

    language: str
    zone: str
    verify: str
    template: str
    typst: str

    @property
    def keywords(self) -> list[str]:
        """As they stand in the PDF."""
        values = zip(_NAMES, (self.language, self.zone, self.verify, self.template, self.typst), strict=True)
        return [f"{name}={value}" for name, value in values]

    @property
    def versions(self) -> str:
        """What made it, for people."""
        return f"template {self.template}, typst {self.typst}"


_NAMES = ("language", "zone", "verify", "template", "typst")


def read_making(pdf: bytes) -> Making | None:
    """What a PDF names, or None where it does not name all of it in the one way of writing.

    Args:
        pdf: from anywhere; read without looking at its structure.
    """
    found = _KEYWORDS.findall(pdf)
    if len(found) != 1:
        return None
    try:
        pairs = [one.partition("=") for one in found[0].decode("ascii").split(", ")]
    except UnicodeDecodeError:
        return None
    if tuple(name for name, _, _ in pairs) != _NAMES or not all(_SAFE.fullmatch(value) for _, _, value in pairs):
        return None
    return Making(*(value for _, _, value in pairs))


def made_here(language: str, zone: str, verify: str) -> Making:
    """What makes certificates on this machine."""
    return Making(language, zone, verify, template_version(), version("typst"))


@cache
def template_version() -> str:
    """The release, and a fingerprint of all that decides what a certificate says: template, code, words, libraries."""
    parts = sha256()
    for folder in _SOURCES:
        for name, octets in sorted(_read(files("sealpost").joinpath(folder), folder)):
            parts.update(f"{name}\0{sha256(octets).hexdigest()}\n".encode())
    for one in _LIBRARIES:
        parts.update(f"{one}\0{version(one)}\n".encode())
    return f"{__version__}-{parts.hexdigest()[:16]}"


def _read(folder: Traversable, name: str) -> list[tuple[str, bytes]]:
    found = list[tuple[str, bytes]]()
    for one in folder.iterdir():
        if one.is_dir():
            found += _read(one, f"{name}/{one.name}")
        elif one.name.endswith((".py", ".po", ".typ")):
            found.append((f"{name}/{one.name}", one.read_bytes()))
    return found
