"""Do triangles cross each other? For tests of self-intersection."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def _segment_hits(p, q, a, b, c):  # type: ignore[no-untyped-def]
    """Whether the inside of segment p-q passes through the inside of triangle a-b-c (touching does not count)."""
    e1, e2, d = b - a, c - a, q - p
    h = np.array([d[1] * e2[2] - d[2] * e2[1], d[2] * e2[0] - d[0] * e2[2], d[0] * e2[1] - d[1] * e2[0]])
    det = e1[0] * h[0] + e1[1] * h[1] + e1[2] * h[2]
    if abs(det) < 1e-18:
        return False
    s = p - a
    u = (s[0] * h[0] + s[1] * h[1] + s[2] * h[2]) / det
    if u <= 1e-6 or u >= 1 - 1e-6:
        return False
    g = np.array([s[1] * e1[2] - s[2] * e1[1], s[2] * e1[0] - s[0] * e1[2], s[0] * e1[1] - s[1] * e1[0]])
    v = (d[0] * g[0] + d[1] * g[1] + d[2] * g[2]) / det
    if v <= 1e-6 or u + v >= 1 - 1e-6:
        return False
    t = (e2[0] * g[0] + e2[1] * g[1] + e2[2] * g[2]) / det
    return 1e-6 < t < 1 - 1e-6


@njit(cache=True)
def _crossings(vertices, first, second, low, high, limit):  # type: ignore[no-untyped-def]
    found = 0
    out = np.zeros((limit, 2), np.int64)
    for i in range(first.shape[0]):
        for j in range(second.shape[0]):
            apart = False
            for k in range(3):
                if low[0, i, k] > high[1, j, k] or low[1, j, k] > high[0, i, k]:
                    apart = True
                    break
            if apart:
                continue
            shared = False
            for a in range(3):
                for b in range(3):
                    shared |= first[i, a] == second[j, b]
            if shared:
                continue
            hit = False
            for k in range(3):
                p, q = vertices[first[i, k]], vertices[first[i, (k + 1) % 3]]
                hit |= _segment_hits(p, q, vertices[second[j, 0]], vertices[second[j, 1]], vertices[second[j, 2]])
                p, q = vertices[second[j, k]], vertices[second[j, (k + 1) % 3]]
                hit |= _segment_hits(p, q, vertices[first[i, 0]], vertices[first[i, 1]], vertices[first[i, 2]])
            if hit and found < limit:
                out[found] = (i, j)
                found += 1
    return out[:found]


def crossings(vertices: np.ndarray, first: np.ndarray, second: np.ndarray, limit: int = 100) -> np.ndarray:
    """Return up to ``limit`` pairs (i, j): triangle i of ``first`` crosses triangle j of ``second``; neighbours that
    share a vertex are not looked at."""
    vertices = np.asarray(vertices, np.float64)
    n, m = len(first), len(second)
    low, high = np.zeros((2, max(n, m), 3)), np.zeros((2, max(n, m), 3))
    for side, faces in enumerate((first, second)):
        low[side, : len(faces)], high[side, : len(faces)] = vertices[faces].min(1), vertices[faces].max(1)
    return _crossings(vertices, np.asarray(first, np.int64), np.asarray(second, np.int64), low, high, limit)
