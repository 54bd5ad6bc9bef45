"""Compiled kernels are found again exactly while nothing that they were made from has changed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

from a3dgen.core import compiled


@pytest.fixture
def package(tmp_path, monkeypatch):
    root = tmp_path / "a3dgen"
    (root / "room").mkdir(parents=True)
    for name, text in {
        "__init__.py": "", "room/__init__.py": "SIZE = 3\n", "room/inner.py": "from a3dgen import numbers\n",
        "numbers.py": "ONE = 1\n", "loop.py": "from a3dgen.room import (\n    inner,\n)\n",
        "lazy.py": "def f():\n    from a3dgen.numbers import ONE\n    return ONE\n", "other.py": "import a3dgen.room\n",
    }.items():  # fmt: skip
        (root / name).write_text(text)
    monkeypatch.setattr(compiled, "PACKAGE", root)
    return root


def folder(path):
    compiled._source.cache_clear()
    compiled.cache_folder.cache_clear()
    return compiled.cache_folder(path)


@pytest.mark.parametrize("module", ["loop.py", "lazy.py", "other.py"])
@pytest.mark.parametrize(
    "changed", ["numbers.py", "room/__init__.py", "room/inner.py", "loop.py", "lazy.py", "other.py"]
)
def test_kernels_are_made_anew_after_a_change_of_what_they_import(package, module, changed):
    reads = {
        "loop.py": {"loop.py", "room/__init__.py", "room/inner.py", "numbers.py"},
        "lazy.py": {"lazy.py", "numbers.py"},
        "other.py": {"other.py", "room/__init__.py"},
    }[module]
    before = folder(package / module)
    assert folder(package / module) == before
    with (package / changed).open("a") as file:
        file.write("TWO = 2\n")
    assert (folder(package / module) != before) == (changed in reads)


def test_modules_of_one_name_do_not_share_a_folder(package):
    (package / "room" / "loop.py").write_text("X = 1\n")
    assert folder(package / "room" / "loop.py") != folder(package / "loop.py")


def test_real_kernels_depend_on_what_they_call_and_read():
    lm = compiled._source(compiled.PACKAGE / "fit" / "lm.py")[1]
    assert {p.name for p in lm} >= {"kinematics.py", "residuals.py", "compiled.py"}


def test_another_clone_finds_the_kernels_and_other_code_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("A3DGEN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    text = "from a3dgen.core.compiled import kernel\n\n\n@kernel\ndef grown(x):\n    return x + 2\n"
    found = []
    for clone, source in (("first", text), ("second", text), ("third", text.replace("+ 2", "+ 3"))):
        path = tmp_path / clone / "loops.py"
        path.parent.mkdir()
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("loops", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append((module.grown(1), sum(module.grown.stats.cache_hits.values())))
    assert found == [(3, 0), (3, 1), (4, 0)]


INSIDE = """
import numpy as np
from a3dgen.core.compiled import kernel

@kernel(inside=True)
def doubled(x):
    return 2 * x

@kernel(inline=True)
def more(x):
    return x + 1

@kernel
def both(x):
    return more(doubled(x))

print(both(5), sum(both.stats.cache_hits.values()))
try:
    doubled(5)
except TypeError:
    print("for kernels only")
"""


def test_kernels_for_kernels_are_kept_too(tmp_path):
    """They cannot be called from Python, which is what they are compiled faster for."""
    module = tmp_path / "inner.py"
    module.write_text(INSIDE)
    environment = {**os.environ, "A3DGEN_HOME": str(tmp_path / "home")}
    environment.pop("NUMBA_CACHE_DIR", None)
    said = [
        subprocess.run([sys.executable, module], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert [text.splitlines() for text in said] == [["11 0", "for kernels only"], ["11 1", "for kernels only"]]
