"""The fingerprint of a trust folder: what two people read to each other to know that they have the same one.

For `/trust/`, `sealpost trust export`, the certificate and the verifier. It is over what evidence is recognised by: keys
of the logs and witnesses, roots of the seals and of the time stamp authorities. Revocation lists are new each day, and
certificates and records about the service itself follow from the roots: they are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from sealpost.domain.canonical import sha256

ANCHORS = ("policy", "roots.pem", "tsa-roots.pem")
"""The files that count, by their names in the folder, in this order."""


def trust_fingerprint(files: Mapping[str, bytes]) -> str:
    """SHA-256, in hexadecimal, of the lines that ``sha256sum`` writes of these files; one that is missing has no line.

    So anybody can compute it: ``sha256sum policy roots.pem tsa-roots.pem | sha256sum``.

    Args:
        files: octets by the name in the folder; what is no anchor does not count.
    """
    lines = [f"{sha256(files[name]).hex()}  {name}\n" for name in ANCHORS if name in files]
    return sha256("".join(lines).encode()).hex()
