"""Finds a straight, thin thing in a shape that it has grown together with: a pole that ends at a ski, before a wood."""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.removal.mask_ops import dilate, values_at

LENGTH = (0.2, 1.3)
"""Shortest and longest ray, shares of the person's height."""
ASIDE = 0.03
"""Beside a thin thing, so far to both sides, the shape is not; share of the height."""
THIN = 0.55
"""That holds for this share of its length."""
GAP = 0.02
"""A ray goes on over gaps of this share of the height."""
DIRECTIONS, STARTS = 180, 12
"""Directions tried from each of so many points at which the shape touches the person."""
LEVEL, LEVEL_LENGTH = np.sin(np.radians(8.0)), 0.55
"""What lies so level (sine) and is longer than this share of the height is not held: a rail, the foot of a screen."""
STEEP = 0.5
"""Lines whose sine is larger are not rails, fences or kerbs."""
WIDTH = 0.012
"""Half the width of what is taken, share of the height."""


def ray_of(
    shape: Bool[ndarray, "h w"],
    touch: Bool[ndarray, "h w"],
    person: Bool[ndarray, "h w"],
    found: Bool[ndarray, "h w"],
    height: float,
    held: bool,
) -> Bool[ndarray, "h w"]:
    """Return the longest thin ray of a shape that begins where it touches the person; all false if it has none.

    Args:
        shape: connected pixels that stand out. touch: where things touch the person. person: their mask.
        found: all pixels that stand out. height: of the person, px. held: by a hand, where it must begin.
    """
    none = np.zeros_like(shape)
    y, x = np.nonzero(shape & touch)
    if not len(y):
        return none
    chosen = np.unique(np.linspace(0, len(y) - 1, STARTS).astype(int))
    near = dilate(shape, 1.0)
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    axes = np.tile(np.stack([np.cos(angles), np.sin(angles)], 1), (len(chosen), 1))
    starts = np.repeat(np.stack([x, y], 1)[chosen].astype(np.float64), DIRECTIONS, 0)
    lengths = np.zeros(len(starts), np.int64)
    most = len(np.arange(0.0, LENGTH[1] * height + 2))
    _follow(np.ascontiguousarray(near), starts, axes, most, max(2, round(GAP * height)), lengths)
    line = None
    for i in np.argsort(-lengths, kind="stable"):
        if lengths[i] <= LENGTH[0] * height:
            break
        ray = starts[i] + np.arange(float(lengths[i]))[:, None] * axes[i]
        if _thin(shape, person, ray, axes[i], height):  # the longest decides: shorter ones lie across it
            passes = goes_on(starts[i], -axes[i], found, height) or too_level(axes[i], float(lengths[i]), height)
            passes = held and passes
            if lengths[i] < LENGTH[1] * height and ends_inside(ray[-1], shape.shape) and not passes:
                line = ray
            break
    if line is None:
        return none
    at = np.rint(line).astype(int)
    along = none.copy()
    along[at[:, 1], at[:, 0]] = True
    return dilate(along, max(1.0, WIDTH * height)) & near


@kernel
@no_type_check
def _follow(near, starts, axes, most, gap, lengths):
    """Write how many steps, of at most ``most``, each ray stays in a shape, gaps of up to ``gap`` steps apart."""
    h, w = near.shape
    for ray in range(len(starts)):
        missed = 0
        for i in range(most):
            x = int(np.rint(starts[ray, 0] + i * axes[ray, 0]))
            y = int(np.rint(starts[ray, 1] + i * axes[ray, 1]))
            if 0 <= x < w and 0 <= y < h and near[y, x]:
                missed = 0
                lengths[ray] = i + 1
            else:
                missed += 1
                if missed > gap:
                    break


def _thin(
    shape: Bool[ndarray, "h w"],
    person: Bool[ndarray, "h w"],
    points: Float[ndarray, "n 2"],
    axis: Float[ndarray, "2"],
    height: float,
) -> bool:
    """Return whether a ray has nothing of the shape beside it for most of its way, and leaves the person."""
    aside = max(2.0, ASIDE * height) * np.array([-axis[1], axis[0]])
    free = ~values_at(shape, points + aside) & ~values_at(shape, points - aside)
    on_person = values_at(person, points)
    return float(free.mean()) > THIN and float(on_person.mean()) < 0.1


def ends_inside(point: Float[ndarray, "2"], shape: tuple[int, ...]) -> bool:
    """Return whether a point (x, y), px, lies in a picture and not at its border."""
    return bool(2 <= point[0] < shape[1] - 3 and 2 <= point[1] < shape[0] - 3)


def too_level(axis: Float[ndarray, "2"], length: float, height: float) -> bool:
    """Return whether a straight thing (direction, length in px) is too level and long to be held in a hand."""
    return bool(abs(axis[1]) < LEVEL and length > LEVEL_LENGTH * height)


def goes_on(start: Float[ndarray, "2"], axis: Float[ndarray, "2"], found: Bool[ndarray, "h w"], height: float) -> bool:
    """Return whether a line continues beyond the person: the like of it lies there for a tenth of the height; where the
    line is steep, unlike rails, something as thin."""
    steps = np.arange(0.0, 0.6 * height)
    at = start + steps[:, None] * axis
    h, w = found.shape
    rounded = np.rint(at).astype(int)
    inside = (rounded >= 0).all(1) & (rounded[:, 0] < w) & (rounded[:, 1] < h)
    near = dilate(found, max(2.0, 0.012 * height))
    aside = 1.5 * max(2.0, ASIDE * height) * np.array([-axis[1], axis[0]])
    wide = (values_at(found, at + aside) | values_at(found, at - aside)) & (abs(axis[1]) > STEEP)
    hits = (values_at(near, at) & ~wide)[inside].astype(np.float64)
    window = max(3, int(0.1 * height))
    return len(hits) >= window and float(np.convolve(hits, np.ones(window), "valid").max()) > 0.8 * window
