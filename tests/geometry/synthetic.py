"""A small closed body made of capsules, for tests that must not wait for the real one."""

from __future__ import annotations

import functools

import numpy as np

from a3dgen.geometry.body import BodyData, KeypointBlends
from a3dgen.geometry.mesh import SkinnedMesh, face_normals, vertex_normals
from a3dgen.geometry.skeleton import JOINT, NUM_JOINTS, NUM_ROWS, PARENTS, ROW_JOINT, ROWS

_LEFT = {
    "hip": (0.09, -0.09, 0.0), "knee": (0.12, -0.50, 0.0), "ankle": (0.15, -0.90, -0.03), "foot": (0.16, -0.95, 0.10),
    "collar": (0.05, 0.40, 0.0), "shoulder": (0.17, 0.42, 0.0), "elbow": (0.44, 0.42, -0.01),
    "wrist": (0.69, 0.42, 0.0), "hand": (0.77, 0.42, 0.0),
}  # fmt: skip
_MIDDLE = {
    "pelvis": (0.0, 0.0, 0.0), "spine1": (0, 0.11, 0.0), "spine2": (0, 0.24, 0.0), "spine3": (0, 0.31, 0.0),
    "neck": (0, 0.50, 0.0), "head": (0, 0.58, 0.01),
}  # fmt: skip
_BONES = (
    ("left_hip", "left_knee", 0.085), ("left_knee", "left_ankle", 0.055), ("left_ankle", "left_foot", 0.045),
    ("left_shoulder", "left_elbow", 0.055), ("left_elbow", "left_wrist", 0.045), ("left_wrist", "left_hand", 0.04),
    ("left_collar", "left_shoulder", 0.06), ("pelvis", "spine1", 0.15), ("spine1", "spine3", 0.15),
    ("spine3", "neck", 0.1), ("neck", "head", 0.065), ("pelvis", "left_hip", 0.1),
)  # fmt: skip
_STEP = 0.0225


def joints() -> np.ndarray:
    out = np.zeros((NUM_JOINTS, 3))
    for name, at in _MIDDLE.items():
        out[JOINT[name]] = at
    for name, at in _LEFT.items():
        out[JOINT[f"left_{name}"]] = at
        out[JOINT[f"right_{name}"]] = np.array(at) * (-1, 1, 1)
    return out


def _capsules() -> list[tuple[int, int, float]]:
    bones = [(JOINT[a], JOINT[b], r) for a, b, r in _BONES]
    mirrored = [(a.replace("left", "right"), b.replace("left", "right"), r) for a, b, r in _BONES if "left" in b]
    head = (JOINT["head"], JOINT["head"], 0.11)
    return [*bones, *((JOINT[a], JOINT[b], r) for a, b, r in mirrored), head]


def _distances(points: np.ndarray) -> np.ndarray:
    """Signed distance of points to each capsule, (n, capsules)."""
    at = joints()
    out = []
    for a, b, r in _capsules():
        axis = at[b] - at[a]
        t = np.clip((points - at[a]) @ axis / max(axis @ axis, 1e-9), 0, 1)
        out.append(np.linalg.norm(points - at[a] - t[:, None] * axis, axis=1) - r)
    return np.stack(out, 1)


def _surface() -> tuple[np.ndarray, np.ndarray]:
    """Boundary quads of the occupied voxels, pulled onto the union of the capsules."""
    low, high = np.array([-0.9, -1.05, -0.25]), np.array([0.9, 0.75, 0.25])
    shape = np.ceil((high - low) / _STEP).astype(int) + 1
    cells = low + _STEP * (np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) + 0.5)
    inside = np.pad(_distances(cells.reshape(-1, 3)).min(1).reshape(shape) < 0, 1)
    quads = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        for side in (1, -1):
            at = np.argwhere(inside & ~np.roll(inside, -side, axis))
            corner = at.copy()
            corner[:, axis] += side > 0
            square = np.repeat(corner[:, None], 4, 1)
            square[:, [1, 2], u] += 1
            square[:, [2, 3], v] += 1
            quads.append(square if side > 0 else square[:, ::-1])
    flat = np.concatenate(quads).reshape(-1, 3)
    unique, index = np.unique(flat, axis=0, return_inverse=True)
    quad = index.reshape(-1, 4)
    faces = np.concatenate([quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]])
    vertices = low + _STEP * (unique - 1.0)
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1), axis=0)
    for _ in range(12):
        total = np.zeros_like(vertices)
        count = np.bincount(edges.ravel(), minlength=len(vertices))[:, None]
        for a, b in ((0, 1), (1, 0)):
            np.add.at(total, edges[:, a], vertices[edges[:, b]])
        vertices = 0.5 * vertices + 0.5 * total / count
        normals = vertex_normals(vertices, faces)
        vertices = vertices - 0.7 * normals * _distances(vertices).min(1)[:, None]
    return vertices, faces


def _weights(vertices: np.ndarray) -> np.ndarray:
    """Each capsule belongs to its first joint; weights fall off softly with the distance to the capsule."""
    soft = np.exp(-_distances(vertices) / 0.02)
    weights = np.zeros((len(vertices), NUM_JOINTS))
    for column, (a, _, _) in enumerate(_capsules()):
        weights[:, a] += soft[:, column]
    return weights / weights.sum(1, keepdims=True)


def _charts(vertices: np.ndarray, faces: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One front and one back chart for each part, in a grid of tiles."""
    back = face_normals(vertices, faces)[:, 2] < 0
    chart = part * 2 + back
    pairs, index = np.unique(np.stack([np.repeat(chart, 3), faces.ravel()], 1), axis=0, return_inverse=True)
    tile = np.stack([pairs[:, 0] % 7, pairs[:, 0] // 7], 1)
    xy = vertices[pairs[:, 1], :2]
    uv = np.zeros((len(pairs), 2))
    for c in np.unique(pairs[:, 0]):
        rows = pairs[:, 0] == c
        span = max(np.ptp(xy[rows], axis=0).max(), 1e-3)
        uv[rows] = (tile[rows] + 0.05 + 0.9 * (xy[rows] - xy[rows].min(0)) / span) / 7
    return uv, index.reshape(-1, 3)


def _keypoints(at: np.ndarray, betas: int) -> KeypointBlends:
    joint = [ROW_JOINT.get(r, _landmark_joint(ROWS[r])) for r in range(NUM_ROWS)]
    offset = np.zeros((NUM_ROWS, 3))
    for r, name in enumerate(ROWS):
        if r not in ROW_JOINT:
            offset[r] = (
                (0.0, -0.04, 0.06) if "toe" in name else (0.0, 0.02, 0.11) if "head" in ROWS[r] else (0, 0, 0.05)
            )
    return KeypointBlends(
        np.arange(NUM_ROWS), np.array(joint), np.ones(NUM_ROWS), offset, np.zeros((NUM_ROWS, 3, betas))
    )


def _landmark_joint(row: str) -> int:
    side = "left" if "left" in row else "right"
    if "toe" in row or "heel" in row:
        return JOINT[f"{side}_{'foot' if 'toe' in row else 'ankle'}"]
    return JOINT["pelvis"] if "pelvis" in row else JOINT["spine2"] if "spine" in row else JOINT["head"]


@functools.cache
def synthetic_body(betas: int = 10) -> BodyData:
    """A closed body of about 4,000 vertices: capsules around the SMPL skeleton in its T-pose."""
    at = joints()
    vertices, faces = _surface()
    weights = _weights(vertices)
    rng = np.random.default_rng(0)
    scale = np.diag([0.01, 0.03, 0.01])
    growth = np.stack(
        [scale, *(rng.normal(0, 0.006, (3, 3)) for _ in range(betas - 1))], -1
    )  # betas act as affine maps
    part = weights[faces].mean(1).argmax(1)
    part[part == JOINT["left_foot"]] = JOINT["left_ankle"]
    uv, face_uv = _charts(vertices, faces, part)
    mesh = SkinnedMesh(
        vertices=vertices.astype(np.float32),
        shape_dirs=np.einsum("vc,dcb->vdb", vertices, growth).astype(np.float32),
        weights=weights.astype(np.float32),
        faces=faces.astype(np.int32),
        uv=uv.astype(np.float32),
        face_uv=face_uv.astype(np.int32),
        face_part=part.astype(np.uint8),
        hidden=np.zeros(len(faces), bool),
    )
    assert len(PARENTS) == NUM_JOINTS
    dirs = np.einsum("jc,dcb->jdb", at, growth)
    return BodyData("synthetic", mesh, at, dirs, _keypoints(at, betas))
