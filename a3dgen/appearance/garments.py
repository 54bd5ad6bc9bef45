"""Garments cut from a body's shells: what they cover, how they hang, and their texture coordinates.

A garment is a set of bounds on a surface around the body (tights or skirt): a field per bound, positive outside.
The same bounds, read on the skin or on another garment, tell what the garment hides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.appearance.folds import fold_heights, skirt_folds
from a3dgen.appearance.surfaces import boundary_loops, clear_of, cylinder_uv, drape, with_rings
from a3dgen.core.pool import Cache
from a3dgen.geometry.clip import clip
from a3dgen.geometry.limbs import LIMB_JOINTS, limb_coordinate, smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, index_uv, vertex_normals
from a3dgen.geometry.skeleton import JOINT

TILE = 0.32
"""Size of a fabric tile on the cloth, m."""
LOOSE_LEG_M = 0.020
"""How much further from the skin the loosest trousers are, from the knee down, m."""
BASE = 0.003
"""Least distance of cloth from its shell, m."""
SLACK = 0.0055
"""How much nearer to the skin than their shell tops, trousers and shoes may lie, m: the shell stands about 6 mm off."""
CLEARANCE = {"top": 0.0035, "trousers": 0.0035, "skirt": 0.007, "shoe": 0.003}
"""Least distance of cloth from the skin in the rest pose, m."""
TUCK = 0.010
"""How far a shirt is drawn in below the waistband it is tucked into, m."""
HEM = 0.005
"""How far a hem turns inwards, m."""
LIMB_MARGIN = 0.09
"""Skin is hidden from this far inside a sleeve or leg, in limb coordinates (about 23 mm of an arm, 35 mm of a leg)."""
_REFERENCE = 0.541
"""Height of the neck above the pelvis in the body the lengths below were measured on, m."""
LIMBS_OF = {"top": ("left_arm", "right_arm"), "bottom": ("left_leg", "right_leg")}
_SHELL_OF = {"skirt": "skirt"}


@dataclass(frozen=True)
class Spec:
    """The shape of a garment: everything that changes its mesh, nothing that changes its colours.

    Attributes:
        kind: ``top``, ``trousers``, ``skirt``, ``shoe`` or ``liner``.
        left, right: limb coordinate where the sleeve or leg ends (a skirt's hem: ``left``; a shoe's rim).
        neck: ``crew``, ``v``, ``wide`` or ``tank``.
        tucked: the top ends below the waistband instead of over it.
        fit: 0 close to the body to 1 loose.
        side: of a shoe or liner: ``left`` or ``right``. limb: of a liner: ``arm`` or ``leg``.
    """

    kind: str
    left: float = 2.0
    right: float = 2.0
    neck: str = "crew"
    tucked: bool = False
    fit: float = 0.5
    side: str = ""
    limb: str = ""


@dataclass(frozen=True)
class Measure:
    """What bounds are read from: (V, 3) rest positions (m), the four limb coordinates, the head's weight."""

    points: Float[ndarray, "v 3"]
    limbs: Mapping[str, Float[ndarray, " v"]]
    head: Float[ndarray, " v"]


@dataclass(frozen=True)
class GarmentMesh:
    """A garment in the rest pose.

    Attributes:
        spec: what it is.
        mesh: follows shape and pose like the skin, textured in tiles of 0.32 m.
        limbs: limb coordinates of its vertices, for cutting it back over a stump.
    """

    spec: Spec
    mesh: SkinnedMesh
    limbs: Mapping[str, Float[ndarray, " v"]]


_MEASURES = Cache(4)
"""Of the shells that garments are cut from."""


def measure(mesh: SkinnedMesh, joints: Float[ndarray, "24 3"]) -> Measure:
    """Read the positions and limb coordinates of any rest-pose mesh (joints (24, 3) m at betas = 0)."""
    limbs = {limb: limb_coordinate(mesh, joints, limb) for limb in LIMB_JOINTS}
    return Measure(mesh.vertices, limbs, mesh.weights[:, JOINT["head"]])


def waist_height(joints: Float[ndarray, "24 3"]) -> float:
    """Return the height of waistbands in the rest pose, m."""
    return float(joints[JOINT["pelvis"], 1] + 0.085 * _scale(joints))


def _scale(joints: Float[ndarray, "24 3"]) -> float:
    return float(joints[JOINT["neck"], 1] - joints[JOINT["pelvis"], 1]) / _REFERENCE


def _neckline(m: Measure, joints: Float[ndarray, "24 3"], neck: str) -> Float[ndarray, " v"]:
    """Positive inside the neck opening: within a radius of the neck's axis and above a plane that dips to the front."""
    k = _scale(joints)
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
        hem = waist - 0.045 if spec.tucked else hip - 0.035 - 0.02 * spec.fit
        return [(_neckline(m, joints, spec.neck), 0.012), (hem - y, 0.012)]
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


def build_garment(
    spec: Spec, shells: Mapping[str, SkinnedMesh], skin: SkinnedMesh, joints: Float[ndarray, "24 3"]
) -> GarmentMesh:
    """Cut, drape, hem and unwrap a garment (tens of milliseconds; callers keep the result).

    Args:
        spec: its shape.
        shells: ``tights`` and, for skirts, ``skirt``.
        skin: the body they surround.
        joints: rest joints (24, 3) at betas = 0, m.
    """
    mesh = shells[_SHELL_OF.get(spec.kind, "tights")]
    m = _MEASURES.get(mesh, joints.tobytes(), lambda: measure(mesh, joints))
    limbs = levels(spec)
    fields = [f for f, _ in bounds(spec, m, joints)] + [m.limbs[k] - level for k, level in limbs.items()]
    carried = np.stack([*fields, *(m.limbs[k] for k in LIMB_JOINTS)], 1)
    for i in range(len(fields)):
        cut = clip(mesh, carried[:, i], 0.0)
        mesh, carried = cut.mesh, cut.origin.apply(carried)
    coordinates = {k: carried[:, len(fields) + i] for i, k in enumerate(LIMB_JOINTS)}
    passes = {"skirt": 6, "shoe": 8}.get(spec.kind, 16)
    snug = SLACK if limbs or spec.kind == "shoe" else 0.0
    mesh = drape(mesh, _ease(spec, mesh, coordinates, joints) - snug, passes, 0.5 * BASE - snug)
    if spec.kind in CLEARANCE:
        mesh = clear_of(mesh, skin, _clearance(spec, mesh, joints))
    if spec.kind == "shoe":
        mesh = _sole(mesh, joints, spec)
    if spec.tucked:
        mesh = _sunk(mesh, joints)
    if limbs:
        low = waist_height(joints) + 0.01 if spec.tucked else float(mesh.vertices[:, 1].min()) + 0.01
        folds = fold_heights(mesh.vertices.astype(np.float64), coordinates, limbs, joints, spec.fit, low)
        lifted = mesh.vertices + folds[:, None] * vertex_normals(mesh.vertices, mesh.faces)
        mesh = replace(mesh, vertices=lifted.astype(np.float32))
    if spec.kind == "skirt":
        folds = skirt_folds(mesh.vertices.astype(np.float64), joints, waist_height(joints))
        lifted = mesh.vertices + folds[:, None] * vertex_normals(mesh.vertices, mesh.faces)
        mesh = replace(mesh, vertices=lifted.astype(np.float32))
    loops = boundary_loops(mesh.faces)
    normals = vertex_normals(mesh.vertices, mesh.faces)
    mesh, owner = with_rings(mesh, loops, [mesh.vertices[loop] - HEM * normals[loop] for loop in loops])
    coordinates = {k: v[owner] for k, v in coordinates.items()}
    return GarmentMesh(spec, _unwrap(spec, mesh, coordinates, joints), coordinates)


def _clearance(spec: Spec, mesh: SkinnedMesh, joints: Float[ndarray, "24 3"]) -> Float[ndarray, " v"]:
    """Least distance of the cloth from the skin, m: a shirt that hangs over a waistband clears that, too."""
    out = np.full(len(mesh.vertices), CLEARANCE[spec.kind] * (0.5 if spec.tucked else 1.0))
    if spec.kind == "top" and not spec.tucked:
        out += 0.008 * smoothstep((waist_height(joints) + 0.02 - mesh.vertices[:, 1]) / 0.05)
    return out


def _sunk(mesh: SkinnedMesh, joints: Float[ndarray, "24 3"]) -> SkinnedMesh:
    """Draw a tucked shirt in below the waistband, where it must not come through the trousers in any pose."""
    depth = TUCK * smoothstep((waist_height(joints) + 0.004 - mesh.vertices[:, 1]) / 0.016)
    sunk = mesh.vertices - depth[:, None] * vertex_normals(mesh.vertices, mesh.faces)
    return replace(mesh, vertices=sunk.astype(np.float32))


def _ease(
    spec: Spec, mesh: SkinnedMesh, limbs: Mapping[str, Float[ndarray, " v"]], joints: Float[ndarray, "24 3"]
) -> Float[ndarray, " v"]:
    """Distance of the cloth from the shell, m: base, ease, and flare towards the hems."""
    y = mesh.vertices[:, 1]
    out = np.full(len(y), BASE)
    if spec.kind == "liner":
        return out - 0.002
    if spec.kind == "shoe":
        return out + 0.001
    if spec.kind == "skirt":
        return out + 0.002
    ends = levels(spec)
    if spec.kind == "top":
        inside = -_neckline(Measure(mesh.vertices, limbs, mesh.weights[:, JOINT["head"]]), joints, spec.neck)
        hug = 0.35 + 0.65 * smoothstep(inside / 0.06)  # a collar lies on the skin
        arm = np.maximum(*(limbs[k] for k in ends))
        near = np.max([np.where(limbs[k] > 0, limbs[k] - e + 0.45, -1) for k, e in ends.items()], axis=0)
        out += 0.001 + 0.005 * spec.fit
        out += (0.001 + 0.010 * spec.fit) * smoothstep(near / 0.45) * (arm > 0.05)
        if not spec.tucked:
            top, waist = joints[JOINT["spine3"], 1], waist_height(joints) - 0.09
            out += (0.006 + 0.007 * spec.fit) * smoothstep((top - 0.05 - y) / (top - 0.05 - waist)) * (arm < 0.1)
        else:  # below a waistband cloth lies flat
            hug = hug * (0.3 + 0.7 * smoothstep((y - waist_height(joints) - 0.02) / 0.08))
        return out * hug
    leg = np.maximum(*(limbs[k] for k in ends))
    near = np.max([limbs[k] - e for k, e in ends.items()], axis=0)
    hip = joints[JOINT["left_hip"], 1]
    below = 0.002 + 0.003 * spec.fit + (0.001 + 0.006 * spec.fit) * smoothstep((leg - 0.1) / 0.7)
    below += (0.001 + 0.005 * spec.fit) * smoothstep((near + 0.5) / 0.5)
    below += LOOSE_LEG_M * float(np.clip((spec.fit - 0.05) / 0.8, 0, 1)) * smoothstep((leg - 0.2) / 0.9)
    return out + 0.001 + below * smoothstep((hip - 0.02 - y) / 0.09)  # flat where a shirt may hang over it


def _sole(mesh: SkinnedMesh, joints: Float[ndarray, "24 3"], spec: Spec) -> SkinnedMesh:
    """Flatten the underside of a shoe to a sole a little below and around the foot."""
    vertices = mesh.vertices.copy()
    ground = float(vertices[:, 1].min()) - 0.009
    height = vertices[:, 1] - ground
    low = 1 - smoothstep((height - 0.022) / 0.02)
    vertices[:, 1] -= low * np.maximum(height - 0.001, 0) * smoothstep((0.045 - height) / 0.02)
    middle = joints[JOINT[f"{spec.side}_foot"], 0]
    rim = 1 - smoothstep((height - 0.02) / 0.03)
    vertices[:, 0] += 0.002 * rim * np.sign(vertices[:, 0] - middle)
    return replace(mesh, vertices=vertices)


def _unwrap(
    spec: Spec, mesh: SkinnedMesh, limbs: Mapping[str, Float[ndarray, " v"]], joints: Float[ndarray, "24 3"]
) -> SkinnedMesh:
    """Cylindrical texture coordinates, one cylinder for the torso and one for each limb."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    if spec.kind == "shoe":
        ground = corners[..., 1].min()
        uv = np.stack([corners[..., 2] / TILE + 0.4, (corners[..., 1] - ground) / TILE], -1)
        rows, face_uv = index_uv(uv, mesh.faces)
        return replace(mesh, uv=rows, face_uv=face_uv)
    uv = np.zeros((len(corners), 3, 2))
    rest = np.ones(len(corners), bool)
    if spec.kind != "skirt":
        for limb in levels(spec):
            root, _, end = LIMB_JOINTS[limb]
            on_limb = limbs[limb][mesh.faces].mean(1) > (0.02 if limb.endswith("arm") else 0.12)
            if on_limb.any():
                axis = joints[root] - joints[end]
                axis = axis / np.linalg.norm(axis)
                uv[on_limb] = cylinder_uv(corners[on_limb], joints[end], axis, TILE)
                rest &= ~on_limb
    if rest.any():
        uv[rest] = cylinder_uv(corners[rest], joints[JOINT["spine1"]] * [1, 0, 0], np.array([0.0, 1, 0]), TILE)
    rows, face_uv = index_uv(uv, mesh.faces)
    return replace(mesh, uv=rows, face_uv=face_uv)
