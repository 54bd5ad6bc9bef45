"""Benchmark of the pictures: ``a3dgen bench looks [--json] [--samples N | --quick] [--build DIR]``.

Draws samples of a demo build again and compares what the pictures show with what their labels say:

- ``visible_inside``: share of the keypoints marked visible that lie on the person's pixels.
- ``annotators_agree``: share of the limb joints that the source's annotators call visible which the labels of intact
  samples call visible too; ``annotators_agree_told`` of these only people in photos whose labels tell hidden joints
  of limbs from visible ones (sources that call all visible, also those behind the body, cannot be met), with
  ``annotators_told``, their number; ``annotators_agree_occluded`` likewise. A joint outside the picture is left out.
- ``removed_inside``: share of the removed keypoints (a first absent joint at residual 1 left out) on a pixel that
  carries a label of their own limb. Where a bent limb covers the place, it does so rightly; such samples are no ones
  whose absence can be seen.
- ``beyond_stump_px``: pixels of a limb beyond its stump. ``hole_px``: pixels in the whole body's outline that show
  nothing. ``leftover_px``: pixels of the true person that no plate filled. All three are sums.
- ``label_iou``: of the renderer's mask with a ray cast of the same mesh by Embree, mean.
- ``overhang``: share of the dressed person's pixels that lie outside the bare body's outline, mean.
- ``lstar_std``: standard deviation of L* over the person, mean.
- ``fill_texture``, ``telea_texture``: texture energy of the plates' fill, and of Telea's, relative to the surroundings.

``details`` names the samples that fall short. Without ``--build`` a demo is built in a temporary folder (minutes).
"""

from __future__ import annotations

import argparse
import json as json_text
import subprocess
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numba
import numpy as np

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Look
from a3dgen.bodies import load_body
from a3dgen.compositing.draw import draw
from a3dgen.compositing.scene import Scene, load_scene
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import OCCLUDED, VISIBLE
from a3dgen.core.rng import generator_for
from a3dgen.demo.truth import Truth, read_truth
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import undistort_image
from a3dgen.geometry.reach import Reach, visibility_reach
from a3dgen.inpainters import get_inpainter
from a3dgen.io.images import read_mask, read_rgb
from a3dgen.renderers import get_renderer
from a3dgen.stages import render
from benchmarks import looks_measures as measures
from benchmarks.build_rows import Rows, read_build

SAMPLES, QUICK, PER_PERSON = 200, 24, 5
RECORDS = {"Persons": "ingest", "Bodies": "fit", "Plans": "amputate", "Plates": "background", "Renders": "render"}


def make_build(folder: Path, samples: int) -> None:
    """Build the demo with as many samples a person as are wanted."""
    per_person = PER_PERSON if samples > 90 else 2
    command = [sys.executable, "-m", "a3dgen", "build", "--quiet", "--out", str(folder), "--workers", "0"]
    subprocess.run([*command, "--set", f"amputate.per_person={per_person}"], check=True, stdout=subprocess.DEVNULL)


def spread(keys: list[str], count: int) -> list[str]:
    """Return ``count`` keys, evenly over the list."""
    if len(keys) <= count:
        return keys
    return [keys[i] for i in np.linspace(0, len(keys) - 1, count).round().astype(int)]


def measure_sample(
    config: render.Config, rows: Rows, key: str, scene: Scene, body: BodyData, reach: Reach
) -> dict[str, Any]:
    """Draw one sample and return its figures; pairs are (found, of)."""
    plan = rows["Plans"][key]
    fitted, person = rows["Bodies"][str(plan["parent"])], rows["Persons"][str(plan["parent"])]
    agree = measures.annotators_agree
    amputee, look = rebuild(body, BodyFit.of(fitted), Cut.of(plan)), Look.from_columns(plan)
    residual = amputee.cut.residual
    items = build_subject(body, amputee, look)
    picture = draw(config, items, scene, look.light, generator_for(0, "grain", key))
    seen = render.measure(amputee, plan, scene, picture, reach)
    h, w = scene.plate.shape[:2]
    x0, y0, x1, y1 = picture.window
    labels = np.zeros((h, w), np.uint8)
    labels[y0:y1, x0:x1] = picture.part
    shown = labels if scene.hidden is None else np.where(scene.hidden, 0, labels).astype(np.uint8)
    skin = [i for i in items if i.material == "skin"]
    light = scene.light({})
    frame = get_renderer(config.renderer).render(skin, scene.K, w, h, light, picture.window, 1)
    return {
        "visible": measures.visible_rows(seen["state"], amputee.keypoints, scene.K, shown),
        "agree": agree(person, plan, seen["state"], VISIBLE),
        "agree_told": agree(person, plan, seen["state"], VISIBLE, told=True),
        "agree_occluded": agree(person, plan, seen["state"], OCCLUDED),
        "removed": measures.removed_rows(amputee, plan["removed"], residual, scene.K, shown),
        "beyond": measures.beyond_stumps(
            amputee, plan["removed"], (frame.depth, frame.part), picture.part, scene.K, (x0, y0)
        ),
        "holes": measures.holes(amputee, scene.K, picture.part, picture.window),
        "iou": measures.overlap(picture.part > 0, measures.ray_cast(items, scene.K, picture.window)),
        "overhang": measures.overhang(amputee, items, scene.K, picture.window),
        "lstar": measures.lstar_std(picture.rgb, shown),
    }


def measure_plate(build: Path, person: dict[str, Any], plate: dict[str, Any], truth: Truth | None) -> dict[str, float]:
    """Return pixels of the person left in a plate (nan without truth), and the texture of its fill and of Telea's."""
    photo = undistort_image(read_rgb(Path(person["image"])), person["K"], person["dist"])
    filled, hole = read_rgb(build / plate["image"]), read_mask(build / plate["mask"])
    beside = read_mask(build / plate["occluders"]) if plate["occluders"] else np.zeros_like(hole)
    telea = get_inpainter("opencv", "telea")(photo, hole, beside, generator_for(0, "telea", person["key"]))
    left = float("nan") if truth is None else float((read_mask(truth.mask) & ~hole).sum())
    fill, plain = (measures.texture(image, hole, beside) for image in (filled, telea))
    return {"left": left, "fill": fill, "telea": plain}


def run(build: Path, samples: int, renderer: str = "cpu") -> dict[str, Any]:
    """Return the figures of a build that exists."""
    cv2.setNumThreads(1)
    numba.set_num_threads(1)
    rows = read_build(build, RECORDS)
    keys = spread([k for k in rows["Plans"] if k in rows["Renders"]], samples)
    body, config = load_body(BodyConfig()), render.Config(renderer=renderer)
    reach = visibility_reach(body)
    found = {
        key: measure_sample(config, rows, key, scene, body, reach) for key, scene in _scenes(rows, keys, body, build)
    }
    truths = read_truth(build / "truth") if (build / "truth").is_dir() else {}
    parents = dict.fromkeys(str(rows["Plans"][k]["parent"]) for k in keys)
    plates = {k: measure_plate(build, rows["Persons"][k], rows["Plates"][k], truths.get(k)) for k in parents}
    return summary(found, plates)


def _scenes(rows: Rows, keys: list[str], body: BodyData, build: Path) -> Iterator[tuple[str, Scene]]:
    """Yield every sample's key with its person's scene; the last few scenes are kept."""
    kept: OrderedDict[str, Scene] = OrderedDict()
    for key in keys:
        parent = str(rows["Plans"][key]["parent"])
        if parent not in kept:
            kept[parent] = load_scene(*(rows[name][parent] for name in ("Persons", "Bodies", "Plates")), body, build)
            while len(kept) > 2:
                kept.popitem(last=False)
        yield key, kept[parent]


def summary(found: dict[str, dict[str, Any]], plates: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Return the figures over all samples and plates, and which of them fall short."""

    def share(name: str) -> float:
        hits, count = np.sum([f[name] for f in found.values()], axis=0)
        return round(float(hits / max(count, 1)), 5)

    def mean(rows: dict[str, dict[str, Any]], name: str) -> float:
        return float(np.nanmean([r[name] for r in rows.values()]))

    short = {
        "visible_inside": {k: f["visible"][1] - f["visible"][0] for k, f in found.items()},
        "removed_inside": {k: f["removed"][0] for k, f in found.items()},
        "beyond_stump_px": {k: f["beyond"] for k, f in found.items()},
        "hole_px": {k: f["holes"] for k, f in found.items()},
        "leftover_px": {k: int(p["left"]) for k, p in plates.items() if p["left"] > 0},
        "label_iou": {k: round(f["iou"], 4) for k, f in found.items() if f["iou"] < 0.995},
    }
    known = [p["left"] for p in plates.values() if not np.isnan(p["left"])]
    return {
        "visible_inside": share("visible"),
        "annotators_agree": share("agree"),
        "annotators_agree_told": share("agree_told"),
        "annotators_told": sum(f["agree_told"][1] for f in found.values()),
        "annotators_agree_occluded": share("agree_occluded"),
        "removed_inside": share("removed"),
        "beyond_stump_px": sum(f["beyond"] for f in found.values()),
        "hole_px": sum(f["holes"] for f in found.values()),
        "label_iou": round(mean(found, "iou"), 5),
        "leftover_px": int(sum(known)) if known else None,
        "overhang": round(float(np.mean([f["overhang"][0] / max(f["overhang"][1], 1) for f in found.values()])), 4),
        "lstar_std": round(mean(found, "lstar"), 2),
        "fill_texture": round(mean(plates, "fill"), 3),
        "telea_texture": round(mean(plates, "telea"), 3),
        "samples": len(found),
        "plates": len(plates),
        "details": {name: {k: v for k, v in rows.items() if v} for name, rows in short.items() if any(rows.values())},
    }


def main(json: bool = False, samples: int = SAMPLES, build: str = "", renderer: str = "cpu") -> None:
    """Run the benchmark and print its figures, as one JSON object or as a table."""
    if build:
        figures = run(Path(build), samples, renderer)
    else:
        with tempfile.TemporaryDirectory() as folder:
            make_build(Path(folder), samples)
            figures = run(Path(folder), samples, renderer)
    lines = [f"{name:<16} {value}" for name, value in figures.items()]
    sys.stdout.write((json_text.dumps(figures) if json else "\n".join(lines)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} samples")
    parser.add_argument("--build", default="", help="a build that exists; default: a new one of the demo")
    parser.add_argument("--renderer", default="cpu", choices=("cpu", "gl"))
    options = parser.parse_args()
    main(options.json, QUICK if options.quick else options.samples, options.build, options.renderer)
