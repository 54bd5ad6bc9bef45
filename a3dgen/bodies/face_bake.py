"""Bakes the face shapes of the open body: MakeHuman's targets of nose, mouth, chin, cheeks and brows on its skin.

``a3dgen body bake --write`` makes the small file ``anny24_faces.npz`` that the package ships; nobody else needs this.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.bodies.faces import AXES, FaceAxes
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.head import eyeballs, head_frame
from a3dgen.geometry.limbs import smoothstep

METRES = 0.1
"""MakeHuman's unit of length."""


def bake_faces(targets: Path, rows: Integer[ndarray, " v"], body: BodyData) -> FaceAxes:
    """Return the face shapes on a body's skin, faded out towards scalp, ears and neck, where hair and clothes lie.

    Args:
        targets: MakeHuman's folder of that name. rows: (V,) the body's vertices in MakeHuman's numbers. body: the open
            body of adults.
    """
    number = {int(row): i for i, row in enumerate(rows)}
    shapes = np.zeros((len(AXES), 2, len(rows), 3), np.float32)
    for k, axis in enumerate(AXES):
        for sign, names in enumerate((axis.less, axis.more)):
            for name in names:
                _add(shapes[k, sign], targets / f"{name}.target.gz", number)
    shapes *= (METRES * _face(body))[:, None]
    moved = np.flatnonzero(np.abs(shapes).max((0, 1, 3)) > 2e-5)
    return FaceAxes(moved.astype(np.int32), np.rint(shapes[:, :, moved] * 1e5).astype(np.int16))


def _add(shape: Float[ndarray, "v 3"], path: Path, number: dict[int, int]) -> None:
    """Add a target, whose lines are a vertex and its offset (x left, y up, z forward), to a shape."""
    with gzip.open(path, "rt") as file:
        table = np.array([line.split() for line in file if line.strip() and not line.startswith("#")], np.float64)
    for row, *offset in table:
        if int(row) in number:
            shape[number[int(row)]] += offset


def _face(body: BodyData) -> Float[ndarray, " v"]:
    """Return 1 on the face, 0 on eyeballs, scalp, ears and neck."""
    frame = head_frame(body.mesh)
    assert frame is not None
    points = body.mesh.vertices.astype(np.float64)
    azimuth, _ = frame.angles(points)
    below = -smoothstep((-0.125 * frame.scale - (points - frame.eyes.mean(0))[:, 1]) / 0.03)
    hairline = 1 - smoothstep((frame.above_hairline(points) + 7) / 6) * (azimuth < 75)
    share = (1 + below) * hairline * (1 - smoothstep((azimuth - 62) / 22))
    near = np.linalg.norm(points - frame.centre, axis=1) < 0.2 * frame.scale
    return np.where(eyeballs(body.mesh) | ~near, 0.0, share)
