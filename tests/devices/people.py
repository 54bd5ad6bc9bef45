"""Standing people and their devices, for tests."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from a3dgen.amputation.rebuild import Amputee, BodyFit, Cut, rebuild
from a3dgen.appearance.look import Garment, Hair, Look
from a3dgen.devices.attach import hand_offsets
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.light import LightAdjust

LEVELS = {"foot": "transtibial", "knee": "transfemoral", "hand": "transradial", "elbow": "transhumeral"}
SIDES = {"left_leg": 2.0, "right_leg": 2.0}
LOOK = Look(
    5, Hair(), (Garment("tshirt", {"left_arm": 0.6, "right_arm": 0.6}),
                Garment("shorts", {"left_leg": 0.8, "right_leg": 0.8}), Garment("shoes", colors=((90, 90, 90),))),
    LightAdjust(), 0,
)  # fmt: skip


def fit_of(body: BodyData, yaw: float = 0.0, knee: float = 10.0, seed: int = 0) -> dict[str, np.ndarray]:
    """A row of Bodies: somebody who stands before the camera, arms down."""
    rng = np.random.default_rng(seed)
    pose = np.zeros((24, 3))
    facing = Rotation.from_euler("x", 180, degrees=True) * Rotation.from_euler("y", yaw, degrees=True)
    pose[0] = facing.as_rotvec()
    for sign, side in ((1, "left"), (-1, "right")):
        pose[JOINT[f"{side}_shoulder"]] = (0, 0, -sign * 1.1)
        pose[JOINT[f"{side}_knee"]] = (np.radians(knee), 0, 0)
    return {"pose": pose, "betas": rng.normal(0, 0.8, body.num_betas), "transl": np.array([0.0, -0.1, 3.4])}


def amputee_of(body: BodyData, fit: dict, region: str = "", residual: float = 1.0, devices: tuple = ()) -> Amputee:
    """Somebody with one region removed, or nothing."""
    removed, share = np.zeros(12, bool), np.ones(12)
    if region:
        removed[REGION_NAMES.index(region)], share[REGION_NAMES.index(region)] = True, residual
    return rebuild(body, BodyFit.of(fit), Cut(removed, share), hand_offsets(body, devices))
