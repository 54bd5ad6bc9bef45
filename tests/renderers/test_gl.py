"""The OpenGL renderer against known geometry."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from a3dgen.core.errors import ConfigError
from a3dgen.geometry.camera import project
from a3dgen.renderers import Item, Light, flat_light, get_renderer
from a3dgen.renderers.prepare import sample_grid

K = np.array([[410.0, 0, 71.3], [0, 395.0, 118.6], [0, 0, 1]])


def grey(value: int = 128, size: int = 8) -> np.ndarray:
    texture = np.full((size, size, 4), value, np.uint8)
    texture[..., 3] = 128
    return texture


def quad(corners: np.ndarray, texture: np.ndarray | None = None, label: int = 5, **options) -> Item:
    """Two triangles over four corners in order (3D), counter-clockwise seen from outside."""
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uv = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    texture = grey() if texture is None else texture
    labels = np.full(2, label, np.uint8)
    return Item(
        corners.astype(np.float32),
        faces,
        uv,
        faces.copy(),
        labels,
        texture,
        options.pop("material", "cloth"),
        **options,
    )


def rectangle(x0: float, y0: float, x1: float, y1: float, z: float, **options) -> Item:
    """A rectangle facing the camera that covers these pixel coordinates."""
    pixels = np.array([[x0, y1], [x1, y1], [x1, y0], [x0, y0]])
    points = np.concatenate([(pixels - K[:2, 2]) / [K[0, 0], K[1, 1]] * z, np.full((4, 1), z)], 1)
    return quad(points, **options)


def sphere(z: float = 3.0, radius: float = 0.4, rings: int = 24, **options) -> Item:
    polar = np.linspace(0, np.pi, rings + 1)[:, None]
    around = np.linspace(0, 2 * np.pi, 2 * rings + 1)[None]
    v = np.stack(
        [np.sin(polar) * np.cos(around), np.cos(polar) * np.ones_like(around), np.sin(polar) * np.sin(around)], -1
    )
    uv = np.stack(
        [np.broadcast_to(around / (2 * np.pi), v.shape[:2]), 1 - np.broadcast_to(polar / np.pi, v.shape[:2])], -1
    )
    index = np.arange(v.shape[0] * v.shape[1]).reshape(v.shape[:2])
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    points = v.reshape(-1, 3) * radius
    points[:, 2] += z
    labels = (1 + (points[faces].mean(1)[:, 0] > 0)).astype(np.uint8)
    texture = options.pop("texture", grey(180))
    return Item(
        points.astype(np.float32),
        faces,
        uv.reshape(-1, 2).astype(np.float32),
        faces,
        labels,
        texture,
        options.pop("material", "skin"),
        **options,
    )


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_a_rectangle_covers_exactly_its_pixels(supersample: int) -> None:
    item = rectangle(20.5, 30.5, 90.5, 70.5, 2.5)
    frame = get_renderer("gl").render([item], K, 160, 120, flat_light(), supersample=supersample)
    want = np.zeros((120, 160), bool)
    want[31:71, 21:91] = True
    assert np.array_equal(frame.part == 5, want)
    assert np.allclose(frame.depth[want], 2.5, atol=1e-4)
    assert np.isinf(frame.depth[~want]).all()


def test_projection_agrees_with_the_camera_to_a_tenth_of_a_pixel() -> None:
    rng = np.random.default_rng(3)
    pixels = rng.uniform([8, 8], [150, 110], (40, 2))
    depths = rng.uniform(1.5, 6, 40)
    for (u, v), z in zip(pixels, depths, strict=True):
        item = rectangle(u - 3, v - 3, u + 3, v + 3, z)
        centre = project(item.vertices[None].astype(float).mean(1), K)[0]
        frame = get_renderer("gl").render([item], K, 160, 120, flat_light(), supersample=2)
        alpha = frame.rgba[..., 3].astype(float)
        y, x = np.mgrid[:120, :160]
        found = np.array([(alpha * x).sum(), (alpha * y).sum()]) / alpha.sum()
        assert np.abs(found - centre).max() < 0.3  # one sample's edge jumps by half a pixel: 0.25 px at most
    wide = rectangle(30.2, 20.7, 120.6, 100.1, 3.0)
    alpha = get_renderer("gl").render([wide], K, 160, 120, flat_light(), supersample=3).rgba[..., 3]
    assert alpha.sum() / (100.1 - 20.7) / (120.6 - 30.2) == pytest.approx(1, abs=0.01)


def test_centroid_of_many_places_has_no_bias() -> None:
    offsets = []
    for step in range(16):
        u, v = 60 + step / 16, 50 + ((7 * step) % 16) / 16
        frame = get_renderer("gl").render([rectangle(u - 9, v - 7, u + 9, v + 7, 2.0)], K, 160, 120, flat_light())
        alpha = frame.rgba[..., 3].astype(float)
        y, x = np.mgrid[:120, :160]
        offsets.append([(alpha * x).sum() / alpha.sum() - u, (alpha * y).sum() / alpha.sum() - v])
    assert np.abs(np.mean(offsets, 0)).max() < 0.1


def test_a_crop_equals_the_same_window_of_the_whole_image() -> None:
    items = [sphere(), rectangle(20, 30, 90, 70, 2.6)]
    light = Light(flat_light(0.4).sh, np.array([0.5, -0.7, -0.5]), np.ones(3))
    whole = get_renderer("gl").render(items, K, 160, 160, light)
    window = get_renderer("gl").render(items, K, 160, 160, light, crop=(33, 41, 131, 150))
    assert np.array_equal(window.part, whole.part[41:150, 33:131])
    assert np.allclose(window.depth, whole.depth[41:150, 33:131], atol=1e-4)
    inner = (slice(40, 70), slice(30, 60))  # at its border a window knows less of what shades its hollows
    assert np.abs(window.rgba - whole.rgba[41:150, 33:131])[inner].max() < 0.02


def test_large_images_are_drawn_in_tiles_without_seams() -> None:
    big = K * np.array([[16.0], [16.0], [1.0]])
    frame = get_renderer("gl").render([sphere(rings=12)], big, 2400, 3000, flat_light(), supersample=1)
    assert frame.part.shape == (3000, 2400)
    inside = frame.part > 0
    assert (np.diff(inside.astype(np.int8), axis=1) != 0).sum(1).max() <= 2
    assert (np.diff(inside.astype(np.int8), axis=0) != 0).sum(0).max() <= 2


def test_edges_carry_fractional_alpha_and_premultiplied_colour() -> None:
    item = rectangle(20.25, 30.0, 90.0, 70.75, 2.5, texture=grey(255))
    rgba = get_renderer("gl").render([item], K, 160, 120, flat_light(0.5)).rgba
    edge = (rgba[..., 3] > 0) & (rgba[..., 3] < 1)
    assert edge.any()
    straight = rgba[edge][:, :3] / rgba[edge][:, 3:]
    inner = rgba[50, 50, :3]
    assert np.abs(straight - inner).max() < 0.03
    assert np.array_equal(rgba[..., :3].any(-1), rgba[..., 3] > 0)


def test_back_faces_of_closed_meshes_are_not_drawn_and_sheets_are() -> None:
    item = rectangle(20, 30, 90, 70, 2.5)
    turned = replace(item, faces=item.faces[:, ::-1].copy(), face_uv=item.face_uv[:, ::-1].copy())
    assert not get_renderer("gl").render([turned], K, 160, 120, flat_light()).part.any()
    sheet = replace(turned, double_sided=True)
    assert get_renderer("gl").render([sheet], K, 160, 120, flat_light()).part.any()


def test_light_comes_from_its_side_and_shadows_fall_on_the_other() -> None:
    wall = rectangle(0, 0, 160, 120, 4.0, texture=grey(200))
    ball = sphere(z=3.3, radius=0.12)
    dark = flat_light(0.2).sh
    frames = []
    for x in (-0.7, 0.7):
        light = Light(dark, np.array([x, 0.0, -0.7]), np.full(3, 0.6))
        frames.append(get_renderer("gl").render([wall, ball], K, 160, 120, light))
    row = round(float(project(np.array([[0, 0, 3.3]]), K)[0, 1]))
    left, right = (f.rgba[row - 2 : row + 3, :, 0].mean(0) for f in frames)
    on_wall = ~np.isin(np.arange(160), np.flatnonzero((frames[0].part[row] == 1) | (frames[0].part[row] == 2)))
    shadow_left, shadow_right = (np.flatnonzero((r < 0.7 * np.median(r)) & on_wall).mean() for r in (left, right))
    centre = K[0, 2]
    assert shadow_left > centre > shadow_right


def test_bump_scar_and_every_material_change_the_picture_without_breaking_it() -> None:
    texture = grey(150, 64)
    texture[..., 3] = np.random.default_rng(0).integers(0, 255, (64, 64))
    light = Light(flat_light(0.4).sh, np.array([0.5, -0.7, -0.5]), np.full(3, 0.6))
    seen = []
    for material in ("skin", "cloth", "hair", "shoe"):
        frame = get_renderer("gl").render([sphere(material=material, texture=texture)], K, 160, 160, light)
        assert np.isfinite(frame.rgba).all()
        seen.append(frame.rgba[..., :3][frame.part > 0].std())
    assert len({round(float(s), 5) for s in seen}) == 4
    ball = sphere()
    scarred = replace(ball, scar=np.ones(len(ball.vertices), np.float32))
    plain, red = (get_renderer("gl").render([i], K, 160, 160, light).rgba[..., :3].sum((0, 1)) for i in (ball, scarred))
    assert red[0] / red[1] > 1.1 * plain[0] / plain[1]


def test_same_input_gives_the_same_bytes() -> None:
    light = Light(flat_light(0.4).sh, np.array([0.5, -0.7, -0.5]), np.full(3, 0.6))
    first, second = (get_renderer("gl").render([sphere()], K, 160, 160, light) for _ in range(2))
    assert first.rgba.tobytes() == second.rgba.tobytes()
    assert first.depth.tobytes() == second.depth.tobytes()
    assert first.part.tobytes() == second.part.tobytes()


def test_nothing_to_draw_gives_an_empty_frame() -> None:
    frame = get_renderer("gl").render([rectangle(400, 400, 500, 500, 2.0)], K, 160, 120, flat_light())
    assert not frame.rgba.any()
    assert not frame.part.any()
    assert not get_renderer("gl").render([], K, 160, 120, flat_light()).part.any()


def test_wrong_names_are_told() -> None:
    with pytest.raises(ConfigError, match="cloth"):
        get_renderer("gl").render([rectangle(0, 0, 9, 9, 2.0, material="clooth")], K, 160, 120, flat_light())
    with pytest.raises(ConfigError, match="supersample"):
        get_renderer("gl").render([sphere()], K, 160, 120, flat_light(), supersample=4)
    with pytest.raises(ConfigError, match="did you mean"):
        get_renderer("gll")


@pytest.mark.parametrize(("supersample", "want"), [(1, (10, 0)), (2, (21, 1)), (3, (30, 1))])
def test_every_pixel_centre_is_a_sample(supersample: int, want: tuple[int, int]) -> None:
    assert sample_grid(10, supersample) == want


@pytest.mark.slow
def test_memory_stays_flat_over_many_renders() -> None:
    import psutil

    process = psutil.Process()
    light = Light(flat_light(0.4).sh, np.array([0.5, -0.7, -0.5]), np.full(3, 0.6))
    sizes = []
    for step in range(5000):
        get_renderer("gl").render([sphere(rings=8, texture=grey(step % 256, 64))], K, 64 + step % 40, 64, light)
        if step % 500 == 499:
            sizes.append(process.memory_info().rss / 2**20)
    assert sizes[-1] - sizes[1] < 30


_SCRIPT = """
import sys; sys.path.insert(0, {folder!r})
from test_gl import *
light = Light(flat_light(0.4).sh, np.array([0.5, -0.7, -0.5]), np.full(3, 0.6))
texture = grey(150, 64); texture[..., :3] = np.random.default_rng(0).integers(60, 255, (64, 64, 1))
frame = get_renderer("gl").render([sphere(texture=texture), rectangle(10, 90, 150, 140, 3.2)], K, 160, 160, light)
np.savez({out!r}, rgba=frame.rgba, part=frame.part)
"""


def test_egl_and_osmesa_agree(tmp_path) -> None:
    import ctypes.util
    import os
    from pathlib import Path

    if not ctypes.util.find_library("OSMesa"):
        pytest.skip("libosmesa6 is not installed")
    found = {}
    for name in ("egl", "osmesa"):
        out = tmp_path / f"{name}.npz"
        script = _SCRIPT.format(folder=str(Path(__file__).parent), out=str(out))
        subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "A3DGEN_GL": name})
        found[name] = dict(np.load(out))
    a, b = (np.clip(found[n]["rgba"], 0, 1) ** (1 / 2.2) * 255 for n in ("egl", "osmesa"))
    assert (np.abs(a - b).max(-1) <= 2).mean() >= 0.999
    assert (found["egl"]["part"] == found["osmesa"]["part"]).mean() >= 0.999
