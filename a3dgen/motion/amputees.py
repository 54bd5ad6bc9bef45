"""Amputee copies of recorded motion: which rows of a skeleton are absent, and where each residual limb ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.amputation.sampling import PlanConfig, draw_amputation
from a3dgen.core.rng import generator_for
from a3dgen.geometry.regions import LIMBS, NUM_REGIONS, REGIONS, absent_joints, absent_rows, label
from a3dgen.geometry.skeleton import H36M_LEFT_FIRST_ROWS, NUM_JOINTS, ROW_JOINT
from a3dgen.motion.joint_model import JointModel

ABSENT = ("tip", "nan", "zero")
"""What absent rows hold: the place where the residual limb ends, NaN, or zeros."""
NEAR = 0.12
"""A row that is a joint of Human3.6M's skeleton lies this near (m) to that joint of the body at rest."""
MASS = 0.5
"""A row of an unknown regressor is absent where more than this share of its skinning mass hangs on absent joints."""


@dataclass(frozen=True)
class Loss:
    """What one copy of a sequence lacks.

    Attributes:
        variant: number of the copy. removed: (12,) AJAHR regions, at most one a limb. residual: (12,) f4.
        present: (J,) rows of the regressor that are left. limbs: (J,) limb 0..3 whose end stands for an absent row.
    """

    variant: int
    removed: Bool[ndarray, "12"]
    residual: Float[ndarray, "12"]
    present: Bool[ndarray, " j"]
    limbs: Integer[ndarray, " j"]

    def stem(self, stem: str) -> str:
        """Return the name of the copy, ``amp_<AJAHR label>_<stem>_v<variant>``."""
        return f"amp_{label(self.removed)}_{stem}_v{self.variant}"

    @property
    def joints(self) -> Bool[ndarray, "24"]:
        """Absent SMPL joints."""
        return absent_joints(self.removed)


def draw_losses(model: JointModel, plan: PlanConfig, seed: int, key: str, copies: int) -> list[Loss]:
    """Draw what each copy of one sequence loses; a function of the seed and ``key`` (dataset/subject/sequence)."""
    out = []
    for variant in range(copies):
        rng = generator_for(seed, "mocap amputee", f"{key}/v{variant}")
        drawn = draw_amputation(rng, plan, _anything)
        removed, residual = np.zeros(NUM_REGIONS, bool), np.ones(NUM_REGIONS, np.float32)
        for region, value in drawn.residual.items():
            removed[region], residual[region] = True, value
        out.append(loss(model, removed, residual, variant))
    return out


def _anything(region: int, residual: float) -> str:
    return ""


def loss(model: JointModel, removed: Bool[ndarray, "12"], residual: Float[ndarray, "12"], variant: int = 0) -> Loss:
    """Return which rows of the regressor are absent under ``removed``, and which limb each belongs to."""
    limbs = np.full(model.rows, -1, np.int64)
    for number, regions in enumerate(LIMBS):
        flags = np.zeros(NUM_REGIONS, bool)
        flags[list(regions)] = removed[list(regions)]
        limbs[_absent(model, flags)] = number
    return Loss(variant, removed, residual, limbs < 0, limbs)


def _absent(model: JointModel, removed: Bool[ndarray, "12"]) -> Bool[ndarray, " j"]:
    if is_h36m(model):
        return absent_rows(removed)[list(H36M_LEFT_FIRST_ROWS)]
    gone = np.zeros(len(model.parents), bool)
    gone[model.smpl[absent_joints(removed)]] = True
    for j in range(1, len(gone)):
        gone[j] |= gone[model.parents[j]]
    mass, total = (np.bincount(model.row, np.abs(model.weight) * of, model.rows) for of in (gone[model.joint], 1.0))
    return mass > MASS * total


def is_h36m(model: JointModel) -> bool:
    """Whether the rows are Human3.6M's 17 joints, left leg first: limb joints lie at the body's own joints at rest."""
    if model.rows != len(H36M_LEFT_FIRST_ROWS):
        return False
    rest = np.zeros((model.rows, 3))
    np.add.at(rest, model.row, model.base)  # at rest, a row is the sum of what its vertices add
    joints = model.joints[model.smpl]
    known = [(i, ROW_JOINT[r]) for i, r in enumerate(H36M_LEFT_FIRST_ROWS) if r in ROW_JOINT]
    return all(np.linalg.norm(rest[i] - joints[j]) < NEAR for i, j in known)


def amputated(
    loss: Loss, positions: Float[ndarray, "f j 3"], skeleton: Float[ndarray, "f 24 3"], absent: str
) -> Float[ndarray, "f j 3"]:
    """Return a copy of the positions in which absent rows hold the residual limb's tip, NaN or zeros.

    The tip lies on the segment that carries the stump, ``residual`` of the way from its proximal to its distal joint
    (docs/labels.md). Both are joint centres, so that the tip moves exactly as the body does.

    Args:
        skeleton: SMPL's joint centres of the same frames, m.
        absent: one of ``ABSENT``.
    """
    out = positions.copy()
    if absent != "tip":
        out[:, ~loss.present] = np.nan if absent == "nan" else 0
        return out
    for region in np.flatnonzero(loss.removed):
        limb = next(i for i, regions in enumerate(LIMBS) if region in regions)
        out[:, loss.limbs == limb] = tip(skeleton, int(region), float(loss.residual[region]))[:, None]
    return out


def tip(skeleton: Float[ndarray, "f 24 3"], region: int, residual: float) -> Float[ndarray, "f 3"]:
    """Return where a residual limb ends (m): on its segment, 0 at the proximal joint and 1 at the distal one."""
    start, end = REGIONS[region].segment
    return skeleton[:, start] * (1 - residual) + skeleton[:, end] * residual


def without_joints(loss: Loss, rotations: Float[ndarray, "f 24 3 3"]) -> Float[ndarray, "f 24 3 3"]:
    """Return a copy of the rotations with zero matrices at absent joints, as A3D has them."""
    assert rotations.shape[1] == NUM_JOINTS
    out = rotations.copy()
    out[:, loss.joints] = 0
    return out
