"""Doffed prostheses: lying on their side on the ground, or leaning against the wheel of their wearer's chair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.devices.device import Device
from a3dgen.devices.person import Person, numbers
from a3dgen.devices.place import Attached, Place
from a3dgen.geometry.devices.chairs import wheels_of
from a3dgen.geometry.devices.legs import LegFrame
from a3dgen.geometry.devices.sweep import Part, unit
from a3dgen.geometry.devices.wheelchair import HAND_RIM_TUBE_M, RIM_ASIDE_M, TYRE_M, Seat
from a3dgen.renderers import Item

_LEANS = -1.0
"""Prostheses that would lie turned by more than this many degrees lean, where there is a wheel to lean against."""
_BEHIND_M, _TILT = 0.09, np.radians(16)
"""A prosthesis leans so far behind the wheel's hub, tilted so far."""
_START_M, _TOUCH_M, _MOST_STEPS = 0.8, 0.0003, 60
_FINE = 8
"""Points along each edge of a face that are asked whether they touch."""


def lay_down(person: Person, device: Device, rng: np.random.Generator, aids: Sequence[Device] = ()) -> Device:
    """Return a doffed prosthesis with its place, on the side of the missing leg: against the wheel of a wheelchair, or
    on the ground.

    Args:
        person: as in the photo. aids: with their places.
    """
    aside, ahead, turn = rng.uniform((0.75, -0.15, -25), (0.95, 0.3, 35))
    chair = next((a for a in aids if a.type == "wheelchair"), None)
    if chair is not None and turn > _LEANS and chair.frame.get("kind") != "racing":
        wheel = wheels_of(Seat.of(chair.frame))[device.side]
        middles = ((wheel.hub + RIM_ASIDE_M * wheel.axle, wheel.drive.rim, HAND_RIM_TUBE_M),
                   (wheel.hub, wheel.drive.wheel - TYRE_M, TYRE_M))  # fmt: skip
        rests = [numbers(np.concatenate([hub, wheel.axle, [radius, tube]])) for hub, radius, tube in middles]
        at = {name: chair.frame[name] for name in ("turn", "at")}
        return replace(device, frame={**at, "rests": rests, "ahead": round(float(wheel.hub[2] - _BEHIND_M), 6)})
    sign = 1.0 if device.side == "left" else -1.0
    hips = person.kinematics()[1][0]
    at = person.frame @ np.array([hips[0] + sign * aside, 0.0, hips[2] + ahead]) + person.place
    lies = person.frame @ Rotation.from_euler("y", 90 + sign * turn, degrees=True).as_matrix()
    return replace(device, frame={"turn": numbers(lies), "at": numbers(at)})


def doffed(place: Place, parts: list[Part], extra: tuple[Item, ...], frame: LegFrame) -> Attached:
    """Return a doffed prosthesis where its plan says; it has no keypoints.

    Args:
        parts, extra: as worn; the socket comes first, the foot last. frame: of the leg.
    """
    facts = place.device.frame
    turn, at = np.reshape(facts["turn"], (3, 3)), np.array(facts["at"])
    pose, shift = (_leaning if "rests" in facts else _lying)(place, parts, extra, frame)

    def moved(vertices: ndarray) -> ndarray:
        return (vertices.astype(np.float64) @ pose + shift) @ turn.T + at

    laid = tuple(replace(p, vertices=moved(p.vertices)) for p in parts)
    shoes = tuple(replace(i, vertices=moved(i.vertices).astype(np.float32)) for i in extra)
    return Attached(place.device, place.label, laid, {}, shoes)


def _upright(parts: list[Part], frame: LegFrame) -> tuple[ndarray, ndarray, ndarray]:
    """Return the prosthesis's own directions: up along the leg, aside and ahead."""
    ahead = unit(frame.foot[:, 2])
    long = unit(parts[0].vertices.mean(0) - frame.ankle)
    long = unit(long - (long @ ahead) * ahead)
    return long, unit(np.cross(ahead, long)), ahead


def _lying(place: Place, parts: list[Part], extra: tuple[Item, ...], frame: LegFrame) -> tuple[ndarray, ndarray]:
    """On its side, socket and foot touch the ground."""
    own = np.stack(_upright(parts, frame), 1)  # to x, up, and z of the ground's frame
    middle = (parts[0].vertices.mean(0) + frame.ankle) / 2
    local = [(p.vertices - middle) @ own for p in parts]
    heel = np.concatenate([local[-1], *((i.vertices - middle) @ own for i in extra)])
    low = [v[v[:, 1].argmin()] for v in (local[0], heel)]
    lean = float(np.arctan2(low[0][1] - low[1][1], low[0][0] - low[1][0]))
    tilt = np.array([[np.cos(lean), np.sin(lean), 0], [-np.sin(lean), np.cos(lean), 0], [0, 0, 1.0]])
    everything = np.concatenate([*local, heel]) @ tilt.T
    pose = own @ tilt.T
    return pose, np.array([0.0, -float(everything[:, 1].min()), 0.0]) - middle @ pose


def _leaning(place: Place, parts: list[Part], extra: tuple[Item, ...], frame: LegFrame) -> tuple[ndarray, ndarray]:
    """On its sole beside a chair, tilted, pushed towards the wheel until it touches (conservative advancement)."""
    facts, sign = place.device.frame, 1.0 if place.device.side == "left" else -1.0
    long, _, ahead = _upright(parts, frame)
    own = np.stack([np.cross(long, ahead), long, ahead], 1)  # to x, up and z of the chair's frame
    tilt = Rotation.from_euler("z", sign * _TILT).as_matrix()
    pose = own @ tilt.T
    points = np.concatenate([*(_dense(p.vertices, p.faces) for p in parts), *(i.vertices for i in extra)]) @ pose
    middle = float(points[:, 2].min() + points[:, 2].max()) / 2
    inner = float((sign * points[:, 0]).min())
    shift = np.array([sign * (_START_M - inner), -float(points[:, 1].min()), facts["ahead"] - middle])
    rests = np.array(facts["rests"])
    for _ in range(_MOST_STEPS):
        clear = min(_clearance(points + shift, rest) for rest in rests)
        if clear < _TOUCH_M:
            break
        shift[0] -= sign * clear
    return pose, shift


def _clearance(points: Float[ndarray, "n 3"], rest: Float[ndarray, "8"]) -> float:
    """Return how far points are outside of a torus, m: its middle, axis, radius and tube."""
    v = points - rest[:3]
    along = v @ rest[3:6]
    across = np.linalg.norm(v - along[:, None] * rest[3:6], axis=1)
    return float((np.hypot(across - rest[6], along) - rest[7]).min())


def _dense(vertices: ndarray, faces: ndarray) -> Float[ndarray, "n 3"]:
    """Return vertices and points on the edges of long faces."""
    corners = vertices[faces]
    edges = np.stack([corners, np.roll(corners, -1, 1)], 2).reshape(-1, 2, 3)
    long = edges[np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1) > 0.012]
    share = np.linspace(0, 1, _FINE)[1:-1, None, None]
    return np.concatenate([vertices, ((1 - share) * long[:, 0] + share * long[:, 1]).reshape(-1, 3)])
