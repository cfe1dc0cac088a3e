"""Whether all keys are there that a restored installation needs: what lacks would be made new, and nobody would notice.

For `sealpost restore`. `load_or_create` and `establish` make a missing key, which is right at a first start. After a restore
it would be another key under an old name: content that opens no more, proofs and seals that the trust folder denies.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from sealpost.cli.backup_files import BackupRefused, files_in
from sealpost.content import keys as content_keys
from sealpost.seal.key_files import PURPOSES, ROOT
from sealpost.seal.pki import CERTIFIED, OWN, TEST, TEST_ONLY
from sealpost.settings import Settings
from sealpost.store import logs
from sealpost.store.pool import Runner

_OWN_ROOT = re.compile(rf".* root ([1-9][0-9]{{0,4}}) (?:{re.escape(TEST)}|{re.escape(OWN)})", re.ASCII | re.DOTALL)


def require_purposes(settings: Settings, copied: AbstractSet[str], *, has_log: bool, new_keys: bool) -> None:
    """Every purpose has a key, in the backup or in the data folder.

    Args:
        settings: of the installation that the keys go into.
        copied: paths below ``keys`` that come from the backup.
        has_log: whether the backup has a log; then its keys cannot be others.
        new_keys: seals may be made with new keys from now on: each seal carries the certificate of its own.

    Raises:
        BackupRefused: a key is missing.
    """
    names = copied | (set(files_in(settings.keys)) if settings.keys.is_dir() else set[str]())
    made = [one for one in PURPOSES if one != ROOT and (one not in TEST_ONLY or settings.environment == "test")]
    renewable = {one for one in made if one in CERTIFIED or not has_log} if new_keys else set[str]()
    wanted = [(one, ".key") for one in content_keys.PURPOSES]
    wanted += [(f"evidence/{one}", ".key.pem") for one in made if one not in renewable]
    for stem, end in wanted:
        if not any(re.fullmatch(rf"{stem}-[1-9][0-9]{{0,4}}{re.escape(end)}", one) for one in names):
            raise _missing(settings, f"{stem}-1{end}")


async def require_known(settings: Settings, runner: Runner) -> None:
    """The keys of every log in the restored database are there, and the roots that issued the certificates.

    Raises:
        BackupRefused: one is missing.
    """
    folder = settings.evidence_keys
    for log in await logs.all_of(runner):
        for name in (f"log-ed25519-{log.ed25519}.key.pem", f"log-mldsa44-{log.mldsa44}.key.pem"):
            if not (folder / name).exists():
                raise _missing(settings, f"evidence/{name}")
    for path in sorted(one for purpose in CERTIFIED for one in folder.glob(f"{purpose}-*.cert.pem")):
        if number := _own_root(path):
            for name in (f"{ROOT}-{number}.key.pem", f"{ROOT}-{number}.cert.pem"):
                if not (folder / name).exists():
                    raise _missing(settings, f"evidence/{name}")


def _own_root(path: Path) -> str:
    """The number of the root of ours that issued a certificate; empty where it is the operator's own."""
    try:
        issuer = x509.load_pem_x509_certificates(path.read_bytes())[-1].issuer
    except ValueError as error:
        raise BackupRefused(f"{path} is no certificate") from error
    found = [_OWN_ROOT.fullmatch(str(one.value)) for one in issuer.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return next((one[1] for one in found if one), "")


def _missing(settings: Settings, name: str) -> BackupRefused:
    is_renewable = any(name.startswith(f"evidence/{one}-") for one in CERTIFIED)
    return BackupRefused(
        f"the key file {name} is missing, and another key must not take its place: put it into {settings.keys} "
        f"(every backup of the keys should have it) and run the same command again"
        + ("; if it is lost for good, give --new-keys" if is_renewable else "")
    )
