"""What the members of a bundle are called (evidence format, section 5).

For the writer, for the certificate, which embeds the same files under the same names, and for whoever collects the
parts. Names are plain ASCII, so that no tool reads one in another way than we do; the given names stand in the records.
"""

from __future__ import annotations

from sealpost.domain.content import plain_name

MIMETYPE, README, CERTIFICATE = "mimetype", "README.txt", "certificate.pdf"
MANIFEST, SIGNATURE = "META-INF/ASiCManifest001.xml", "META-INF/signature001.p7s"


def record(seq: int) -> str:
    """``records/001.json``."""
    return f"records/{seq:03}.json"


def seal(seq: int) -> str:
    """``records/001.jades.json``."""
    return f"records/{seq:03}.jades.json"


def salt(seq: int) -> str:
    """``records/001.salt``."""
    return f"records/{seq:03}.salt"


def proof(seq: int) -> str:
    """``proofs/001.tlog-proof``."""
    return f"proofs/{seq:03}.tlog-proof"


def checkpoint(log: str, size: int) -> str:
    """``checkpoints/2026-42.txt``: the log's name too, because a ticket may cross two logs."""
    return f"checkpoints/{log}-{size}.txt"


def token(log: str, size: int, number: int = 1) -> str:
    """``checkpoints/2026-42.tsr``; later tokens, which renew it, have their number: ``2026-42.2.tsr``."""
    return f"checkpoints/{log}-{size}.tsr" if number == 1 else f"checkpoints/{log}-{size}.{number}.tsr"


def mail(seq: int, name: str) -> str:
    """``mail/2-announcement.eml``: seq is of the record that carries hash and size of these octets."""
    return f"mail/{seq}-{plain_name(name.removesuffix('.eml'))}.eml"


def content(number: int, name: str) -> str:
    """``content/02-notice.pdf``: the number is the place in the records' list of parts, from 1."""
    return f"content/{number:02}-{plain_name(name)}"
