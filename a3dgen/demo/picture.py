"""Composes one demo picture: scene, people, shadows, camera response; keeps the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from numpy.random import Generator

from a3dgen.core.compiled import kernel
from a3dgen.demo.people import Person, dress, in_camera
from a3dgen.demo.scenes import DemoScene
from a3dgen.demo.trace import FAR, World, cast, key_reaches
from a3dgen.demo.viewpoint import UP, Viewpoint
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import undistort_to
from a3dgen.geometry.skeleton import JOINT
from a3dgen.renderers import Caster, Frame, Light, get_renderer

FEET = tuple(JOINT[n] for n in ("left_foot", "right_foot", "left_ankle", "right_ankle"))
TOLERANCE = 0.02
"""How far (m) a surface may lie behind the scene's and still be drawn: shoes sink into the ground a little."""


@dataclass(frozen=True)
class Subject:
    """The truth about one person in one picture.

    Attributes:
        pose, betas, transl: of the body, camera frame. keypoints: (44, 3) m. joints: (24, 3) m, camera frame.
        mask: pixels that show the person (cast shadow excluded), pinhole camera.
    """

    pose: Float[ndarray, "24 3"]
    betas: Float[ndarray, " b"]
    transl: Float[ndarray, "3"]
    keypoints: Float[ndarray, "44 3"]
    joints: Float[ndarray, "24 3"]
    mask: Bool[ndarray, "h w"]


@dataclass(frozen=True)
class Picture:
    """A photo as the camera takes it, and in the ideal pinhole camera: people and the depth of what is seen (m).
    ``metered`` is the light the exposure was set by."""

    photo: UInt8[ndarray, "h w 3"]
    people: list[Subject]
    depth: Float[ndarray, "h w"]
    metered: float


def take(
    body: BodyData,
    scene: DemoScene,
    people: list[Person],
    view: Viewpoint,
    rng: Generator,
    metered: float | None = None,
) -> Picture:
    """Render a picture of ``people`` in ``scene``; lens distortion is applied last, to the photo only.

    Args:
        metered: light to set the exposure by, of another picture of the scene; the picture's own if None.
    """
    margin = _margin(view)
    wide = view.padded(margin)
    direct, other, depth = (a.copy() for a in _cast(scene.world, wide))
    drawn = [_draw(body, scene.world, p, wide) for p in people]
    for subject, frame, _ in drawn:
        _shade(direct, other, depth, frame.caster, subject, wide, wide.rotation @ scene.world.key_dir)
    linear = (direct + other).astype(np.float32)
    order = sorted(range(len(drawn)), key=lambda i: -drawn[i][0].joints[0, 2])
    masks = [np.zeros(depth.shape, bool) for _ in drawn]
    for i in order:  # the farthest first
        _, frame, (x0, y0, x1, y1) = drawn[i]
        part = (slice(y0, y1), slice(x0, x1))
        near = cv2.erode(np.minimum(frame.depth, FAR).astype(np.float32), np.ones((3, 3), np.uint8))
        alpha = frame.rgba[..., 3] * (near < depth[part] + TOLERANCE)
        shown = np.where(frame.rgba[..., 3:] > 0, frame.rgba[..., :3], 0) * (alpha > 0)[..., None]
        linear[part] = linear[part] * (1 - alpha[..., None]) + shown
        solid = alpha > 0.5
        for mask in masks:
            mask[part] &= ~solid
        masks[i][part] |= solid
        depth[part] = np.minimum(depth[part], np.where(alpha > 0.5, frame.depth, FAR))
    inner = (slice(margin, margin + view.height), slice(margin, margin + view.width))
    bent = _bend(linear, view, wide)
    metered = _meter(bent) if metered is None else metered
    photo = _develop(bent, scene.exposure, metered, rng)
    subjects = [
        Subject(s.pose, s.betas, s.transl, s.keypoints, s.joints, np.ascontiguousarray(masks[i][inner]))
        for i, (s, _, _) in enumerate(drawn)
    ]
    return Picture(photo, subjects, np.ascontiguousarray(depth[inner]), metered)


def _margin(view: Viewpoint) -> int:
    """Return how far beyond the frame a distorting lens looks, px."""
    return int(0.05 * max(view.width, view.height)) if np.any(view.dist) else 0


_EMPTY: dict[tuple, tuple] = {}


def _cast(world: World, view: Viewpoint) -> tuple[ndarray, ndarray, ndarray]:
    """Cast the scene, or return the last casts of the same scene (a studio's cameras see it again and again)."""
    key = (repr(world), view.rotation.tobytes(), view.centre.tobytes(), view.K.tobytes(), view.width, view.height)
    if key not in _EMPTY:
        while len(_EMPTY) >= 4:
            _EMPTY.pop(next(iter(_EMPTY)))
        _EMPTY[key] = cast(world, view.rotation, view.centre, view.K, view.width, view.height)
    return _EMPTY[key]


def _draw(
    body: BodyData, world: World, person: Person, view: Viewpoint
) -> tuple[Subject, Frame, tuple[int, int, int, int]]:
    pose, transl = in_camera(person, view.rotation, view.centre, body)
    standing, items = dress(body, person, pose, transl)
    ahead = standing.vertices[standing.vertices[:, 2] > 0.1]
    pixels = ahead[:, :2] / ahead[:, 2:] * view.K[[0, 1], [0, 1]] + view.K[:2, 2]
    grow = 0.08 * np.ptp(pixels[:, 1]) + 8
    low = np.clip(np.floor(pixels.min(0) - grow), 0, (view.width - 2, view.height - 2)).astype(int)
    high = np.clip(np.ceil(pixels.max(0) + grow), low + 2, (view.width, view.height)).astype(int)
    crop = (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    light = _light(world, person.place + UP, view)
    frame = get_renderer("cpu").render(items, view.K, view.width, view.height, light, crop, 2)
    nothing = np.zeros((0, 0), bool)
    posed = standing.posed
    return Subject(pose, person.betas, transl, posed.keypoints, posed.joints, nothing), frame, crop


def _light(world: World, at: Float[ndarray, "3"], view: Viewpoint) -> Light:
    """Return the scene's light at a place in the world, as the renderer wants it (camera frame)."""
    gain = 1.0
    if world.room is not None:
        away = float(((at - np.array(world.lamp[:3])) ** 2).sum())
        gain = 1 + world.lamp[3] * (6 / (away + 3) - 0.6)
    upper, lower = gain * world.upper, gain * world.lower
    up = view.rotation @ UP
    sh = np.zeros((9, 3))
    sh[0] = 0.5 * (upper + lower) / 0.282095
    for row, axis in ((1, 1), (2, 2), (3, 0)):
        sh[row] = 0.5 * (upper - lower) * up[axis] / 0.488603
    key = world.key * float(key_reaches(world, at))
    return Light(sh, view.rotation @ world.key_dir, key)


def _shade(
    direct: Float[ndarray, "h w 3"],
    other: Float[ndarray, "h w 3"],
    depth: Float[ndarray, "h w"],
    caster: Caster | None,
    subject: Subject,
    view: Viewpoint,
    to_light: Float[ndarray, "3"],
) -> None:
    """Take from the scene the light a person keeps from it: the key's shadow, and a soft one where the feet are."""
    covered, matrix, limit = np.zeros((1, 1), np.float32), np.zeros((3, 4)), 0.0
    if caster is not None:
        covered = cv2.GaussianBlur(caster.covered.astype(np.float32), (0, 0), 0.003 * len(caster.covered))
        matrix = np.vstack([caster.matrix[:2], [*to_light, 0.0]])  # third row: how near to the light, m
        limit = float(to_light @ subject.joints[0]) + 0.6  # what is much nearer than the person is not shadowed
    to_world = np.ascontiguousarray(view.rotation)  # rotation is world to camera: rows times point, transposed
    spots = subject.joints[[*FEET, JOINT["pelvis"]]] @ view.rotation + view.centre
    _darken(direct, other, depth, np.linalg.inv(view.K), covered, matrix, limit, to_world, view.centre, spots)


@kernel
@no_type_check
def _darken(direct, other, depth, inverse, covered, matrix, limit, rotation, centre, spots):
    """Apply the shadow map to the key's light, and the closeness of feet (spots, the pelvis last) to all light."""
    height, width = depth.shape
    rows, columns = covered.shape
    for y in range(height):
        for x in range(width):
            z = depth[y, x]
            if z > 60:
                continue
            px, py = (
                z * (inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]),
                z * (inverse[1, 1] * y + inverse[1, 2]),
            )
            if columns > 1:
                u = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * z + matrix[0, 3]
                v = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * z + matrix[1, 3]
                w = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * z + matrix[2, 3]
                if 0 <= u < columns - 1 and 0 <= v < rows - 1 and w < limit:
                    i, j = int(v), int(u)
                    a, b = v - i, u - j
                    upper = covered[i, j] * (1 - b) + covered[i, j + 1] * b
                    lower = covered[i + 1, j] * (1 - b) + covered[i + 1, j + 1] * b
                    direct[y, x] *= 1 - (upper * (1 - a) + lower * a)
            wx = rotation[0, 0] * px + rotation[1, 0] * py + rotation[2, 0] * z + centre[0]
            wy = rotation[0, 1] * px + rotation[1, 1] * py + rotation[2, 1] * z + centre[1]
            wz = rotation[0, 2] * px + rotation[1, 2] * py + rotation[2, 2] * z + centre[2]
            if wy > 0.5:
                continue
            keep, floor = 1.0, np.exp(-max(wy, 0.0) / 0.12)
            for k in range(len(spots)):
                away = (wx - spots[k, 0]) ** 2 + (wz - spots[k, 2]) ** 2
                if away > 1.2:
                    continue
                if k < len(spots) - 1:
                    keep *= 1 - 0.42 * floor * np.exp(-away / 0.016) * np.exp(-max(spots[k, 1] - 0.1, 0.0) / 0.15)
                else:
                    keep *= 1 - 0.28 * floor * np.exp(-away / 0.18) * np.exp(-max(spots[k, 1] - 0.3, 0.0) / 0.9)
            other[y, x] *= keep
            direct[y, x] *= 0.5 + 0.5 * keep


def _bend(linear: Float[ndarray, "a b 3"], view: Viewpoint, wide: Viewpoint) -> Float[ndarray, "h w 3"]:
    """Return the picture as the lens throws it on the sensor: every pixel looks up where its ray goes."""
    if not np.any(view.dist):
        return linear
    step = 4  # the mapping is smooth: solve it on a coarse grid
    xs, ys = np.arange(0, view.width + step, step), np.arange(0, view.height + step, step)
    grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2).astype(np.float64)
    straight = undistort_to(grid, view.K, view.dist, wide.K, 40, 1e-9)
    coarse = straight.reshape(len(ys), len(xs), 2).astype(np.float32)
    at = np.stack(np.meshgrid(np.arange(view.width) / step, np.arange(view.height) / step), -1).astype(np.float32)
    full = cv2.remap(coarse, at, None, cv2.INTER_LINEAR)
    return cv2.remap(linear, full, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def _meter(linear: Float[ndarray, "h w 3"]) -> float:
    """Return the geometric mean of the light on the sensor."""
    light = np.maximum(linear.mean(-1), 0) + 0.02
    return float(np.exp(np.log(light).mean()))


def _develop(
    linear: Float[ndarray, "h w 3"], exposure: float, metered: float, rng: Generator
) -> UInt8[ndarray, "h w 3"]:
    """Turn linear light into a photo: exposure, vignette, lens softness, film curve, sensor noise, sRGB."""
    h, w = linear.shape[:2]
    level = 0.17 / metered
    gain = exposure**0.5 * np.clip(level, 0.5, 1.8) * np.exp(rng.normal(0, 0.08))
    y, x = np.mgrid[:h, :w]
    r2 = ((x - w / 2) ** 2 + (y - h / 2) ** 2) / (0.25 * (w * w + h * h))
    tint = np.exp(rng.normal(0, 0.02, 3))
    film = np.maximum(linear, 0) * (gain * tint) * (1 - 0.22 * r2)[..., None]
    film = cv2.GaussianBlur(film.astype(np.float32), (0, 0), rng.uniform(0.4, 0.65))
    grain = rng.uniform(0.006, 0.016)
    noise = rng.standard_normal((h, w, 3), dtype=np.float32) * 0.6 + rng.standard_normal((h, w, 1), dtype=np.float32)
    film += grain * np.sqrt(film * 0.25 + 2e-4) * noise
    film = np.maximum(film, 0) * 0.95
    curve = film * (2.51 * film + 0.03) / (film * (2.43 * film + 0.59) + 0.14)  # ACES, Narkowicz 2015
    return np.round(255 * np.clip(curve, 0, 1) ** (1 / 2.2)).astype(np.uint8)
