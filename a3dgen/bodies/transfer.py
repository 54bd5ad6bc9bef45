"""Carries over what SMPL files lack from the open body, by registration in the T-pose.

UVs, masks, face and foot landmarks, garment shells.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from a3dgen.bodies.archive import read_arrays, write_atomically
from a3dgen.bodies.keypoints import PointBlend
from a3dgen.bodies.registration import Attachment, closest_points, joint_maps, register
from a3dgen.bodies.uv_transfer import transfer_uv
from a3dgen.core.errors import DataError
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.mesh import SkinnedMesh, skin, vertex_normals
from a3dgen.geometry.skeleton import LANDMARK_ROWS

if TYPE_CHECKING:
    from a3dgen.bodies.smpl_file import SmplArrays

VERSION = 1
"""Counts changes of the method; older cached transfers are made again."""
MAX_MEAN_DISTANCE = 0.012
"""Largest mean distance (m) of the model's vertices from the registered open body; beyond, it is no T-posed human."""


@dataclass(frozen=True)
class Transfer:
    """What one SMPL-format mesh receives.

    Attributes:
        uv, face_uv, hidden: as in ``SkinnedMesh``. masks: name -> (V,) f4. landmarks: row -> mixture of vertices.
        shells: name -> arrays of a garment shell (``vertices``, ``weights``, ``faces``, ``uv``, ``face_uv``,
            ``face_part``), with ``on_face`` and ``on_shares``: the point of the skin that each vertex follows.
        distance_mm: mean distance of the model's vertices from the registered open body.
    """

    uv: ndarray
    face_uv: ndarray
    hidden: ndarray
    masks: Mapping[str, ndarray]
    landmarks: Mapping[int, PointBlend]
    shells: Mapping[str, Mapping[str, ndarray]]
    distance_mm: float

    def shell(self, name: str, arrays: SmplArrays, betas: int) -> SkinnedMesh:
        """Return a garment shell that follows the model's shape and pose directions."""
        part = self.shells[name]
        on = Attachment(part["on_face"], part["on_shares"], np.zeros(len(part["on_face"])))
        poses = on.apply(arrays.pose_dirs, arrays.faces) if arrays.pose_dirs.any() else None
        return SkinnedMesh(
            vertices=part["vertices"],
            shape_dirs=on.apply(arrays.shape_dirs[..., :betas], arrays.faces).astype(np.float32),
            weights=part["weights"],
            faces=part["faces"],
            uv=part["uv"],
            face_uv=part["face_uv"],
            face_part=part["face_part"],
            hidden=np.zeros(len(part["faces"]), bool),
            pose_dirs=poses,
        )


def make_transfer(body: BodyData, arrays: SmplArrays) -> Transfer:
    """Register the open body to a model in the T-pose and carry everything over.

    Raises:
        DataError: if the registered surface does not fit: the model is no human body in SMPL's T-pose.
    """
    mesh = body.mesh
    if np.array_equal(arrays.faces, mesh.faces):  # the open body's own topology: vertex by vertex
        return _same_topology(body, arrays)
    target = arrays.vertices
    maps = joint_maps(body.joints_template, arrays.regressor @ target)
    visible_faces = mesh.faces[~mesh.hidden]
    seen = np.zeros(len(mesh.vertices), bool)
    seen[visible_faces] = True
    start = skin(mesh.vertices, mesh.weights, maps)
    moved = register(start.astype(np.float64), mesh.faces, seen, target, arrays.faces)
    back = closest_points(target, moved, visible_faces, vertex_normals(target, arrays.faces))
    mean = float(back.distance.mean())
    if mean > MAX_MEAN_DISTANCE:
        raise DataError(
            f"the model's surface lies {1000 * mean:.0f} mm from a registered human body (at most "
            f"{1000 * MAX_MEAN_DISTANCE:.0f} is accepted): is it SMPL in its T-pose, in metres, Y up?"
        )
    uv, face_uv = transfer_uv(mesh, moved, target, arrays.faces)
    return Transfer(
        uv=uv,
        face_uv=face_uv,
        hidden=np.zeros(len(arrays.faces), bool),
        masks={k: back.apply(m, visible_faces) for k, m in body.masks.items()},
        landmarks=_landmarks(body, moved, arrays),
        shells={k: _shell(s, mesh, moved, maps, arrays, k != "skirt") for k, s in body.shells.items()},
        distance_mm=1000 * mean,
    )


def _landmarks(body: BodyData, moved: ndarray, arrays: SmplArrays) -> dict[int, PointBlend]:
    """The point of the model's surface closest to each registered landmark."""
    k = body.keypoints
    points = []
    for row in LANDMARK_ROWS:  # rest positions of the landmarks, then of the registered skin around them
        pairs = k.row == row
        rest = (k.offset[pairs] + k.weight[pairs, None] * body.joints_template[k.joint[pairs]]).sum(0)
        on = closest_points(rest[None], body.mesh.vertices.astype(np.float64), body.mesh.faces)
        points.append(on.apply(moved, body.mesh.faces)[0])
    found = closest_points(np.array(points), arrays.vertices, arrays.faces)
    return {
        row: PointBlend(arrays.faces[found.face[i]].astype(np.int64), found.shares[i])
        for i, row in enumerate(LANDMARK_ROWS)
    }


def _shell(
    shell: SkinnedMesh, mesh: SkinnedMesh, moved: ndarray, maps: ndarray, arrays: SmplArrays, skin_weights: bool
) -> dict[str, ndarray]:
    """Carry a garment shell along with the skin below it, at the same distance.

    Args:
        skin_weights: take the weights of the skin below, so that it stays below; a skirt hangs between the legs and
            keeps its own.
    """
    visible = mesh.faces[~mesh.hidden]
    rest = mesh.vertices.astype(np.float64)
    normals = vertex_normals(shell.vertices, shell.faces)
    on = closest_points(shell.vertices.astype(np.float64), rest, visible, normals)
    warp = skin(mesh.vertices, mesh.weights, maps)
    drift = on.apply(moved - warp, visible)
    vertices = skin(shell.vertices, shell.weights, maps) + drift
    below = closest_points(vertices, arrays.vertices, arrays.faces, normals)
    weights = shell.weights
    if skin_weights:
        weights = below.apply(arrays.weights, arrays.faces)
        weights = weights / weights.sum(1, keepdims=True)
    return {
        "vertices": vertices.astype(np.float32),
        "weights": weights.astype(np.float32),
        "faces": shell.faces,
        "uv": shell.uv,
        "face_uv": shell.face_uv,
        "face_part": shell.face_part,
        "on_face": below.face.astype(np.int32),
        "on_shares": below.shares,
    }


def _same_topology(body: BodyData, arrays: SmplArrays) -> Transfer:
    mesh = body.mesh
    shift = arrays.vertices - mesh.vertices
    identity = np.tile(np.eye(3, 4), (24, 1, 1))
    moved = mesh.vertices + shift
    return Transfer(
        uv=mesh.uv,
        face_uv=mesh.face_uv,
        hidden=mesh.hidden,
        masks=body.masks,
        landmarks=_landmarks(body, moved, arrays),
        shells={k: _shell(s, mesh, moved, identity, arrays, False) for k, s in body.shells.items()},
        distance_mm=0.0,
    )


def save_transfer(path: Path, transfer: Transfer) -> None:
    """Write a transfer atomically as plain arrays."""
    arrays = {
        "uv": transfer.uv,
        "face_uv": transfer.face_uv,
        "hidden": transfer.hidden,
        "distance_mm": np.array(transfer.distance_mm),
        **{f"masks/{k}": v for k, v in transfer.masks.items()},
        **{f"landmarks/{row}/vertices": m.vertices for row, m in transfer.landmarks.items()},
        **{f"landmarks/{row}/shares": m.shares for row, m in transfer.landmarks.items()},
        **{f"shells/{k}/{n}": a for k, part in transfer.shells.items() for n, a in part.items()},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def load_transfer(path: Path) -> Transfer:
    """Read a transfer written by ``save_transfer``; ``DataError`` if it is damaged."""
    arrays = read_arrays(path)
    shells: dict[str, dict[str, ndarray]] = {}
    for name, value in arrays.items():
        if name.startswith("shells/"):
            _, shell, part = name.split("/")
            shells.setdefault(shell, {})[part] = value
    return Transfer(
        uv=arrays["uv"],
        face_uv=arrays["face_uv"],
        hidden=arrays["hidden"],
        masks={k.removeprefix("masks/"): v for k, v in arrays.items() if k.startswith("masks/")},
        landmarks={
            row: PointBlend(arrays[f"landmarks/{row}/vertices"], arrays[f"landmarks/{row}/shares"])
            for row in LANDMARK_ROWS
        },
        shells=shells,
        distance_mm=float(arrays["distance_mm"]),
    )
