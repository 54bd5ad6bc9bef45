"""Finds the border between two neighbouring masks by colour: a minimum cut in a narrow band."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from a3dgen.removal.mask_ops import dilate, distance_to

_UNIT = 100.0
"""Capacities are integers of this fraction of a nat."""
_FURTHEST = 6.0
"""A colour says at most this much, nats."""
_NOISE = 16.0
"""Least variance of a colour model, Lab units squared."""
_SMOOTH = 2.5
"""Cost of a border between two pixels of one colour, nats."""


def cut_border(
    rgb: UInt8[ndarray, "h w 3"],
    first: Bool[ndarray, "h w"],
    second: Bool[ndarray, "h w"],
    band: float,
    reach: float,
) -> Bool[ndarray, "h w"]:
    """Return ``first`` with its border to ``second`` moved to where the colours change.

    Both sides are described by Gaussians of their own colours nearby (local colour models), the prior is the given
    border, and the pairwise cost falls with the contrast (Boykov and Jolly 2001). Where both look alike, the border
    stays where it is.

    Args:
        first, second: disjoint masks. band: how far the border may move, px. reach: how far colours are gathered, px.
    """
    contact = dilate(first, 1.5) & second
    if contact.sum() < 4:
        return first
    union = first | second
    doubt = dilate(contact, band) & union
    rows, cols = np.flatnonzero(doubt.any(1)), np.flatnonzero(doubt.any(0))
    pad = int(2.5 * reach) + 2
    y0, y1 = max(0, rows[0] - pad), rows[-1] + 1 + pad
    x0, x1 = max(0, cols[0] - pad), cols[-1] + 1 + pad
    part = np.s_[y0:y1, x0:x1]
    a, b, unsure = first[part], second[part], doubt[part]
    if not (a & ~unsure).any() or not (b & ~unsure).any():
        return first
    lab = cv2.cvtColor(cv2.GaussianBlur(rgb[part], (0, 0), 0.7), cv2.COLOR_RGB2LAB).astype(np.float32)
    signed = np.where(a, distance_to(b), -distance_to(a))
    score = colour_score(lab, a & ~unsure, b & ~unsure, reach) + 1.5 * np.clip(signed / max(band, 1), -1, 1)
    score = np.where(unsure, np.clip(score, -_FURTHEST, _FURTHEST), np.where(a, 50.0, -50.0))
    moved = _minimum_cut(score, lab, unsure, union[part])
    out = first.copy()
    out[part] = np.where(unsure, moved, a)
    return out


def colour_score(
    lab: Float[ndarray, "h w 3"], a: Bool[ndarray, "h w"], b: Bool[ndarray, "h w"], reach: float
) -> Float[ndarray, "h w"]:
    """Return the log-likelihood ratio of the two local colour models, positive for ``a``."""
    out = np.zeros(a.shape, np.float32)
    for sign, mask in ((1.0, a), (-1.0, b)):
        weight = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), reach) + 1e-4
        mean = cv2.GaussianBlur(lab * mask[..., None], (0, 0), reach) / weight[..., None]
        square = cv2.GaussianBlur(lab * lab * mask[..., None], (0, 0), reach) / weight[..., None]
        variance = np.maximum(square - mean * mean, 0) + _NOISE
        near = (((lab - mean) ** 2 / variance) + np.log(variance)).sum(-1)
        out -= sign * 0.5 * np.where(weight > 2e-3, near, 0) * (weight > 2e-3)
    return np.clip(out, -_FURTHEST, _FURTHEST)


def _minimum_cut(
    score: Float[ndarray, "h w"], lab: Float[ndarray, "h w 3"], free: Bool[ndarray, "h w"], inside: Bool[ndarray, "h w"]
) -> Bool[ndarray, "h w"]:
    """Return which pixels lie on the source's side; pixels off ``free`` are tied by their score."""
    number = np.full(free.shape, -1)
    nodes = inside & dilate(free, 1.5)
    number[nodes] = np.arange(nodes.sum())
    count = int(nodes.sum())
    source, sink = count, count + 1
    value = np.rint(score[nodes] * _UNIT).astype(np.int32)
    own = np.arange(count)
    rows, cols = [np.full(count, source), own], [own, np.full(count, sink)]
    caps = [np.maximum(value, 0), np.maximum(-value, 0)]
    step = [np.linalg.norm(np.diff(lab, axis=k), axis=-1) for k in (0, 1)]
    spread = 2 * float(np.mean(step[0] ** 2)) + 1e-3
    for k, (p, q) in enumerate(((number[:-1], number[1:]), (number[:, :-1], number[:, 1:]))):
        both = (p >= 0) & (q >= 0)
        cost = np.rint(_UNIT * (0.15 + _SMOOTH * np.exp(-(step[k][both] ** 2) / spread))).astype(np.int32)
        rows += [p[both], q[both]]
        cols += [q[both], p[both]]
        caps += [cost, cost]
    graph = csr_array(
        (np.concatenate(caps).astype(np.int32), (np.concatenate(rows), np.concatenate(cols))),
        shape=(count + 2, count + 2),
    )
    graph.sum_duplicates()
    flow = maximum_flow(graph, source, sink).flow
    rest = graph - flow
    rest.data[rest.data < 0] = 0
    rest.eliminate_zeros()
    reached = breadth_first_order(rest, source, return_predecessors=False)
    side = np.zeros(count + 2, bool)
    side[reached] = True
    out = np.zeros(free.shape, bool)
    out[nodes] = side[:count]
    return out
