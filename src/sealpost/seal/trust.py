"""The trust folder: what somebody needs to believe our evidence, to be fetched once and kept (evidence format, section 7).

For ``/trust/``, ``sealpost trust export`` and, as information only, for every bundle. Nothing in it is secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sealpost.domain.note import ED25519, MLDSA44_COSIGNATURE, verifier_key
from sealpost.seal.evidence import Evidence
from sealpost.seal.key_files import KeyFolder
from sealpost.seal.pki import CERTIFIED, TEST_ONLY, revocation_lists, roots

README = """What is here: the keys by which evidence of this service is recognised.

Keep this folder, and note where and when you got it: evidence is only worth what the keys are worth that it is
compared with. Ask the operator, on a way that you trust, whether these fingerprints are theirs (openssl x509
-fingerprint -sha256 -noout -in roots.pem).

  roots.pem        roots of the certificates that seal records, certificates and bundles
  tsa-roots.pem    roots of the time stamp authorities
  revoked/         lists of certificates that are no longer good (CRL, DER)
  certificates/    the certificates that sign or signed
  policy           keys of the logs and of their witnesses (C2SP tlog-policy)
  events/          what the service recorded about itself: logs that began, keys that were rotated, backups put back

The fingerprint of the whole folder stands on each certificate and at /trust/, and the verifier shows it. This computes it (leave
tsa-roots.pem out where it is missing):  sha256sum policy roots.pem tsa-roots.pem | sha256sum

Check a bundle against it:  sealpost verify evidence-….asice --trust THIS-FOLDER
"""


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The keys of one log.

    Args:
        origin: its name.
        ed25519: raw, 32 octets.
        mldsa44: raw, 1,312 octets.
    """

    origin: str
    ed25519: bytes
    mldsa44: bytes


def trust_files(evidence: Evidence, logs: Sequence[LogKeys], at: datetime) -> dict[str, bytes]:
    """The folder: path → octets.

    Args:
        evidence: keys, roots of the authorities, policy.
        logs: every log there ever was.
        at: aware; the day whose revocation lists are wanted.

    Raises:
        KeysRefused, OSError: a certificate cannot be read.
    """
    files = dict(_of_day(evidence.keys, at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)))
    if evidence.tsa_roots:
        files["tsa-roots.pem"] = _pem(evidence.tsa_roots)
    files["policy"] = policy(logs, evidence.policy_text)
    files["README.txt"] = README.encode()
    return files


@lru_cache(maxsize=4)  # signing the lists of a day once is enough
def _of_day(keys: KeyFolder, day: datetime) -> tuple[tuple[str, bytes], ...]:
    files, own = list[tuple[str, bytes]](), list(roots(keys))
    for purpose in CERTIFIED:
        for number in keys.numbers(purpose):
            chain = keys.certificates(purpose, number)
            files.append((f"certificates/{purpose}-{number}.pem", _pem(chain)))
            # An operator's own root stands at the end of its chain; the demo's authority has ours.
            own += [one for one in chain if one.issuer == one.subject and one not in own and purpose not in TEST_ONLY]
    files.append(("roots.pem", _pem(own)))
    files += [(f"revoked/root-{number}.crl", one) for number, one in enumerate(revocation_lists(keys, day), 1)]
    return tuple(files)


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def policy(logs: Sequence[LogKeys], given: str) -> bytes:
    """Our logs, and the witnesses and the quorum of the operator's file (C2SP tlog-policy).

    Args:
        logs: whose keys are named.
        given: the operator's policy; its own log lines are left out. Empty: there are no witnesses.
    """
    lines = list[str]()
    for one in logs:
        lines.append(f"log {verifier_key(one.origin, ED25519, one.ed25519)}")
        lines.append(f"log {verifier_key(one.origin, MLDSA44_COSIGNATURE, one.mldsa44)}")
    rest = [line for line in given.splitlines() if line.split()[:1] != ["log"]]
    return "\n".join([*lines, *(rest or ["quorum none"]), ""]).encode()
