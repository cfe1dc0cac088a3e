"""Where a trust folder's files are: in the folder that was named, one level deeper, or in a zip of it; never in a bundle.

For the command; the page has the same rules for what a browser tells it. Everything is bounded before it is read: the
folder may be anybody's.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from sealpost.verifier.report import Unusable
from sealpost.verifier.tables import LIMITS, MEMBERS

ROOTS = "roots.pem"
_KNOWN = re.compile(r"roots\.pem|tsa-roots\.pem|policy|revoked/[^/]+\.crl|certificates/[^/]+\.pem")
_INNER = re.compile(r"([^/]+/)roots\.pem")
_BUNDLES = re.compile(rf"((?:[^/]+/)*)(?:mimetype|{re.escape(MEMBERS['manifest'])})")
_LARGEST, _MOST, _TOTAL = LIMITS["trustOctets"], LIMITS["trustFiles"], LIMITS["trustTotalOctets"]


class Bundled(Unusable):
    """The files are an evidence bundle's own, which vouch for nothing."""


def require_outside(path: Path) -> None:
    """Refuses what lies in an unpacked bundle, as it is named and where its links lead.

    Raises:
        Bundled: it does.
        Unusable: that cannot be told.
    """
    try:
        places = {Path(os.path.abspath(path)), path.resolve()}  # noqa: PTH100 - without following links
        if any(_is_bundle(one) for place in places for one in (place, *place.parents)):
            raise Bundled("{path} lies in an unpacked bundle", path=path)
    except (OSError, RuntimeError) as error:  # the latter: links that lead in a circle
        raise Unusable("{path} is not there", path=path.name) from error


def _is_bundle(folder: Path) -> bool:
    """Whether a folder has what bundles have and nothing else does."""
    if (folder / MEMBERS["manifest"]).is_file():
        return True
    if (folder / "records").is_dir() and (folder / "checkpoints").is_dir():
        return True
    mark, kind = folder / "mimetype", MEMBERS["mimetype"].encode()
    if not mark.is_file():
        return False
    with mark.open("rb") as file:
        return file.read(len(kind) + 1).strip() == kind


def chosen_files(path: Path) -> dict[str, bytes]:
    """The files of a trust folder, by their names in it.

    Args:
        path: the folder; a folder around it; or a zip of either.

    Raises:
        Bundled: it is a bundle, or lies in one.
        Unusable: it is none, or too large.
    """
    try:
        if path.is_file():
            return _zipped_files(path)
        if not path.is_dir():
            raise Unusable("{path} is no folder", path=path.name)
        folder = _inner(path)
        require_outside(folder)
        return _folder_files(folder)
    except OSError as error:
        raise Unusable("{path} cannot be read", path=path.name) from error


def _inner(folder: Path) -> Path:
    """The folder itself, or the one in it where it has none of the files: as zips unpack."""
    if (folder / ROOTS).exists():
        return folder
    with os.scandir(folder) as entries:
        inner = [Path(one) for one in _some(entries) if one.is_dir() and (Path(one) / ROOTS).exists()]
    return inner[0] if len(inner) == 1 else folder


def _some(entries: Iterable[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    found = list[os.DirEntry[str]]()
    for one in entries:
        found.append(one)
        if len(found) > _MOST:
            raise Unusable("too many files")
    return found


def _folder_files(folder: Path) -> dict[str, bytes]:
    names = list[str]()
    for below in ("", "revoked/", "certificates/"):
        if (folder / below).is_dir():
            with os.scandir(folder / below) as entries:
                names += [below + one.name for one in _some(entries) if one.is_file()]
    found, total = dict[str, bytes](), 0
    for name in sorted(name for name in names if _KNOWN.fullmatch(name)):
        with (folder / name).open("rb") as file:
            found[name] = file.read(_LARGEST + 1)
        total += len(found[name])
        _require_bounded(len(found[name]) <= _LARGEST and total <= _TOTAL)
    return found


def _require_bounded(truth: object) -> None:
    if not truth:
        raise Unusable("its files are too large")


def _zipped_files(path: Path) -> dict[str, bytes]:
    _require_bounded(path.stat().st_size <= _LARGEST)  # so its directory is bounded, too
    try:
        with zipfile.ZipFile(path) as archive:
            return _archived(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError, NotImplementedError) as error:
        if isinstance(error, Unusable):
            raise
        raise Unusable("{path} is neither a folder nor a readable zip", path=path.name) from error


def _archived(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = [one for one in archive.infolist() if not one.is_dir()]
    if len(entries) > _MOST:
        raise Unusable("too many files")
    names = [one.filename for one in entries]
    prefix = prefix_of(names)
    wanted = {one.filename.removeprefix(prefix): one for one in entries if one.filename.startswith(prefix)}
    if len(set(names)) != len(names):
        raise Unusable("a file twice")
    found, total = dict[str, bytes](), 0
    for name in sorted(name for name in wanted if _KNOWN.fullmatch(name)):
        if wanted[name].compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise Unusable("packed in an unknown way")
        with archive.open(wanted[name]) as file:
            found[name] = file.read(_LARGEST + 1)
        total += len(found[name])
        _require_bounded(len(found[name]) <= _LARGEST and total <= _TOTAL)
    return found


def prefix_of(names: Iterable[str]) -> str:
    """What stands before the names of a trust folder's files: nothing, or the one folder around them.

    Raises:
        Bundled: they stand in a bundle, or there is a bundle instead.
    """
    names = list(names)
    bundles = {found[1] for name in names if (found := _BUNDLES.fullmatch(name))}
    around = {""} if ROOTS in names else {found[1] for name in names if (found := _INNER.fullmatch(name))}
    prefix = around.pop() if len(around) == 1 else None
    if (bundles and prefix is None) or bundles & {"", prefix}:
        raise Bundled("a bundle's own files")
    return prefix or ""
