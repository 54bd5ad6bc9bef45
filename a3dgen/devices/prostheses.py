"""Prosthetic legs and arms on residual limbs: sockets from the limb's own hull, the rest on the absent joints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.appearance.dressed_person import shoe_item
from a3dgen.appearance.stump_cloth import sock
from a3dgen.appearance.texture import pool
from a3dgen.appearance.wardrobe import find_stumps, shared_parts
from a3dgen.devices.device import DISTAL, LEGS, Device
from a3dgen.devices.lying import doffed
from a3dgen.devices.place import Attached, Place
from a3dgen.geometry.devices import arms, hip, legs
from a3dgen.geometry.devices.hull import Hull, limb_hull, widened
from a3dgen.geometry.devices.sweep import CARBON, Finish, Part, unit
from a3dgen.geometry.devices.sweep import Look as Surface
from a3dgen.geometry.skeleton import JOINT
from a3dgen.renderers import Item

LINER_M = 0.035
"""A liner shows above the brim by about so much."""
LINER_COLOUR = (205, 200, 190)
SLEEVE_M, SLEEVE_COLOUR = 0.085, (52, 50, 54)
"""A suspension sleeve shows above the brim by about so much."""
_SLEEVE = Surface("cloth", ("weave", SLEEVE_COLOUR), soft=True)
_LINER_THICK_M = {"transtibial": 0.003, "transfemoral": 0.003, "transradial": 0.0015}
SHOE_SOLE_M = 0.016


def leg_frame(place: Place) -> legs.LegFrame:
    """Return where the missing leg's joints are, from the pose's own transforms."""
    foot, ankle = place.turn("ankle"), place.joint("ankle")
    sole = (place.owned("ankle", "foot") - ankle) @ foot
    return legs.LegFrame(
        hip=place.joint("hip"), knee=place.joint("knee"), ankle=ankle, foot=foot, fore=place.turn("knee")[:, 2],
        outer=1 if place.device.side == "left" else -1, sole=float(-sole[:, 1].min()),
        length=float(0.97 * np.ptp(sole[:, 2])), shoe=SHOE_SOLE_M,
    )  # fmt: skip


def leg(place: Place) -> Attached:
    device, level = place.device, place.device.type
    frame = leg_frame(place)
    top, bottom = (frame.knee, frame.ankle) if level == "transtibial" else (frame.hip, frame.knee)
    hull = _stump_hull(place, top, bottom, frame.fore if level == "transtibial" else place.turn("hip")[:, 2])
    shell = Surface(*_socket_finish(device), tile=0.16)
    part, points = legs.socket(hull, level, frame.outer, shell, device.doffed)
    parts, start, points = [part], points["end"], dict(points)
    if device.sleeve and not device.doffed:
        parts.append(legs.sleeve(hull, level, frame.outer, _SLEEVE))
    if level == "transfemoral":
        knee, start = legs.knee_unit(start, frame)
        parts += knee
        points["joint"] = frame.knee
    extra: tuple[Item, ...] = ()
    if device.end == "blade":
        more, ends = legs.running_blade(start, np.concatenate([p.vertices for p in parts]), frame)
        parts += more
    elif device.end == "c_blade":
        more, ends = legs.c_blade(start, frame)
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
    if device.doffed:
        return doffed(place, parts, extra, frame)
    return _worn(place, parts, {**points, **ends}, hull, frame.outer, extra)


def hip_leg(place: Place) -> Attached:
    """A prosthesis for a hip disarticulation: its bucket goes about the pelvis."""
    device, amputee, frame = place.device, place.amputee, leg_frame(place)
    owner = amputee.mesh.owner
    skin = amputee.vertices[np.isin(owner, [0, JOINT["spine1"], JOINT[f"{device.side}_hip"]])].astype(np.float64)
    turn, origin = amputee.posed.rotations[0], amputee.posed.joints[0]
    pelvis = hip.Pelvis(origin, turn, frame.outer, frame.hip, skin)
    hull = hip.pelvis_hull(pelvis)
    part, points = hip.bucket(pelvis, hull, Surface(*_socket_finish(device), tile=0.16))
    parts, end = hip.thigh(points["end"], frame.knee, pelvis)
    knee, start = legs.knee_unit(end, replace(frame, hip=points["end"]))
    foot, ends = legs.foot_shell(frame, _foot_finish(device))
    shoe = shoe_item(place.body, amputee, place.look, device.side)
    labels = () if shoe is None else (replace(shoe, labels=np.full(len(shoe.faces), place.label, np.uint8)),)
    everything = (part, *parts, *knee, *legs.pylon(start, frame), foot)
    points = {**points, "joint": frame.knee, "ankle": frame.ankle, **ends}
    wall = replace(hull, radii=hull.radii + hip.WALL_M + 0.003)
    return Attached(device, place.label, everything, points, labels, (), wall)


def arm(place: Place) -> Attached:
    device, level = place.device, place.device.type
    turn, sign = place.turn("wrist"), 1.0 if device.side == "left" else -1.0
    hand = np.stack([sign * turn[:, 0], turn[:, 1], turn[:, 2]], 1)
    frame = arms.ArmFrame(place.joint("shoulder"), place.joint("elbow"), place.joint("wrist"), hand)
    top, bottom, name = (frame.elbow, frame.wrist, "elbow") if level == "transradial" else (
        frame.shoulder, frame.elbow, "shoulder")  # fmt: skip
    hull = _stump_hull(place, top, bottom, place.turn(name)[:, 2])
    shell, outer = Surface(*_socket_finish(device), tile=0.12), int(sign)
    part, points = legs.socket(hull, level, outer, shell)
    wide = float(hull.radii[-1].mean()) + legs.WALL_M[level]
    parts = [part, *arms.forearm(level, points["end"], frame, shell, wide)]
    points = {**points, "ankle": frame.wrist}
    if level == "transhumeral":
        points["joint"] = frame.elbow
    if device.end == "hook":
        more, points["heel"] = arms.hook(frame)
        out = unit(place.turn("elbow")[:, 1])
        lever = next(p for p in more if p.name == "lever").vertices[-1]
        behind = hull.origin + (hull.levels[0] if level == "transhumeral" else 0.0) * hull.axis
        cuff = behind + 0.058 * out if level == "transhumeral" else frame.elbow + 0.3 * (
            frame.shoulder - frame.elbow) + 0.056 * out  # fmt: skip
        parts += [*more, arms.cable(lever, frame, cuff, out)]
    elif device.end == "myoelectric":
        more, points["toe"] = arms.myoelectric_hand(frame)
        parts += more
    else:
        glove = _glove(place)
        parts.append(glove)
        points["toe"] = glove.vertices[((glove.vertices - frame.wrist) @ hand[:, 0]).argmax()]
    return _worn(place, parts, points, hull, outer)


def _glove(place: Place) -> Part:
    """A cosmetic hand: the form of the absent one, in one colour."""
    mesh, device = place.body.mesh, place.device
    own = np.isin(mesh.face_part, [JOINT[f"{device.side}_wrist"], JOINT[f"{device.side}_hand"]]) & ~mesh.hidden
    colour = device.colours[-1] if device.finish == "skin" else _GLOVE
    return arms.closed_piece("hand", place.whole, mesh.faces[own], Surface("plastic", ("solid", colour)))


_GLOVE = (188, 140, 112)


def _worn(
    place: Place, parts: list[Part], points: dict[str, ndarray], hull: Hull, outer: int, extra: tuple[Item, ...] = ()
) -> Attached:
    """A prosthesis with the liner below its socket."""
    level = place.device.type
    wall = replace(hull, radii=hull.radii + legs.WALL_M[level] + 0.003)
    liner = () if level == "transhumeral" else _liner(place, legs.brim_line(hull, level, outer), hull)
    return Attached(place.device, place.label, tuple(parts), points, extra, liner, wall)


_BRIM = {"transtibial": 0.06, "transfemoral": 0.30, "transradial": 0.12, "transhumeral": 0.34}
"""Where the brim lies along its segment, at most half way down the limb."""


def _stump_hull(place: Place, top: ndarray, bottom: ndarray, front: ndarray) -> Hull:
    """Return the hull of what is left of the segment, from the brim's highest point on."""
    amputee, level = place.amputee, place.device.type
    coordinate = _limb_coordinate(place)
    length = float(np.linalg.norm(bottom - top))
    axis = (bottom - top) / length
    tip = float(((amputee.vertices[coordinate > (1.0 if level in DISTAL else 0.05)] - top) @ axis).max())
    brim = min(_BRIM[level], 0.5 * tip / length) * length
    start = brim - max(legs.TRIM_M[level])
    least = {"transhumeral": 0.1, "transfemoral": -0.1}.get(level, 0.9)
    skin = amputee.vertices[coordinate >= least].astype(np.float64)
    skin = skin[(skin - top) @ axis > start - 0.03]
    own = skin[_on_segment(skin, top, axis, 0.16 if level in LEGS else 0.09)]
    return widened(limb_hull(own, top, bottom, front, start), own)


def _on_segment(points: ndarray, top: ndarray, axis: ndarray, radius: float) -> ndarray:
    v = points - top
    return np.linalg.norm(v - np.outer(v @ axis, axis), axis=1) < radius


def _limb_coordinate(place: Place) -> Float[ndarray, " v"]:
    return place.amputee.origin.apply(shared_parts(place.body).skin.limbs[place.device.limb_name])


def _socket_finish(device: Device) -> tuple[str, Finish]:
    if device.finish == "carbon":
        return "carbon", CARBON
    if device.finish == "skin":
        return "plastic", ("solid", device.colours[0])
    return "carbon", ("lamina", device.finish, device.colours)


def _foot_finish(device: Device) -> Finish:
    return ("solid", device.colours[0]) if device.finish == "skin" else ("solid", (70, 62, 56))


def _cosmetic(place: Place, frame: legs.LegFrame, hull: Hull, surface: Surface) -> Part:
    """A cover in the form of the intact shank, wide enough for the socket within."""
    shank = place.owned("knee")
    full = limb_hull(shank, frame.knee, frame.ankle, frame.fore, hull.levels[0] + 0.06)
    length = float(np.linalg.norm(frame.ankle - frame.knee))
    keep = np.linspace(full.levels[0], length + 0.018, len(full.levels))
    angle = np.tile(np.linspace(-np.pi, np.pi, full.radii.shape[1], endpoint=False), (len(keep), 1))
    t = np.repeat(keep[:, None], angle.shape[1], 1)
    radii = full.radius(t.ravel(), angle.ravel()).reshape(t.shape)
    inner = hull.radius(t.ravel(), angle.ravel()).reshape(t.shape) + legs.WALL_M["transtibial"] + 0.002
    inside = t < hull.tip + legs.END_M["transtibial"]
    radii = np.where(inside, np.maximum(radii, inner), radii)
    return legs.cover(replace(full, levels=keep, radii=radii), surface)


def _liner(place: Place, brim: Float[ndarray, " s"], hull: Hull) -> tuple[Item, ...]:
    """The edge of a liner above the brim: the limb's own skin, lifted, from a little proximal of the brim on."""
    amputee = place.amputee
    coordinate = _limb_coordinate(place)
    stump = find_stumps(amputee)[place.device.limb_name]
    joint = 1.0 if place.device.type in DISTAL else 0.0
    above, colour = (SLEEVE_M, SLEEVE_COLOUR) if place.device.sleeve else (LINER_M, LINER_COLOUR)
    start = joint + (float(brim.mean()) - above) / stump.length
    piece = sock(amputee.mesh, amputee.vertices, coordinate, stump, max(start, 0.12), _LINER_THICK_M[place.device.type])
    texture = pool.fabric("knit", (colour,), 0)
    labels = (piece.part + 1).astype(np.uint8)
    vertices = np.ascontiguousarray(piece.vertices, np.float32)
    return (Item(vertices, piece.faces, piece.uv, piece.face_uv, labels, texture, "cloth", None, True),)
