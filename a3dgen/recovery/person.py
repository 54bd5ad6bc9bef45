"""One person as recovered from a photo: which limbs are there, pose and shape, and the cut, closed mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.amputation.sampling import SHORTEST
from a3dgen.geometry.regions import LIMBS, NUM_REGIONS, REGIONS, absent_joints
from a3dgen.learning.absence import LimbPresence

USUAL, USUAL_SD = 0.6, 0.2
"""Residual fraction of segments before anything is seen of them, and its standard deviation."""
LEAST_PX = 4.0
"""Shorter segments in the picture say nothing of the residual limb."""
_CAMERA_TO_GLTF = np.diag([1.0, -1.0, -1.0])
NAMES = tuple(f"{REGIONS[limb[0]].side} {REGIONS[limb[0]].limb}" for limb in LIMBS)


@dataclass(frozen=True)
class Recovery:
    """What a photo says of one person.

    Attributes:
        key: of the person: the photo's name and a number from the left.
        presence: what is said of the four limbs, in the order of ``LIMBS``.
        removed: (12,) AJAHR regions that are absent. residual: (12,) place of the tip along its segment; its standard
            deviation is ``residual_sd`` (12,), NaN where nothing is absent or the cut is at the joint.
        pose: (24, 3) rad axis-angle, joint 0 in the camera frame, absent joints zero. betas: (B,). transl: (3,) m.
        K: (3, 3) px. reprojection: mean px of the fit. amputee: the mesh and its measurements, camera frame, m.
        reason: why there is no body; pose and all that follows are None then.
    """

    key: str
    box: Float[ndarray, "4"]
    presence: LimbPresence
    removed: Bool[ndarray, "12"]
    residual: Float[ndarray, "12"]
    residual_sd: Float[ndarray, "12"]
    fitted: dict[str, Any] | None = None
    amputee: Amputee | None = None
    reason: str = ""

    @property
    def pose(self) -> Float[ndarray, "24 3"] | None:
        if self.fitted is None:
            return None
        return np.where(absent_joints(self.removed)[:, None], 0.0, np.asarray(self.fitted["pose"], np.float64))

    @property
    def betas(self) -> Float[ndarray, " b"] | None:
        return None if self.fitted is None else np.asarray(self.fitted["betas"], np.float64)

    @property
    def transl(self) -> Float[ndarray, "3"] | None:
        return None if self.fitted is None else np.asarray(self.fitted["transl"], np.float64)

    @property
    def K(self) -> Float[ndarray, "3 3"] | None:
        return None if self.fitted is None else np.asarray(self.fitted["K"], np.float64)

    def mesh(self) -> trimesh.Trimesh:
        """Return the cut, closed body, m, camera frame (x right, y down, z forward).

        Raises:
            ValueError: if there is no body; ``reason`` says why.
        """
        if self.amputee is None:
            raise ValueError(f"{self.key}: no body: {self.reason}")
        faces = self.amputee.mesh.faces
        used, numbered = np.unique(faces, return_inverse=True)
        return trimesh.Trimesh(self.amputee.vertices[used], numbered.reshape(-1, 3), process=False)

    def glb(self) -> bytes:
        """Return the mesh as a binary glTF, m, y up."""
        mesh = self.mesh()
        mesh.apply_transform(np.block([[_CAMERA_TO_GLTF, np.zeros((3, 1))], [np.zeros(3), 1.0]]))
        return bytes(trimesh.Scene({"body": mesh}).export(file_type="glb"))

    def plain(self) -> dict[str, Any]:
        """Return it as JSON: limbs with their probabilities, region, clinical name and length; pose and shape."""
        return {
            "key": self.key, "box": self.box.round(1).tolist(), "limbs": [self._limb(i) for i in range(len(LIMBS))],
            "removed": [REGIONS[k].name for k in np.flatnonzero(self.removed)],
            "pose": _list(self.pose), "betas": _list(self.betas), "transl_m": _list(self.transl), "K": _list(self.K),
            "watertight": bool(self.mesh().is_watertight) if self.amputee is not None else None,
            "reason": self.reason, "note": "not a medical device",
        }  # fmt: skip

    def _limb(self, limb: int) -> dict[str, Any]:
        said = self.presence
        verdict = said.verdicts()[limb]
        facts: dict[str, Any] = {
            "limb": NAMES[limb], "said": verdict,
            "probability": dict(
                zip(("present", "absent", "unsure"), said.probability[limb].round(4).tolist(), strict=True)
            ),
        }  # fmt: skip
        for k in LIMBS[limb]:
            if self.removed[k]:
                facts |= self._absent(limb, k)
        return facts

    def _absent(self, limb: int, k: int) -> dict[str, Any]:
        region, said = REGIONS[k], self.presence
        facts: dict[str, Any] = {
            "region": region.name, "clinical": region.clinical(float(self.residual[k])),
            "level_probability": round(float(said.level[limb].max()), 4),
            "prosthesis_worn": round(float(said.worn[limb]), 4),
            "end_px": said.end[limb].round(1).tolist(), "end_sd_px": round(float(said.end_sd[limb]), 1),
        }  # fmt: skip
        if self.amputee is not None and np.isfinite(self.residual_sd[k]):
            facts |= {
                "residual": round(float(self.residual[k]), 3), "residual_sd": round(float(self.residual_sd[k]), 3),
                "length_m": round(float(self.amputee.stump_length[k]), 3),
                "length_sd_m": round(float(self.residual_sd[k] * self.amputee.segment[k]), 3),
            }  # fmt: skip
        return facts


def _list(values: ndarray | None) -> list[Any] | None:
    return None if values is None else values.tolist()


def absent_regions(presence: LimbPresence) -> Bool[ndarray, "12"]:
    """Return the regions of the limbs that are called absent."""
    removed = np.zeros(NUM_REGIONS, bool)
    for region in presence.regions():
        if region is not None:
            removed[region] = True
    return removed


def residual_of(
    start: Float[ndarray, "2"], joint: Float[ndarray, "2"], end: Float[ndarray, "2"], sd: float
) -> tuple[float, float]:
    """Return where a residual limb's tip lies along its segment, and the standard deviation.

    The end that the model sees is carried onto the segment and weighed against what is usual; a segment that points
    at the camera is too short in the picture to say anything.

    Args:
        start, joint: px, ends of the fitted segment, the joint being absent. end: px, as seen. sd: px.
    """
    along = joint - start
    length = float(np.linalg.norm(along))
    if length < LEAST_PX:
        return USUAL, USUAL_SD
    seen, seen_sd = float((end - start) @ along) / length**2, max(sd, 1.0) / length
    weight = seen_sd**-2 / (seen_sd**-2 + USUAL_SD**-2)
    mean = weight * np.clip(seen, 0, 1.2) + (1 - weight) * USUAL
    return float(np.clip(mean, SHORTEST, 1.0)), float((seen_sd**-2 + USUAL_SD**-2) ** -0.5)


def residuals(
    presence: LimbPresence, removed: Bool[ndarray, "12"], joints: Float[ndarray, "24 2"]
) -> tuple[Float[ndarray, "12"], Float[ndarray, "12"]]:
    """Return (12,) residual fractions and standard deviations of the absent regions.

    Args:
        joints: (24, 2) px of the fitted joints.
    """
    at, spread = np.ones(NUM_REGIONS), np.full(NUM_REGIONS, np.nan)
    for limb, regions in enumerate(LIMBS):
        for k in regions:
            if removed[k] and REGIONS[k].cuttable:
                start, joint = (joints[j] for j in REGIONS[k].segment)
                sd = float(presence.end_sd[limb])
                at[k], spread[k] = residual_of(start, joint, presence.end[limb], sd)
    return at, spread


def beyond_stump(recovery: Recovery) -> int:
    """Return how many vertices of the mesh follow an absent joint of a removed region's far side (0 = none)."""
    if recovery.amputee is None:
        return 0
    mesh = recovery.amputee.mesh
    below = [j for k in np.flatnonzero(recovery.removed) for j in REGIONS[k].joints[1:]]
    used = np.unique(mesh.faces)
    return int((mesh.weights[used][:, below].sum(1) > 0.5).sum()) if below else 0


__all__ = ("Recovery", "absent_regions", "beyond_stump", "residual_of", "residuals")
