"""Bounds of garments: what a garment covers on the skin or on another garment, as fields that are positive outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.geometry.limbs import LIMB_JOINTS, limb_coordinate
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import JOINT

LIMB_MARGIN = 0.09
"""Skin is hidden from this far inside a sleeve or leg, in limb coordinates (about 23 mm of an arm, 35 mm of a leg)."""
_REFERENCE = 0.541
"""Height of the neck above the pelvis in the body the lengths below were measured on, m."""
LIMBS_OF = {"top": ("left_arm", "right_arm"), "bottom": ("left_leg", "right_leg")}


@dataclass(frozen=True)
class Spec:
    """The shape of a garment: everything that changes its mesh, nothing that changes its colours.

    Attributes:
        kind: ``top``, ``trousers``, ``skirt``, ``shoe`` or ``liner``.
        left, right: limb coordinate where the sleeve or leg ends (a skirt's hem: ``left``; a shoe's rim).
        neck: ``crew``, ``v``, ``wide`` or ``tank``.
        tucked: the top ends below the waistband instead of over it.
        fit: 0 close to the body to 1 loose; tops to 2, as wide as a jacket.
        cut: of trousers, one of ``trousers.CUTS``.
        side: of a shoe or liner: ``left`` or ``right``. limb: of a liner: ``arm`` or ``leg``.
    """

    kind: str
    left: float = 2.0
    right: float = 2.0
    neck: str = "crew"
    tucked: bool = False
    fit: float = 0.5
    cut: str = "straight"
    side: str = ""
    limb: str = ""


@dataclass(frozen=True)
class Measure:
    """What bounds are read from: (V, 3) rest positions (m), the four limb coordinates, the head's weight."""

    points: Float[ndarray, "v 3"]
    limbs: Mapping[str, Float[ndarray, " v"]]
    head: Float[ndarray, " v"]


def measure(mesh: SkinnedMesh, joints: Float[ndarray, "24 3"]) -> Measure:
    """Read the positions and limb coordinates of any rest-pose mesh (joints (24, 3) m at betas = 0)."""
    limbs = {limb: limb_coordinate(mesh, joints, limb) for limb in LIMB_JOINTS}
    return Measure(mesh.vertices, limbs, mesh.weights[:, JOINT["head"]].copy())


def waist_height(joints: Float[ndarray, "24 3"]) -> float:
    """Return the height of waistbands in the rest pose, m."""
    return float(joints[JOINT["pelvis"], 1] + 0.085 * body_scale(joints))


def body_scale(joints: Float[ndarray, "24 3"]) -> float:
    """Return the size of a body's trunk relative to the one that lengths were measured on."""
    return float(joints[JOINT["neck"], 1] - joints[JOINT["pelvis"], 1]) / _REFERENCE


def neckline(m: Measure, joints: Float[ndarray, "24 3"], neck: str) -> Float[ndarray, " v"]:
    """Positive inside the neck opening: within a radius of the neck's axis and above a plane that dips to the front."""
    k = body_scale(joints)
    x, y, z = (m.points - joints[JOINT["neck"]] - np.array([0, 0, 0.012]) * k).T / k
    # shares of the height from pelvis to neck, hand-set on the open body so that no neckline shows the shoulder's end
    radius = {"crew": 0.062, "v": 0.066, "wide": 0.092, "tank": 0.098}[neck]
    drop = {"crew": 0.037, "v": 0.040, "wide": 0.058, "tank": 0.075}[neck]
    ring = radius + 0.016 * np.clip(z / 0.06, 0, 1) - np.hypot(x, 0.9 * z)
    opening = np.minimum(ring, y + drop + 0.42 * z)
    if neck == "v":
        opening = np.maximum(opening, np.where((z > 0.03) & (y < 0.02), 0.42 * (y + 0.165) - np.abs(x), -1.0))
    opening = np.maximum(opening, y - 0.042)
    return k * np.where(m.head > 0.15, 0.05, opening)


def bounds(spec: Spec, m: Measure, joints: Float[ndarray, "24 3"]) -> list[tuple[Float[ndarray, " v"], float]]:
    """Return (field, margin) pairs that no limb ends: cloth is where all fields <= 0, skin is hidden where all
    fields <= -margin. Fields and margins in metres (limb coordinates for shoes)."""
    y = m.points[:, 1]
    waist = waist_height(joints)
    if spec.kind == "top":
        hip = float(joints[JOINT["left_hip"], 1])
        hem = waist - 0.045 if spec.tucked else hip - 0.035 - 0.02 * min(spec.fit, 1)
        return [(neckline(m, joints, spec.neck), 0.012), (hem - y, 0.012)]
    if spec.kind == "trousers":
        return [(y - waist, 0.015)]
    if spec.kind == "skirt":
        hip, knee = joints[JOINT["left_hip"], 1], joints[JOINT["left_knee"], 1]
        return [(y - waist, 0.015), (hip + (knee - hip) * spec.left - y, 0.08)]
    coordinate = m.limbs[f"{spec.side}_{spec.limb or 'leg'}"]
    return [(spec.left - coordinate, 0.04)]


def levels(spec: Spec) -> dict[str, float]:
    """Return limb -> coordinate where the garment's sleeve or leg ends; empty for garments without."""
    group = {"top": "top", "trousers": "bottom"}.get(spec.kind)
    return dict(zip(LIMBS_OF[group], (spec.left, spec.right), strict=True)) if group else {}


def within_bounds(spec: Spec, m: Measure, joints: Float[ndarray, "24 3"]) -> Bool[ndarray, " v"]:
    """Return (V,) bool: points a margin inside the bounds that no limb ends; the costly part of ``hides``."""
    return np.all([field <= -margin for field, margin in bounds(spec, m, joints)], axis=0)


def hides(
    spec: Spec, m: Measure, joints: Float[ndarray, "24 3"], ends: Mapping[str, float] | None = None
) -> Bool[ndarray, " v"]:
    """Return (V,) bool: points that lie under the garment, a margin inside its hems.

    Args:
        spec: the garment.
        m: the points, on the skin or on another garment.
        joints: rest joints (24, 3), m.
        ends: limb -> coordinate instead of the garment's own, where a stump changes it; inf = the whole limb.
    """
    inside = within_bounds(spec, m, joints)
    for limb, level in (levels(spec) | dict(ends or {})).items():
        inside &= m.limbs[limb] <= level - LIMB_MARGIN
    return inside
