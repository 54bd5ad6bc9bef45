"""A dressed person by pyrender and by OpenGL, through EGL and OSMesa each, against the compiled renderer.

Each road has a process of its own: one OpenGL context a process.
"""

from __future__ import annotations

import ctypes.util
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from test_agreement import H, K, W, amputee_of

from a3dgen.appearance.dressed_person import build_subject
from a3dgen.core.errors import ConfigError
from a3dgen.renderers import Frame, Light, flat_light, get_renderer, pyopengl, whole_texture

ROADS = [(renderer, platform) for renderer in ("gl", "pyrender") for platform in ("egl", "osmesa")]
CROP = (20, 15, 245, 320)
_SCRIPT = """
import pickle, sys
import numpy as np
from a3dgen.renderers import get_renderer
with open(sys.argv[1], "rb") as file:
    items, K, width, height, light, crop = pickle.load(file)
renderer = get_renderer(sys.argv[2])
for _ in range(2):  # the second picture is of another size than the first
    small = renderer.render(items, K, width, height, light, crop=(60, 40, 200, 200))
    frame = renderer.render(items, K, width, height, light, crop=crop)
np.savez(sys.argv[3], rgba=frame.rgba, part=frame.part, depth=frame.depth, small=small.rgba)
print(renderer.driver)
renderer.close()
"""


@pytest.fixture(scope="module")
def person(body, tmp_path_factory) -> tuple[Path, Frame]:
    """What is drawn, in a file, and the compiled renderer's picture of it."""
    amputee, look = amputee_of(body, "left_foot", 0.4)
    items = [replace(i, texture=whole_texture(i.texture)) for i in build_subject(body, amputee, look)]
    light = Light(flat_light(0.4).sh, np.array([0.5, -0.7, -0.5]), np.full(3, 0.6))
    what = (items, K, W, H, light, CROP)
    path = tmp_path_factory.mktemp("person") / "items.pkl"
    path.write_bytes(pickle.dumps(what))
    return path, get_renderer("cpu").render(*what)


def draw(path: Path, renderer: str, platform: str) -> tuple[dict[str, np.ndarray], str]:
    out = path.with_name(f"{renderer}-{platform}.npz")
    environment = os.environ | {"A3DGEN_GL": platform}
    environment.pop("PYOPENGL_PLATFORM", None)
    command = [sys.executable, "-c", _SCRIPT, str(path), renderer, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-1500:]
    return dict(np.load(out)), done.stdout


@pytest.mark.parametrize(("renderer", "platform"), ROADS)
def test_a_person_looks_the_same_by_every_road(person, renderer: str, platform: str) -> None:
    library = {"egl": "EGL", "osmesa": "OSMesa"}[platform]
    if not ctypes.util.find_library(library):
        pytest.skip(f"the system library lib{library} is not installed")
    path, want = person
    found, driver = draw(path, renderer, platform)
    assert found["rgba"].shape == (305, 225, 4)
    assert (found["part"] == want.part).mean() >= 0.998
    both = (found["part"] > 0) & (want.part > 0)
    assert np.median(np.abs(found["depth"][both] - want.depth[both])) < 1e-3
    assert found["small"][..., 3].max() == pytest.approx(1, abs=1e-3)
    alpha, rgb = found["rgba"][..., 3], found["rgba"][..., :3]
    inside = binary_erosion(want.rgba[..., 3] > 0.999, iterations=2)
    outside = binary_erosion(want.rgba[..., 3] == 0, iterations=2)
    assert (alpha[inside] == 1).mean() > 0.999
    assert alpha[outside].max() == 0
    assert np.abs(alpha - want.rgba[..., 3]).mean() < 0.004
    edge = ~inside & ~outside & (want.rgba[..., 3] > 0.3) & (want.rgba[..., 3] < 0.7)
    wanted = want.rgba[..., :3]
    if renderer == "gl":
        assert np.abs(rgb - wanted).mean() < 1e-3
    else:  # another light model: the same colours, brighter or darker by place
        assert platform in driver
        tone = rgb[inside].mean(0) / wanted[inside].mean(0)
        assert np.all((tone > 0.5) & (tone < 1.6)), tone
        assert np.corrcoef(rgb[inside].ravel(), wanted[inside].ravel())[0, 1] > 0.85
        at_edge = (rgb[edge].mean(0) / wanted[edge].mean(0)) / tone
        assert np.all((at_edge > 0.55) & (at_edge < 1.45)), at_edge  # surfaces seen at a slant


def test_an_unknown_platform_is_named(monkeypatch) -> None:
    monkeypatch.setenv("PYOPENGL_PLATFORM", "wgl")
    with pytest.raises(ConfigError, match=r"'wgl'.*egl"):
        pyopengl.choose_platform()
