"""Debian's packages, fetched with apt and unpacked into a throw-away folder, to run a program from there: never installed.

For the tests and benchmarks that stand beside or against a real mail server or milter. What is missing ends in
``CannotUnpack``, of which a test makes a skip and a benchmark its last word.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

# Of the C run time and what hangs on it, which must be the machine's own.
KEPT = re.compile(r"lib(c6|gcc-s1|stdc\+\+6|ssl3\w*|crypt1)$")


class CannotUnpack(Exception):
    """No apt, no package, or a library that no package brings; says why."""


def unpack(folder: Path, *packages: str) -> Path:
    """Fetches packages and unpacks them, beside what was unpacked into the same folder before.

    Args:
        folder: an existing one; the packages stay in it.
        packages: their names.

    Returns:
        Where their files are, with the paths that they would have below ``/``.

    Raises:
        CannotUnpack: no apt, apt is forbidden (``SEALPOST_NO_APT``), or no such package.
    """
    if os.environ.get("SEALPOST_NO_APT", "0") != "0":
        raise CannotUnpack("needs Debian's packages, and SEALPOST_NO_APT forbids apt")
    if away := [name for name in ("apt-get", "dpkg", "ldd") if not shutil.which(name)]:
        raise CannotUnpack(f"needs Debian's packages, and {away[0]} is not here")
    had = {*folder.glob("*.deb")}
    sandbox = ["-o", "APT::Sandbox::User=root"]  # its own user may not write into our folder
    command = ["apt-get", "-qq", *sandbox, "download", *packages]
    try:
        subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise CannotUnpack(f"apt-get download failed: {str(error.stderr).strip()[-300:]}") from error
    for package in sorted({*folder.glob("*.deb")} - had):
        subprocess.run(["dpkg", "-x", package, folder / "unpacked"], check=True)
    return folder / "unpacked"


def unpack_program(folder: Path, package: str, program: str) -> Path:
    """Fetches and unpacks a package, and the libraries that it depends on until the loader finds all.

    Args:
        folder: an empty one.
        package: its name.
        program: its path in the package, without the first slash; it runs in the ``environment``.

    Returns:
        As ``unpack``.

    Raises:
        CannotUnpack: as ``unpack``, or a library is neither here nor in a package that it depends on.
    """
    had, new, missing = set[str](), {package}, list[str]()
    while new:
        root = unpack(folder, *sorted(new))
        missing = missing_libraries(root / program, environment(root, package))
        if not missing:
            return root
        had |= new
        new = {name for name in library_packages(folder) if not KEPT.match(name)} - had
    raise CannotUnpack(f"Debian's {package} needs libraries that are not here: {', '.join(missing)}")


def environment(root: Path, package: str) -> dict[str, str]:
    """What an unpacked program runs in: its libraries and, where the package has some, its private ones."""
    places = [root / "usr/lib", root / "usr/lib" / package, *sorted(root.glob("usr/lib/*-linux-gnu*"))]
    libraries = ":".join(str(path) for path in places if path.is_dir())
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": libraries}


def missing_libraries(program: Path, loads: dict[str, str]) -> list[str]:
    """The libraries that the loader does not find for a program in an environment."""
    shown = subprocess.run(["ldd", program], env=loads, capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in shown.splitlines() if "not found" in line]


def library_packages(folder: Path) -> set[str]:
    """The names of the library packages that the packages in a folder depend on."""
    names = set[str]()
    for package in folder.glob("*.deb"):
        command = ["dpkg-deb", "-f", package, "Depends"]
        depends = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        names |= set(re.findall(r"(?:^|[ ,|])(lib[a-z0-9.+-]+)", depends))
    return names
