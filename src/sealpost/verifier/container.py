"""The container: its list of contents, and the seal over that list (ASiC-E with CAdES, ETSI EN 319 162-1, annex A).

The list has one way to be written, a line for each file, so it is read without an XML parser: what is not in that way is
refused.
"""

from __future__ import annotations

import hashlib
import re

from sealpost.domain.canonical import SHA256_URI
from sealpost.domain.note import NoNote, strict_base64
from sealpost.verifier import cms_seal
from sealpost.verifier.case import Case
from sealpost.verifier.certificates import shown
from sealpost.verifier.members import BadZip
from sealpost.verifier.report import Said
from sealpost.verifier.tables import MEMBERS

MANIFEST, SIGNATURE = MEMBERS["manifest"], MEMBERS["signature"]
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">\n'
    f'<asic:SigReference URI="{SIGNATURE}" MimeType="application/pkcs7-signature"/>\n'
)
_TAIL = "</asic:ASiCManifest>\n"
_LINE = re.compile(
    r'<asic:DataObjectReference URI="([^"<>&%]+)" MimeType="[a-z0-9;=/ .+-]+">'
    rf'<ds:DigestMethod Algorithm="{re.escape(SHA256_URI)}"/>'
    r"<ds:DigestValue>([A-Za-z0-9+/=]{44})</ds:DigestValue></asic:DataObjectReference>\n"
)


def check(case: Case) -> None:
    """Says container, and in the head whose state the bundle shows."""
    findings = case.findings
    for name in case.strangers():
        findings.say("container.member", name)
    with findings.about("container", MANIFEST):
        _check_list(case)
    with findings.about("container", SIGNATURE):
        if SIGNATURE not in case.members or MANIFEST not in case.members:
            raise Said("container.missing")
        digest = case.members.sha256(MANIFEST)
        cms_seal.check(case, "container", SIGNATURE, case.members.read(SIGNATURE), digest)
    if SIGNATURE in case.closed:  # nothing in a bundle shows what came after its own time token
        findings.head("head.as_of", time=shown(case.closed[SIGNATURE].at))
    else:
        findings.head("head.as_of_nothing")


def _check_list(case: Case) -> None:
    """Every file but mimetype and META-INF exactly once; says each that is not as listed."""
    if MANIFEST not in case.members:
        raise Said("container.manifest", reason="missing")
    listed = _listed(case.members.read(MANIFEST))
    here = dict.fromkeys(name for name in case.members.names if name != "mimetype" and not name.startswith("META-INF/"))
    for name in here:
        if name not in listed:
            case.findings.say("container.unlisted", name)
        elif _digest(case, name) != listed[name]:
            case.findings.say("container.digest", name)
    for name in listed:
        if name not in here:
            case.findings.say("container.absent", name)


def _digest(case: Case, name: str) -> bytes:
    try:
        return case.members.sha256(name)
    except BadZip:
        return hashlib.sha256().digest() + b"damaged"


def _listed(octets: bytes) -> dict[str, bytes]:
    text = octets.decode()
    if not text.startswith(_HEAD) or not text.endswith(_TAIL):
        raise Said("container.manifest", reason="not in the prescribed form")
    at, end, listed = len(_HEAD), len(text) - len(_TAIL), dict[str, bytes]()
    while at < end:
        line = _LINE.match(text, at, end)
        if line is None or line[1] in listed:
            raise Said("container.manifest", reason="a line that is not in the prescribed form, or a file twice")
        try:
            listed[line[1]] = strict_base64(line[2])
        except NoNote as error:
            raise Said("container.manifest", reason=str(error)) from error
        at = line.end()
    return listed
