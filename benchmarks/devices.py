"""``a3dgen bench devices``: prostheses and walking aids on the people of a build: contact, depth, labels, time."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.amputation import measurements
from a3dgen.amputation.rebuild import Amputee, BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Garment, Look
from a3dgen.appearance.looks import LooksConfig, draw_look
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, Rejected
from a3dgen.core.rng import generator_for
from a3dgen.devices.attach import Devices, attach, hand_offsets
from a3dgen.devices.device import HIP, PROSTHESES, Device, devices_from_json, is_prosthesis
from a3dgen.devices.dressing import over_prostheses
from a3dgen.devices.lying import lay_down
from a3dgen.devices.person import Person
from a3dgen.devices.plan import clear_of_body, equip, posture_of
from a3dgen.devices.posture import stands
from a3dgen.devices.sampling import ELBOW, LEAST_BUILD_M, DevicesConfig, Drawn
from a3dgen.devices.swinging import SWING_THROUGH
from a3dgen.formats.dataset_rows import find_subsets, load_subset
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.reach import visibility_reach
from a3dgen.geometry.regions import REGION_NAMES, REGIONS
from a3dgen.io.shards import read_shard
from a3dgen.renderers import flat_light, get_renderer
from benchmarks.device_checks import (
    Camera,
    View,
    camera_of,
    open_parts,
    outside_cloth,
    skin_outside,
    state_disagreements,
)
from benchmarks.device_measures import Placed, Tally, measure
from benchmarks.device_table import must_show

KINDS = (
    ("transtibial", "none"), ("transtibial", "cane"), ("transfemoral", "none"), ("transfemoral", "crutch"),
    ("", "crutches"), ("blade", "none"), ("bilateral", "none"), ("", "cane"), ("", "wheelchair"),
    ("transtibial", "wheelchair"), ("transradial", "none"), ("transhumeral", "none"), ("hook", "none"),
    ("", "axillary"), ("transtibial", "walker"), ("c_blade", "none"), ("myoelectric", "none"), ("", "folding"),
    ("doffed", "crutches"), ("hip_disarticulation", "none"), ("", "racing"), ("doffed", "wheelchair"), ("", "swing"),
    ("", "push"), ("under_trousers", "none"),
)  # fmt: skip
"""What is placed, in turn: prosthesis, aid."""
ENDS_OF = {"blade": "blade", "hook": "hook", "transradial": "hand", "transhumeral": "hook", "c_blade": "c_blade",
           "myoelectric": "myoelectric"}  # fmt: skip
TYPE_OF = {"blade": "transtibial", "bilateral": "transtibial", "hook": "transradial", "c_blade": "transfemoral",
           "myoelectric": "transradial", "doffed": "transtibial", "under_trousers": "transfemoral"}  # fmt: skip
AID_OF = {"folding": "wheelchair", "racing": "wheelchair", "push": "wheelchair", "swing": "crutches"}
CONFIG = DevicesConfig(use="balanced")
SIDE = 520
VIEWS = (0.0, 65.0, 130.0, 195.0, 260.0)
"""Degrees that people are turned by for their keypoints to be looked at."""
STATES = ("keypoints", "keypoints hidden by devices", "states that disagree")


def people(builds: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the fits of some builds, taken in turn, so that few placements see people of all of them.

    Raises:
        ConfigError: if one has none.
    """
    found = []
    for build in builds:
        shards = sorted((build / "fit").glob("[0-9]*.h5"))
        rows = [b.row(i) for path in shards if (b := read_shard(path).get("Bodies")) is not None for i in range(len(b))]
        if not rows:
            raise ConfigError(f"{build}: no fitted people; run 'a3dgen build --config demo --out {build}' first")
        found.append(rows)
    return [row for some in itertools.zip_longest(*found) for row in some if row is not None]


def placements(body: BodyData, rows: list[dict[str, Any]], count: int) -> Iterator[tuple[dict, Drawn, np.ndarray, Any]]:
    """Yield fit, what is drawn, removed regions and residuals: kinds and people in turn."""
    rng = generator_for(0, "bench devices")
    for n in range(count):
        fit = rows[(n + n // math.lcm(len(KINDS), len(rows))) % len(rows)]  # each kind meets everybody in turn
        worn, aid = KINDS[n % len(KINDS)]
        side = ("left", "right")[int(rng.integers(2))]
        removed, residual, devices = np.zeros(12, bool), np.ones(12), []
        segment = measurements.segment_lengths(body, np.asarray(fit["betas"], float))
        for s in ("left", "right") if worn == "bilateral" else (side,) if worn else ():
            kind = TYPE_OF.get(worn, worn)
            name = f"{s}_{PROSTHESES[kind]}"
            k = REGION_NAMES.index(name)
            most = 1 - LEAST_BUILD_M[kind] / segment[k]
            residual[k] = 1.0 if kind == HIP else rng.uniform(0.45 if kind == "transhumeral" else 0.35, most)
            removed[k] = True
            end, sleeve = ENDS_OF.get(worn, "foot"), kind == "transtibial" and n % 2 == 0
            cover = "trousers" if worn == "under_trousers" else "bare"
            devices.append(Device(kind, s, name, end, cover, doffed=worn == "doffed", sleeve=sleeve))
        other = "right" if side == "left" else "left"
        posture = ("rims", "lap")[int(rng.integers(2))]
        elbow = float(rng.uniform(*ELBOW))
        chair = aid if aid in ("folding", "racing") else "active"
        posture = {"swing": SWING_THROUGH, "push": "push"}.get(aid, posture)
        aid = AID_OF.get(aid, aid)
        how = Drawn(tuple(devices), aid, other, chair=chair, posture=posture, turn=35.0, elbow=elbow)
        yield fit, how, removed, residual


def in_trousers(look: Look) -> Look:
    """Return a look that wears trousers to the ankles on its legs, and nothing else there."""
    other = tuple(g for g in look.garments if not {"left_leg", "right_leg"} & set(g.lengths))
    return replace(
        look, garments=(*other, Garment("trousers", {"left_leg": 2.0, "right_leg": 2.0}, colors=((60, 80, 110),)))
    )


def place(
    body: BodyData, tally: Tally, fit: dict[str, Any], drawn: Drawn, removed: np.ndarray, residual: np.ndarray
) -> None:
    """Place devices on one person and measure."""
    started = time.process_time()
    posture: dict[str, Any] = {}
    aids: tuple[Device, ...] = ()
    tally.case = f"{fit['key']} {drawn.aid} {drawn.posture} {drawn.chair if drawn.aid == 'wheelchair' else ''}".strip()
    if drawn.aid != "none":
        try:
            posture, aids = posture_of(CONFIG, body, fit, drawn)
        except Rejected as error:
            tally.count("postures rejected")
            tally.reasons[f"{drawn.aid}: {str(error).split(': ')[-1].lstrip('0123456789 ')}"] += 1
            return
        if not aids:
            tally.count("people who do not stand, left without aid")
            return
        tally.count("postures made")
    posing = 1e3 * (time.process_time() - started)
    rng = generator_for(0, "bench doffed", tally.case)
    prostheses = [lay_down(Person.of(body, fit), d, rng, aids) if d.doffed else d for d in drawn.prostheses]
    kept = clear_of_body(prostheses, body, fit | posture)
    tally.count("arm prostheses left out, as the photo's own arm lies in the body", len(prostheses) - len(kept))
    if prostheses and not kept:
        return
    row, devices = fit | posture, [*prostheses, *aids]
    amputee = rebuild(body, BodyFit.of(row), Cut(removed, residual), hand_offsets(body, devices))
    look = draw_look(np.random.default_rng(1), LooksConfig(), removed, residual)
    covered = any(d.cover == "trousers" for d in prostheses)
    look = over_prostheses(in_trousers(look) if covered else look, prostheses)
    attached = _timed(body, tally, amputee, look, devices, posing)
    if covered:
        seen, missed = outside_cloth(attached.attached[0], attached.dressed(build_subject(body, amputee, look)))
        tally.count("points of prostheses under trousers", seen)
        tally.count("points outside the trousers", missed)
    measure(Placed.of(body, fit, row, aids, amputee, attached, drawn.posture == SWING_THROUGH), tally)
    tally.count("open or inverted parts", open_parts(attached))
    tally.count("parts", sum(len(a.parts) for a in attached.attached))
    for a in attached.attached:
        if a.hull is not None:
            below, outside = skin_outside(a, amputee, body)
            tally.count("skin below the brim", below)
            tally.count("skin outside the socket", outside)
    up = Person.of(body, fit).frame[:, 1]
    for degrees in VIEWS:
        view = View.of(amputee, attached, up, degrees, SIDE)
        found = state_disagreements(view, visibility_reach(body))
        for name, value in zip(STATES, found, strict=True):
            tally.count(name, value)
        tally.note("states that disagree in a view", found[2], f"{prostheses} at {degrees:.0f} degrees")


def _timed(body: BodyData, tally: Tally, amputee: Amputee, look: Look, devices: list[Device], posing: float) -> Devices:
    """Attach and draw devices; note what that costs more than the person without them."""
    worn = build_subject(body, amputee, look)
    started = time.process_time()
    attached = attach(body, amputee, look, devices)
    items = attached.dressed(worn)
    attaching = 1e3 * (time.process_time() - started)
    camera = camera_of(np.concatenate([i.vertices for i in items]), SIDE)
    without, cost = (_draw_ms(i, camera) for i in (worn, items))
    chair = any(d.type == "wheelchair" for d in devices)
    kind = "wheelchair" if chair else "without a wheelchair"
    if posing > 0.5:
        tally.note("posture, ms a pair of twins", posing)
    tally.note("attaching, ms", attaching)
    tally.note("drawing, ms", cost - without)
    tally.note(f"extra CPU a sample, {kind}, ms", posing / 2 + attaching + cost - without)
    return attached


def _draw_ms(items: list, camera: Camera) -> float:
    started = time.process_time()
    get_renderer("cpu").render(items, camera.K, camera.width, camera.height, flat_light(), supersample=2)
    return 1e3 * (time.process_time() - started)


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
        tally.count("pairs of twins")
        tally.count("pairs of twins with an aid", bool(aids[0]))
        tally.count("twins that differ", not same)


def finished_twins(build: Path, tally: Tally) -> None:
    """Count samples with an aid of the build's dataset, and those whose twin did not come through; nothing where the
    dataset has no devices."""
    if not (build / "A3D_Dataset").is_dir():
        return
    for subset in find_subsets(build):
        c = load_subset(build, subset)
        if "devices" not in c.extra:
            continue
        aids = [[d for d in json.loads(str(t)) if d["type"] not in PROSTHESES] for t in c.extra["devices"]]
        for own, twin, removed in zip(aids, c.extra["twin"], c.removed, strict=True):
            tally.count("samples with an aid", bool(own))
            tally.count("aids without a twin", bool(own) and not str(twin))
            tally.count(f"{'amputees' if removed.any() else 'intact people'} with an aid", bool(own))
            tally.count(f"{'amputees' if removed.any() else 'intact people'} in the dataset")


def run(builds: Sequence[Path], count: int) -> dict[str, Any]:
    """Return all figures."""
    body = load_body(BodyConfig())
    rows, tally = people(builds), Tally()
    tally.count("people", len(rows))
    tally.count("people who stand", sum(stands(f, Person.of(body, f)) for f in rows))
    for case in itertools.islice(placements(body, rows, len(KINDS)), len(KINDS)):  # compiles, and fills the pools
        place(body, Tally(), *case)
    for case in placements(body, rows, count):
        tally.count("placements")
        place(body, tally, *case)
    twins_agree(body, rows, tally)
    for build in builds:
        finished_twins(build, tally)
    return {"must show": must_show(tally), **tally.summary()}


def _print(facts: dict[str, Any]) -> None:
    for line in facts["must show"]:
        verdict = "-" if line["met"] is None else "ok" if line["met"] else "MISSED"
        rest = ", ".join(f"{k} {v}" for k, v in line.items() if k not in ("line", "value", "met"))
        print(f"{verdict:<7}{line['line']:<56} {line['value']}  ({rest})")
    for group in ("measures", "counts", "reasons"):
        print(f"\n{group}")
        for name, value in facts[group].items():
            print(f"  {name:<58} {value}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, nargs="+", default=[Path("build/demo")], metavar="FOLDER",
                        help="builds with fits: a demo, your own photos ... (build/demo)")  # fmt: skip
    parser.add_argument("--placements", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    found = run(options.build, options.placements)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        _print(found)
