"""Strands of hair: tapered ribbons that run from the scalp along the fall of the hair, over head and shoulders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray
from numpy.random import Generator
from scipy.spatial import cKDTree

from a3dgen.appearance.locks import FALL_M, STRAND_M
from a3dgen.core.pool import Cache
from a3dgen.core.rng import generator_for
from a3dgen.geometry.head import HeadFrame
from a3dgen.geometry.limbs import smoothstep
from a3dgen.geometry.mesh import SkinnedMesh, vertex_normals
from a3dgen.geometry.skeleton import JOINT

SUBSTEPS = 3
"""Steps of the walk from one node of a strand to the next."""
CLOTH_M = 0.022
"""How much further from the skin strands lie on shoulders and back, which may wear a shirt, m."""
RISE_M = 0.05
"""Over what length strands rise from the scalp to where they lie, m."""
_TREES = Cache(2)


@dataclass(frozen=True)
class Flow:
    """How the strands of a style run.

    Attributes:
        count: how many. nodes: of each. length: m, of a typical one. width: m.
        low, high: distances from the skin between which strands lie, m.
        part: where the parting is, m to the left of the middle. side, back, down: pull away from the parting, to the
            back of the head, and of gravity. spread: rad, how far strands stray.
        fringe: pull to the front of strands that grow there. wave: amplitude of waves, m; period: their length, m.
        cling: how strongly they are held to the head. cut: m below the eyes where strands end bluntly, or 0.
        nape: share by which the lowest strands at sides and back are shorter.
    """

    count: int
    nodes: int
    length: float
    width: float = 0.007
    low: float = 0.004
    high: float = 0.012
    part: float = 0.02
    side: float = 1.0
    back: float = 0.5
    down: float = 0.7
    spread: float = 0.15
    fringe: float = 0.0
    wave: float = 0.0
    period: float = 0.09
    cling: float = 0.9
    cut: float = 0.0
    nape: float = 0.0


@dataclass(frozen=True)
class _Body:
    """What strands lie on: points of the visible skin (N, 3), m, their unit normals, a tree and rows of the mesh."""

    points: Float[ndarray, "n 3"]
    normals: Float[ndarray, "n 3"]
    tree: cKDTree
    rows: Integer[ndarray, " n"]


def _body(mesh: SkinnedMesh, frame: HeadFrame) -> _Body:
    shown = np.unique(mesh.faces[~mesh.hidden])
    near = shown[np.abs(mesh.vertices[shown, 0]) < 0.28]
    near = near[mesh.vertices[near, 1] > frame.centre[1] - 0.55]
    normals = vertex_normals(mesh.vertices, mesh.faces)[near]
    points = mesh.vertices[near].astype(np.float64)
    return _Body(points, normals, cKDTree(points), near)


def _surface(body: _Body, at: Float[ndarray, "n 3"]) -> tuple[Float[ndarray, "n 3"], Float[ndarray, " n"], ndarray]:
    """Return the skin's smoothed normal near points, their distance from it (m, outside > 0), and the nearest rows."""
    distance, found = body.tree.query(at, 6)
    share = 1 / (distance + 0.004) ** 2
    share /= share.sum(1, keepdims=True)
    normal = np.einsum("nk,nkc->nc", share, body.normals[found])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    foot = np.einsum("nk,nkc->nc", share, body.points[found])
    return normal, np.einsum("nc,nc->n", at - foot, normal), found[:, 0]


def grow_strands(
    mesh: SkinnedMesh,
    frame: HeadFrame,
    roots: Float[ndarray, "n 3"],
    flow: Flow,
    name: str,
    gather: Float[ndarray, "3"] | None = None,
) -> SkinnedMesh:
    """Return the strands of a style as one mesh in the rest pose that follows head and shoulders.

    Args:
        mesh: the skin. frame: its head. roots: where strands begin, on the scalp, m.
        flow: how they run. name: of the style; the same one gives the same strands.
        gather: point (m) at which all strands meet, such as the knot of a bun.
    """
    rng = generator_for(0, "hair.strands", name)
    body = _TREES.get(mesh, "body", lambda: _body(mesh, frame))
    length = flow.length * np.exp(0.16 * rng.standard_normal(len(roots)))
    length *= 1 - flow.nape * smoothstep((frame.centre[1] + 0.02 - roots[:, 1]) / 0.06)
    if gather is not None:
        length = 1.18 * np.linalg.norm(roots - gather, axis=1)
    path, normals, rows = _walk(body, frame, roots, length, flow, rng, gather)
    if flow.wave:
        path = _waved(path, normals, length, flow, rng)
    return _ribbons(mesh, body, frame, path, normals, rows, length, flow, rng)


def _walk(
    body: _Body, frame: HeadFrame, roots: ndarray, length: ndarray, flow: Flow, rng: Generator, gather: ndarray | None
) -> tuple[Float[ndarray, "n k 3"], Float[ndarray, "n k 3"], Integer[ndarray, "n k"]]:
    """Walk along the fall of the hair; return nodes, the skin's normals at them, and its nearest rows."""
    count, pace = len(roots), length / ((flow.nodes - 1) * SUBSTEPS)
    step = pace
    lift = rng.uniform(flow.low, flow.high, count)
    stray = flow.spread * rng.standard_normal(count)
    at, going = roots.copy(), np.zeros((count, 3))
    side = np.sign(roots[:, 0] - frame.centre[0] - flow.part * frame.scale + 0.004 * rng.standard_normal(count))
    front = roots[:, 2] > frame.centre[2] + 0.015 * frame.scale
    end = np.full(count, -np.inf)
    if flow.cut:
        end[:] = frame.eyes[0, 1] - flow.cut * (1 + 0.06 * rng.standard_normal(count)) * frame.scale
    nodes, normals, rows = [], [], []
    for i in range((flow.nodes - 1) * SUBSTEPS + 1):
        normal, away, row = _surface(body, at)
        low = smoothstep((frame.eyes[0, 1] - 0.115 * frame.scale - at[:, 1]) / 0.05)
        wanted = (
            lift * smoothstep((i * pace - 0.002) / np.minimum(RISE_M, 0.4 * length)) + CLOTH_M * low - 0.002 * (i == 0)
        )
        at = at + normal * np.maximum(wanted - away, 0)[:, None]
        if i % SUBSTEPS == 0:
            nodes.append(at.copy())
            normals.append(normal)
            rows.append(row)
        if gather is None:
            pull = _pull(frame, at, np.where(away < wanted + 0.01, normal[:, 1], 0), side, front, flow)
        else:
            pull = gather - at
            near = np.linalg.norm(pull, axis=1)
            step = np.minimum(step, 0.6 * near)
            pull = pull / np.maximum(near, 1e-6)[:, None]
        loose = np.clip((away - wanted - 0.001) / 0.012, 0, 1) * (at[:, 1] > frame.eyes[0, 1] - 0.12 * frame.scale)
        pull = pull - flow.cling * loose[:, None] * normal  # hair clings to the head
        near_skin = (away < wanted + 0.004) & ((pull * normal).sum(1) < 0)
        flat = pull - np.where(near_skin, (pull * normal).sum(1), 0)[:, None] * normal
        if i == 0:
            flat = np.cos(stray)[:, None] * flat + np.sin(stray)[:, None] * np.cross(normal, flat)
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
        going = flat if i == 0 else 0.35 * going + 0.65 * flat
        going = going - np.where(near_skin, np.minimum((going * normal).sum(1), 0), 0)[:, None] * normal
        going /= np.maximum(np.linalg.norm(going, axis=1, keepdims=True), 1e-9)
        at = at + np.where(at[:, 1] < end, 0, step)[:, None] * going
    return np.stack(nodes, 1), np.stack(normals, 1), np.stack(rows, 1)


def _pull(
    frame: HeadFrame, at: ndarray, level: ndarray, side: ndarray, front: ndarray, flow: Flow
) -> Float[ndarray, "n 3"]:
    """Return where hair is drawn at points: aside and back on top of the head, down beside it, out of the face.

    ``level``: how far the skin they lie on faces upwards, 0 where they hang free.
    """
    q = (at - frame.centre) / frame.scale
    top = smoothstep((q[:, 1] - 0.035) / 0.06)
    azimuth = np.degrees(np.abs(np.arctan2(q[:, 0], q[:, 2])))
    face = (1 - smoothstep((azimuth - 70) / 30)) * smoothstep((0.09 - q[:, 1]) / 0.05) * (q[:, 2] > -0.02)
    out = np.zeros((len(at), 3))
    own = np.where(np.abs(q[:, 0]) > 0.05, np.sign(q[:, 0]), side)  # once over, hair falls on that side
    out[:, 0] = own * (flow.side * top * (0.12 + 0.88 * smoothstep((q[:, 2] + 0.05) / 0.07)) + 0.15 * face)
    out[:, 1] = -flow.down * (0.5 + 0.5 * (1 - top)) - 0.25
    out[:, 2] = -flow.back * top - 1.1 * face
    low = smoothstep((-0.13 - q[:, 1]) / 0.04)  # on the shoulders hair falls to the front or to the back
    out[:, 0] *= 1 - 0.9 * low
    out[:, 2] += low * smoothstep(level / 0.5) * np.where(q[:, 2] > -0.015, 0.5, -0.9)
    if flow.fringe:
        ahead = (front & (q[:, 1] > 0.0)).astype(np.float64)[:, None]
        forward = np.stack([0.25 * own, np.full(len(at), -0.6), np.full(len(at), flow.fringe)], -1)
        out = out * (1 - ahead) + ahead * forward
    return out


def _waved(path: ndarray, normals: ndarray, length: ndarray, flow: Flow, rng: Generator) -> Float[ndarray, "n k 3"]:
    along = np.gradient(path, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-9)
    across = np.cross(normals, along)
    t = np.linspace(0, 1, path.shape[1])[None]
    phase = 2 * np.pi * (t * length[:, None] / flow.period) + rng.uniform(0, 2 * np.pi, (len(path), 1))
    size = flow.wave * smoothstep(t / 0.3) * np.exp(0.2 * rng.standard_normal((len(path), 1)))
    return path + (size * np.sin(phase))[..., None] * across + (0.7 * size * (1 + np.cos(phase)))[..., None] * normals


def _ribbons(
    mesh: SkinnedMesh, body: _Body, frame: HeadFrame, path: ndarray, normals: ndarray, rows: ndarray,
    length: ndarray, flow: Flow, rng: Generator,
) -> SkinnedMesh:  # fmt: skip
    """Return ribbons along paths (n, k, 3), flat on the normals, that taper to points."""
    count, nodes = path.shape[:2]
    along = np.gradient(path, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-9)
    roll = 0.35 * rng.standard_normal((count, 1, 1))
    across = np.cross(normals, along)
    across = np.cos(roll) * across + np.sin(roll) * normals
    t = np.linspace(0, 1, nodes)
    taper = (0.12 + 0.88 * smoothstep(t / 0.3)) * (1 - (0.4 if 0 < flow.cut < 0.2 else 1.0) * t**2.2)
    width = flow.width * np.exp(0.3 * rng.standard_normal(count))
    half = 0.5 * width[:, None, None] * taper[None, :, None] * across
    points = np.stack([path - half, path + half], 2).reshape(count, 2 * nodes, 3)
    start = rng.uniform(0, 1, (count, 1, 1, 2))
    u = np.stack([-taper, taper], 1)[None] * width[:, None, None] / (2 * STRAND_M)
    v = -np.broadcast_to((t * length[:, None])[:, :, None] / FALL_M, (count, nodes, 2))
    uv = (np.stack([np.broadcast_to(u, v.shape), v], -1) + start).reshape(-1, 2)
    k = 2 * np.arange(nodes - 1)
    one = np.concatenate([np.stack([k, k + 2, k + 1], 1), np.stack([k + 1, k + 2, k + 3], 1)])
    faces = (one[None] + 2 * nodes * np.arange(count)[:, None, None]).reshape(-1, 3).astype(np.int32)
    return _following(mesh, body, frame, points, rows, faces, uv)


def bundle(
    mesh: SkinnedMesh,
    frame: HeadFrame,
    centre: Float[ndarray, "k 3"],
    radius: Float[ndarray, " k"],
    flow: Flow,
    name: str,
) -> SkinnedMesh:
    """Return strands around a line (k points, m) at a radius (m), such as those of a tail."""
    rng = generator_for(0, "hair.bundle", name)
    body = _TREES.get(mesh, "body", lambda: _body(mesh, frame))
    t, count = np.linspace(0, 1, len(centre)), flow.count
    turn = rng.uniform(0, 2 * np.pi, (count, 1)) + 0.5 * rng.standard_normal((count, 1)) * t
    far = rng.uniform(0.75, 1.12, (count, 1)) * (1 + 0.25 * rng.standard_normal((count, 1)) * t**2)
    out = np.stack([np.sin(turn), 0 * turn, -np.cos(turn)], -1)
    path = centre + (far * radius)[..., None] * out
    path[..., 1] -= 0.03 * rng.uniform(-1, 1, (count, 1)) * t**2
    _, rows = body.tree.query(path)
    return _ribbons(mesh, body, frame, path, out, rows, np.full(count, flow.length), flow, rng)


def _following(
    mesh: SkinnedMesh, body: _Body, frame: HeadFrame, points: ndarray, rows: ndarray, faces: ndarray, uv: ndarray
) -> SkinnedMesh:
    """A surface that follows the head, and further down the skin it lies on."""
    nearest = np.repeat(body.rows[rows], 2, axis=1).ravel()
    root = np.repeat(body.rows[rows[:, 0]], points.shape[1])
    flat = points.reshape(-1, 3)
    low = smoothstep((frame.eyes[0, 1] - 0.05 * frame.scale - flat[:, 1]) / 0.05)[:, None]
    weights = low * mesh.weights[nearest]
    weights[:, JOINT["head"]] += 1 - low[:, 0]
    along = weights.reshape(len(points), -1, 2, weights.shape[1])
    for _ in range(2):  # from neck to shoulder without a jump
        along[:, 1:-1] = 0.25 * along[:, :-2] + 0.5 * along[:, 1:-1] + 0.25 * along[:, 2:]
    weights = along.reshape(weights.shape)
    dirs = (1 - low)[..., None] * mesh.shape_dirs[root] + low[..., None] * mesh.shape_dirs[nearest]
    return SkinnedMesh(
        vertices=flat.astype(np.float32),
        shape_dirs=dirs.astype(np.float32),
        weights=weights.astype(np.float32),
        faces=faces,
        uv=uv.astype(np.float32),
        face_uv=faces,
        face_part=np.full(len(faces), JOINT["head"], np.uint8),
        hidden=np.zeros(len(faces), bool),
    )
