"""What a seated person sits on: known, so that it stays, or the person cannot be drawn without it."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.fit.seated import sits
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.shadow import estimate_up
from a3dgen.removal.mask_ops import dilate, discs
from a3dgen.removal.photo import RemovalScene

REACH = 0.09
"""A seat lies so near to the line from hip to knee, share of the height."""
LEAST = 0.12
"""It covers that share of what is near there."""
_STEPS = np.linspace(0.0, 0.7, 8)[:, None]


def require_seat(scene: RemovalScene, body: dict[str, Any], config: BodyConfig, held: list[int]) -> None:
    """Refuse a seated person if no mask of the photo can be their seat: it would be taken for background or for them.

    Args:
        body: row of Bodies. held: indices of the scene's objects that leave with the person.

    Raises:
        Rejected: if they sit on something that nobody outlined.
    """
    posed = pose_body(load_body(config), body["pose"], body["betas"], body["transl"])
    down = np.asarray(body["down"], np.float64) if np.any(body.get("down", 0)) else -estimate_up(posed.joints)
    if not sits(posed.joints, down):
        return
    near = _under(scene, posed.joints, body["K"])
    seats = [m for i, m in enumerate(scene.objects) if i not in held]
    if not near.any() or any(float(m[near].mean()) > LEAST for m in seats):
        return
    raise Rejected(
        "the person sits, and no mask says on what: the seat would go with them (background.seats: any keeps them)"
    )


def _under(scene: RemovalScene, joints: ndarray, K: ndarray) -> Bool[ndarray, "h w"]:
    """Return where a seat would be seen: around hips and thighs."""
    lines = [joints[JOINT[f"{s}_hip"]] + _STEPS * (joints[JOINT[f"{s}_knee"]] - joints[JOINT[f"{s}_hip"]])
             for s in ("left", "right")]  # fmt: skip
    points = project(np.concatenate(lines), K)
    shape = scene.own.shape
    return dilate(discs(points[np.isfinite(points).all(1)], 1.0, shape), REACH * scene.height)
