"""Calibrated cameras of one instant: one body for all, placed in each camera's frame.

The cameras' relative places follow from the 3D joints, which every camera has in its own frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.records import Persons
from a3dgen.fit.config import Config
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Fit, Observation, Solution, View
from a3dgen.fit.observe import observe
from a3dgen.geometry.body import BodyData, rest_joints
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix

MISFIT = 0.005
"""m: cameras whose 3D joints differ by more, after the rigid motion between them, did not see one instant."""
SPAN = 0.02
"""m: 3D joints that spread less than this in two directions do not tell how a camera is turned."""


@dataclass(frozen=True)
class Member:
    """One camera of a group: its row, what it saw, and the rigid motion into it from the first camera."""

    row: int
    seen: Observation
    R: Float[ndarray, "3 3"]
    t: Float[ndarray, "3"]


def find_groups(config: Config, persons: Persons) -> list[list[Member]]:
    """Return the groups of two and more calibrated cameras with 3D joints that agree. Whoever is in none of them is
    fitted alone; rows whose labels cannot be used are left out."""
    rows: dict[str, list[int]] = {}
    for i in np.flatnonzero((persons.group != "") & persons.K_known):
        if (persons.joints3d[i, :, 3] > 0).sum() >= config.min_points:
            rows.setdefault(str(persons.group[i]), []).append(int(i))
    groups = [_members(config, persons, members) for members in rows.values() if len(members) > 1]
    return [g for g in groups if len(g) > 1]


def _members(config: Config, persons: Persons, rows: list[int]) -> list[Member]:
    out: list[Member] = []
    for i in rows:
        try:
            seen = observe(config, persons, i)
        except Rejected:
            continue  # the row's own fit finds the same reason again and reports it
        motion = _motion(out[0].seen, seen) if out else (np.eye(3), np.zeros(3))
        if motion is not None:
            out.append(Member(i, seen, *motion))
    return out


def _motion(first: Observation, other: Observation) -> tuple[Float[ndarray, "3 3"], Float[ndarray, "3"]] | None:
    both = np.isfinite(first.point_sd) & np.isfinite(other.point_sd)
    if both.sum() < 3:
        return None
    R, t, span = rigid_motion(first.points[both], other.points[both])
    misfit = np.linalg.norm(first.points[both] @ R.T + t - other.points[both], axis=1).max()
    return (R, t) if misfit < MISFIT and span > SPAN else None


def rigid_motion(
    a: Float[ndarray, "n 3"], b: Float[ndarray, "n 3"]
) -> tuple[Float[ndarray, "3 3"], Float[ndarray, "3"], float]:
    """Return R and t with b = R a + t in the least-squares sense (Kabsch, 1976), and the second largest spread (m)
    of the points, which is 0 for points on a line."""
    middle_a, middle_b = a.mean(0), b.mean(0)
    u, s, vt = np.linalg.svd((b - middle_b).T @ (a - middle_a))
    R = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    return R, middle_b - R @ middle_a, float(np.sqrt(s[1] / len(a)))


def together(group: list[Member]) -> Observation:
    """Return what all cameras of a group saw, in the frame of the first."""
    others = tuple(View(m.R, m.t, m.seen.pixels, m.seen.pixel_sd, m.seen.K) for m in group[1:])
    return replace(group[0].seen, others=others, **_largest_cloud(group))


def _largest_cloud(group: list[Member]) -> dict[str, Any]:
    """Return the cloud of the member that has most points, in the frame of the first."""
    sizes = [0 if m.seen.cloud is None else len(m.seen.cloud) for m in group]
    member = group[int(np.argmax(sizes))]
    cloud, origin = member.seen.cloud, member.seen.cloud_origin
    if cloud is None:
        return {}
    origin = np.zeros(3) if origin is None else origin
    back = lambda points: (points - member.t) @ member.R  # noqa: E731
    return {"cloud": back(cloud), "cloud_origin": back(origin), "cloud_sd": member.seen.cloud_sd}


def carried(fit: Fit, member: Member, fitter: Fitter) -> Fit:
    """Return a fit in the frame of another camera of its group. Costs are those of all cameras together."""
    move = lambda s: _moved(s, member, fitter.body)  # noqa: E731
    return Fit(move(fit.best), tuple(move(s) for s in fit.alternatives), fit.evaluations, fit.cloud)


def _moved(found: Solution, member: Member, body: BodyData) -> Solution:
    pose = found.pose.copy()
    pose[0] = matrix_to_rotvec(member.R @ rotvec_to_matrix(found.pose[0]))
    pelvis = rest_joints(body, found.betas)[0]  # the root turns about it
    transl = member.R @ (pelvis + found.transl) + member.t - pelvis
    x = found.x.copy()
    x[:3], x[-4:-1] = pose[0], transl
    joints = found.joints @ member.R.T + member.t
    return replace(found, pose=pose, transl=transl, joints=joints, x=x)
