"""What a cloud is compared with: points of skin, the cloud of one person, and the scratch arrays of the comparison."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from a3dgen.fit.kinematics import ROOM
from a3dgen.fit.simd import LANES

BONES = 4
"""Bones that carry a skin point."""
SLOTS = ROOM // 3
"""Skin points whose lines are collected at a time, three for each."""
CELL, CELLS = 0.05, 64
"""Squares (m, at the cloud's range) of the map that tells which skin is hidden, and how many there are each way."""


class Skin(NamedTuple):
    """Points spread evenly over the skin of a body.

    Attributes:
        shapes: (1 + B, >= 3 V) f4, m: rest pose at betas = 0 and its shape directions, in whole blocks of lanes.
        dirs: (V, 3, L) f4, m, the shape directions of every point, then zeros. normals: (V, 3) unit, rest pose.
        bones: (V, BONES) joints that carry each point. shares: (V, BONES), falling, rows sum to 1.
        patches: (P + 1,) points patches[p]:patches[p + 1] lie together.
        sparse: (V,) bool, fewer of them, as evenly spread.
        pairs: (P, 2) bones that carry points together. pair: (V, BONES, BONES) number of a point's pair of bones.
    """

    shapes: ndarray
    dirs: ndarray
    normals: ndarray
    bones: ndarray
    shares: ndarray
    patches: ndarray
    sparse: ndarray
    pairs: ndarray
    pair: ndarray


class CloudBlock(NamedTuple):
    """The cloud of one person as the compiled objective reads it.

    Attributes:
        points: (M, 3) m, camera frame. origin: (3,) m of the sensor. culled: only skin that faces it may be seen.
        exists: (V,) bool: skin the person has.
        axes: (3, 3) rows: across, down and along the view of the sensor at the cloud. far: m, the cloud's range.
        along, across: 1 / sigma (1 / m) of a point along the skin's normal and in any direction.
        spacing: m, between neighbouring points. reverse: weight of skin that misses the cloud, reverse_weight its
            1 / sigma (1 / m). robust: Geman-McClure scale, in sigmas.
    """

    points: ndarray
    origin: ndarray
    culled: bool
    exists: ndarray
    axes: ndarray
    far: float
    along: float
    across: float
    spacing: float
    reverse: float
    reverse_weight: float
    robust: float


class CloudSpace(NamedTuple):
    """Scratch arrays.

    rest: (1, >= 3 V) f4, m, shaped skin; shape: (1, 1 + B) f4: 1 and betas. vertices, normals: (V, 3) m, posed skin.
    shifts: (24, 3) m.
    front: (V,) skin that may be seen, place: (V,) where it stands there or -1, hidden: (V,) bool behind other skin.
    depth: (CELLS, CELLS) m. begin: (P + 1,) of the patches in ``front``, balls: (P, 4) m centre and radius.
    match, distance2: (M,) nearest skin of each point; first (V,), next (M,): the points of a skin point, chained;
    nearest: (V,) the cloud point found near each skin point the last time.
    missed: (V,) for skin that misses the cloud its nearest point, else -1.
    drawn: (V,) skin that is drawn anywhere; pulls: (V, 3, 4) the lower triangle of the matrix of each, and the force.
    Of SLOTS such points: bones (S,) how many each has, arms (S, BONES, 3) m what those carry of it, turns (S, 3, 3),
    roots (S, 3, 4) the matrices' square roots and the force by them, carried (S * BONES * 3, 8) f4 their lines.
    bone_betas: (24, 3, L) f4, m. factors: (2, 3) f4. cross: (P, 6, 8) f4, crossed: (P,): sums of pairs of bones.
    turned: (3, 6).
    """

    rest: ndarray
    shape: ndarray
    vertices: ndarray
    normals: ndarray
    shifts: ndarray
    front: ndarray
    place: ndarray
    hidden: ndarray
    depth: ndarray
    begin: ndarray
    balls: ndarray
    match: ndarray
    distance2: ndarray
    first: ndarray
    next: ndarray
    nearest: ndarray
    missed: ndarray
    drawn: ndarray
    pulls: ndarray
    bones: ndarray
    arms: ndarray
    turns: ndarray
    roots: ndarray
    carried: ndarray
    bone_betas: ndarray
    factors: ndarray
    cross: ndarray
    crossed: ndarray
    turned: ndarray


def cloud_space(skin: Skin, points: int) -> CloudSpace:
    """Allocate the scratch arrays for a skin and a number of points."""
    v, patches, pairs = len(skin.normals), len(skin.patches), len(skin.pairs)
    single = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
    whole = lambda *shape: np.zeros(shape, np.int64)  # noqa: E731
    return CloudSpace(
        rest=single(1, skin.shapes.shape[1]), shape=single(1, len(skin.shapes)),
        vertices=np.zeros((v, 3)), normals=np.zeros((v, 3)), shifts=np.zeros((24, 3)),
        front=whole(v), place=whole(v), hidden=np.zeros(v, np.bool_), depth=np.zeros((CELLS, CELLS)),
        begin=whole(patches), balls=np.zeros((patches, 4)), match=whole(points),
        distance2=np.zeros(points), first=whole(v), next=whole(points), nearest=whole(v),
        missed=whole(v), drawn=whole(v), pulls=np.zeros((v, 3, 4)), bones=whole(SLOTS),
        arms=np.zeros((SLOTS, BONES, 3)), turns=np.zeros((SLOTS, 3, 3)), roots=np.zeros((SLOTS, 3, 4)),
        carried=single(SLOTS * BONES * 3, LANES), bone_betas=single(24, 3, skin.dirs.shape[2]), factors=single(2, 3),
        cross=single(pairs, 6, LANES), crossed=np.zeros(pairs, np.bool_),
        turned=np.zeros((3, 6)),
    )  # fmt: skip
