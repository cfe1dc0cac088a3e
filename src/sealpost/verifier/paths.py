"""How many certificates a seal or a time token may bring: each of one name more multiplies the paths to be tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cryptography import x509

from sealpost.verifier.tables import LIMITS


def is_searchable(certificates: Sequence[x509.Certificate]) -> bool:
    """Whether all paths through these certificates can be tried: few, and no name more than twice, for cross-signed ones."""
    names = Counter(one.subject.public_bytes() for one in certificates)
    return (
        len(certificates) <= LIMITS["certificates"]
        and max(names.values(), default=0) <= LIMITS["certificatesOfOneName"]
    )
