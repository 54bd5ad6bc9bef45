"""The pyrender backend behind the same protocol (in a process of its own: it brings its own OpenGL context)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

_SCRIPT = """
import sys; sys.path.insert(0, {folder!r})
from test_gl import *
light = Light(flat_light(0.4).sh, np.array([0.5, -0.7, -0.5]), np.full(3, 0.6))
texture = grey(150, 64)
items = [sphere(texture=texture), rectangle(10, 90, 150, 140, 3.2)]
renderer = get_renderer({renderer!r})
frame = renderer.render(items, K, 160, 160, light, crop=(5, 7, 150, 155))
np.savez({out!r}, rgba=frame.rgba, part=frame.part, depth=frame.depth)
renderer.close()
"""


def test_pyrender_draws_the_same_shapes(tmp_path) -> None:
    pytest.importorskip("pyrender")
    out = tmp_path / "pyrender.npz"
    script = _SCRIPT.format(folder=str(Path(__file__).parent), renderer="pyrender", out=str(out))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-800:]
    here: dict = {}
    exec(_SCRIPT.format(folder=str(Path(__file__).parent), renderer="cpu", out=str(tmp_path / "cpu.npz")), here)
    a, b = dict(np.load(tmp_path / "cpu.npz")), dict(np.load(out))
    assert a["part"].shape == b["part"].shape == (148, 145)
    assert (a["part"] == b["part"]).mean() > 0.995
    both = (a["part"] > 0) & (b["part"] > 0)
    assert np.abs(a["depth"] - b["depth"])[both].max() < 0.05
    solid = a["rgba"][..., 3] > 0.99
    assert (np.abs(a["rgba"][..., 3] - b["rgba"][..., 3]) > 0.6).mean() < 0.01
    assert b["rgba"][solid][:, :3].mean() == pytest.approx(a["rgba"][solid][:, :3].mean(), rel=0.5)
