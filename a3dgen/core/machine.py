"""What this process may use of the machine: cores and memory, as the container or batch system allows."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
WORKER_BYTES, COORDINATOR_BYTES = 3 << 29, 1 << 29
"""What a worker and the process that started it may need; in builds 1.13 and 0.3 GB were measured (docs/scale.md)."""


def cores(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Return how many processes can run at once: the cores allowed, or the CPU time that a container may use.

    ``docker run --cpus=2`` leaves all cores of the host visible and stops processes for most of every tenth of a
    second instead; that share, rounded down, counts here.
    """
    allowed = len(os.sched_getaffinity(0))
    quotas = [quota for folder in _groups("cpu", proc, cgroups) if (quota := _quota(folder)) is not None]
    return max(1, min([allowed, *(int(q + 1e-6) for q in quotas)]))


def memory_bytes(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Return how much memory this process may have in all: the machine's, or less where a container sets a limit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [
        value
        for folder in _groups("memory", proc, cgroups)
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
        if (value := _number(folder / name)) is not None
    ]
    return min([total, *limits])


def default_workers(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Return how many workers a build starts unless told: one a core, and no more than memory holds."""
    fitting = (memory_bytes(proc, cgroups) - COORDINATOR_BYTES) // WORKER_BYTES
    return max(1, min(cores(proc, cgroups), fitting))


def _groups(controller: str, proc: Path, cgroups: Path) -> Iterator[Path]:
    """Yield the folders of this process's control group and of those above it, of both kernel interfaces.

    Inside a container the path that the kernel tells is the host's and leads nowhere; the top folder is then its own.
    """
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        if number == "0" and not names:
            tops = [cgroups, cgroups / "unified"]
        elif controller in names.split(","):
            tops = [cgroups / names, cgroups / controller]
        else:
            continue
        parts = [p for p in path.split("/") if p and p != ".."]
        for top in tops:
            yield from (top.joinpath(*parts[:n]) for n in range(len(parts), -1, -1))


def _quota(folder: Path) -> float | None:
    """Return the CPU time that a control group may use, in cores; None if it has no limit."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()[:2]
        return None if quota == "max" else float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        pass  # the older interface, or none
    used, of = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return used / of if used and of else None


def _number(path: Path) -> int | None:
    """Return a limit; None if there is none, which the kernel writes as max, -1 or a number near 2**63."""
    try:
        value = float(path.read_text())
    except (OSError, ValueError):
        return None
    return int(value) if math.isfinite(value) and 0 < value < 1 << 60 else None
