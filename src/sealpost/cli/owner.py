"""Root acts as the account that an installation belongs to, or not at all.

What root makes in somebody's data folder (the embedded server's socket and log, a key) its owner can neither use nor remove:
after `sudo sealpost doctor` the service would not start any more.
"""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path

import sealpost
from sealpost.domain.errors import SealpostError
from sealpost.settings import Settings
from sealpost.store.embedded_place import Account, account_name, is_server_account


class NotTheOwner(SealpostError):
    """The installation belongs to another account; the sentence says which."""


def become_owner(settings: Settings) -> None:
    """As root, goes on as the installation's owner, before anything is touched; for good.

    Raises:
        NotTheOwner: that account cannot run this program.
    """
    owner = _owner(settings)
    if owner is None:
        return
    account = Account(owner.st_uid, owner.st_gid, other=True)
    if not all(account.reaches(Path(one.__file__ or "/").parent) for one in (sealpost, os)):
        raise NotTheOwner(
            f"{settings.data} belongs to {account_name(owner.st_uid)}, who cannot reach this program: run one that this account can"
        )
    _become(owner.st_uid, owner.st_gid)


def require_owner(settings: Settings) -> None:
    """Whatever goes on running, or takes a port of root's, is for its owner to start.

    Raises:
        NotTheOwner: this is root, and the installation another account's.
    """
    owner = _owner(settings)
    if owner is not None:
        raise NotTheOwner(
            f"{settings.data} belongs to {account_name(owner.st_uid)}: run this as that account, not as root"
        )


def _owner(settings: Settings) -> os.stat_result | None:
    """Whose the installation is, by what its service made; None: ours, or there is none yet, or we are not root."""
    if os.geteuid() != 0:
        return None
    for path in (settings.keys, settings.data / "postgres", settings.data):
        with suppress(FileNotFoundError):
            found = path.lstat()
            return None if found.st_uid == 0 or is_server_account(found.st_uid) else found
    return None


def _become(uid: int, gid: int) -> None:
    """Groups first: once the user is another one, nothing more can be given up. Real and saved ids go, too."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # as in a container; then the file's group is all that is known
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        return
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(uid)
    os.environ.update(HOME=entry.pw_dir, USER=entry.pw_name, LOGNAME=entry.pw_name)
