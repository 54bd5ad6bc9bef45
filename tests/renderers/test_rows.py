"""The compiled rasteriser covers what the definition of a triangle says, and writes nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.renderers.cpu import _fill
from a3dgen.renderers.lanes import LANES

ROWS, COLUMNS = 23, 45


def drawn(screen: np.ndarray, nearness: np.ndarray, faces: np.ndarray, closed: int = 0) -> tuple[np.ndarray, ...]:
    """Return ids and nearness (ROWS, COLUMNS), and what lies behind them in memory."""
    count = ROWS * COLUMNS
    ids, depth = np.zeros(count + LANES, np.uint32), np.zeros(count + LANES, np.float32)
    picture = (a[:count].reshape(ROWS, COLUMNS) for a in (ids, depth))
    _fill(screen, nearness, faces, closed, 1.0, np.ones(len(screen), bool), *picture)
    return ids[:count].reshape(ROWS, COLUMNS), depth[:count].reshape(ROWS, COLUMNS), ids[count:], depth[count:]


def by_definition(screen: np.ndarray, nearness: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return ids, nearness, and which samples lie so near an edge that rounding decides."""
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(float)
    ids, depth, doubt = np.zeros((ROWS, COLUMNS), np.uint32), np.zeros((ROWS, COLUMNS)), np.zeros((ROWS, COLUMNS), bool)
    for number, face in enumerate(faces, 1):
        a, b, c = screen[face].astype(float)
        area = np.cross(b - a, c - a)
        at = np.stack([x - a[0], y - a[1]], -1)
        u, v = np.cross(at, c - a) / area, np.cross(b - a, at) / area
        weights = np.stack([1 - u - v, u, v], -1)
        near = weights @ nearness[face].astype(float)
        doubt |= (np.abs(weights).min(-1) < 1e-5) | (np.abs(near - depth) < 1e-6)
        covers = (weights >= 0).all(-1) & (near > depth)
        ids[covers], depth[covers] = number, near[covers]
    return ids, depth, doubt


@pytest.mark.parametrize("size", [1.5, 6.0, 20.0, 80.0])
def test_triangles_of_any_size_cover_what_the_definition_says(size: float) -> None:
    rng = np.random.default_rng(int(size))
    middle = rng.uniform((-5, -5), (COLUMNS + 5, ROWS + 5), (60, 1, 2))
    screen = (middle + rng.normal(0, size, (60, 3, 2))).reshape(-1, 2).astype(np.float32)
    nearness = rng.uniform(0.2, 1, 180).astype(np.float32)
    faces = np.arange(180, dtype=np.int32).reshape(-1, 3)
    ids, depth, *behind = drawn(screen, nearness, faces)
    expected, near, doubt = by_definition(screen, nearness, faces)
    assert doubt.mean() < 0.1
    assert (ids > 0).sum() > 20
    assert (ids == expected)[~doubt].all()
    assert np.abs(depth - near)[~doubt].max() < 1e-5
    assert not any(b.any() for b in behind)


def test_samples_on_edges_belong_to_a_triangle() -> None:
    """A square of two triangles whose corners lie on samples has no crack and no hole at its border."""
    screen = np.array([[3, 2], [21, 2], [21, 20], [3, 20]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    ids, _, *_ = drawn(screen, np.ones(4, np.float32), faces)
    whole = np.zeros((ROWS, COLUMNS), bool)
    whole[2:21, 3:22] = True
    assert ((ids > 0) == whole).all()


def test_closed_meshes_are_seen_from_their_front_only() -> None:
    screen = np.array([[3, 2], [21, 2], [21, 20]], np.float32)
    faces = np.array([[0, 2, 1], [0, 1, 2]], np.int32)
    ids, _, *_ = drawn(screen, np.ones(3, np.float32), faces, closed=2)
    assert set(ids.ravel().tolist()) == {0, 2}
