"""Formulas on eight numbers at once say what they say on one; shading agrees with a plain evaluation of its parts."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.core.compiled import kernel
from a3dgen.renderers import shade
from a3dgen.renderers.lanes import LANES, Sheet, formula
from a3dgen.renderers.materials import MATERIAL
from a3dgen.renderers.shade import Lighting, Requests, Surface, Texture, constants_of, shade_item


def _every_operation(s: Sheet) -> None:
    a, b, c = s.given(0), s.given(1), s.work(0)
    s.put(1, a * b)  # in single precision
    s.put(2, a * b.wide())
    s.put(3, (1.0 - c) / (2.0 + a) - 3.0 * c)
    s.put(4, a.most(0.25).least(b))
    s.put(5, (-c).size().root())
    s.put(6, c.where(s.both(a.is_(">", 0.0), b.is_("<=", 0.0)), s.constant(1)))


every_operation = formula(_every_operation)


@kernel
def run(given, work, constants):  # type: ignore[no-untyped-def]
    every_operation(given, work, constants)


def test_lanes_compute_in_the_precision_of_single_numbers() -> None:
    rng = np.random.default_rng(2)
    given, work = rng.normal(0, 1, (2, LANES)).astype(np.float32), rng.normal(0, 1, (7, LANES))
    (a, b), c = given, work[0].copy()
    run(given, work, np.array([5.0, 7.0]))
    wide = a.astype(float)
    assert (work[1] == (a * b).astype(float)).all()
    assert (work[2] == wide * b).all()
    assert (work[2] != work[1]).any()
    assert (work[3] == (1.0 - c) / (2.0 + wide) - 3.0 * c).all()
    assert (work[4] == np.minimum(np.maximum(wide, 0.25), b)).all()
    assert (work[5] == np.sqrt(np.abs(c))).all()
    assert (work[6] == np.where((a > 0) & (b <= 0), c, 7.0)).all()


def surface_of(corners: np.ndarray, normals: np.ndarray, focal: float) -> Surface:
    """Return one triangle seen by a camera in the origin, its texture upright over it."""
    uv = np.array([[0, 0], [1, 0], [0, 1]], np.float32)
    face = np.array([[0, 1, 2]], np.int32)
    screen = (corners[:, :2] / corners[:, 2:] * focal + 40).astype(np.float32)
    points = corners.astype(np.float32)
    return Surface(
        face, uv, face, screen, (1 / points[:, 2]).astype(np.float32), points, normals.astype(np.float32),
        np.zeros(3, np.float32),
    )  # fmt: skip


def shaded(material: str, key: tuple[float, float, float], count: int = 11) -> np.ndarray:
    """Return colours (count, 3) along a row of a grey triangle that faces the camera, under a key and grey light."""
    corners = np.array([[-1.0, -1, 3], [-1, 1.4, 3], [1.4, -1, 3]])
    surface = surface_of(corners, np.tile([0.0, 0, -1], (3, 1)), 60.0)
    grey = np.full((1, 4), 128, np.uint8)
    texture = Texture(grey, np.array([[0, 1, 1]]), (np.arange(256) / 255).astype(np.float32))
    sh = np.zeros((9, 3))
    sh[0] = 0.3 / 0.282095
    nothing = np.zeros((0, 0), np.float32)
    light = Lighting(
        sh, np.asarray(key) / np.linalg.norm(key), np.array([0.5, 0.4, 0.3]), np.zeros((3, 4)), nothing,
        np.zeros((4, 4), np.float32), np.array([0.0, 0.0, 0.01]),
    )  # fmt: skip
    at = np.stack([np.full(count, 30), 25 + np.arange(count)], 1).astype(np.int32)
    requests = Requests(np.zeros(count, np.int32), at, 1)
    color = np.full((count, 3), -1, np.float32)
    same = constants_of(MATERIAL[material].constants(), light, texture, 1)
    shade_item(np.arange(count, dtype=np.int32), requests, surface, texture, same, light, color)
    return color


def by_hand(material: str, key: tuple[float, float, float], column: int) -> np.ndarray:
    """Return the same colour by the formulas of diffuse light, GGX and Schlick, written out."""
    m = MATERIAL[material]
    place = np.array([(25 + column - 40) / 60 * 3, (30 - 40) / 60 * 3, 3.0])
    to_light, n = np.asarray(key) / np.linalg.norm(key), np.array([0.0, 0, -1])
    eye = -place / np.linalg.norm(place)
    half = (eye + to_light) / np.linalg.norm(eye + to_light)
    nl, nv, nh, eh = n @ to_light, max(n @ eye, 0.15), max(n @ half, 0), max(eye @ half, 0)
    a2 = m.roughness**4
    fresnel = m.f0 + (1 - m.f0) * (1 - eh) ** 5
    lit = max(nl, 0)
    highlight = a2 * fresnel / 4 / ((nh**2 * (a2 - 1) + 1) ** 2 * max(0.25, nv + lit - nv * lit))
    highlight = min(highlight, 4) * lit * m.specular
    grazing = (m.f0 + (1 - m.f0) * (1 - nv) ** 5) * m.sheen
    wrap = np.array(m.wrap)
    diffuse = np.clip((nl + wrap) / (1 + wrap) ** 2, 0, 1)
    color, seen = np.array([0.5, 0.4, 0.3]), float(nl > -max(m.wrap))
    value = 128 / 255 * (0.3 + color * diffuse * seen) + color * highlight * seen + 0.3 * grazing
    value = value * (value + 0.09) / (0.62 * value + 0.1584)
    return np.minimum(value / (1 + 0.75 * np.maximum(0, value - 0.8)), 1)


@pytest.mark.parametrize("material", ["cloth", "metal", "skin"])
@pytest.mark.parametrize("key", [(0.2, -0.3, -1.0), (0.6, -0.3, -0.1), (0.3, 0.1, 1.0)])
def test_shading_is_that_of_the_formulas(material: str, key: tuple[float, float, float]) -> None:
    """The count is no multiple of eight: the last block is short."""
    color = shaded(material, key)
    expected = np.stack([by_hand(material, key, column) for column in range(len(color))])
    skin_shadow = material == "skin"  # red light creeps into skin's shadows: at most 0.12 of the key
    assert np.abs(color - expected)[:, 1 if skin_shadow else 0 :].max() < 2e-6


def test_the_shadow_map_hides_the_key() -> None:
    depth = np.full((8, 8), 1.5, np.float32)
    depth[:, 4:] = 0.2
    lit = [shade._lit.py_func(depth, x, 4.0, 0.5) for x in (2.0, 3.5, 6.0 - 1e-9)]
    assert lit[0] == pytest.approx(1)
    assert 0 < lit[1] < 1
    assert lit[2] == pytest.approx(0)
