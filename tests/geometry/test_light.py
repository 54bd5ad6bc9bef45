"""Light found in plates and on people; shadows on the ground."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from a3dgen.lighting.contact import contact_spots
from a3dgen.lighting.light import (
    KEY_SHARE,
    Light,
    LightAdjust,
    estimate_light,
    harmonics,
    irradiance,
    shading_direction,
    to_linear,
)
from a3dgen.lighting.shadow import Caster, estimate_ground, estimate_up, ground_shadow

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
UP = np.array([0.0, -1.0, 0.0])


def plate(left: int = 90, right: int = 90, sky: int = 200) -> np.ndarray:
    rgb = np.zeros((240, 320, 3), np.uint8)
    rgb[:, :160], rgb[:, 160:] = left, right
    rgb[:100] = np.minimum(rgb[:100].astype(int) + sky - 90, 255)
    return rgb


def random_normals(n: int, seed: int = 0) -> np.ndarray:
    v = np.random.default_rng(seed).standard_normal((n, 3))
    v[:, 2] = -np.abs(v[:, 2])
    return v / np.linalg.norm(v, axis=1, keepdims=True)


def test_harmonics_are_orthonormal() -> None:
    rng = np.random.default_rng(1)
    d = rng.standard_normal((200_000, 3))
    basis = harmonics(d / np.linalg.norm(d, axis=1, keepdims=True))
    assert np.allclose(4 * np.pi * basis.T @ basis / len(basis), np.eye(9), atol=0.03)


def test_key_stands_on_the_bright_side_above_the_horizon() -> None:
    for left, right, sign in ((60, 140, 1), (140, 60, -1)):
        light = estimate_light(plate(left, right))
        assert np.sign(light.key_dir[0]) == sign
        assert light.key_dir @ UP > 0.3
        assert np.linalg.norm(light.key_dir) == pytest.approx(1)
        assert light.key_dir[2] < 0.05


def test_brighter_plates_light_more_and_everything_stays_plausible() -> None:
    levels = []
    for value in (8, 40, 110, 235):
        light = estimate_light(np.full((120, 160, 3), value, np.uint8))
        toward = irradiance(light.sh, light.key_dir) @ LUMINANCE
        share = light.key_color @ LUMINANCE / (toward + light.key_color @ LUMINANCE)
        assert KEY_SHARE[0] - 0.02 <= share <= KEY_SHARE[1] + 0.02
        levels.append(float(irradiance(light.sh, np.array([0, 0, -1.0])) @ LUMINANCE))
        assert 0.05 < levels[-1] < 1.5
        assert (irradiance(light.sh, random_normals(200)) >= 0).all()
    assert levels == sorted(levels)
    assert levels[-1] > 1.5 * levels[0]


def test_light_has_the_colour_of_the_scene_but_calmer() -> None:
    warm = np.zeros((120, 160, 3), np.uint8)
    warm[...] = (200, 120, 60)
    light = estimate_light(warm)
    front = irradiance(light.sh, np.array([0, 0, -1.0]))
    assert 1.05 < front[0] / front[2] < (to_linear(warm)[0, 0, 0] / to_linear(warm)[0, 0, 2])
    assert light.key_color[0] > light.key_color[2]


def test_adjustments_turn_and_scale_the_light() -> None:
    plain = estimate_light(plate(60, 140))
    turned = estimate_light(plate(60, 140), adjust=LightAdjust(azimuth=90.0))
    assert turned.key_dir @ UP == pytest.approx(plain.key_dir @ UP, abs=1e-6)
    flat = [v.key_dir - (v.key_dir @ UP) * UP for v in (plain, turned)]
    assert flat[0] @ flat[1] == pytest.approx(0, abs=1e-6)
    gained = estimate_light(plate(60, 140), adjust=LightAdjust(gain=1.2))
    assert np.allclose(gained.sh, 1.2 * plain.sh)


def test_shading_tells_the_side_whatever_the_clothes() -> None:
    rng = np.random.default_rng(2)
    normals = random_normals(4000)
    parts = rng.integers(0, 6, 4000)
    albedo = rng.uniform(0.05, 0.8, 6)[parts]
    for truth in ([0.7, -0.6, -0.4], [-0.8, -0.3, 0.5], [0.1, -0.95, -0.3]):
        truth = np.array(truth) / np.linalg.norm(truth)
        seen = albedo * (0.35 + 0.65 * np.maximum(normals @ truth, 0)) * np.exp(rng.normal(0, 0.2, 4000))
        found = shading_direction(seen, normals, parts)
        assert found is not None
        assert found @ truth / np.linalg.norm(found) > 0.9
        light = estimate_light(plate(), UP, found)
        assert light.key_dir @ truth > 0.6
    even = albedo * np.exp(rng.normal(0, 0.05, 4000))
    assert shading_direction(even, normals, parts) is None
    assert shading_direction(even[:50], normals[:50], parts[:50]) is None


def standing(body, pitch: float = 0.0):
    from scipy.spatial.transform import Rotation

    from a3dgen.geometry.body import pose_body

    pose = np.zeros((24, 3))
    pose[0] = Rotation.from_euler("x", np.pi + pitch).as_rotvec()
    posed = pose_body(body, pose, np.zeros(body.num_betas), np.array([0.0, 0.3, 4.0]))
    return posed, posed.vertices(body.mesh, np.zeros(body.num_betas))


def test_ground_lies_under_the_feet(body) -> None:
    posed, vertices = standing(body)
    up = estimate_up(posed.joints)
    assert up @ UP > 0.99
    ground = estimate_ground(vertices, up)
    heights = vertices @ up - ground.level
    assert heights.min() > -0.02
    assert ground.foot @ up == pytest.approx(ground.level)
    assert abs(ground.foot[0]) < 0.1
    assert np.argmax(np.abs(estimate_up(standing(body, 0.3)[0].joints)[1:])) == 0


def shadow_of(body, key: list[float]) -> tuple[np.ndarray, np.ndarray]:
    from a3dgen.renderers import Item, get_renderer

    posed, vertices = standing(body)
    mesh = body.mesh
    texture = np.full((4, 4, 4), 128, np.uint8)
    labels = (mesh.face_part + 1).astype(np.uint8)
    item = Item(vertices, mesh.faces, mesh.uv, mesh.face_uv, labels, texture, "skin")
    K = np.array([[300.0, 0, 200], [0, 300, 60], [0, 0, 1]])
    sh = np.zeros((9, 3))
    sh[0] = 0.4 / 0.282095
    light = Light(sh, np.array(key) / np.linalg.norm(key), np.full(3, 0.6))
    frame = get_renderer("cpu").render([item], K, 400, 260, light)
    ground = estimate_ground(vertices, estimate_up(posed.joints))
    shade = ground_shadow(ground, light, frame.caster, vertices, K, (0, 0, 400, 260))
    assert shade is not None
    return shade.factor(), frame.part > 0


def test_shadow_falls_away_from_the_key_and_touches_the_feet(body) -> None:
    for x in (-1, 1):
        shade, person = shadow_of(body, [x, -1.0, -0.2])
        dark = (shade.mean(-1) < 0.85) & ~person
        assert dark.sum() > 300
        columns = np.nonzero(dark)[1]
        middle = np.nonzero(person)[1].mean()
        assert np.sign(columns.mean() - middle) == -x
        feet = np.nonzero(person.any(1))[0].max()
        assert shade[feet - 3 : feet + 4, :].min() < 0.6
        assert shade[:40].min() == 1.0
        assert shade.min() > 0.1


def test_no_shadow_without_ground_in_view(body) -> None:
    _, vertices = standing(body)
    ground = estimate_ground(vertices, UP)
    light = estimate_light(plate())
    K = np.array([[300.0, 0, 200], [0, 300, 60], [0, 0, 1]])
    nothing = Caster(np.ones((8, 8), bool), np.eye(3, 4))
    assert ground_shadow(ground, light, nothing, vertices, K, (0, 0, 400, 40)) is None


def box(x: float, level: float, shape: tuple[float, float, float] = (0.05, 0.10, 0.13)) -> np.ndarray:
    """A solid shoe, 20 times as many points as it needs, its sole at ``level`` (m) over the ground y = 1."""
    half = np.array(shape) * [1, 0.5, 1]
    grid = np.mgrid[-1:1:24j, -1:1:24j, -1:1:24j].reshape(3, -1).T * half
    return (grid + [x, 1 - level - half[1], 4.0]).astype(np.float32)


def shade_at(spots: list, x: float, level: float) -> np.ndarray:
    """The greatest shade of all spots beside a shoe, between the cells of their maps."""
    at = [spot.matrix @ [x, 1 - level, 4.0, 1.0] for spot in spots]
    found = [
        [map_coordinates(s.shade[..., k], a[::-1, None], order=1)[0] for k in (0, 1)]
        for s, a in zip(spots, at, strict=True)
    ]
    return np.max(found, 0)


def test_the_ground_is_dark_beside_soles_and_only_there() -> None:
    flat = contact_spots(UP, -1.0, box(0.0, 0.0))
    assert shade_at(flat, 0.0, 0.0)[0] > 0.9
    beside = [shade_at(flat, 0.05 + d, 0.0)[1] for d in (0.01, 0.03, 0.07, 0.15, 0.30)]
    # beside a wall of height h, z^2 / (r^2 + z^2) of a half-plane is hidden at most: see the module's formula
    assert 0.3 < beside[0] < 0.75
    assert (np.diff(beside) < 0).all()
    assert beside[-2] < 0.1
    assert beside[-1] < 0.01
    # the ground of a photo is known to some centimetres: each foot has its own; lifted ones have none
    two = contact_spots(UP, -1.0, np.concatenate([box(-0.3, 0.0), box(0.3, 0.05)]))
    assert sorted(round(spot.level, 3) for spot in two) == [-1.0, -0.95]
    sides = [(shade_at(two, 0.3 + d, 0.05)[1], shade_at(flat, d, 0.0)[1]) for d in (-0.1, 0.1)]
    assert np.mean(sides, 0)[0] == pytest.approx(np.mean(sides, 0)[1], abs=0.1)  # cells are 12 mm
    assert contact_spots(UP, -1.0, box(0.0, 0.2)) == []
