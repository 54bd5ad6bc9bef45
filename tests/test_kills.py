"""A build that is killed again and again, at any moment, ends as if nobody had touched it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from toystages.processes import build_undisturbed, check_same, finished, start_build

from a3dgen.engine.fork_server import METHOD

TOY = "shard_size: 2\ningest: {people: %d}\nfit: {pause: 0.01}\nrender: {pause: 0.01}\n"
WORKER, COORDINATOR, INTERRUPT, TERMINATE = "a worker", "the coordinator", "SIGINT", "SIGTERM"
ORIGIN = "the process that workers are copies of"
KINDS = (WORKER, COORDINATOR, INTERRUPT, TERMINATE, ORIGIN)
STARTED = ("spawn_main", "forkserver")


def below(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return [p for p in psutil.Process(process.pid).children(recursive=True) if started_by_python(p)]
    return []


def started_by_python(process: psutil.Process) -> bool:
    return any(name in " ".join(process.cmdline()) for name in STARTED)


def origins(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """What workers are copied from."""
    return [p for p in below(process) if p.ppid() == process.pid]


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    found = below(process)
    return [p for p in found if p.ppid() != process.pid] if METHOD == "forkserver" else found


def strike(process: subprocess.Popen[bytes], kind: str, rng: random.Random) -> bool:
    """Kill; tell whether the build itself ends by it."""
    if kind in (WORKER, ORIGIN):
        with contextlib.suppress(psutil.Error):
            if found := workers(process) if kind == WORKER else origins(process):
                rng.choice(found).kill()
        return False
    if kind == COORDINATOR:
        process.kill()
    elif kind == INTERRUPT:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    return True


def listens(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether a process has a handler for SIGTERM; before that the system just ends it."""
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process.pid}/status").read_text()
        return bool(int(status.split("SigCgt:")[1].split()[0], 16) >> (signal.SIGTERM - 1) & 1)
    return True


def torment(begin: Callable[..., subprocess.Popen[bytes]], out: Path, kinds: list[str], seed: int) -> list[str]:
    """Kill a build once for each of ``kinds``, resuming it each time; return what it was killed by in mid-work."""
    rng = random.Random(seed)
    process, hit = begin(workers=2), []
    for kind in kinds:
        enough = finished(out) + rng.choice((0, 0, 1, 2, 4, 6))
        until = time.monotonic() + rng.uniform(0.2, 6)
        while process.poll() is None and finished(out) < enough and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.2))
        while kind in (INTERRUPT, TERMINATE) and process.poll() is None and not listens(process):
            time.sleep(0.01)
        if process.poll() is None:
            hit.append(kind)
            if not strike(process, kind, rng):
                continue
            code = process.wait(60)
            assert code == (-9 if kind == COORDINATOR else 130) or (code == 0 and kind != COORDINATOR), kind
        process = begin()
    assert process.wait(120) == 0
    return hit


def check_toy(folder: Path, kinds: list[str], seed: int, people: int, workers: int) -> None:
    (folder / "toy.yaml").write_text(TOY % people)

    def begin(workers: int = workers) -> subprocess.Popen[bytes]:
        return start_build(folder, "out", "--workers", str(workers))

    hit = torment(begin, folder / "out", kinds, seed)
    shown = (folder / "terminal.txt").read_text()
    assert "a3dgen/cli.py" not in shown  # no traceback of the build; workers may complain that it is gone
    assert len(hit) >= 0.7 * len(kinds), shown
    check_same(folder / "out", build_undisturbed(folder, "reference"))


def test_killed_once_in_every_way(tmp_path: Path) -> None:
    """Two workers until one of them and then all is killed; what comes after is done by one process."""
    check_toy(tmp_path, list(KINDS), seed=3, people=24, workers=0)


@pytest.mark.slow
def test_killed_thirty_times(tmp_path: Path) -> None:
    kinds = list(KINDS) * 6
    random.Random(7).shuffle(kinds)
    check_toy(tmp_path, kinds, seed=11, people=120, workers=2)
