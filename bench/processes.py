"""What processes use, read from Linux's /proc: CPU time of a whole tree, memory by kind.

For `bench/accept.py` and `bench/memory.py`. CPU time per mail says more than a rate does on a machine that others use too.
"""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(root: int) -> list[int]:
    """A process and all below it."""
    found = [root]
    for task in Path(f"/proc/{root}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def cpu_seconds(root: int) -> float:
    """CPU time of a tree, those that ended and were waited for included."""
    ticks = 0
    for process in tree(root):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # utime, stime, and the same of children that were waited for
    return ticks / TICKS


def machine_seconds() -> float:
    """CPU time that the whole machine has spent on work."""
    user, nice, system, _idle, _wait, *rest = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + sum(rest[:3])) / TICKS


def memory(processes: Iterable[int], kind: str) -> float:
    """MiB of a kind, as `RssAnon` or `VmRSS`, summed over processes."""
    total = 0
    for process in processes:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        total += int(lines[kind].split()[0])
    return total / 1024


def unnamed_files(processes: Iterable[int]) -> float:
    """MiB in regular files without a name that processes hold open: their spool files."""
    sizes: dict[int, int] = {}
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            try:
                state = descriptor.stat()
            except OSError:  # closed meanwhile
                continue
            if state.st_nlink == 0 and state.st_size:
                sizes[state.st_ino] = state.st_size
    return sum(sizes.values()) / 2**20
