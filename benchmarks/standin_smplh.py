"""A stand-in for SMPL+H and its DMPLs, and AMASS trees: the real sizes and file layout, nobody's licensed numbers.

Skin, weights and body joints are the open body's; blend shapes are random. It is wrong as a human body and right as a
test of a converter, whose sums are the same whatever the numbers are.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.rng import generator_for
from a3dgen.geometry.skeleton import JOINT
from a3dgen.motion.clips import make_clip

SMPLH_VERTICES, JOINTS, BETAS, SOFT = 6890, 52, 16, 8
_FINGERS = {20: 22, 21: 37}
"""Wrist -> first of its 15 finger joints."""
PARENTS = np.array(
    [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19]
    + [20, 22, 23, 20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35]
    + [21, 37, 38, 21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50]
)
H36M = ("pelvis", "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle", "spine2", "neck",
        "head", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow",
        "right_wrist")  # fmt: skip
"""Joint near which each row of the made-up Human3.6M regressor takes its vertices."""


def make_model(vertices: int = SMPLH_VERTICES, gender: str = "neutral") -> dict[str, ndarray]:
    """Return the arrays of ``model.npz``, and ``eigvec`` of the DMPLs."""
    body, rng = load_body(BodyConfig()), generator_for(0, "standin smplh", f"{gender}/{vertices}")
    kept = rng.choice(len(body.mesh.vertices), vertices, replace=False)
    template = body.mesh.vertices[kept].astype(np.float64)
    weights = np.zeros((vertices, JOINTS))
    weights[:, :22] = body.mesh.weights[kept, :22]
    for hand, (_, first) in zip((22, 23), _FINGERS.items(), strict=True):
        finger = first + rng.integers(0, 15, vertices)
        weights[np.arange(vertices), finger] += body.mesh.weights[kept, hand]
    weights /= weights.sum(1, keepdims=True)
    centres = np.stack([np.average(template, axis=0, weights=weights[:, k] + 1e-9) for k in range(JOINTS)])
    centres[:22] = body.joints_template[:22]
    return {
        "v_template": template,
        "shapedirs": rng.normal(0, 0.004, (vertices, 3, BETAS)),
        "posedirs": rng.normal(0, 0.0008, (vertices, 3, 9 * (JOINTS - 1))),
        "J_regressor": nearest(rng, template, centres, min(30, vertices // 60)),
        "weights": weights,
        "kintree_table": np.stack([np.where(PARENTS < 0, 2**32 - 1, PARENTS), np.arange(JOINTS)]).astype(np.uint32),
        "f": rng.integers(0, vertices, (2 * vertices, 3)).astype(np.uint32),
        "eigvec": rng.normal(0, 0.001, (vertices, 3, SOFT)),
    }


def nearest(rng: np.random.Generator, template: ndarray, centres: ndarray, count: int) -> ndarray:
    """Return a regressor whose rows are convex sums of the vertices nearest to each centre."""
    out = np.zeros((len(centres), len(template)))
    for i, centre in enumerate(centres):
        near = np.argsort(np.linalg.norm(template - centre, axis=1))[:count]
        out[i, near] = rng.dirichlet(np.ones(count))
    return out


def h36m_regressor(model: dict[str, ndarray], count: int = 60, dense: bool = False) -> ndarray:
    """Return a made-up Human3.6M regressor (17, V); ``dense``: every vertex has a share in every row."""
    rng = generator_for(0, "standin regressor", str(count))
    joints = model["J_regressor"] @ model["v_template"]
    out = nearest(rng, model["v_template"], joints[[JOINT[name] for name in H36M]], count)
    return 0.999 * out + 0.001 * rng.dirichlet(np.ones(out.shape[1]), len(out)) if dense else out


def write_models(folder: Path, vertices: int = SMPLH_VERTICES, genders: tuple[str, ...] = ("female", "male")) -> Path:
    """Write ``smplh/<gender>/model.npz`` and ``dmpls/<gender>/model.npz``; return the folder."""
    for gender in genders:
        model = make_model(vertices, gender)
        soft = {"eigvec": model.pop("eigvec")}
        for kind, arrays in (("smplh", model), ("dmpls", soft)):
            (folder / kind / gender).mkdir(parents=True, exist_ok=True)
            np.savez(folder / kind / gender / "model.npz", **arrays)
    return folder


def amass_arrays(key: str, frames: int, rate: float = 120.0, width: int = 156) -> dict[str, ndarray]:
    """Return the arrays of one made-up sequence."""
    rng = generator_for(0, "standin amass", key)
    body, trans = make_clip(rng, frames, rate)
    wide = np.zeros((frames, width // 3, 3))
    wide[:, :22] = body[:, :22]
    first = {156: 22, 165: 25}[width]
    phase = rng.uniform(0, 2 * np.pi, (30, 3)) + np.arange(frames)[:, None, None] * (3.0 / rate)
    wide[:, first:] = 0.3 * np.sin(phase)
    dmpls = np.cumsum(rng.normal(0, 0.05, (frames, SOFT)), 0)
    return {
        "poses": wide.reshape(frames, width), "trans": trans, "betas": rng.normal(0, 1, BETAS),
        "dmpls": dmpls, "gender": np.array("female"), "mocap_framerate": np.array(rate),
    }  # fmt: skip


def write_sequence(path: Path, **arrays: ndarray) -> Path:
    """Write a sequence as AMASS does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path
