"""What is measured on one person with devices: contact, depth, sockets, elbows, states of keypoints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.amputation.rebuild import Amputee, BodyFit, Cut, rebuild
from a3dgen.devices.attach import Devices, hand_offsets
from a3dgen.devices.device import GRIPPED, Device, is_worn
from a3dgen.devices.hands import closed_hands
from a3dgen.devices.person import Person, elbow_flexion
from a3dgen.devices.place import Attached
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.devices.chairs import wheels_of
from a3dgen.geometry.devices.grip import HANDLE_M
from a3dgen.geometry.devices.sweep import Part
from a3dgen.geometry.devices.wheelchair import HAND_RIM_TUBE_M, RIM_ASIDE_M, Seat
from a3dgen.geometry.skeleton import JOINT
from benchmarks.device_flesh import Flesh, owners_of, surface_points

SIDES = ("left", "right")
HOLDING = ("elbow", "wrist", "hand")
TRUNK = owners_of(
    "pelvis", "spine1", "spine2", "spine3", *(f"{s}_{n}" for s in SIDES for n in ("hip", "knee", "ankle", "foot"))
)
_ON_LIMB = ("socket", "cover", "sleeve")
"""Parts that hold the residual limb."""


@dataclass
class Tally:
    """What was measured, in mm, degrees, ms and counts."""

    values: dict[str, list[float]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    worst: dict[str, tuple[float, str]] = field(default_factory=dict)
    case: str = ""

    def note(self, name: str, value: float, what: str = "") -> None:
        """Add one measurement; ``what`` says where, if it is the worst so far."""
        value = float(value)
        self.values.setdefault(name, []).append(value)
        if value > self.worst.get(name, (-np.inf, ""))[0]:
            self.worst[name] = value, f"{self.case} {what}".strip()

    def count(self, name: str, number: int | bool | np.integer | np.bool_ = 1) -> None:
        """Add to a count."""
        self.counts[name] += int(number)

    def of(self, *names: str) -> ndarray:
        """Return all measurements of these names."""
        return np.array([v for n in names for v in self.values.get(n, [])])

    def summary(self) -> dict[str, Any]:
        """Return median, 95th percentile and maximum of each measure, counts and reasons."""
        quantiles = {}
        for name, values in sorted(self.values.items()):
            numbers = np.round(np.percentile(values, (50, 95, 100)), 2).tolist()
            quantiles[name] = {**dict(zip(("median", "p95", "max"), numbers, strict=True)), "n": len(values),
                               "worst": self.worst[name][1]}  # fmt: skip
        return {"measures": quantiles, "counts": dict(sorted(self.counts.items())),
                "reasons": dict(self.reasons.most_common())}  # fmt: skip


@dataclass(frozen=True)
class Placed:
    """One person with devices, and the same person whole, in the same posture.

    Attributes:
        fit, row: of Bodies, and of Bodies in the posture. aids: as planned. up: against gravity, camera frame.
        swings: between two crutches, feet in the air.
    """

    body: BodyData
    fit: dict[str, Any]
    row: dict[str, Any]
    aids: tuple[Device, ...]
    amputee: Amputee
    attached: Devices
    whole: Amputee
    up: ndarray
    swings: bool = False

    @classmethod
    def of(
        cls, body: BodyData, fit: dict, row: dict, aids: tuple, amputee: Amputee, attached: Devices, swings: bool
    ) -> Placed:
        """Return it with the whole person."""
        whole = rebuild(body, BodyFit.of(row), Cut(), hand_offsets(body, aids))
        return cls(body, fit, row, aids, amputee, attached, whole, Person.of(body, fit).frame[:, 1], swings)

    def flesh(self, only: list[int] | None = None) -> Flesh:
        """Return the whole person's skin."""
        owner = self.body.mesh.owner
        return Flesh.of(self.whole.vertices, self.body.mesh.faces, owner, self.way, only)

    @property
    def way(self) -> ndarray:
        """Down, a little aslant: rays leave no trunk by neck or shoulders."""
        way = 0.03 * np.cross(self.up, (0.3, 0.5, 0.8)) - self.up
        return way / np.linalg.norm(way)

    def skin(self, *names: str) -> ndarray:
        """Return the vertices that follow some joints."""
        return self.whole.vertices[np.isin(self.body.mesh.owner, owners_of(*names))].astype(float)

    def foot(self, side: str) -> ndarray:
        """Return the vertices of one foot."""
        return self.skin(f"{side}_ankle", f"{side}_foot")


def depth_of(parts: list[Part], flesh: Flesh, ignore: list[int]) -> tuple[float, str]:
    """Return how deep the deepest of some parts lies in the body, mm, and its name."""
    found = [(1e3 * flesh.depth(surface_points(p.vertices, p.faces), ignore), p.name) for p in parts]
    return max(found, default=(0.0, ""))


def nearest(a: ndarray, part: Part) -> float:
    """Return the distance (m) from points to the points of a surface."""
    return float(cKDTree(surface_points(part.vertices, part.faces, 0.003)).query(a)[0].min())


def measure(placed: Placed, tally: Tally) -> None:
    """Measure everything that has to do with the posture and the devices' places."""
    flesh = placed.flesh()
    for a in placed.attached.attached:
        if is_worn(a.device):
            _prosthesis(placed, a, tally)
        elif a.device.type == "wheelchair":
            _chair(placed, a, flesh, tally)
        elif a.device.type == "walker":
            _walker(placed, a, flesh, tally)
        elif a.device.doffed:
            _doffed(placed, a, flesh, tally)
        else:
            _held(placed, a, flesh, tally)
    if placed.aids:
        _arms(placed, tally)
    if any(d.type in (*GRIPPED, "walker") for d in placed.aids) and not placed.swings:
        _soles(placed, tally)


def _prosthesis(placed: Placed, a: Attached, tally: Tally) -> None:
    """Parts beyond the socket, in what is left of the body."""
    mesh = placed.amputee.mesh
    flesh = Flesh.of(placed.amputee.vertices, mesh.faces, mesh.owner, placed.way)
    depth, name = depth_of([p for p in a.parts if p.name not in _ON_LIMB], flesh, [])
    tally.note("prosthesis beyond the socket in the body, mm", depth, f"{a.device.type} {a.device.end} {name}")


def _held(placed: Placed, a: Attached, flesh: Flesh, tally: Tally) -> None:
    side, up = a.device.side, placed.up
    ground = float(np.array(a.device.tip) @ up)
    grip = next(p for p in a.parts if p.name == "grip")
    hand, middle = placed.skin(f"{side}_hand", f"{side}_wrist"), a.points["grip"]
    tally.note("grip: hand to handle, mm", 1e3 * nearest(hand, grip))
    axis = placed.whole.posed.rotations[JOINT[f"{side}_hand"]][:, 2]
    off = hand - middle
    radial = np.linalg.norm(off - np.outer(off @ axis, axis), axis=1)[np.abs(off @ axis) < 0.03]
    tally.note("grip: hand inside the handle, mm", 1e3 * max(0.0, HANDLE_M - float(radial.min())))
    lowest = min(float((p.vertices @ up).min()) for p in a.parts)
    tally.note("tip off the ground, mm", 1e3 * abs(lowest - ground))
    own = owners_of(*(f"{side}_{n}" for n in HOLDING))
    pads = [p for p in a.parts if p.name == "pad"]
    depth, name = depth_of([p for p in a.parts if p.name not in ("grip", "hub", "pad")], flesh, own)
    tally.note("rigid aid in the body, mm", depth, f"{side} {a.device.type} {name}")
    if pads:
        tally.note("axillary pad in the body, mm", depth_of(pads, flesh, own)[0])
    kind = "on a crutch" if "crutch" in a.device.type else "on a cane or walker"
    kind = "in a swing-through" if placed.swings else kind
    tally.note(f"elbow {kind}, degrees", np.degrees(elbow_flexion(placed.whole.posed.joints, side)))


def _walker(placed: Placed, a: Attached, flesh: Flesh, tally: Tally) -> None:
    ground = float(np.array(a.device.frame["at"]) @ placed.up)
    for side in SIDES:
        grip = min((p for p in a.parts if p.name == "grip"),
                   key=lambda p: float(np.linalg.norm(p.vertices.mean(0) - a.points[f"{side}_grip"])))  # fmt: skip
        hand, middle = placed.skin(f"{side}_hand", f"{side}_wrist"), a.points[f"{side}_grip"]
        tally.note("grip: hand to handle, mm", 1e3 * nearest(hand, grip))
        axis = np.reshape(a.device.frame["turn"], (3, 3))[:, 2]
        off = hand - middle
        radial = np.linalg.norm(off - np.outer(off @ axis, axis), axis=1)[np.abs(off @ axis) < 0.03]
        tally.note("grip: hand inside the handle, mm", 1e3 * max(0.0, HANDLE_M - float(radial.min())))
        tally.note("elbow on a cane or walker, degrees", np.degrees(elbow_flexion(placed.whole.posed.joints, side)))
    feet = [float((p.vertices @ placed.up).min()) - ground for p in a.parts if p.name == "foot"]
    tally.note("tip off the ground, mm", 1e3 * max(abs(f) for f in feet))
    own = owners_of(*(f"{s}_{n}" for s in SIDES for n in HOLDING))
    depth, name = depth_of([p for p in a.parts if p.name != "grip"], flesh, own)
    tally.note("rigid aid in the body, mm", depth, f"walker {name}")


def _arms(placed: Placed, tally: Tally) -> None:
    """Arms in trunk and legs, against the fit's own."""
    original = rebuild(placed.body, BodyFit.of(placed.fit), Cut(), None)
    owner, way = placed.body.mesh.owner, placed.way
    seen = np.zeros(len(owner), bool)
    seen[np.unique(placed.body.mesh.faces[~placed.body.mesh.hidden])] = True
    trunks = [Flesh.of(p.vertices, placed.body.mesh.faces, owner, way, TRUNK) for p in (original, placed.whole)]
    for side in SIDES:
        rows = np.flatnonzero(np.isin(owner, owners_of(*(f"{side}_{n}" for n in HOLDING))) & seen)
        before, after = (1e3 * t.depth(p.vertices[rows])
                         for t, p in zip(trunks, (original, placed.whole), strict=True))  # fmt: skip
        what = "wheelchair" if placed.aids[0].type == "wheelchair" else "standing"
        tally.note(f"arm in own body beyond the fit's, {what}, mm", max(0.0, after - before), side)


def _soles(placed: Placed, tally: Tally) -> None:
    """Feet that were planted; somebody's raised foot stays in the air."""
    aid = placed.aids[0]
    ground = float(np.array(aid.tip or aid.frame["at"]) @ placed.up)
    for side in SIDES:
        sole = float((placed.foot(side) @ placed.up).min()) - ground - 0.016
        if abs(sole) < 0.03:
            tally.note("planted sole off the ground, mm", 1e3 * abs(sole))


def _rim_off(placed: Placed, chair: Device, side: str) -> float:
    """Return how far the hand rim's middle line lies outside of the room that the fist leaves to its tube, m."""
    k, posed = JOINT[f"{side}_hand"], placed.whole.posed
    handle = posed.joints[k] + posed.rotations[k] @ closed_hands(placed.body).handle(side)
    turn, at = np.reshape(chair.frame["turn"], (3, 3)), np.array(chair.frame["at"])
    wheel = wheels_of(Seat.of(chair.frame))[side]
    v = (handle - at) @ turn - wheel.hub
    along = float(v @ wheel.axle)
    across = float(np.linalg.norm(v - along * wheel.axle))
    off = float(np.hypot(across - wheel.drive.rim, along - RIM_ASIDE_M))
    return max(0.0, off - (HANDLE_M - HAND_RIM_TUBE_M))


def _doffed(placed: Placed, a: Attached, flesh: Flesh, tally: Tally) -> None:
    lowest = min(float((p.vertices @ placed.up).min()) for p in a.parts)
    lowest = min([lowest, *(float((i.vertices @ placed.up).min()) for i in a.extra)])
    ground = float(np.array(a.device.frame["at"]) @ placed.up)
    tally.note("doffed prosthesis off the ground, mm", 1e3 * abs(lowest - ground))
    tally.note("rigid aid in the body, mm", *depth_of(list(a.parts), flesh, []))
    if "rests" not in a.device.frame:
        return
    chair = next(o for o in placed.attached.attached if o.device.type == "wheelchair")
    own = np.concatenate([surface_points(p.vertices, p.faces, 0.003) for p in a.parts]
                         + [i.vertices for i in a.extra])  # fmt: skip
    rests = [p for p in chair.parts if p.name in ("tyre", "hand rim")]
    tally.note("leaning prosthesis off its wheel, mm", 1e3 * min(nearest(own, p) for p in rests))
    wheels = [Flesh.of(p.vertices, p.faces, np.zeros(len(p.vertices), int), placed.way) for p in rests]
    tally.note("leaning prosthesis inside its wheel, mm", 1e3 * max(w.depth(own) for w in wheels))


def _chair(placed: Placed, chair: Attached, flesh: Flesh, tally: Tally) -> None:
    facts = chair.device.frame
    turn, at = np.reshape(facts["turn"], (3, 3)), np.array(facts["at"])
    hands = owners_of(*(f"{s}_{n}" for s in facts["hands"] for n in ("wrist", "hand")))
    soft, rigid = ([p for p in chair.parts if p.soft is kind] for kind in (True, False))
    rigid = [p for p in rigid if p.name not in ("spoke", "tab")]
    tally.note("cushion and back in the body, mm", *depth_of(soft, flesh, hands))
    tally.note("rigid chair in the body, mm", *depth_of(rigid, flesh, hands))
    racing = facts.get("kind") == "racing"
    for side in SIDES:
        sole = float(((placed.foot(side) - at) @ turn)[:, 1].min()) - facts["foot"][0] - 0.022
        if not racing:  # there the shins lie on a tray, which is a cushion
            tally.note("sole off the footplate, mm", 1e3 * abs(sole))
        if side in facts["hands"]:
            rims = [p for p in chair.parts if p.name == "hand rim"]
            hand = placed.skin(f"{side}_hand")
            tally.note("grip: hand to rim, mm", 1e3 * min(nearest(hand, r) for r in rims))
            tally.note("grip: rim out of the closed hand, mm", 1e3 * _rim_off(placed, chair.device, side))
    wheels = [((p.vertices - at) @ turn)[:, 1].min() for p in chair.parts if p.name in ("tyre", "caster")]
    tally.note("wheels off the ground, mm", 1e3 * max(abs(float(w)) for w in wheels))
