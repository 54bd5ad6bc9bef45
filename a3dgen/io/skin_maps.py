"""Everything about a body's skin texture that does not depend on the person: noise and anatomy at every texel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.compiled import kernel
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.head import beard_map, brow_map, eye_maps, eyeballs, flush_map, head_frame
from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals
from a3dgen.geometry.skeleton import JOINT
from a3dgen.io.atlas import Atlas, build_atlas, free_disc
from a3dgen.rng import generator_for

OCTAVES = (0.30, 0.15, 0.08, 0.04, 0.02, 0.010, 0.005, 0.0025)
"""Cell sizes of the noise on the skin, m."""
_LATTICE = 32


@kernel
def _value_noise(points: ndarray, lattice: ndarray, scale: float, out: ndarray) -> None:
    """Trilinear periodic value noise of points (M, 3) on a cubic lattice with cells of ``scale`` m."""
    n = lattice.shape[0]
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] / scale, points[i, 1] / scale, points[i, 2] / scale
        fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
        tx, ty, tz = x - fx, y - fy, z - fz
        x0, y0, z0 = int(fx) % n, int(fy) % n, int(fz) % n
        x1, y1, z1 = (x0 + 1) % n, (y0 + 1) % n, (z0 + 1) % n
        low = (lattice[x0, y0, z0] * (1 - tx) + lattice[x1, y0, z0] * tx) * (1 - ty)
        low += (lattice[x0, y1, z0] * (1 - tx) + lattice[x1, y1, z0] * tx) * ty
        high = (lattice[x0, y0, z1] * (1 - tx) + lattice[x1, y0, z1] * tx) * (1 - ty)
        high += (lattice[x0, y1, z1] * (1 - tx) + lattice[x1, y1, z1] * tx) * ty
        out[i] = low * (1 - tz) + high * tz


def noise(points: Float[ndarray, "m 3"], scale: float, seed: int) -> Float[ndarray, " m"]:
    """Return smooth noise of about unit variance at points (m), with cells of ``scale`` m."""
    lattice = generator_for(seed, "skin noise").standard_normal((_LATTICE,) * 3).astype(np.float32)
    out = np.empty(len(points), np.float32)
    _value_noise(np.ascontiguousarray(points, np.float32), lattice, scale, out)
    return out


@dataclass(frozen=True)
class SkinMaps:
    """Maps over the covered texels (M,) of a body's atlas, all f4.

    Attributes:
        atlas: the texels. uv: (T, 2) the body's texture coordinates with larger eyes; row for row the body's.
        noise: (8, M) octaves of noise.
        above_hairline: degrees above the hairline (blurred edge: about 3); -90 away from the head.
        brow, beard, lips, nails, pale, flush, cavity: 0..1 maps; ``pale`` is palms and soles, ``flush`` where blood
            shows, ``cavity`` how enclosed the place is.
        plain: texels with none of these but ``flush``, for speed.
        eye: 0 or 1, texels of the eyeballs. axis: angle from the optical axis, degrees. lash: darkness at the lids.
    """

    atlas: Atlas
    uv: Float[ndarray, "t 2"]
    noise: Float[ndarray, "8 m"]
    above_hairline: Float[ndarray, " m"]
    brow: Float[ndarray, " m"]
    beard: Float[ndarray, " m"]
    lips: Float[ndarray, " m"]
    nails: Float[ndarray, " m"]
    pale: Float[ndarray, " m"]
    flush: Float[ndarray, " m"]
    cavity: Float[ndarray, " m"]
    eye: Float[ndarray, " m"]
    axis: Float[ndarray, " m"]
    lash: Float[ndarray, " m"]
    plain: Bool[ndarray, " m"]


def cavity_map(body: BodyData) -> Float[ndarray, " v"]:
    """Return (V,) 0..1: how deep a vertex lies below its neighbourhood (nostrils, ears, between the fingers)."""
    mesh = body.mesh
    normals = vertex_normals(mesh.vertices, mesh.faces)
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    a, b = np.r_[edges[:, 0], edges[:, 1]], np.r_[edges[:, 1], edges[:, 0]]
    count = np.maximum(np.bincount(a, minlength=len(normals)), 1)
    depth = np.zeros(len(normals))
    height = mesh.vertices.astype(np.float64)
    for _ in range(4):
        mean = np.stack([np.bincount(a, height[b, c], len(normals)) for c in range(3)], 1) / count[:, None]
        depth += np.einsum("vc,vc->v", mean - mesh.vertices, normals)
        height = mean
    return np.clip(depth / 0.006, 0, 1).astype(np.float32)


def eye_uv(mesh: SkinnedMesh) -> Float[ndarray, "t 2"]:
    """Return the mesh's texture coordinates with both eyeballs moved to one large island in the layout's empty part.

    In the usual layouts an iris has a dozen texels; seen from the front it gets a disc of up to 64 in radius at 1,024.
    """
    uv = mesh.uv.copy()
    frame, eyes = head_frame(mesh), eyeballs(mesh)
    if frame is None:
        return uv
    faces = eyes[mesh.faces].all(1)
    kept = {n: getattr(mesh, n)[~faces] for n in ("faces", "face_uv", "face_part", "hidden")}
    rest = replace(mesh, **kept)
    centre, radius = free_disc(build_atlas(rest, 256))
    rows, vertices = mesh.face_uv[faces].ravel(), mesh.vertices[mesh.faces[faces].ravel()]
    middle = np.where(vertices[:, :1] > frame.eyes.mean(0)[0], frame.eyes[0], frame.eyes[1])
    flat = (vertices - middle)[:, :2] / frame.radius
    uv[rows] = centre + flat * min(0.85 * radius, 1 / 16)
    return uv


def skin_maps(body: BodyData, size: int) -> SkinMaps:
    """Bake the maps of a body into a texture of ``size`` texels a side (about a second; callers keep the result)."""
    mesh = replace(body.mesh, uv=eye_uv(body.mesh))
    atlas = build_atlas(mesh, size)
    points = atlas.bake(mesh.faces, mesh.vertices)
    part = mesh.face_part[atlas.face]

    def mask(*names: str) -> Float[ndarray, " m"]:
        out = np.zeros(len(points), np.float32)
        for name in names:
            if name in body.masks:
                out = np.maximum(out, atlas.bake(mesh.faces, np.asarray(body.masks[name], np.float32)))
        return np.clip(out, 0, 1)

    limbs = np.isin(part, [JOINT[f"{s}_{p}"] for s in ("left", "right") for p in ("hand", "wrist")]) * 0.20
    limbs = limbs + np.isin(part, [JOINT[f"{s}_{p}"] for s in ("left", "right") for p in ("foot", "ankle")]) * 0.15
    face = _face(body, points, atlas)
    fine = 0.7 * np.isin(part, [JOINT[n] for n in ("left_hand", "right_hand", "left_wrist", "right_wrist")])
    fine = np.maximum(fine, face.pop("near"))
    maps = {
        "lips": mask("lips"),
        "nails": mask("fingernails", "toenails", "nails"),
        "pale": np.maximum(mask("palms", "soles"), _pale(body, points, atlas)),
        "flush": np.clip(face.pop("flush") + 0.5 * mask("ears") + limbs, 0, 1),
        "cavity": atlas.bake(mesh.faces, cavity_map(body)) * fine,
        **face,
    }
    maps = {name: np.asarray(values, np.float32) for name, values in maps.items()}
    busy = np.max([maps[k] for k in ("brow", "beard", "lips", "nails", "pale", "cavity", "eye", "lash")], axis=0)
    return SkinMaps(
        atlas=atlas,
        uv=mesh.uv,
        noise=np.stack([noise(points, s, i) for i, s in enumerate(OCTAVES)]),
        plain=(busy < 0.004) & (maps["above_hairline"] < -12),
        **maps,
    )


def _pale(body: BodyData, points: Float[ndarray, "m 3"], atlas: Atlas) -> Float[ndarray, " m"]:
    """Palms and soles: what looks down on hands and feet in the T-pose."""
    mesh = body.mesh
    down = -atlas.bake(mesh.faces, vertex_normals(mesh.vertices, mesh.faces))[:, 1]
    wrists = np.stack([body.joints_template[JOINT[f"{s}_wrist"]] for s in ("left", "right")])
    hand = np.abs(points[:, 0]) - np.abs(wrists[:, 0]).mean()
    palm = np.clip(hand / 0.02, 0, 1) * np.clip((down + 0.05) / 0.5, 0, 1)
    ankle = body.joints_template[JOINT["left_ankle"], 1]
    sole = np.clip((ankle - 0.02 - points[:, 1]) / 0.03, 0, 1) * np.clip((down - 0.3) / 0.4, 0, 1)
    return np.maximum(palm, sole).astype(np.float32)


def _face(body: BodyData, points: Float[ndarray, "m 3"], atlas: Atlas) -> Mapping[str, ndarray]:
    """Maps that need the head's frame; bodies without eyeballs in their masks have no face paint."""
    zero = np.zeros(len(points), np.float32)
    eyes = eyeballs(body.mesh)
    frame = head_frame(body.mesh)
    if frame is None:
        names = ("brow", "beard", "flush", "eye", "axis", "lash", "near")
        return dict.fromkeys(names, zero) | {"above_hairline": zero - 90}
    near = np.flatnonzero(np.linalg.norm(points - frame.centre, axis=1) < 0.26 * frame.scale)
    q = points[near].astype(np.float64)
    own = atlas.bake(body.mesh.faces, eyes.astype(np.float32))[near] > 0.5
    axis, distance = eye_maps(frame, q)
    up = q[:, 1] - frame.eyes[:, 1].mean()
    lid = np.exp(-np.maximum(distance - 0.0006, 0) / 0.0009) * np.clip(1.15 - axis / 100, 0, 1)
    maps = {
        "above_hairline": frame.above_hairline(q), "brow": brow_map(frame, q), "beard": beard_map(frame, q),
        "flush": flush_map(frame, q), "eye": own.astype(np.float32), "axis": axis,
        "near": smoothstep((up + 0.105 * frame.scale) / 0.02),
        "lash": np.where(own, 0, lid * np.where(up > 0, 1.0, 0.6)),
    }  # fmt: skip
    out = {}
    for name, values in maps.items():
        out[name] = zero - 90 if name == "above_hairline" else zero.copy()
        out[name][near] = values
    return out
