"""Carries straight lines across a hole before it is filled: rails, kerbs, horizons, foots of walls, wires.

Copying patches follows texture, not long lines. A line that enters the hole on one side and leaves it on another, in
the same direction and with the same colours beside it, surely went on behind the person; a narrow strip along it is
painted from both its ends (structure first, then texture: Sun et al., Image Completion with Structure Propagation,
2005; here the lines are found, not drawn).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.removal.mask_ops import around, dilate, values_at

SHORTEST = 0.05
"""Shortest piece of a line beside the hole, share of the person's height."""
NEAR = 0.03
"""It ends this near the hole."""
TURN = np.radians(6.0)
"""The two ends differ at most by this in direction ..."""
ASIDE, ASIDE_SHARE = 2.0, 0.06
"""... and miss each other by at most so many px and this share of what lies between them."""
ALIKE = 28.0
"""Colours beside the two ends differ at most this much, grey levels (mean of the channels)."""
HALF = 0.03
"""Half the width of the strip, share of the height."""
BESIDE = 0.3
"""Lines are looked for this near to the hole, share of the height."""
READ = 0.05
"""The colours of an end are read along this share of the height."""
MIXED = 1.5
"""Colours between pixels mix those of neighbours: none is read so near to the hole, px."""
INSIDE = 0.85
"""So much of the way between the ends lies in the hole."""
CONTRAST = 12.0
"""The two sides of a line differ at least this much, grey levels."""


@dataclass(frozen=True)
class _End:
    """Where a line meets the hole: the point (px), the direction into the hole, how long the line is before it (px)."""

    at: Float[ndarray, "2"]
    into: Float[ndarray, "2"]
    length: float


def carry_lines(
    rgb: UInt8[ndarray, "h w 3"], hole: Bool[ndarray, "h w"], avoid: Bool[ndarray, "h w"], height: float
) -> tuple[UInt8[ndarray, "h w 3"], Bool[ndarray, "h w"]]:
    """Return the photo with strips along the lines that cross the hole, and where they are.

    Args:
        rgb: photo. hole: to be filled. avoid: never copied from. height: of the person, px.
    """
    out, done = rgb.copy(), np.zeros_like(hole)
    if not hole.any():
        return out, done
    part = around(hole, round(BESIDE * height) + 16)
    photo = rgb[part], hole[part], dilate((hole | avoid)[part], MIXED)
    for first, second in _pairs(*photo[:2], avoid[part], height):
        _paint(out[part], done[part], photo, first, second, height)
    return out, done


def _ends(rgb: ndarray, hole: ndarray, blocked: ndarray, height: float) -> list[_End]:
    """Return the lines that end at the hole."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(grey)[0]
    if found is None:
        return []
    away = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5)
    rim, out = dilate(hole, 2.5) | blocked, []
    for x0, y0, x1, y1 in found.reshape(-1, 4):
        a, b = np.array([x0, y0], float), np.array([x1, y1], float)
        length = float(np.linalg.norm(b - a))
        if length < SHORTEST * height:
            continue
        along = a + np.linspace(0.15, 0.85, 9)[:, None] * (b - a)
        if _values(rim, along).any():  # the edge of the hole itself
            continue
        for start, end in ((a, b), (b, a)):
            into = (end - start) / length
            reach = end + np.arange(0.0, NEAR * height + 4)[:, None] * into
            hits = np.flatnonzero(_values(hole, reach))
            if _value(away, end) <= NEAR * height + 2 and len(hits):
                out.append(_End(reach[hits[0]], into, length))
    return out


def _pairs(rgb: ndarray, hole: ndarray, avoid: ndarray, height: float) -> list[tuple[_End, _End]]:
    """Return the ends that are of one line, the nearest first."""
    ends = _ends(rgb, hole, avoid, height)
    if len(ends) < 2:
        return []
    closed, beside, found = dilate(hole | avoid, MIXED), avoid & ~hole, []
    into = np.stack([end.into for end in ends])
    for i, j in np.argwhere(np.triu(into @ into.T < -np.cos(TURN), 1)):
        first, second = ends[i], ends[j]
        way = second.at - first.at
        length = float(np.linalg.norm(way))
        if length < 4 or _aside(first, second) > ASIDE + ASIDE_SHARE * length or first.into @ way < 0:
            continue
        points = first.at + np.linspace(0.05, 0.95, 20)[:, None] * way
        if _values(hole, points).mean() < INSIDE or _values(beside, points).any():
            continue
        profiles = _profiles(rgb, closed, first, second, height)
        if _same(*profiles):
            apart = float(np.nanmean(np.abs(profiles[0] - profiles[1])))
            found.append((apart + 100 * _aside(first, second) / length, int(i), int(j)))
    used: set[int] = set()
    out = []
    for _, i, j in sorted(found):  # an end is of one line only: of the straightest with the likest colours
        if i not in used and j not in used:
            out.append((ends[i], ends[j]))
            used |= {i, j}
    return out


def _profiles(rgb: ndarray, closed: ndarray, first: _End, second: _End, height: float) -> tuple[ndarray, ndarray]:
    """Return the colours across a line at both its ends, in one order."""
    return _profile(rgb, closed, first, height), _profile(rgb, closed, second, height)[::-1]


def _same(a: ndarray, b: ndarray) -> bool:
    """Return whether two profiles of colours across a line are alike, and show a line."""
    middle = len(a) // 2
    near = slice(max(0, middle - 3), middle + 4)
    if np.isnan(a[near]).any() or np.isnan(b[near]).any():
        return False
    edge = float(np.ptp(a[near], axis=0).max())
    return edge > CONTRAST and float(np.abs(a[near] - b[near]).mean()) < min(ALIKE, 0.5 * edge + 6)


def _profile(rgb: ndarray, closed: ndarray, end: _End, height: float) -> Float[ndarray, "u 3"]:
    """Return the mean colours across a line just before it meets the hole; nan where nothing is free."""
    back = np.arange(2.0, max(6.0, READ * height))
    across = np.arange(-_half(height), _half(height) + 1)
    into, side = end.into, np.array([-end.into[1], end.into[0]])
    points = end.at - back[:, None, None] * into + across[None, :, None] * side
    free = ~_values(closed, points) & _inside(points, closed.shape)
    colours = _colours(rgb, points) * free[..., None]
    count = free.sum(0)[:, None]
    return np.where(count >= 3, colours.sum(0) / np.maximum(count, 1), np.nan)


def _half(height: float) -> int:
    return max(3, round(HALF * height))


def _paint(
    out: ndarray, done: ndarray, photo: tuple[ndarray, ndarray, ndarray], first: _End, second: _End, height: float
) -> None:
    """Paint the strip between two ends into ``out``: mirrored from both, blended; mark it in ``done``."""
    rgb, hole, closed = photo
    way = second.at - first.at
    length = float(np.linalg.norm(way))
    axis = way / length
    side = np.array([-axis[1], axis[0]])
    half = _half(height)
    profiles = _profiles(rgb, closed, first, second, height)
    wide = _width(*profiles, half)
    x0, y0 = np.floor(np.minimum(first.at, second.at) - half - 2).astype(int)
    x1, y1 = np.ceil(np.maximum(first.at, second.at) + half + 2).astype(int)
    h, w = hole.shape
    y, x = np.mgrid[max(0, y0) : min(h, y1 + 1), max(0, x0) : min(w, x1 + 1)]
    points = np.stack([x, y], -1) - first.at
    along, across = points @ axis, points @ side
    mine = hole[y, x] & ~done[y, x] & (along >= -2) & (along <= length + 2) & (across >= -wide[0]) & (across <= wide[1])
    if not mine.any():
        return
    t, u = along[mine], across[mine]
    colours = [
        _mirrored(rgb, closed, profile, end, s * axis, side, d, u, half)
        for profile, end, s, d in ((profiles[0], first, 1, t), (profiles[1], second, -1, length - t))
    ]
    share = np.clip(t / length, 0, 1)[:, None]
    share = np.clip((share - 0.5) * 2 + 0.5, 0, 1)  # the middle half is blended
    out[y[mine], x[mine]] = np.clip((1 - share) * colours[0] + share * colours[1] + 0.5, 0, 255).astype(np.uint8)
    done[y[mine], x[mine]] = True


def _mirrored(
    rgb: ndarray,
    closed: ndarray,
    profile: ndarray,
    end: _End,
    into: ndarray,
    side: ndarray,
    depth: ndarray,
    u: ndarray,
    half: int,
) -> Float[ndarray, "n 3"]:
    """Return the colours beyond an end: mirrored there and back; where none are free, the mean ones."""
    room = max(6.0, min(end.length, 2.5 * half))
    fold = np.abs((np.abs(depth) + room) % (2 * room) - room)
    points = end.at - (2 + fold)[:, None] * into + u[:, None] * side
    free = ~_values(closed, points) & _inside(points, closed.shape)
    plain = profile[np.clip(np.rint(u).astype(int) + half, 0, len(profile) - 1)]
    return np.where(free[:, None], _colours(rgb, points), np.nan_to_num(plain, nan=127.0))


def _width(a: ndarray, b: ndarray, half: int) -> tuple[int, int]:
    """Return how far to both sides the two profiles are alike."""
    alike = np.nan_to_num(np.abs(a - b).mean(-1), nan=255.0) < ALIKE
    below, above = alike[: half + 1][::-1], alike[half:]
    return tuple(int(np.argmin(np.append(s, False))) - 1 for s in (below, above))  # type: ignore[return-value]


def _colours(rgb: ndarray, points: ndarray) -> Float[ndarray, "*n 3"]:
    """Return the photo's colours between pixels."""
    h, w = rgb.shape[:2]
    x, y = np.clip(points[..., 0], 0, w - 1.001), np.clip(points[..., 1], 0, h - 1.001)
    i, j = x.astype(int), y.astype(int)
    fx, fy = (x - i)[..., None], (y - j)[..., None]
    top = rgb[j, i] * (1 - fx) + rgb[j, i + 1] * fx
    low = rgb[j + 1, i] * (1 - fx) + rgb[j + 1, i + 1] * fx
    return np.asarray(top * (1 - fy) + low * fy, np.float64)


def _inside(points: ndarray, shape: tuple[int, ...]) -> Bool[ndarray, "*n"]:
    x, y = points[..., 0], points[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x <= shape[1] - 1) & (y <= shape[0] - 1))


def _values(mask: Bool[ndarray, "h w"], points: ndarray) -> Bool[ndarray, "*n"]:
    """Return a mask's values at points (px), false beyond the centres of the outermost pixels."""
    return values_at(mask, points) & _inside(points, mask.shape)


def _value(image: ndarray, point: ndarray) -> float:
    h, w = image.shape
    return float(image[int(np.clip(round(point[1]), 0, h - 1)), int(np.clip(round(point[0]), 0, w - 1))])


def _aside(first: _End, second: _End) -> float:
    """Return by how much two ends miss each other, px."""
    way = second.at - first.at
    return float(max(abs(e.into[0] * way[1] - e.into[1] * way[0]) for e in (first, second)))
