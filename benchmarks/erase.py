"""Benchmark of photo-preserving erasure: ``a3dgen bench erase [--json] [--people N] [--build DIR] [--sheet DIR]``
with ``--calibrate`` for what each bar of admission costs, ``--csv FILE`` for one line a pair and ``--keep DIR`` to go
on where an interrupted run stopped.

Erases the eight cuttable regions (``--torso``: all twelve; ``--several``: two limbs at once) of every person of a demo
build where a residual is admitted, and compares each with the truth: the same person rendered without the limb in the
same scene. Prints the measures beside their bars.

- ``psnr``, ``ssim``, ``gradient``: median in the zone of the limb (its true pixels and 6 px around).
- ``worse``: samples less like the truth than the untouched photo.
- ``left``: limb pixels that still are the photo's. ``harm``: kept pixels of the person changed, of the limb's area.
- ``iou``: of the written mask with the true one near the limb. ``tip``: projected tip off the truth, of the height.
- ``leak_auc``: amputee or intact twin, told from the filled background alone (0.5 = cannot be told); ``leak_choice``:
  with both pictures of a pair in sight. ``photo_auc``, ``photo_choice``: the same classifiers on amputee or untouched
  photo; ``control_auc``, ``control_choice``: on amputee or a twin whose hole was softened on purpose, as a check.
- ``admitted``: pairs of person and region; ``people``: with one or more. ``cpu_ms``: of an amputee; twins share it.
"""

from __future__ import annotations

import argparse
import csv
import json as json_text
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.amputation.rebuild import Cut
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context
from a3dgen.erasure.config import Bars
from a3dgen.erasure.erase import Erasure, Shown, amputated, erase, restored
from a3dgen.erasure.subject import Subject, load_subject
from a3dgen.geometry.camera import project
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS
from benchmarks import erase_calibration as calibration
from benchmarks import erase_leak as leak
from benchmarks import erase_measures as measures
from benchmarks.build_rows import read_build
from benchmarks.erase_truth import TruePair, Truth, shots_of

PEOPLE, RESIDUALS = 48, (0.55, 0.75, 0.4, 0.9, 0.3)
SEVERAL = (("left_hand", "right_hand"), ("left_foot", "right_foot"), ("left_hand", "left_knee"),
           ("right_elbow", "right_foot"), ("left_knee", "right_foot"), ("right_elbow", "left_knee"))  # fmt: skip
"""Limbs erased together with ``--several``."""
RECORDS = {"Persons": "ingest", "Bodies": "fit", "Plates": "background"}
BARS = {"psnr": 24.0, "ssim": 0.76, "gradient": 0.87, "worse": 0, "left_p90": 0.007, "left_max": 0.02, "harm_p90": 0.06,
        "iou": 0.82, "tip_max": 0.02, "admitted": 0.45, "cpu_ms": 200, "leak_auc": 0.6}  # fmt: skip


def make_build(folder: Path, people: int, seed: int) -> None:
    """Build the demo's plates (one sample a person): of whom the photo admits it, also those that no drawn person may
    stand on."""
    command = [sys.executable, "-m", "a3dgen", "build", "--quiet", "--out", str(folder), "--workers", "0"]
    settings = (f"demo.people={people}", f"seed={seed}", "amputate.per_person=1", "amputate.twins=none")
    settings += ("render.mode=erase",)
    options = [word for setting in settings for word in ("--set", setting)]
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)


def subjects(
    build: Path, done: Callable[[str], bool] = lambda key: False
) -> Iterator[tuple[str, Subject, dict[str, Any], float]]:
    """Yield key, subject, row of Persons and CPU seconds of every person with a plate who is not ``done``."""
    rows, context = read_build(build, RECORDS), Context(0, BodyConfig(), build, build / "erase")
    for key, plate in rows["Plates"].items():
        if done(key):
            continue
        person = rows["Persons"][key]
        start = time.process_time()
        try:
            subject = load_subject(person, rows["Bodies"][key], plate, context)
        except Rejected as error:
            print(f"{key}: {error}", file=sys.stderr)
            continue
        yield key, subject, person, time.process_time() - start


def single(region: int, residual: float) -> Cut:
    """Return the cut of one region."""
    return cut_at((region,), residual)


def cut_at(regions: tuple[int, ...], residual: float) -> Cut:
    """Return the cut of regions at one residual; shoulders and hips close over the torso."""
    removed, at = np.zeros(NUM_REGIONS, bool), np.ones(NUM_REGIONS)
    for region in regions:
        removed[region], at[region] = True, residual if REGIONS[region].cuttable else 1.0
    return Cut(removed, at)


def cases(torso: bool, several: bool) -> list[tuple[int, ...]]:
    """Return the regions that are erased together."""
    index = {r.name: r.index for r in REGIONS}
    if several:
        return [tuple(index[n] for n in names) for names in SEVERAL]
    return [(r.index,) for r in REGIONS if torso or r.cuttable]


def named(regions: tuple[int, ...]) -> str:
    """Return the regions' names."""
    return "+".join(REGIONS[r].name for r in regions)


def first_admitted(
    subject: Subject, key: str, regions: tuple[int, ...], bars: Bars, fill: str
) -> tuple[Erasure | None, Cut, str, float]:
    """Return the erasure at the first residual that passes, its cut, the first reason against, and CPU seconds."""
    why, name = "", "+".join(map(str, regions))
    for residual in RESIDUALS if any(REGIONS[r].cuttable for r in regions) else (1.0,):
        cut = cut_at(regions, residual)
        start = time.process_time()
        found = erase(subject, cut, bars, generator_for(0, "erase", f"{key}/{name}"), fill=fill)
        if isinstance(found, Erasure):
            return found, cut, "", time.process_time() - start
        why = why or str(found)
    return None, cut, why, 0.0


def run(
    build: Path,
    people: int,
    bars: Bars,
    fill: str = "auto",
    sheet: Path | None = None,
    chosen: Sequence[tuple[int, ...]] | None = None,
    seed: int = 0,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Erase and score; return rows, reasons and the summary.

    Args:
        chosen: what is erased together; the eight cuttable regions, one at a time, by default.
        keep: folder for what was measured of each person; whoever lies there is not measured again.
    """
    shots, truth, found = shots_of(people), Truth(seed), list[dict[str, Any]]()

    def kept(key: str) -> Path | None:
        return None if keep is None else keep / f"{key.replace('/', '_')}.json"

    def done(key: str) -> bool:
        path = kept(key)
        if path is None or not path.exists():
            return False
        found.append(json_text.loads(path.read_text()))
        return True

    for key, subject, person, seconds in subjects(build, done):
        mine: dict[str, Any] = {"key": key, "seconds": seconds, "rows": [], "why": [], "leaks": []}
        for regions in cases(False, False) if chosen is None else chosen:
            erasure, cut, reason, cpu = first_admitted(subject, key, regions, bars, fill)
            if erasure is None:
                mine["why"].append(reason.split(";")[0].split("(")[0].strip())
                continue
            start = time.process_time()
            shown = amputated(erasure)
            cpu += time.process_time() - start
            twin = restored(erasure)
            pair = truth.pair(*shots[key], cut, person["dist"])
            name = {"key": key, "region": named(regions), "cover": erasure.ends[0].skin.cover}
            mine["rows"].append(name | scored(subject, erasure, shown, pair) | {"cpu": cpu})
            mine["leaks"].append(described(subject, erasure, shown, twin))
            if sheet is not None:
                x0, y0, x1, y1 = subject.window
                pictures = subject.rgb, shown.rgb, pair.truth[y0:y1, x0:x1], twin.rgb
                save(sheet / f"{key.replace('/', '_')}_{named(regions)}.npz", pictures, erasure, mine["rows"][-1])
        found.append(mine)
        path = kept(key)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json_text.dumps(mine, default=float))
    rows = [row for person in found for row in person["rows"]]
    why = Counter(w for person in found for w in person["why"])
    facts = summary(rows, len(rows) + why.total(), [person["seconds"] for person in found]) | leaked(found)
    return {"rows": rows, "refused": dict(why.most_common()), "summary": facts}


def scored(subject: Subject, erasure: Erasure, shown: Shown, pair: TruePair) -> dict[str, float]:
    """Return the measures of one erased photo, the tip's error, and the facts of admission."""
    x0, y0, x1, y1 = subject.window
    window = np.s_[y0:y1, x0:x1]
    row = measures.score(
        subject.rgb, shown.rgb, pair.truth[window], shown.mask, pair.with_limb[window], pair.without[window]
    )
    stump = erasure.amputee.topology.stumps[0]  # of the labels
    at = erasure.amputee.vertices[stump.tip][None].astype(np.float64)
    tip = project(at, subject.K)[0] + (x0, y0)
    facts = {f"f_{k}": v for k, v in erasure.admission.facts.items()}
    return row | {"tip": float(np.linalg.norm(tip - pair.tip) / subject.height)} | facts


def described(subject: Subject, erasure: Erasure, amputee: Shown, twin: Shown) -> dict[str, list[float]] | None:
    """Return what the leak classifier sees of a pair and of the untouched photo at the same places; None for too
    little."""
    drawn = amputee.drawn | twin.drawn | subject.mine
    for end in erasure.ends:
        drawn[end.skin.crop] |= end.skin.alpha > 0
    where = leak.visible_background(erasure.hole.mask, drawn)
    pictures = {"amputee": amputee.rgb, "twin": twin.rgb, "photo": subject.rgb}
    pictures["control"] = leak.softened(twin.rgb, erasure.hole.mask)
    found = {k: leak.describe(leak.covered(rgb, drawn, amputee.rgb), *where) for k, rgb in pictures.items()}
    if any(v is None for v in found.values()):
        return None
    return {k: v.tolist() for k, v in found.items() if v is not None}


def leaked(found: list[dict[str, Any]]) -> dict[str, float]:
    """Return the leak classifier's figures; empty for too few people."""
    seen = [(person["key"], leaks) for person in found for leaks in person["leaks"] if leaks]
    people = [key for key, _ in seen]
    if len(set(people)) < leak.FOLDS:
        return {}
    names = ("amputee", "twin", "photo", "control")
    amputee, twin, photo, control = ([np.array(v[k]) for _, v in seen] for k in names)
    return {
        "leak_pairs": len(amputee),
        "leak_auc": leak.auc(amputee, twin, people),
        "leak_choice": leak.choice(amputee, twin, people),
        "photo_auc": leak.auc(amputee, photo, people),
        "photo_choice": leak.choice(amputee, photo, people),
        "control_auc": leak.auc(amputee, control, people),
        "control_choice": leak.choice(amputee, control, people),
    }


def save(path: Path, pictures: tuple[Any, ...], erasure: Erasure, row: dict[str, Any]) -> None:
    """Keep photo, erased, truth and twin for a contact sheet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = erasure.ends[0].frame
    np.savez_compressed(
        path, pictures=np.stack(pictures), hole=erasure.hole.mask, outline=erasure.subject.outline, tip=frame.tip,
        half=frame.half, title=f"{row['key'][-16:]} {row['region']} {row['cover']} {row['psnr']:.1f} dB",
    )  # fmt: skip


def summary(rows: list[dict[str, Any]], tried: int, prepared: list[float]) -> dict[str, float]:
    """Return the figures of the table; empty without a row."""
    if not rows:
        return {"pairs": 0, "tried": tried}
    column = {k: np.array([r[k] for r in rows]) for k in rows[0] if k not in ("key", "region", "cover")}
    return {
        "pairs": len(rows),
        "people": len({r["key"] for r in rows}),
        "admitted": len(rows) / tried,
        **{k: float(np.median(column[k])) for k in ("psnr", "psnr_photo", "ssim", "ssim_photo", "gradient", "iou")},
        "worse": int((column["psnr"] < column["psnr_photo"]).sum()),
        "left_p90": float(np.percentile(column["left"], 90)),
        "left_max": float(column["left"].max()),
        "harm_p90": float(np.percentile(column["harm"], 90)),
        "tip_median": float(np.median(column["tip"])),
        "tip_max": float(column["tip"].max()),
        "cpu_ms": 1e3 * float(column["cpu"].mean()),
        "person_ms": 1e3 * float(np.mean(prepared)),
    }


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one line a pair."""
    names = list(dict.fromkeys(k for r in rows for k in r))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="a3dgen bench erase", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--people", type=int, default=PEOPLE, help="of the demo")
    parser.add_argument("--seed", type=int, default=0, help="of the demo: other people in other scenes")
    parser.add_argument("--build", type=Path, help="finished demo build of as many people")
    parser.add_argument("--fill", default="auto", choices=("auto", "plate", "local"))
    parser.add_argument("--torso", action="store_true", help="shoulders and hips, too")
    parser.add_argument("--several", action="store_true", help="two limbs at once instead of one")
    parser.add_argument("--calibrate", action="store_true", help="open every bar; print its cost and the score's fit")
    parser.add_argument("--csv", type=Path, help="file for one line a pair")
    parser.add_argument("--keep", type=Path, help="folder for what is finished: the same command goes on from there")
    parser.add_argument("--sheet", type=Path, help="folder for the pictures")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        build = args.build or Path(scratch)
        if args.build is None:
            make_build(build, args.people, args.seed)
        bars = calibration.WIDE if args.calibrate else Bars(torso=args.torso)
        chosen = cases(args.torso, args.several)
        found = run(build, args.people, bars, args.fill, args.sheet, chosen, args.seed, args.keep)
    if args.csv:
        write_csv(args.csv, found["rows"])
    if args.json:
        print(json_text.dumps(found, indent=1))
        return
    for name, value in found["summary"].items():
        bar = f"   bar {BARS[name]}" if name in BARS else ""
        print(f"{name:12} {value:8.3f}{bar}")
    if args.calibrate:
        print(calibration.printed(found["rows"], Bars()))
    print("refused:", ", ".join(f"{v} {k}" for k, v in found["refused"].items()))


if __name__ == "__main__":
    main()
