"""How people kneel in a racing wheelchair: shins on its tray, trunk low, head up; ``sitting`` brings hands to rims."""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.devices.person import Person
from a3dgen.geometry.devices.wheelchair import RACING, Seat, hub_height
from a3dgen.geometry.skeleton import JOINT

_TRUNK, _SPINE = 42.0, (10.0, 8.0, 6.0)
"""How far the pelvis leans ahead, and each part of the spine beyond the one below it, degrees."""
_THIGH, _SHIN, _SOLE = 50.0, 88.0, 50.0
"""The thigh points so far ahead of straight down, the shin so far back; plantar flexion; degrees."""
_LOOK_UP = {"neck": 30.0, "head": 22.0}
_CLEAR_M = 0.028
"""The tray lies so far above the axle's middle, its rails between them."""
_SINK_M, _THICK_M, _ROOM_M = 0.010, 0.04, 0.014
_AXLE_BEHIND_M = -0.045
"""The tray begins so far behind the hips; the axle lies below them."""


def kneel(person: Person) -> Seat:
    """Let a person kneel with hanging arms; return the seat that is made to them, on the ground."""
    _fold(person)
    shins = person.vertices(_rows(person, "left_knee", "right_knee"))
    joints = person.kinematics()[1]
    ankles, knees = (float(joints[JOINT[f"left_{n}"]][2]) for n in ("ankle", "knee"))
    low = shins[(shins[:, 2] > ankles + 0.06) & (shins[:, 2] < knees - 0.02)]
    thighs = person.vertices(_rows(person, "left_hip", "right_hip", "pelvis"))
    width = float(np.ptp(thighs[:, 0])) + 2 * _ROOM_M
    top = hub_height(RACING) + _CLEAR_M + _THICK_M + 0.012
    lift = top - _SINK_M - float(low[:, 1].min())
    person.shift = person.shift + (0, lift, 0)
    rear, front = (top, _AXLE_BEHIND_M), (top, round(knees + 0.03, 5))
    return Seat(round(width, 5), rear, front, (top, front[1]), kind="racing")


def _fold(person: Person) -> None:
    keep = person.pose[[JOINT["neck"], JOINT["head"]]].copy()
    pose = np.zeros((24, 3))
    pose[0] = _about_x(_TRUNK).as_rotvec()
    for s, side in ((1, "left"), (-1, "right")):
        pose[JOINT[f"{side}_hip"]] = (_about_x(-_TRUNK - _THIGH) * Rotation.from_euler("z", 2 * s, True)).as_rotvec()
        pose[JOINT[f"{side}_knee"]] = _about_x(_THIGH + _SHIN).as_rotvec()
        pose[JOINT[f"{side}_ankle"]] = _about_x(_SOLE).as_rotvec()
        pose[JOINT[f"{side}_shoulder"]] = (_about_x(-40.0) * Rotation.from_euler("z", -70 * s, True)).as_rotvec()
        pose[JOINT[f"{side}_elbow"]] = (0, -s * np.radians(45), 0)
    for name, degrees in zip(("spine1", "spine2", "spine3"), _SPINE, strict=True):
        pose[JOINT[name]] = _about_x(degrees).as_rotvec()
    for own, (name, degrees) in zip(keep, _LOOK_UP.items(), strict=True):
        pose[JOINT[name]] = (_about_x(-degrees) * Rotation.from_rotvec(own)).as_rotvec()
    person.pose = pose
    person.shift = person.shift - person.kinematics()[1][0] * (1, 0, 1)


def _rows(person: Person, *names: str) -> ndarray:
    return np.flatnonzero(np.isin(person.body.mesh.owner, [JOINT[n] for n in names]))


def _about_x(degrees: float) -> Rotation:
    return Rotation.from_euler("x", degrees, degrees=True)
