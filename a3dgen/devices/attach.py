"""Devices on a posed body: prostheses on residual limbs, aids in hands; camera frame, from the plan alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.appearance.look import TEXTURE, Look
from a3dgen.bodies.faces import face_offsets
from a3dgen.devices.device import (
    AID_POINTS,
    FRAMED,
    GRIPPED,
    HIP,
    LEGS,
    NUM_POINTS,
    POINTS,
    Device,
    is_prosthesis,
    is_worn,
)
from a3dgen.devices.hands import closed_hands
from a3dgen.devices.materials import FIRST_LABEL
from a3dgen.devices.place import Attached, Place
from a3dgen.devices.prostheses import arm, hip_leg, leg
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.devices import crutches, legs, walker, wheelchair
from a3dgen.geometry.devices.chairs import chair_of
from a3dgen.geometry.devices.hull import Hull
from a3dgen.geometry.hands import relaxed_hands
from a3dgen.geometry.skeleton import JOINT
from a3dgen.renderers import Item

_CLEAR_M = 0.004
"""Cloth lies so far outside of a socket."""
_LAYER_M, _ABOVE_M = 0.006, 0.045
"""Over a bucket about the pelvis trousers and shirt lie so far one outside the other; cloth begins to give way so far
above the hull that the bucket is made to, as its brim is higher in places."""
_BELOW_M, _FADE_M = (0.20, 0.04), (0.10, 0.04)
"""Where the hull ends cloth gives way so far on, on the side of the missing leg and on the other one, and less and less
over the last of it."""


@dataclass(frozen=True)
class Devices:
    """All devices of one sample."""

    attached: tuple[Attached, ...] = ()

    def dressed(self, items: Sequence[Item]) -> list[Item]:
        """Return a person's items, cloth moved out of sockets, and the devices."""
        out = list(items)
        for a in self.attached:
            if a.hull is not None and a.device.type == HIP:
                out = _over_bucket(out, a.hull, a.device.side)
            elif a.hull is not None:
                out = [_cleared(item, a.hull) for item in out]
        for a in self.attached:
            out += [*a.liner, *a.items()]
        return out

    def prosthetic(self) -> Float[ndarray, "24 4"]:
        """Return the prosthetic keypoints, camera frame m and 1 where there is one; limb by limb, ``POINTS`` each."""
        out = np.zeros((NUM_POINTS, 4))
        for a in self.attached:
            if is_worn(a.device):
                for k, name in enumerate(POINTS):
                    if name in a.points:
                        out[a.device.limb * len(POINTS) + k] = (*a.points[name], 1)
        return out

    def aid_points(self) -> Float[ndarray, "8 4"]:
        """Return the points of aids, ``AID_POINTS``, camera frame m and 1 where there is one."""
        out = np.zeros((len(AID_POINTS), 4))
        for a in self.attached:
            if not is_prosthesis(a.device):
                for name, point in a.points.items():
                    full = f"{a.device.side}_{name}" if a.device.side else name
                    if full in AID_POINTS:
                        out[AID_POINTS.index(full)] = (*point, 1)
        return out


def attach(body: BodyData, amputee: Amputee, look: Look, devices: Sequence[Device]) -> Devices:
    """Return the devices of a plan on the posed body.

    Raises:
        ValueError: for a prosthesis where nothing is removed.
    """
    if not devices:
        return Devices()
    whole = amputee.posed.vertices(body.mesh, amputee.betas).astype(np.float64)
    out = []
    for number, device in enumerate(devices):
        place = Place(body, amputee, look, device, FIRST_LABEL + number, whole)
        make = _maker(device)
        out.append(make(place))
    return Devices(tuple(out))


def _maker(device: Device) -> Callable[[Place], Attached]:
    if is_prosthesis(device):
        return hip_leg if device.type == HIP else leg if device.type in LEGS else arm
    return _framed if device.type in FRAMED else _held


def hand_offsets(body: BodyData, devices: Sequence[Device], curl: float = 0.0) -> Float[ndarray, "v 3"] | None:
    """Return the offsets of the skin's rest vertices, m: hands that hold something close round it, others are bent by
    ``curl`` (``geometry.hands``); None if all are flat."""
    sides = tuple(d.side for d in devices if d.type in GRIPPED)
    sides += tuple(s for d in devices if d.type in FRAMED for s in d.frame["hands"])
    relaxed = relaxed_hands(body, curl) if curl > 0 else None
    if not sides or relaxed is None:
        return closed_hands(body).of(sides) if sides else relaxed
    grip = closed_hands(body)
    return np.where(grip.on(sides)[:, None], grip.offsets, relaxed).astype(np.float32)


def drawn_offsets(body: BodyData, devices: Sequence[Device], look: Look) -> Float[ndarray, "v 3"] | None:
    """Return the offsets of the skin's rest vertices, m, with which a look is drawn: its hands and its face.

    A whole person's painted texture brings its own face."""
    hands = hand_offsets(body, devices, look.hands)
    face = None if any(g.kind == TEXTURE for g in look.garments) else face_offsets(body, look.seed)
    if hands is None or face is None:
        return face if hands is None else hands
    return (hands + face).astype(np.float32)


def _held(place: Place) -> Attached:
    """A crutch or cane, built from the posed hand: no gap opens, wherever that came to lie."""
    device, hand = place.device, JOINT[f"{place.device.side}_hand"]
    turn = place.amputee.posed.rotations[hand]
    grip = place.amputee.posed.joints[hand] + turn @ closed_hands(place.body).handle(device.side)
    elbow, wrist = place.joint("elbow"), place.joint("wrist")
    girth = crutches.girth_at(place.owned("elbow"), elbow, wrist)
    tip, up = np.array(device.tip), np.array(device.up)
    hold = crutches.Hold(grip, turn[:, 2], elbow, wrist, girth, tip, up)
    if device.type == "axillary_crutch":
        pad = crutches.pad_at(grip, tip, up, float(device.frame["pad"]))
        parts, points = crutches.axillary_crutch(hold, device.colours[0], pad)
    else:
        make = crutches.cane if device.type == "cane" else crutches.forearm_crutch
        parts, points = make(hold, device.colours[0])
    return Attached(device, place.label, tuple(parts), points)


def _framed(place: Place) -> Attached:
    """A wheelchair or walker, made in its own frame and put to its place."""
    device, facts = place.device, place.device.frame
    turn, at = np.reshape(facts["turn"], (3, 3)), np.array(facts["at"])
    if device.type == "walker":
        parts, points = walker.walker(walker.Frame.of(facts), device.colours[0])
    else:
        parts, points = chair_of(wheelchair.Seat.of(facts), device.colours[0])
    moved = {name: turn @ point + at for name, point in points.items()}
    return Attached(device, place.label, tuple(p.moved(turn, at) for p in parts), moved)


def _over_bucket(items: list[Item], hull: Hull, side: str) -> list[Item]:
    """Return items, loose cloth moved out of a bucket about the pelvis, what lay further out still outside the rest.

    Args:
        side: of the missing leg. Cloth hangs below the bucket there, while the innermost stays on the other leg.
    """
    far = {}
    for n, item in enumerate(items):
        if _is_loose(item):
            t, angle, r = hull.cylindrical(item.vertices)
            near = (t > hull.levels[0]) & (t < hull.levels[-1])
            if near.any():
                far[n] = float(np.median(r[near] / hull.radius(t[near], angle[near])))
    out = list(items)
    for rank, n in enumerate(sorted(far, key=far.__getitem__)):
        t, angle, _ = hull.cylindrical(items[n].vertices)
        own = (np.sin(angle) * (-1 if side == "left" else 1) > -0.1) | (rank > 0)  # the hull's y points to the right
        below, fades = (np.where(own, a, b) for a, b in (_BELOW_M, _FADE_M))
        begins = np.clip((t - hull.levels[0] + _ABOVE_M) / (0.5 * _ABOVE_M), 0, 1)
        ends = np.clip((hull.levels[-1] + below - t) / fades, 0, 1)
        out[n] = _cleared(items[n], hull, begins * ends, _LAYER_M * rank)
    return out


def _is_loose(item: Item) -> bool:
    return item.material == "cloth" and item.double_sided


def _cleared(item: Item, hull: Hull, share: ndarray | None = None, out_by: float = 0.0) -> Item:
    """Move cloth that lies inside a socket to just outside of it.

    Args:
        share: (V,) of the way that each vertex goes; all of it along the socket and its end, if None. out_by: m,
            further out than cloth that lies on the socket.
    """
    if not _is_loose(item):
        return item
    t, angle, r = hull.cylindrical(item.vertices)
    if share is None:
        share = ((t > hull.levels[0]) & (t < hull.tip + max(legs.END_M.values()))).astype(float)
    near = share > 0
    if not near.any():
        return item
    wanted = hull.radius(t[near], angle[near]) + _CLEAR_M + out_by
    close = (r[near] < wanted) & (r[near] > 0.25 * wanted)
    rows = np.flatnonzero(near)[close]
    if not len(rows):
        return item
    out = item.vertices.astype(np.float64).copy()
    across = np.cos(angle[rows])[:, None] * hull.x + np.sin(angle[rows])[:, None] * hull.y
    out[rows] += (share[rows] * (wanted[close] - r[rows]))[:, None] * across
    return replace(item, vertices=out.astype(np.float32))
