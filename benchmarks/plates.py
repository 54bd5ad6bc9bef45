"""Benchmark of plates, photos without the person: ``a3dgen bench plates [--json] [--seeds 0,1] [--samples DIR]``.

Three sets of people whose surroundings are known:

- ``demo``: the demo's pictures of several people, of every seed, rendered again without one of them.
- ``composites``: people cut out of real photos (``--samples``: a folder with COCO trees) and pasted into others.
- ``unmasked``: the same, annotated by keypoints only, as MPII is.

Every fitted person gets a plate. Figures (see ``plate_measures.measure``): ``psnr`` and ``texture`` of the hole, by the
truth; ``left_px`` of the person are still there; ``harm_px`` of other people were changed; ``lost_px`` in front of the
person are not put back; ``refused`` people have no plate. ``--set KEY=VALUE`` changes keys of ``background``;
``--build DIR`` keeps pictures and fits from run to run; ``--sheet DIR`` writes photo, hole, plate and truth of each.
"""

from __future__ import annotations

import argparse
import json as json_text
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import cv2
import numba
import numpy as np
import yaml

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import OK, Bodies, Persons, Plans
from a3dgen.core.stage import Context, Inputs
from a3dgen.io.images import read_mask, read_rgb
from a3dgen.io.portable import with_paths
from a3dgen.io.shards import read_shard, write_shard
from a3dgen.removal.config import PlateBars
from a3dgen.stages import background, fit, ingest
from benchmarks import plate_composites, plate_demo
from benchmarks import plate_measures as measures
from benchmarks.plate_measures import PlateTruth

PEOPLE, COMPOSITES = 24, 24
SHEET_SIDE = 480
Truths = dict[str, PlateTruth]


def people_of(folder: Path, sources: dict[str, object]) -> tuple[Persons, Bodies]:
    """Return everybody who can be read and fitted; kept in the folder."""
    path = folder / "people.h5"
    if not path.is_file():
        context = Context(0, BodyConfig(), folder, folder / "fit")
        rows = [r for r in ingest.run(ingest.Config(sources=sources), context) if isinstance(r, dict)]
        persons = with_paths(Persons.from_rows(rows), folder)
        bodies = fit.run(fit.Config(), Inputs(persons), context).record
        write_shard(path, {"Persons": persons, "Bodies": bodies})
    stored = read_shard(path)
    return stored["Persons"], stored["Bodies"]  # type: ignore[return-value]


def plans_of(bodies: Bodies) -> Plans:
    """Return one plan for each body: plates are made of who has one."""
    rows = [
        {"key": f"{k}/x", "parent": str(k), "removed": np.zeros(12, bool), "skin": 5, "garments": "[]"}
        for k in bodies.key
    ]
    return Plans.from_rows(rows)


def run_set(
    folder: Path,
    sources: dict[str, object],
    truths: Truths,
    config: background.Config,
    sheet: Path | None,
    limit: int = 0,
) -> tuple[list[dict[str, Any]], dict[str, str], float]:
    """Make every plate of one set anew and measure it; return rows, key -> reason of those refused, CPU seconds."""
    persons, bodies = people_of(folder, sources)
    plans = plans_of(bodies)
    if limit:
        plans = plans.take(np.unique(np.linspace(0, len(plans) - 1, limit).round().astype(int)))
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        start = time.process_time()
        with facts_of_plates() as facts:
            context = Context(0, BodyConfig(), out, out / "background")
            made = background.run(config, Inputs(persons, bodies, plans), context)
        seconds = time.process_time() - start
        refused = {
            str(k): str(r)
            for k, s, r in zip(made.outcome.key, made.outcome.status, made.outcome.reason, strict=True)
            if s != OK
        }
        rows = []
        for i, key in enumerate(made.record.key):
            row, truth = made.record.row(i), truths[str(key)]
            plate, hole = read_rgb(out / row["image"]), read_mask(out / row["mask"])
            front = read_mask(out / row["occluders"]) if row["occluders"] else np.zeros_like(hole)
            found = measures.measure(truth, plate, hole, front)
            rows.append({"key": str(key), "method": row["method"], **facts[i], **found})
            if sheet is not None:
                save_sheet(sheet, str(key), truth, plate, hole, front, rows[-1])
    return rows, refused, seconds


@contextmanager
def facts_of_plates() -> Iterator[list[dict[str, float]]]:
    """Note what the gate measures of every plate it lets pass, in order."""
    found: list[dict[str, float]] = []
    plain = background.judge

    def noted(*arguments: Any) -> Any:
        facts = plain(*arguments)
        found.append(asdict(facts))
        return facts

    background.judge = noted
    try:
        yield found
    finally:
        background.judge = plain


def save_sheet(
    folder: Path, key: str, truth: PlateTruth, plate: Any, hole: Any, front: Any, row: dict[str, Any]
) -> None:
    """Write photo with hole (red), what stays in front (green) and the person's true outline (yellow), plate, truth."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = truth.photo.copy()
    masks = ((hole, (255, 40, 40)), (front, (40, 255, 40)), (truth.own, (255, 255, 0)))
    for mask, colour in masks:
        if mask is not None:
            lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(shown, lines, -1, colour, 1)
    pictures = [shown, plate, plate if truth.clean is None else truth.clean]
    scale = SHEET_SIDE / plate.shape[0]
    size = (round(plate.shape[1] * scale), SHEET_SIDE)
    strip = np.hstack([cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures])
    text = f"{key} left {row['left']:.0f} harm {row['harm']:.0f} lost {row['lost']:.0f} psnr {row['psnr']:.1f}"
    cv2.putText(strip, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 0, 255), 1, cv2.LINE_AA)
    cv2.imwrite(str(folder / f"{re.sub('[^A-Za-z0-9]+', '_', key)}.jpg"), strip[..., ::-1])


def sets(folder: Path, options: argparse.Namespace) -> dict[str, tuple[Path, dict[str, object], Truths]]:
    """Make (or find) the sets asked for: name -> folder, sources, truths."""
    out: dict[str, tuple[Path, dict[str, object], Truths]] = {}
    for seed in options.seeds:
        place = folder / f"demo-{options.people}-{seed}"
        sources = plate_demo.make(place, options.people, seed)
        out[f"demo {seed}"] = place, sources, plate_demo.truths(place, options.people)
    if options.samples is not None:
        for name, masked in (("composites", True), ("unmasked", False)):
            place = folder / f"{name}-{options.composites}"
            sources = plate_composites.make(place, options.samples, options.composites, 0, masked)
            out[name] = place, sources, plate_composites.truths(place)
    return out


def run(folder: Path, options: argparse.Namespace, config: background.Config) -> dict[str, Any]:
    """Return the figures of every set, and with more than one seed those of all demos."""
    cv2.setNumThreads(1)
    numba.set_num_threads(1)
    found: dict[str, Any] = {}
    rows: dict[str, list[dict[str, Any]]] = {}
    every: dict[str, dict[str, str]] = {}
    for name, (place, sources, truths) in sets(folder, options).items():
        if options.only and not name.startswith(options.only):
            continue
        sheet = options.sheet / name.replace(" ", "-") if options.sheet is not None else None
        made, refused, seconds = run_set(place, sources, truths, config, sheet, options.limit)
        rows[name], every[name] = made, refused
        found[name] = {
            **measures.summary(made, counted(refused)),
            "cpu_s_a_plate": round(seconds / max(1, len(made)), 2),
        }
    demos = [n for n in rows if n.startswith("demo")]
    if len(demos) > 1:
        together = {k: r for n in demos for k, r in ((f"{n}/{k}", r) for k, r in every[n].items())}
        found["demo, all seeds"] = measures.summary([r for n in demos for r in rows[n]], counted(together))
    found["details"] = {"rows": rows, "refused": every} if options.details else {}
    return found


def counted(refused: dict[str, str]) -> dict[str, int]:
    """Return how many were refused for each reason, its numbers left out."""
    return dict(Counter(re.sub(r"[0-9.]+ ?%?", "N", r) for r in refused.values()).most_common())


def changed(config: background.Config, settings: list[str]) -> background.Config:
    """Return a configuration with ``KEY=VALUE`` settings applied."""
    pairs = (s.split("=", 1) for s in settings)
    return replace(config, **{k: yaml.safe_load(v) for k, v in pairs})


def table(found: dict[str, Any]) -> str:
    """Return the figures as text: a line a measure, a column a set."""
    names = [n for n in found if n != "details"]
    lines = [" " * 24 + "".join(f"{n:>17}" for n in names)]
    for what in found[names[0]]:
        if what != "reasons":
            lines.append(f"{what:24}" + "".join(f"{found[n].get(what, '')!s:>17}" for n in names))
    lines += [f"{n}: {c} {r}" for n in names for r, c in found[n]["reasons"].items()]
    return "\n".join(lines)


def main(parse: Callable[[argparse.ArgumentParser], argparse.Namespace]) -> None:
    """Run the benchmark and print its figures, as one JSON object or as a table."""
    parser = argparse.ArgumentParser(prog="a3dgen bench plates", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=PEOPLE, help="of the demo whose pictures of several are used")
    parser.add_argument("--seeds", type=lambda t: [int(v) for v in t.split(",") if v], default=[0])
    parser.add_argument("--samples", type=Path, help="folder with COCO trees, for composites of real photos")
    parser.add_argument("--composites", type=int, default=COMPOSITES)
    parser.add_argument("--only", default="", help="sets whose names begin so")
    parser.add_argument("--limit", type=int, default=0, help="plates of each set, evenly chosen")
    parser.add_argument("--build", type=Path, help="folder that keeps pictures and fits")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of background")
    parser.add_argument("--open", action="store_true", help="no plate is rejected by its bars")
    parser.add_argument("--sheet", type=Path, help="folder for pictures")
    parser.add_argument("--details", action="store_true", help="every plate's figures (with --json)")
    options = parse(parser)
    bars = PlateBars(*[float("inf")] * len(fields(PlateBars))) if options.open else PlateBars()
    config = changed(background.Config(bars=bars), options.set)
    with tempfile.TemporaryDirectory() as scratch:
        found = run(options.build or Path(scratch), options, config)
    sys.stdout.write((json_text.dumps(found, indent=1) if options.json else table(found)) + "\n")


if __name__ == "__main__":
    main(lambda parser: parser.parse_args())
