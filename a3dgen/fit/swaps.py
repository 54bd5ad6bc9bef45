"""Detects left and right labels that are swapped, and refuses them."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.records import VISIBLE
from a3dgen.fit.checks import FACE_ROWS, faces_away
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Fit, Observation, Solution
from a3dgen.geometry.body import forward_kinematics, rest_joints
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import EXCHANGES, JOINT, ROW

SWAP_GAIN = 9.0
"""Labels are taken for swapped if swapping them back costs this much less (natural-log units)."""
SUSPECT_COST = 20.0
"""Cheaper fits than this are not asked whether their labels are swapped."""


def face_seen(state: UInt8[ndarray, "44"]) -> bool | None:
    """Return what keypoint states say of the face: seen, turned away (an ear is seen and nothing else), or nothing."""
    if (state[FACE_ROWS] == VISIBLE).sum() >= 2:
        return True
    ears = (state[[ROW["body_left_ear"], ROW["body_right_ear"]]] == VISIBLE).any()
    return False if ears and not (state[FACE_ROWS] == VISIBLE).any() else None


def refuse_swapped(fitter: Fitter, seen: Observation, fit: Fit, face: bool | None) -> Fit:
    """Refuse a person whose left and right labels look swapped, all of them or those of the arms or the legs.

    One view of a person and the same view with all labels swapped are explained equally well, facing the camera and
    facing away; then only the face tells them apart.

    Args:
        face: of ``face_seen``.

    Returns:
        The fit, or a better one: where exchanged labels cost less, the body found with them is tried for the labels as
        they are, for the search may have missed it.

    Raises:
        Rejected: with what contradicts the labels.
    """
    cost = fit.best.cost if fit.least is None else fit.least
    if face is not None and _looks_away(fitter, fit.best) == face:
        other = fitter.fit(exchanged(seen, "labels")).best
        if other.cost < cost + SWAP_GAIN and _looks_away(fitter, other) != face:
            said = "labelled visible, but the fit looks away" if face else "turned away, but the fit faces the camera"
            raise Rejected(f"left and right labels look swapped: the face is {said}")
    if cost < SUSPECT_COST:
        return fit
    for name in EXCHANGES:
        other = fitter.fit(exchanged(seen, name), quick=True).best
        if cost - other.cost > SWAP_GAIN:
            again = fitter.fit(seen, fitter.variables(other.pose, other.betas, other.transl)[None])
            if again.best.cost < cost:
                fit, cost = again, again.best.cost
        if cost - other.cost > SWAP_GAIN:
            raise Rejected(
                f"left and right {name} look swapped, or the pose is too rare to tell: cost {cost:.0f} as labelled, "
                f"{other.cost:.0f} exchanged"
            )
    return fit


def exchanged(seen: Observation, which: str) -> Observation:
    """Return an observation with left and right labels exchanged; ``which``: of ``EXCHANGES``."""
    order = EXCHANGES[which]
    others = tuple(replace(o, pixels=o.pixels[order], pixel_sd=o.pixel_sd[order]) for o in seen.others)
    return replace(
        seen, pixels=seen.pixels[order], pixel_sd=seen.pixel_sd[order], points=seen.points[order],
        point_sd=seen.point_sd[order], others=others,
    )  # fmt: skip


def _looks_away(fitter: Fitter, found: Solution) -> bool:
    rest = rest_joints(fitter.body, found.betas)
    world, _ = forward_kinematics(rotvec_to_matrix(found.pose), rest)
    return faces_away(world[JOINT["head"]], found.joints)
