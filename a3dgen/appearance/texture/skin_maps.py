"""Everything about a body's skin texture that does not depend on the person: noise and anatomy at every texel."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.amputation.scar import ScarPatch, find_scar_patch, seam_maps
from a3dgen.appearance.texture.atlas import Atlas, build_atlas, free_disc
from a3dgen.core.compiled import kernel
from a3dgen.core.rng import generator_for
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.head import beard_map, brow_map, eye_maps, eyeballs, flush_map, head_frame
from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals
from a3dgen.geometry.skeleton import JOINT

HAIRLINE_REACH = 14.0
"""Degrees below the hairline where no hair of the scalp grows."""
OCTAVES = (0.30, 0.15, 0.08, 0.04, 0.02, 0.010, 0.005, 0.0025)
"""Cell sizes of the noise on the skin, m."""
TILE = 32
"""Side of the tiles in which skins are painted, texels."""
_LATTICE = 32
_PATCH_M, _PATCH_CORNERS = 0.05, 24
"""Radius of the skin that the patch for stumps stands for; corners of the polygon that covers it."""


@kernel
def _value_noise(points: ndarray, lattice: ndarray, scale: float, out: ndarray) -> None:
    """Trilinear periodic value noise of points (M, 3) on a cubic lattice, a power of two wide, cells of ``scale`` m."""
    last = lattice.shape[0] - 1
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] / scale, points[i, 1] / scale, points[i, 2] / scale
        fx, fy, fz = np.floor(x), np.floor(y), np.floor(z)
        tx, ty, tz = x - fx, y - fy, z - fz
        x0, y0, z0 = int(fx) & last, int(fy) & last, int(fz) & last
        x1, y1, z1 = (x0 + 1) & last, (y0 + 1) & last, (z0 + 1) & last
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
        above_hairline: degrees above the hairline; receded: above that of a balding head; -90 away from the head.
        brow, beard, lips, nails, pale, flush, cavity: 0..1 maps; ``pale`` is palms and soles, ``flush`` where blood
            shows, ``cavity`` how enclosed the place is.
        plain: texels with none of these but ``flush``, for speed.
        eye: 0 or 1, texels of the eyeballs. axis: angle from the optical axis, degrees.
        lash: darkness at the lids; on the eyeballs, that of the lid's shadow.
        scar: 0..1, the pale seam of a stump. relief: -1..1, its groove and puckers.
    """

    atlas: Atlas
    uv: Float[ndarray, "t 2"]
    noise: Float[ndarray, "8 m"]
    above_hairline: Float[ndarray, " m"]
    receded: Float[ndarray, " m"]
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
    scar: Float[ndarray, " m"]
    relief: Float[ndarray, " m"]
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


def _with_patch(mesh: SkinnedMesh, patch: ScarPatch) -> SkinnedMesh:
    """The skin and, far below it, a disc of skin that is textured with the patch of stumps."""
    angle = np.linspace(0, 2 * np.pi, _PATCH_CORNERS, endpoint=False)
    disk = np.vstack([np.zeros((1, 2)), np.stack([np.cos(angle), np.sin(angle)], -1)])
    flat = np.stack([disk[:, 0], np.full(len(disk), -100.0), -disk[:, 1]], -1) * _PATCH_M
    here = np.arange(1, _PATCH_CORNERS + 1)
    fan = np.stack([np.zeros_like(here), here, np.roll(here, -1)], 1)
    first, row = len(mesh.vertices), len(mesh.uv)

    def more(values: ndarray, added: ndarray) -> ndarray:
        return np.concatenate([values, added.astype(values.dtype)])

    return replace(
        mesh,
        vertices=more(mesh.vertices, flat),
        shape_dirs=more(mesh.shape_dirs, np.zeros((len(disk), *mesh.shape_dirs.shape[1:]))),
        weights=more(mesh.weights, np.zeros((len(disk), mesh.weights.shape[1]))),
        faces=more(mesh.faces, fan + first),
        uv=more(mesh.uv, patch.middle + patch.radius * disk),
        face_uv=more(mesh.face_uv, fan + row),
        pose_dirs=None,
        face_part=more(mesh.face_part, np.full(len(fan), JOINT["left_knee"])),
        hidden=more(mesh.hidden, np.zeros(len(fan), bool)),
    )


def skin_maps(body: BodyData, size: int) -> SkinMaps:
    """Bake the maps of a body into a texture of ``size`` texels a side (about a second; callers keep the result)."""
    patch = find_scar_patch(body.mesh)
    mesh = body.mesh if patch is None else _with_patch(body.mesh, patch)
    mesh = replace(mesh, uv=eye_uv(mesh))
    atlas = build_atlas(mesh, size).sorted_by_tiles(TILE)
    points = atlas.bake(mesh.faces, mesh.vertices)
    part = mesh.face_part[atlas.face]

    def bake(values: Float[ndarray, " v"]) -> Float[ndarray, " m"]:
        return atlas.bake(mesh.faces, np.pad(values.astype(np.float32), (0, len(mesh.vertices) - len(values))))

    def mask(*names: str) -> Float[ndarray, " m"]:
        out = np.zeros(len(points), np.float32)
        for name in names:
            if name in body.masks:
                out = np.maximum(out, bake(np.asarray(body.masks[name])))
        return np.clip(out, 0, 1)

    scar = _scar(len(body.mesh.faces), patch, atlas, size)
    toes = smoothstep((body.joints_template[JOINT["left_ankle"], 1] - 0.03 - points[:, 1]) / 0.03)
    hands, feet = (
        np.isin(part, [JOINT[f"{s}_{p}"] for s in ("left", "right") for p in names])
        for names in (("hand", "wrist"), ("foot", "ankle"))
    )
    face = _face(replace(body, mesh=mesh), points, atlas)
    maps = {
        "lips": mask("lips"),
        "nails": np.clip(1.6 * mask("fingernails", "toenails", "nails") - 0.3, 0, 1),
        "pale": np.maximum(mask("palms", "soles"), _pale(body, mesh, points, atlas)),
        "flush": np.clip(face.pop("flush") + 0.5 * mask("ears") + 0.20 * hands + 0.15 * feet + scar.pop("flush"), 0, 1),
        "cavity": bake(cavity_map(body)) * np.maximum(np.where(hands, 0.7, 0.6 * feet * toes), face.pop("near")),
        **face,
        **scar,
    }
    maps = {name: np.asarray(values, np.float32) for name, values in maps.items()}
    names = ("brow", "beard", "lips", "nails", "pale", "cavity", "eye", "lash", "scar", "relief")
    busy = np.max([np.abs(maps[k]) for k in names], axis=0)
    return SkinMaps(
        atlas=atlas,
        uv=mesh.uv[: len(body.mesh.uv)],
        noise=np.stack([noise(points, s, i) for i, s in enumerate(OCTAVES)]),
        plain=(busy < 0.004) & (maps["above_hairline"] < -HAIRLINE_REACH),
        **maps,
    )


def _scar(faces: int, patch: ScarPatch | None, atlas: Atlas, size: int) -> dict[str, ndarray]:
    """Maps of the patch of stumps, which the atlas' faces after the body's own cover."""
    out = {name: np.zeros(len(atlas.texel), np.float32) for name in ("scar", "relief", "flush")}
    if patch is not None:
        on = np.flatnonzero(atlas.face >= faces)
        row, column = np.divmod(atlas.texel[on], size)
        place = np.stack([(column + 0.5) / size, 1 - (row + 0.5) / size], -1)
        for name, values in seam_maps((place - patch.middle) / patch.radius).items():
            out[name][on] = values
    return out


def _pale(body: BodyData, mesh: SkinnedMesh, points: Float[ndarray, "m 3"], atlas: Atlas) -> Float[ndarray, " m"]:
    """Palms and soles: what looks down on hands and feet in the T-pose."""
    down = -atlas.bake(mesh.faces, vertex_normals(mesh.vertices, mesh.faces))[:, 1]
    wrists = np.stack([body.joints_template[JOINT[f"{s}_wrist"]] for s in ("left", "right")])
    hand = np.abs(points[:, 0]) - np.abs(wrists[:, 0]).mean()
    palm = np.clip(hand / 0.02, 0, 1) * np.clip((down + 0.05) / 0.5, 0, 1)
    ankle = body.joints_template[JOINT["left_ankle"], 1]
    sole = np.clip((ankle - 0.02 - points[:, 1]) / 0.03, 0, 1) * np.clip((down - 0.3) / 0.4, 0, 1)
    return np.maximum(palm, sole).astype(np.float32)


def _face(body: BodyData, points: Float[ndarray, "m 3"], atlas: Atlas) -> dict[str, ndarray]:
    """Maps that need the head's frame; bodies without eyeballs in their masks have no face paint."""
    zero = np.zeros(len(points), np.float32)
    eyes = eyeballs(body.mesh)
    frame = head_frame(body.mesh)
    if frame is None:
        names = ("brow", "beard", "flush", "eye", "axis", "lash", "near")
        return dict.fromkeys(names, zero) | dict.fromkeys(("above_hairline", "receded"), zero - 90)
    near = np.flatnonzero(np.linalg.norm(points - frame.centre, axis=1) < 0.26 * frame.scale)
    q = points[near].astype(np.float64)
    own = atlas.bake(body.mesh.faces, eyes.astype(np.float32))[near] > 0.5
    axis, distance = eye_maps(frame, q)
    up = q[:, 1] - frame.eyes[:, 1].mean()
    lid = np.exp(-np.maximum(distance - 0.0006, 0) / 0.0009) * np.clip(1.15 - axis / 100, 0, 1)
    shaded = smoothstep((up / frame.radius + 0.15) / 0.75)
    maps = {
        "above_hairline": frame.above_hairline(q), "receded": frame.above_hairline(q, 1.0),
        "brow": brow_map(frame, q), "beard": beard_map(frame, q), "flush": flush_map(frame, q),
        "eye": own.astype(np.float32), "axis": axis,
        "near": smoothstep((up + 0.105 * frame.scale) / 0.02),
        "lash": np.where(own, shaded, lid * np.where(up > 0, 1.0, 0.6)),
    }  # fmt: skip
    out = {}
    for name, values in maps.items():
        out[name] = zero - 90 if name in ("above_hairline", "receded") else zero.copy()
        out[name][near] = values
    return out
