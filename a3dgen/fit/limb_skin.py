"""Which skin of a body a person with amputations has."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.pool import Cache
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.limbs import LIMB_JOINTS, limb_coordinate
from a3dgen.geometry.regions import REGIONS, Region, most_proximal

_COORDINATES = Cache(16)


def limb_place(body: BodyData, region: Region) -> Float[ndarray, " v"]:
    """Return the coordinate of every vertex along the segment that carries a region's stump: 0 at its proximal joint,
    1 at the first absent joint; below -1 off the limb."""
    limb = f"{region.side}_{region.limb}"
    make = lambda: limb_coordinate(body.mesh, body.joints_template, limb)  # noqa: E731
    along = _COORDINATES.get(body.mesh, (limb, body.joints_template.tobytes()), make)
    start = LIMB_JOINTS[limb].index(region.segment[0]) if region.cuttable else 0
    place = along - np.float32(start)
    return place + 1 if not region.cuttable else place  # at Shoulder and Hip the torso's edge is the absent joint


def skin_exists(body: BodyData, removed: Bool[ndarray, "12"], residual: Float[ndarray, "12"]) -> Bool[ndarray, " v"]:
    """Return which vertices a person has whose stumps end at ``residual`` of the segments that carry them."""
    exists = np.ones(len(body.mesh.vertices), bool)
    for index in most_proximal(np.flatnonzero(removed).tolist()):
        exists &= limb_place(body, REGIONS[index]) < residual[index]
    return exists
