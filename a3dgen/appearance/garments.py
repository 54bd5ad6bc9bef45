"""Garments cut from a body's shells: what they cover, how they hang, and their texture coordinates.

A garment is a set of bounds on a surface around the body (tights or skirt): a field per bound, positive outside.
The same bounds, read on the skin or on another garment, tell what the garment hides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.appearance import trousers
from a3dgen.appearance.folds import fold_heights, skirt_folds
from a3dgen.appearance.garment_bounds import Measure, Spec, body_scale, bounds, levels, measure, neckline, waist_height
from a3dgen.appearance.surfaces import averaged, boundary_loops, clear_of, cylinder_uv, drape, snapped, with_rings
from a3dgen.core.pool import Cache
from a3dgen.geometry.clip import clip
from a3dgen.geometry.limbs import LIMB_JOINTS, smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, index_uv, vertex_normals
from a3dgen.geometry.skeleton import JOINT

TILE = 0.32
"""Size of a fabric tile on the cloth, m."""
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
WIDE = {"torso": 0.026, "sleeve": 0.022}
"""How much further from the skin the widest tops (fit 2) stand than loose ones (fit 1), m."""
LONG_SLEEVE = 1.7
"""Sleeves that end beyond this limb coordinate are gathered at the wrist where they are wide."""
_SHELL_OF = {"skirt": "skirt"}


@dataclass(frozen=True)
class GarmentMesh:
    """A garment in the rest pose.

    Attributes:
        spec: what it is.
        mesh: follows shape and pose like the skin, textured in tiles of 0.32 m.
        limbs: limb coordinates of its vertices, for cutting it back over a stump.
        slack: of trousers, see ``trousers.slack``. bends: of trousers, leg -> see ``trousers.bend_folds``.
    """

    spec: Spec
    mesh: SkinnedMesh
    limbs: Mapping[str, Float[ndarray, " v"]]
    slack: Float[ndarray, " v"] | None = None
    bends: Mapping[str, Float[ndarray, "v 3"]] = field(default_factory=dict)


_MEASURES = Cache(4)
"""Of the shells that garments are cut from."""


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
    for limb in limbs:
        mesh, carried = snapped(mesh, carried, len(fields) + list(LIMB_JOINTS).index(limb), seam_level(limb))
    coordinates = {k: carried[:, len(fields) + i] for i, k in enumerate(LIMB_JOINTS)}
    if spec.kind == "trousers":
        mesh, coordinates = trousers.lengthened(mesh, coordinates, joints, trousers.CUTS[spec.cut].below)
    passes = {"skirt": 6, "shoe": 8}.get(spec.kind, 16)
    snug = SLACK if limbs or spec.kind == "shoe" else 0.0
    mesh = drape(mesh, ease(spec, mesh, coordinates, joints) - snug, passes, 0.5 * BASE - snug)
    if spec.kind in CLEARANCE:
        mesh = clear_of(mesh, skin, _clearance(spec, mesh, joints))
    if spec.kind == "shoe":
        mesh = _sole(mesh, joints, spec)
    if spec.kind == "top" and spec.fit > 1:  # after draping, which draws tubes together
        out = room(spec, mesh, coordinates, joints)[:, None] * vertex_normals(mesh.vertices, mesh.faces)
        mesh = replace(mesh, vertices=(mesh.vertices + averaged(mesh.faces, out, 3)).astype(np.float32))
    if spec.tucked:
        mesh = _sunk(mesh, joints)
    close = mesh.vertices
    if spec.kind == "trousers":
        mesh = _legs(spec, mesh, skin, coordinates, joints)
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
    made = GarmentMesh(spec, _unwrap(spec, mesh, coordinates, joints), coordinates)
    if spec.kind != "trousers":
        return made
    slack = trousers.slack(mesh, close[owner], coordinates)
    return replace(made, slack=slack, bends=trousers.bend_folds(mesh, normals[owner], coordinates, joints))


def _legs(
    spec: Spec, mesh: SkinnedMesh, skin: SkinnedMesh, limbs: Mapping[str, Float[ndarray, " v"]], joints: ndarray
) -> SkinnedMesh:
    """Give close trousers the width of their cut, its folds, and hems that clear the foot."""
    cut, end = trousers.CUTS[spec.cut], max(spec.left, spec.right)
    mesh = trousers.widened(mesh, limbs, joints, cut, end, body_scale(joints))
    lift = trousers.folds(mesh.vertices.astype(np.float64), limbs, joints, cut, end)
    lifted = mesh.vertices + lift[:, None] * vertex_normals(mesh.vertices, mesh.faces)
    mesh = replace(mesh, vertices=lifted.astype(np.float32))
    return (
        clear_of(mesh, skin, np.full(len(mesh.vertices), CLEARANCE["trousers"]))
        if end < trousers.LONG
        else clear_of(
            mesh,
            skin,
            CLEARANCE["trousers"]
            + 0.008 * smoothstep((np.maximum(limbs["left_leg"], limbs["right_leg"]) - 1.8) / 0.15),
        )
    )


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


def ease(
    spec: Spec, mesh: SkinnedMesh, limbs: Mapping[str, Float[ndarray, " v"]], joints: Float[ndarray, "24 3"]
) -> Float[ndarray, " v"]:
    """Return how far cloth stands off its shell, m: base, ease, and flare towards the hems.

    Args:
        spec: the garment. mesh: the shell, at rest. limbs: limb coordinates of its vertices. joints: rest joints, m.
    """
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
        inside = -neckline(Measure(mesh.vertices, limbs, mesh.weights[:, JOINT["head"]]), joints, spec.neck)
        hug = 0.35 + 0.65 * smoothstep(inside / 0.06)  # a collar lies on the skin
        arm, fit = np.maximum(*(limbs[k] for k in ends)), min(spec.fit, 1.0)
        near = np.max([np.where(limbs[k] > 0, limbs[k] - e + 0.45, -1) for k, e in ends.items()], axis=0)
        top, waist = joints[JOINT["spine3"], 1], waist_height(joints) - 0.09
        out += 0.001 + 0.005 * fit
        out += (0.001 + 0.010 * fit) * smoothstep(near / 0.45) * (arm > 0.05)
        if not spec.tucked:
            out += (0.009 + 0.007 * fit) * smoothstep((top - 0.05 - y) / (top - 0.05 - waist)) * (arm < 0.1)
        else:  # below a waistband cloth lies flat
            hug = hug * (0.3 + 0.7 * smoothstep((y - waist_height(joints) - 0.02) / 0.08))
        return out * hug
    leg = np.maximum(*(limbs[k] for k in ends))
    near = np.max([limbs[k] - e for k, e in ends.items()], axis=0)
    hip = joints[JOINT["left_hip"], 1]
    below = 0.002 + 0.003 * spec.fit + (0.001 + 0.006 * spec.fit) * smoothstep((leg - 0.1) / 0.7)
    below += (0.001 + 0.005 * spec.fit) * smoothstep((near + 0.5) / 0.5)
    return out + 0.001 + below * smoothstep((hip - 0.02 - y) / 0.09)  # flat where a shirt may hang over it


def room(
    spec: Spec, mesh: SkinnedMesh, limbs: Mapping[str, Float[ndarray, " v"]], joints: Float[ndarray, "24 3"]
) -> Float[ndarray, " v"]:
    """Return how much further a wide top (fit above 1) stands off than a loose one, m; wide sleeves end in a cuff.

    Args:
        spec: the top. mesh: any surface around the body, at rest. limbs, joints: as in ``ease``.
    """
    ends, y = levels(spec), mesh.vertices[:, 1]
    arm = np.maximum(*(limbs[k] for k in ends))
    chest = smoothstep((joints[JOINT["spine3"], 1] + 0.10 - y) / 0.18) * (1 - smoothstep((arm + 0.05) / 0.2))
    sleeve = smoothstep((arm - 0.05) / 0.35)
    if max(ends.values()) > LONG_SLEEVE:
        sleeve = sleeve * (1 - smoothstep((arm - max(ends.values()) + 0.18) / 0.12))
    return (spec.fit - 1) * (WIDE["torso"] * chest + WIDE["sleeve"] * sleeve)


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


def seam_level(limb: str) -> float:
    """Return the limb coordinate at which a sleeve or leg is sewn to the rest of a garment."""
    return 0.02 if limb.endswith("arm") else 0.12


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
            on_limb = limbs[limb][mesh.faces].mean(1) > seam_level(limb)
            if on_limb.any():
                axis = joints[root] - joints[end]
                axis = axis / np.linalg.norm(axis)
                uv[on_limb] = cylinder_uv(corners[on_limb], joints[end], axis, TILE)
                rest &= ~on_limb
    if rest.any():
        uv[rest] = cylinder_uv(corners[rest], joints[JOINT["spine1"]] * [1, 0, 0], np.array([0.0, 1, 0]), TILE)
    rows, face_uv = index_uv(uv, mesh.faces)
    return replace(mesh, uv=rows, face_uv=face_uv)
