"""The certificate: one seal over the whole file, and the records in it byte for byte those of the bundle (PAdES B-T).

Its text is the matter of `prose`. ETSI EN 319 142-1; ISO 32000-1, clause 12.8.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from sealpost.verifier import cms_seal
from sealpost.verifier.case import Case
from sealpost.verifier.der import SEAL, NotDer, length_of
from sealpost.verifier.pdf_file import Pdf, Unreadable
from sealpost.verifier.report import Said
from sealpost.verifier.tables import MEMBERS

CERTIFICATE = MEMBERS["certificate"]
_RANGE = re.compile(rb"/ByteRange[\s]*\[[\s]*(\d{1,10})[\s]+(\d{1,10})[\s]+(\d{1,10})[\s]+(\d{1,10})[\s]*\]")
_GAP = re.compile(rb"<([0-9a-fA-F]*)>")


def check(case: Case) -> None:
    """Says pdf."""
    findings = case.findings
    with findings.about("pdf", CERTIFICATE):
        if CERTIFICATE not in case.members:
            raise Said("pdf.missing")
        octets = case.members.read(CERTIFICATE)
        contents, digest = _sealed(octets)
        _check_embedded(case, octets, contents)
        cms_seal.check(case, "pdf", CERTIFICATE, contents, digest)


def _refuse(reason: str) -> Said:
    return Said("pdf.reader", reason=reason)


def _sealed(octets: bytes) -> tuple[bytes, bytes]:
    """The seal's DER and the digest of all octets around it; found without reading a single object."""
    found = _RANGE.findall(octets)
    if len(found) != 1 or octets.count(b"/ByteRange") != 1:
        raise _refuse("not exactly one range of octets")
    begin, first, second, rest = (int(one) for one in found[0])
    if begin != 0 or not first < second or second + rest != len(octets):
        raise _refuse("octets outside of the seal")
    gap = _GAP.fullmatch(octets, first, second)
    if gap is None or len(gap[1]) % 2:
        raise _refuse("something else than a seal in the gap")
    padded = bytes.fromhex(gap[1].decode("ascii"))
    try:
        length = length_of(padded, SEAL)
    except NotDer as error:
        raise _refuse(str(error)) from error
    if padded[length:].strip(b"\0"):
        raise _refuse("octets behind the seal")
    whole = hashlib.sha256(octets[:first])
    whole.update(octets[second:])
    return padded[:length], whole.digest()


def _check_embedded(case: Case, octets: bytes, contents: bytes) -> None:
    """Says where the files in the PDF are others than in the bundle; what cannot be read is said at the end."""
    try:
        pdf = Pdf(octets)
        root = pdf.entries(pdf.trailer.get("Root"))
        _require_one_signature(pdf, root, contents)
        embedded = _embedded(pdf, root)
    except (Unreadable, ValueError, TypeError, RecursionError, AttributeError, IndexError, KeyError) as error:
        # The seal is looked at before anything is said of the rest: a broken one is worse than an unreadable file.
        cms_seal.check(_silent(case), "pdf", CERTIFICATE, contents, _sealed(octets)[1])
        raise Said("pdf.unreadable", reason=str(error)[:200]) from error
    for name, inner in sorted(embedded.items()):
        if name not in case.members or case.members.read(name) != inner:
            raise Said("pdf.embedded", member=name)
    for kind in ("record", "seal", "salt", "proof"):
        for name, _ in case.named(kind):
            if name not in embedded:
                raise Said("pdf.lacks", member=name)


def _silent(case: Case) -> Case:
    """The same case, whose findings nobody reads."""
    return type(case)(case.members, case.trust, type(case.findings)(), sealers=case.sealers)


def _require_one_signature(pdf: Pdf, root: dict[str, Any], contents: bytes) -> None:
    """The one field of the form is the seal whose octets were found; nothing else is signed or hidden in a form."""
    form = pdf.entries(root.get("AcroForm"))
    fields = [pdf.entries(one) for one in pdf.array(form.get("Fields"))]
    if len(fields) != 1 or fields[0].get("FT") != "Sig" or "Kids" in fields[0] or "XFA" in form:
        raise _refuse("another form than one seal")
    signature = pdf.entries(fields[0].get("V"))
    inner: Any = signature.get("Contents")
    if signature.get("SubFilter") != "ETSI.CAdES.detached" or not isinstance(inner, bytes):
        raise _refuse("another kind of signature")
    if inner[: len(contents)] != contents or "Perms" in root:
        raise _refuse("a seal that is not the form's")


def _embedded(pdf: Pdf, root: dict[str, Any]) -> dict[str, bytes]:
    """Embedded files by name, of the name tree."""
    tree = pdf.entries(pdf.entries(root.get("Names")).get("EmbeddedFiles"))
    found: dict[str, bytes] = {}
    for value in pdf.leaves(tree):
        file = pdf.entries(value)
        name = _text(pdf.get(file.get("UF") or file.get("F")))
        inner = pdf.entries(file.get("EF"))
        octets = pdf.octets(inner.get("F") or inner.get("UF"))
        if name in found:
            raise Said("pdf.embedded", member=name)
        found[name] = octets
    return found


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise Unreadable("a file without a name")
    return value[2:].decode("utf-16-be") if value.startswith(b"\xfe\xff") else value.decode("latin-1")
