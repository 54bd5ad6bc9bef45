"""``a3dgen bench devices``: prostheses and walking aids on the people of a build: contact, depth, labels, time."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.amputation import measurements
from a3dgen.amputation.rebuild import Amputee, BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.looks import LooksConfig, draw_look
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, Rejected
from a3dgen.core.rng import generator_for
from a3dgen.devices.attach import Devices, attach, hand_offsets
from a3dgen.devices.device import GRIPPED, Device, devices_from_json, is_prosthesis
from a3dgen.devices.dressing import over_prostheses
from a3dgen.devices.plan import equip
from a3dgen.devices.posture import Person, Trunk, elbow_flexion, pose_with_aids, signed_depth, stands
from a3dgen.devices.sampling import DevicesConfig, Drawn
from a3dgen.devices.sitting import sit
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.devices.grip import HANDLE_M, closed_hands
from a3dgen.geometry.devices.legs import LEAST_BUILD_M
from a3dgen.geometry.mesh import vertex_normals
from a3dgen.geometry.reach import visibility_reach
from a3dgen.geometry.regions import REGION_NAMES, REGIONS
from a3dgen.geometry.skeleton import JOINT
from a3dgen.io.shards import read_shard
from a3dgen.renderers import flat_light, get_renderer
from benchmarks.device_checks import Camera, open_parts, skin_outside, state_disagreements

KINDS = (
    ("transtibial", "none"), ("transtibial", "cane"), ("transfemoral", "none"), ("transfemoral", "crutch"),
    ("", "crutches"), ("blade", "none"), ("bilateral", "none"), ("", "cane"), ("", "wheelchair"),
    ("transtibial", "wheelchair"),
)  # fmt: skip
"""What is placed, in turn: prosthesis, aid."""
CONFIG = DevicesConfig(use="balanced")
SIDE = 520


@dataclass
class Tally:
    """What was measured, in mm, degrees, ms and counts."""

    values: dict[str, list[float]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def note(self, name: str, value: float) -> None:
        """Add one measurement."""
        self.values.setdefault(name, []).append(float(value))

    def summary(self) -> dict[str, Any]:
        """Return median, 95th percentile and maximum of each measure, counts and reasons."""
        quantiles = {n: dict(zip(("median", "p95", "max"), np.round(np.percentile(v, (50, 95, 100)), 2).tolist(),
                                 strict=True)) for n, v in sorted(self.values.items())}  # fmt: skip
        return {"measures": quantiles, "counts": dict(sorted(self.counts.items())),
                "reasons": dict(self.reasons.most_common())}  # fmt: skip


def people(build: Path) -> list[dict[str, Any]]:
    """Return the fits of a build.

    Raises:
        ConfigError: if there is none.
    """
    shards = sorted((build / "fit").glob("[0-9]*.h5"))
    rows = [b.row(i) for path in shards if (b := read_shard(path).get("Bodies")) is not None for i in range(len(b))]
    if not rows:
        raise ConfigError(f"{build}: no fitted people; run 'a3dgen build --config demo --out {build}' first")
    return rows


def placements(body: BodyData, rows: list[dict[str, Any]], count: int) -> Iterator[tuple[dict, Drawn, np.ndarray, Any]]:
    """Yield fit, what is drawn, removed regions and residuals: every kind on everybody, until there are enough."""
    rng = generator_for(0, "bench devices")
    for n in range(count):
        fit, (worn, aid) = rows[(n // len(KINDS)) % len(rows)], KINDS[n % len(KINDS)]
        side = ("left", "right")[int(rng.integers(2))]
        removed, residual, devices = np.zeros(12, bool), np.ones(12), []
        segment = measurements.segment_lengths(body, np.asarray(fit["betas"], float))
        for s in ("left", "right") if worn == "bilateral" else (side,) if worn else ():
            kind = worn if worn in ("transtibial", "transfemoral") else "transtibial"
            name = f"{s}_{'foot' if kind == 'transtibial' else 'knee'}"
            k = REGION_NAMES.index(name)
            most = 1 - LEAST_BUILD_M[kind] / segment[k]
            removed[k], residual[k] = True, rng.uniform(0.35, most)
            devices.append(Device(kind, s, name, end="blade" if worn == "blade" else "foot"))
        other = "right" if side == "left" else "left"
        posture = ("rims", "lap")[int(rng.integers(2))]
        yield fit, Drawn(tuple(devices), aid, other, posture=posture, turn=35.0), removed, residual


def place(
    body: BodyData, tally: Tally, fit: dict[str, Any], drawn: Drawn, removed: np.ndarray, residual: np.ndarray
) -> tuple[Amputee, Devices] | None:
    """Place devices on one person and measure; None if the posture is rejected or the person does not stand."""
    started = time.process_time()
    posture: dict[str, Any] = {}
    aids: tuple[Device, ...] = ()
    if drawn.aid != "none":
        try:
            take = sit if drawn.aid == "wheelchair" else pose_with_aids
            posture, aids = take(CONFIG, body, fit, drawn)
        except Rejected as error:
            tally.counts["postures rejected"] += 1
            tally.reasons[str(error).split(": ")[-1].lstrip("0123456789 ")] += 1
            return None
        if not aids:
            tally.counts["people who do not stand, left without aid"] += 1
            return None
        tally.counts["postures made"] += 1
    posed = time.process_time()
    row = fit | posture
    devices = [*drawn.prostheses, *aids]
    amputee = rebuild(body, BodyFit.of(row), Cut(removed, residual), hand_offsets(body, devices))
    look = draw_look(np.random.default_rng(1), LooksConfig(), removed, residual)
    look = over_prostheses(look, drawn.prostheses)
    before = time.process_time()
    attached = attach(body, amputee, look, devices)
    between = time.process_time()
    worn = build_subject(body, amputee, look)
    dressed = time.process_time()
    items = attached.dressed(worn)
    after = time.process_time()
    camera = camera_of(np.concatenate([i.vertices for i in items]))
    cost = [_draw_ms(i, camera) for i in (worn, items)]
    what = "with a wheelchair" if drawn.aid == "wheelchair" else "without one"
    tally.note(f"attach and draw, ms a sample, {what}", 1e3 * (after - dressed + between - before) + cost[1] - cost[0])
    if aids:
        tally.note("posture, ms a pair of twins", 1e3 * (posed - started))
        measure = _measure_chair if drawn.aid == "wheelchair" else _measure_aids
        measure(body, tally, fit, row, aids, amputee, attached)
    tally.counts["open or inverted parts"] += open_parts(attached)
    tally.counts["parts"] += sum(len(a.parts) for a in attached.attached)
    for a in attached.attached:
        if is_prosthesis(a.device):
            below, outside = skin_outside(a, amputee, body)
            tally.counts["skin vertices below the brim"] += below
            tally.counts["skin vertices outside the socket"] += outside
    rows, hidden, wrong = state_disagreements(amputee, attached, camera, visibility_reach(body))
    for name, value in (("keypoints", rows), ("keypoints hidden by devices", hidden), ("states that disagree", wrong)):
        tally.counts[name] += value
    return amputee, attached


def camera_of(points: np.ndarray) -> Camera:
    """A camera that sees all points in a square picture."""
    middle = (points.min(0) + points.max(0)) / 2
    half = 0.56 * float((points.max(0) - points.min(0))[:2].max())
    f = SIDE / 2 * middle[2] / half
    K = np.array([[f, 0, SIDE / 2 - f * middle[0] / middle[2]], [0, f, SIDE / 2 - f * middle[1] / middle[2]],
                  [0, 0, 1.0]])  # fmt: skip
    return Camera(K, SIDE, SIDE)


def _draw_ms(items: list, camera: Camera) -> float:
    started = time.process_time()
    get_renderer("cpu").render(items, camera.K, camera.width, camera.height, flat_light(), supersample=2)
    return 1e3 * (time.process_time() - started)


def _measure_aids(
    body: BodyData, tally: Tally, fit: dict, row: dict, aids: tuple[Device, ...], amputee: Amputee, attached: Devices
) -> None:
    whole = rebuild(body, BodyFit.of(row), Cut(), hand_offsets(body, aids))
    owner, up = body.mesh.weights.argmax(1), np.array(aids[0].up)
    ground = float(np.array(aids[0].tip) @ up)
    normals = vertex_normals(whole.vertices, body.mesh.faces).astype(float)
    person = Person.of(body, fit)
    original = Trunk.of(person)
    for a in attached.attached:
        if a.device.type not in GRIPPED:
            continue
        side = a.device.side
        hand = np.isin(owner, [JOINT[f"{side}_hand"], JOINT[f"{side}_wrist"]])
        shaft = np.concatenate([p.vertices for p in a.parts if p.name in ("shaft", "sleeve", "ferrule")])
        handle = next(p for p in a.parts if p.name == "grip").vertices
        near = np.linalg.norm(whole.vertices[hand][:, None] - handle[None], axis=2).min()
        middle = a.points["grip"]
        axis = whole.posed.rotations[JOINT[f"{side}_hand"]][:, 2]
        off = whole.vertices[hand] - middle
        radial = np.linalg.norm(off - np.outer(off @ axis, axis), axis=1)[np.abs(off @ axis) < 0.03]
        tally.note("grip: hand to handle, mm", 1e3 * near)
        tally.note("grip: hand inside the handle, mm", 1e3 * max(0.0, HANDLE_M - float(radial.min())))
        lowest = min(float((p.vertices @ up).min()) for p in a.parts)
        tally.note("tip off the ground, mm", 1e3 * abs(lowest - ground))
        rest = ~np.isin(owner, [JOINT[f"{side}_{n}"] for n in ("elbow", "wrist", "hand")])
        deep = signed_depth(shaft, whole.vertices[rest].astype(float), normals[rest])
        tally.note("rigid device inside the body, mm", 1e3 * max(0.0, float(deep.max())))
        tally.note("elbow, degrees", np.degrees(elbow_flexion(whole.posed.joints, side)))
        moved = Person.of(body, fit)
        moved.pose = moved.pose.copy()
        moved.pose[1:] = row["pose"][1:]
        planted = Trunk.of(moved)
        tally.note("arm in own body beyond the fit's, mm",
                   1e3 * max(0.0, planted.arm_depth(moved, side) - original.arm_depth(person, side)))  # fmt: skip
    for side in ("left", "right"):
        foot = np.isin(owner, [JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"]])
        sole = float((whole.vertices[foot] @ up).min()) - ground - 0.016
        if abs(sole) < 0.03:
            tally.note("planted sole off the ground, mm", 1e3 * abs(sole))


def _measure_chair(
    body: BodyData, tally: Tally, fit: dict, row: dict, aids: tuple[Device, ...], amputee: Amputee, attached: Devices
) -> None:
    whole = rebuild(body, BodyFit.of(row), Cut(), hand_offsets(body, aids))
    normals, owner = vertex_normals(whole.vertices, body.mesh.faces).astype(float), body.mesh.weights.argmax(1)
    chair = attached.attached[-1]
    facts = chair.device.frame
    turn, at = np.reshape(facts["turn"], (3, 3)), np.array(facts["at"])
    local = (whole.vertices - at) @ turn
    hands = np.isin(owner, [JOINT[f"{s}_{n}"] for s in ("left", "right") for n in ("wrist", "hand")])
    soft = np.concatenate([p.vertices for p in chair.parts if p.soft])
    rigid = np.concatenate([p.vertices for p in chair.parts if not p.soft])
    seen = np.zeros(len(owner), bool)
    seen[np.unique(body.mesh.faces[~body.mesh.hidden])] = True
    trunk = seen & ~hands
    for name, points in (("soft parts inside the body, mm", soft), ("rigid chair inside the body, mm", rigid)):
        deep = signed_depth(points, whole.vertices[trunk].astype(float), normals[trunk])
        tally.note(name, 1e3 * max(0.0, float(deep.max())))
    for side in ("left", "right"):
        foot = np.isin(owner, [JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"]])
        tally.note("sole off the footplate, mm", 1e3 * abs(float(local[foot, 1].min()) - facts["foot"][0] - 0.022))
        if side in facts["hands"]:
            rim = np.concatenate([p.vertices for p in chair.parts if p.name == "hand rim"])
            hand = whole.vertices[np.isin(owner, [JOINT[f"{side}_hand"]])]
            tally.note("grip: hand to rim, mm", 1e3 * np.linalg.norm(hand[:, None] - rim[None], axis=2).min())
    lowest = min(float(((p.vertices - at) @ turn)[:, 1].min()) for p in chair.parts)
    tally.note("wheels off the ground, mm", 1e3 * abs(lowest))


def twins_agree(body: BodyData, rows: list[dict[str, Any]], tally: Tally) -> None:
    """Count pairs of twins, and those whose aids or postures differ."""
    for n, fit in enumerate(rows):
        removed, residual = np.zeros(12, bool), np.ones(12)
        region = REGIONS[REGION_NAMES.index(("left_foot", "right_knee", "right_hand")[n % 3])]
        removed[region.index], residual[region.index] = True, 0.5
        look = draw_look(np.random.default_rng(n), LooksConfig(), removed, residual).columns()
        pair = [{"key": f"p{n}/a", "twin": f"p{n}/b", "removed": removed, "residual": residual},
                {"key": f"p{n}/b", "twin": f"p{n}/a", "removed": removed & False, "residual": np.ones(12)}]  # fmt: skip
        try:
            out, _ = equip(CONFIG, 0, body, fit, [{"parent": f"p{n}", **look, **r} for r in pair])
        except Rejected:
            continue
        aids = [[d for d in devices_from_json(r["devices"]) if not is_prosthesis(d)] for r in out]
        same = aids[0] == aids[1] and all(np.array_equal(out[0].get(k), out[1].get(k)) for k in ("pose", "reposed"))
        tally.counts["pairs of twins"] += 1
        tally.counts["pairs of twins with an aid"] += bool(aids[0])
        tally.counts["twins that differ"] += not same


def run(build: Path, count: int) -> dict[str, Any]:
    """Return all figures."""
    body = load_body(BodyConfig())
    rows, tally = people(build), Tally()
    tally.counts["people"] = len(rows)
    tally.counts["people who stand"] = sum(stands(f, Person.of(body, f)) for f in rows)
    closed_hands(body)
    pose_body(body, rows[0]["pose"], rows[0]["betas"], rows[0]["transl"])
    place(body, Tally(), *next(placements(body, rows, 1)))  # compiles, and fills the pools
    for case in placements(body, rows, count):
        tally.counts["placements"] += 1
        place(body, tally, *case)
    twins_agree(body, rows, tally)
    return tally.summary()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build/demo"), help="a finished build (build/demo)")
    parser.add_argument("--placements", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    facts = run(options.build, options.placements)
    if options.json:
        print(json.dumps(facts, indent=1))
    else:
        for group, table in facts.items():
            print(f"\n{group}")
            for name, value in table.items():
                print(f"  {name:<44} {value}")
