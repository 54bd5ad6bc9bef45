"""A made-up stick body with human proportions, so that the fitter's tests need no baked model."""

from __future__ import annotations

import numpy as np

from a3dgen.geometry.body import BodyData, KeypointBlends
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.skeleton import JOINT, NUM_ROWS, ROW, ROW_JOINT

LEFT = {
    "hip": (0.09, -0.08, 0.0), "knee": (0.12, -0.48, 0.0), "ankle": (0.15, -0.90, -0.03),
    "foot": (0.17, -0.95, 0.10), "collar": (0.05, 0.42, 0.0), "shoulder": (0.17, 0.44, -0.02),
    "elbow": (0.44, 0.44, -0.03), "wrist": (0.70, 0.44, -0.02), "hand": (0.79, 0.44, -0.02),
}  # fmt: skip
MIDDLE = {
    "pelvis": (0, 0, 0), "spine1": (0, 0.10, -0.02), "spine2": (0, 0.22, -0.01), "spine3": (0, 0.30, -0.01),
    "neck": (0, 0.50, -0.02), "head": (0, 0.58, 0.02),
}  # fmt: skip
LANDMARKS = {
    "body_nose": ("head", (0, 0.05, 0.10)), "body_right_eye": ("head", (-0.03, 0.09, 0.08)),
    "body_left_eye": ("head", (0.03, 0.09, 0.08)), "body_right_ear": ("head", (-0.08, 0.06, 0.0)),
    "body_left_ear": ("head", (0.08, 0.06, 0.0)), "body_left_big_toe": ("left_foot", (0.0, -0.01, 0.06)),
    "body_left_small_toe": ("left_foot", (0.05, -0.01, 0.03)), "body_left_heel": ("left_ankle", (0.0, -0.05, -0.05)),
    "body_right_big_toe": ("right_foot", (0.0, -0.01, 0.06)),
    "body_right_small_toe": ("right_foot", (-0.05, -0.01, 0.03)),
    "body_right_heel": ("right_ankle", (0.0, -0.05, -0.05)), "extra_neck_lsp": ("neck", (0, 0.03, 0)),
    "extra_head_top_lsp": ("head", (0, 0.2, 0)), "extra_pelvis_mpii": ("pelvis", (0, -0.06, 0)),
    "extra_thorax_mpii": ("spine3", (0, 0.13, 0)), "extra_spine_h36m": ("spine1", (0, 0.05, 0)),
    "extra_jaw_h36m": ("head", (0, 0.03, 0.07)), "extra_head_h36m": ("head", (0, 0.15, 0.02)),
}  # fmt: skip


def toy_body(betas: int = 4) -> BodyData:
    """Return a stick body: keypoints are joint centres, landmarks blends of two joints, betas stretch the limbs."""
    joints = np.zeros((24, 3))
    for name, place in MIDDLE.items():
        joints[JOINT[name]] = place
    for name, place in LEFT.items():
        joints[JOINT[f"left_{name}"]] = place
        joints[JOINT[f"right_{name}"]] = np.array(place) * (-1, 1, 1)
    dirs = np.stack([joints * s for s in ((0.05,) * 3, (0.03, 0, 0), (0, 0.03, 0), (0, 0.01, 0.05))], -1)
    dirs = dirs[..., :betas]
    pairs: list[tuple[int, int, float, np.ndarray]] = []
    for name, (joint, place) in LANDMARKS.items():
        j, p = JOINT[joint], np.array(place, float)
        mate = JOINT["neck"] if joint == "head" else j
        pairs += [(ROW[name], j, 0.8, 0.8 * p), (ROW[name], mate, 0.2, 0.2 * p)]
    pairs += [(row, joint, 1.0, np.zeros(3)) for row, joint in ROW_JOINT.items() if row not in {p[0] for p in pairs}]
    assert {p[0] for p in pairs} == set(range(NUM_ROWS))
    row, joint, weight, offset = (np.array([p[i] for p in pairs]) for i in range(4))
    blends = KeypointBlends(row, joint, weight, offset, offset[..., None] * np.linspace(0.05, 0.02, betas))
    weights = np.eye(24, dtype=np.float32)
    mesh = SkinnedMesh(
        joints.astype(np.float32), dirs.astype(np.float32), weights, np.zeros((1, 3), np.int32),
        np.zeros((3, 2), np.float32), np.zeros((1, 3), np.int32), np.zeros(1, np.uint8), np.zeros(1, bool),
    )  # fmt: skip
    return BodyData("toy", mesh, joints, dirs, blends)
