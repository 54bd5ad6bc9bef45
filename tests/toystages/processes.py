"""Builds of toy stages in processes of their own, and how their results are compared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from a3dgen.config import load_config
from a3dgen.engine.build import Build
from a3dgen.engine.dask_cluster import make_executor
from a3dgen.engine.progress import Quiet
from toystages import TABLE, fit, render

ROOT = Path(__file__).resolve().parents[2]
NOT_CONTENT = ("run.json", "log.jsonl", "workers.log", ".lock")
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"}


def start(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    """Start Python in a session of its own, as a terminal does: Ctrl-C goes to all its processes."""
    with open(folder / "terminal.txt", "ab") as terminal:
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )


def start_build(folder: Path, out: str, *options: str) -> subprocess.Popen[bytes]:
    """Start a build of ``toy.yaml`` into a folder below ``folder``."""
    command = str(ROOT / "tests/toystages/command.py")
    return start(folder, command, "build", "--config", "toy.yaml", "--out", out, *options)


def build_undisturbed(folder: Path, out: str) -> Path:
    """Build ``toy.yaml`` here and now, without its pauses; return the build folder."""
    config = load_config(folder / "toy.yaml", table=TABLE, out=str(folder / out), workers=0)
    with mock.patch.object(fit, "time"), mock.patch.object(render, "time"):
        Build(config, lambda: make_executor(config.run), Quiet(), lambda: "body", table=TABLE).run()
    return config.out


def files(out: Path) -> dict[str, bytes]:
    """Return the content of every file that must not depend on how it was made."""
    return {
        str(p.relative_to(out)): p.read_bytes()
        for p in sorted(out.rglob("*"))
        if p.is_file() and p.name not in NOT_CONTENT and p.suffix != ".files"
    }


def finished(out: Path) -> int:
    """Return how many results there are."""
    return sum(1 for _ in out.rglob("*.json"))


def check_same(out: Path, reference: Path) -> None:
    """Fail unless two builds have the same files with the same bytes, and no temporary."""
    ours, theirs = files(out), files(reference)
    assert not [name for name in ours if name.endswith((".tmp", ".old")) or ".tmp/" in name or ".old/" in name]
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
