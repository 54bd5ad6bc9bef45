"""Numbering what is used: compiled stand-ins for ``np.unique`` where the numbers are small or nearly sorted."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.compiled import kernel


def renumber(rows: Integer[ndarray, "f n"], count: int) -> tuple[Integer[ndarray, " w"], Integer[ndarray, "f n"]]:
    """Return the numbers below ``count`` that occur, in order, and the rows in terms of their places there, i4."""
    return _renumber(np.ascontiguousarray(rows, np.int32), count)


@kernel
def _renumber(rows: ndarray, count: int) -> tuple[ndarray, ndarray]:
    place = np.zeros(count, np.int32)
    for i in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            place[rows[i, k]] = 1
    used = np.empty(count, np.int64)
    n = 0
    for v in range(count):
        if place[v]:
            used[n] = v
            place[v] = n
            n += 1
    out = np.empty(rows.shape, np.int32)
    for i in range(rows.shape[0]):
        for k in range(rows.shape[1]):
            out[i, k] = place[rows[i, k]]
    return used[:n].copy(), out


def faces_within(faces: Integer[ndarray, "f 3"], inside: Bool[ndarray, " v"]) -> Bool[ndarray, " f"]:
    """Return (F,) bool: faces all of whose corners are inside."""
    return _faces_within(np.ascontiguousarray(faces, np.int32), np.ascontiguousarray(inside))


@kernel
def _faces_within(faces: ndarray, inside: ndarray) -> ndarray:
    out = np.empty(len(faces), np.bool_)
    for f in range(len(faces)):
        out[f] = inside[faces[f, 0]] and inside[faces[f, 1]] and inside[faces[f, 2]]
    return out


def faces_touching(faces: Integer[ndarray, "f 3"], chosen: Bool[ndarray, " v"]) -> Integer[ndarray, " g"]:
    """Return the faces that have a chosen corner, in order."""
    return _faces_touching(np.ascontiguousarray(faces, np.int32), np.ascontiguousarray(chosen))


@kernel
def _faces_touching(faces: ndarray, chosen: ndarray) -> ndarray:
    out, n = np.empty(len(faces), np.int64), 0
    for f in range(len(faces)):
        if chosen[faces[f, 0]] or chosen[faces[f, 1]] or chosen[faces[f, 2]]:
            out[n] = f
            n += 1
    return out[:n].copy()


def index_uv(corners: Float[ndarray, "f 3 2"], faces: Integer[ndarray, "f 3"]) -> tuple[ndarray, ndarray]:
    """Return (uv (T, 2) f4, face_uv (F, 3) i4) for per-corner coordinates, one row per distinct vertex and place."""
    place = np.round(corners * 4096).astype(np.int64).reshape(-1, 2)
    count = int(faces.max()) + 1 if len(faces) else 0
    first, number = _distinct(np.ascontiguousarray(faces, np.int32).reshape(-1), place, count)
    return (place[first] / 4096).astype(np.float32), number.reshape(-1, 3)


@kernel
def _distinct(vertex: ndarray, place: ndarray, count: int) -> tuple[ndarray, ndarray]:
    """Number the distinct (vertex, column, row) in their order; return one corner of each, and each corner's number."""
    total = len(vertex)
    start = np.zeros(count + 1, np.int64)
    for i in range(total):
        start[vertex[i] + 1] += 1
    for v in range(count):
        start[v + 1] += start[v]
    order, fill = np.empty(total, np.int64), start[:count].copy()
    for i in range(total):
        v = vertex[i]
        k = fill[v]
        fill[v] += 1
        while k > start[v]:  # the few corners of a vertex are kept sorted
            j = order[k - 1]
            if place[j, 0] < place[i, 0] or (place[j, 0] == place[i, 0] and place[j, 1] <= place[i, 1]):
                break
            order[k] = j
            k -= 1
        order[k] = i
    first, number, n = np.empty(total, np.int64), np.empty(total, np.int32), -1
    for k in range(total):
        i = order[k]
        if k > 0:
            j = order[k - 1]
        if k == 0 or vertex[i] != vertex[j] or place[i, 0] != place[j, 0] or place[i, 1] != place[j, 1]:
            n += 1
            first[n] = i
        number[i] = n
    return first[: n + 1].copy(), number
