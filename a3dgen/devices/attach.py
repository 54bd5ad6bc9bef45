"""Devices on a posed body: prostheses on residual limbs, aids in hands; camera frame, from the plan alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.appearance.dressed_person import shoe_item
from a3dgen.appearance.look import Look
from a3dgen.appearance.stump_cloth import sock
from a3dgen.appearance.texture import pool
from a3dgen.appearance.wardrobe import find_stumps, shared_parts
from a3dgen.devices.device import AID_POINTS, GRIPPED, NUM_POINTS, POINTS, Device, is_prosthesis
from a3dgen.devices.materials import FIRST_LABEL, items_of
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.devices import crutches, legs, wheelchair
from a3dgen.geometry.devices.grip import closed_hands
from a3dgen.geometry.devices.hull import Hull, limb_hull, widened
from a3dgen.geometry.devices.sweep import CARBON, Finish, Part
from a3dgen.geometry.devices.sweep import Look as Surface
from a3dgen.geometry.hands import relaxed_hands
from a3dgen.geometry.skeleton import JOINT
from a3dgen.renderers import Item

LINER_M = 0.035
"""A liner shows above the brim by about so much."""
LINER_COLOUR = (205, 200, 190)
SHOE_SOLE_M = 0.016
_CLEAR_M = 0.004
"""Cloth lies so far outside of a socket."""


@dataclass(frozen=True)
class Attached:
    """One device on a body.

    Attributes:
        device: what it is. label: of its faces. parts: m, camera frame. extra: further items of it (a shoe).
        points: name -> (3,) m, camera frame. liner: items of what is worn below it, with the body's labels.
        hull: of the socket, wall included, for cloth that lies over it.
    """

    device: Device
    label: int
    parts: tuple[Part, ...]
    points: dict[str, ndarray]
    extra: tuple[Item, ...] = ()
    liner: tuple[Item, ...] = ()
    hull: Hull | None = None

    def items(self) -> list[Item]:
        """Return what to draw of the device itself."""
        return [*items_of(self.parts, self.label), *self.extra]


@dataclass(frozen=True)
class Devices:
    """All devices of one sample."""

    attached: tuple[Attached, ...] = ()

    def dressed(self, items: Sequence[Item]) -> list[Item]:
        """Return a person's items, cloth moved out of sockets, and the devices."""
        out = list(items)
        for a in self.attached:
            if a.hull is not None:
                out = [_cleared(item, a.hull) for item in out]
        for a in self.attached:
            out += [*a.liner, *a.items()]
        return out

    def prosthetic(self) -> Float[ndarray, "24 4"]:
        """Return the prosthetic keypoints, camera frame m and 1 where there is one; limb by limb, ``POINTS`` each."""
        out = np.zeros((NUM_POINTS, 4))
        for a in self.attached:
            if is_prosthesis(a.device):
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
        place = _Place(body, amputee, look, device, FIRST_LABEL + number, whole)
        make = _leg if is_prosthesis(device) else _chair if device.type == "wheelchair" else _held
        out.append(make(place))
    return Devices(tuple(out))


def hand_offsets(body: BodyData, devices: Sequence[Device], curl: float = 0.0) -> Float[ndarray, "v 3"] | None:
    """Return the offsets of the skin's rest vertices, m: hands that hold something close round it, others are bent by
    ``curl`` (``geometry.hands``); None if all are flat."""
    sides = tuple(d.side for d in devices if d.type in GRIPPED)
    sides += tuple(s for d in devices if d.type == "wheelchair" for s in d.frame["hands"])
    relaxed = relaxed_hands(body, curl) if curl > 0 else None
    if not sides or relaxed is None:
        return closed_hands(body).of(sides) if sides else relaxed
    grip = closed_hands(body)
    return np.where(grip.on(sides)[:, None], grip.offsets, relaxed).astype(np.float32)


@dataclass(frozen=True)
class _Place:
    """Where one device goes; ``whole``: vertices of the intact body, camera frame, m."""

    body: BodyData
    amputee: Amputee
    look: Look
    device: Device
    label: int
    whole: Float[ndarray, "v 3"] = field(repr=False)

    def joint(self, name: str) -> Float[ndarray, "3"]:
        return self.amputee.posed.joints[JOINT[f"{self.device.side}_{name}"]]

    def turn(self, name: str) -> Float[ndarray, "3 3"]:
        return self.amputee.posed.rotations[JOINT[f"{self.device.side}_{name}"]]

    def owned(self, *names: str) -> Float[ndarray, "n 3"]:
        """Vertices of the intact body that follow these joints of the device's side most."""
        owner = self.body.mesh.weights.argmax(1)
        return self.whole[np.isin(owner, [JOINT[f"{self.device.side}_{n}"] for n in names])]


def _held(place: _Place) -> Attached:
    """A crutch or cane, built from the posed hand: no gap opens, wherever that came to lie."""
    device, hand = place.device, JOINT[f"{place.device.side}_hand"]
    turn = place.amputee.posed.rotations[hand]
    grip = place.amputee.posed.joints[hand] + turn @ closed_hands(place.body).handle(device.side)
    elbow, wrist = place.joint("elbow"), place.joint("wrist")
    girth = crutches.girth_at(place.owned("elbow"), elbow, wrist)
    tip, up = np.array(device.tip), np.array(device.up)
    hold = crutches.Hold(grip, turn[:, 2], elbow, wrist, girth, tip, up)
    make = crutches.cane if device.type == "cane" else crutches.forearm_crutch
    parts, points = make(hold, device.colours[0])
    return Attached(device, place.label, tuple(parts), points)


def _chair(place: _Place) -> Attached:
    facts = place.device.frame
    turn, at = np.reshape(facts["turn"], (3, 3)), np.array(facts["at"])
    parts, points = wheelchair.wheelchair(wheelchair.Seat.of(facts), place.device.colours[0])
    moved = {name: turn @ point + at for name, point in points.items()}
    return Attached(place.device, place.label, tuple(p.moved(turn, at) for p in parts), moved)


def leg_frame(place: _Place) -> legs.LegFrame:
    """Return where the missing leg's joints are, from the pose's own transforms."""
    foot, ankle = place.turn("ankle"), place.joint("ankle")
    sole = (place.owned("ankle", "foot") - ankle) @ foot
    return legs.LegFrame(
        hip=place.joint("hip"), knee=place.joint("knee"), ankle=ankle, foot=foot, fore=place.turn("knee")[:, 2],
        outer=1 if place.device.side == "left" else -1, sole=float(-sole[:, 1].min()),
        length=float(0.97 * np.ptp(sole[:, 2])), shoe=SHOE_SOLE_M,
    )  # fmt: skip


def _leg(place: _Place) -> Attached:
    device, level = place.device, place.device.type
    frame = leg_frame(place)
    top, bottom = (frame.knee, frame.ankle) if level == "transtibial" else (frame.hip, frame.knee)
    hull = _stump_hull(place, top, bottom)
    shell = Surface(*_socket_finish(device), tile=0.16)
    part, points = legs.socket(hull, level, frame.outer, shell)
    parts, start, points = [part], points["end"], dict(points)
    if level == "transfemoral":
        knee, start = legs.knee_unit(start, frame)
        parts += knee
        points["joint"] = frame.knee
    extra: tuple[Item, ...] = ()
    if device.end == "blade":
        more, ends = legs.running_blade(start, np.concatenate([p.vertices for p in parts]), frame)
        parts += more
    else:
        foot, ends = legs.foot_shell(frame, _foot_finish(device))
        parts += [*legs.pylon(start, frame), foot]
        points["ankle"] = frame.ankle
        shoe = shoe_item(place.body, place.amputee, place.look, device.side)
        if shoe is not None:
            extra = (replace(shoe, labels=np.full(len(shoe.faces), place.label, np.uint8)),)
    if device.cosmetic and level == "transtibial":
        parts.append(_cosmetic(place, frame, hull, shell))
    wall = replace(hull, radii=hull.radii + legs.WALL_M[level] + 0.003)
    liner = _liner(place, legs.brim_line(hull, level, frame.outer), hull)
    return Attached(device, place.label, tuple(parts), {**points, **ends}, extra, liner, wall)


def _stump_hull(place: _Place, top: ndarray, bottom: ndarray) -> Hull:
    """Return the hull of what is left of the segment, from the brim's highest point on."""
    amputee, level = place.amputee, place.device.type
    coordinate = _limb_coordinate(place)
    length = float(np.linalg.norm(bottom - top))
    axis = (bottom - top) / length
    tip = float(((amputee.vertices[coordinate > (1.0 if level == "transtibial" else 0.05)] - top) @ axis).max())
    brim = min(0.06 if level == "transtibial" else 0.30, 0.5 * tip / length) * length
    start = brim - max(legs.TRIM_M[level])
    joint = 1.0 if level == "transtibial" else 0.0
    skin = amputee.vertices[(coordinate >= joint - 0.1)].astype(np.float64)
    skin = skin[(skin - top) @ axis > start - 0.03]
    own = skin[_on_segment(skin, top, axis, 0.16)]
    front = place.turn("knee" if level == "transtibial" else "hip")[:, 2]
    return widened(limb_hull(own, top, bottom, front, start), own)


def _on_segment(points: ndarray, top: ndarray, axis: ndarray, radius: float) -> ndarray:
    v = points - top
    return np.linalg.norm(v - np.outer(v @ axis, axis), axis=1) < radius


def _limb_coordinate(place: _Place) -> Float[ndarray, " v"]:
    return place.amputee.origin.apply(shared_parts(place.body).skin.limbs[place.device.limb_name])


def _socket_finish(device: Device) -> tuple[str, Finish]:
    if device.finish == "carbon":
        return "carbon", CARBON
    if device.finish == "skin":
        return "plastic", ("solid", device.colours[0])
    return "carbon", ("lamina", device.finish, device.colours)


def _foot_finish(device: Device) -> Finish:
    return ("solid", device.colours[0]) if device.finish == "skin" else ("solid", (70, 62, 56))


def _cosmetic(place: _Place, frame: legs.LegFrame, hull: Hull, surface: Surface) -> Part:
    """A cover in the form of the intact shank, wide enough for the socket within."""
    shank = place.owned("knee")
    full = limb_hull(shank, frame.knee, frame.ankle, frame.fore, hull.levels[0] + 0.06)
    length = float(np.linalg.norm(frame.ankle - frame.knee))
    keep = np.linspace(full.levels[0], length + 0.018, len(full.levels))
    angle = np.tile(np.linspace(-np.pi, np.pi, full.radii.shape[1], endpoint=False), (len(keep), 1))
    t = np.repeat(keep[:, None], angle.shape[1], 1)
    radii = full.radius(t.ravel(), angle.ravel()).reshape(t.shape)
    inner = hull.radius(t.ravel(), angle.ravel()).reshape(t.shape) + legs.WALL_M["transtibial"] + 0.002
    inside = t < hull.tip + legs.END_M
    radii = np.where(inside, np.maximum(radii, inner), radii)
    return legs.cover(replace(full, levels=keep, radii=radii), surface)


def _liner(place: _Place, brim: Float[ndarray, " s"], hull: Hull) -> tuple[Item, ...]:
    """The edge of a liner above the brim: the limb's own skin, lifted, from a little proximal of the brim on."""
    amputee = place.amputee
    coordinate = _limb_coordinate(place)
    stump = find_stumps(amputee)[place.device.limb_name]
    joint = 1.0 if place.device.type == "transtibial" else 0.0
    start = joint + (float(brim.mean()) - LINER_M) / stump.length
    piece = sock(amputee.mesh, amputee.vertices, coordinate, stump, max(start, 0.12), 0.003)
    texture = pool.fabric("knit", (LINER_COLOUR,), 0)
    labels = (piece.part + 1).astype(np.uint8)
    vertices = np.ascontiguousarray(piece.vertices, np.float32)
    return (Item(vertices, piece.faces, piece.uv, piece.face_uv, labels, texture, "cloth", None, True),)


def _cleared(item: Item, hull: Hull) -> Item:
    """Move cloth that lies inside a socket to just outside of it."""
    if item.material != "cloth" or not item.double_sided:
        return item
    t, angle, r = hull.cylindrical(item.vertices)
    near = (t > hull.levels[0]) & (t < hull.tip + legs.END_M)
    if not near.any():
        return item
    wanted = hull.radius(t[near], angle[near]) + _CLEAR_M
    close = (r[near] < wanted) & (r[near] > 0.25 * wanted)
    rows = np.flatnonzero(near)[close]
    if not len(rows):
        return item
    out = item.vertices.astype(np.float64).copy()
    across = np.cos(angle[rows])[:, None] * hull.x + np.sin(angle[rows])[:, None] * hull.y
    out[rows] += (wanted[close] - r[rows])[:, None] * across
    return replace(item, vertices=out.astype(np.float32))
