"""Measure a detector on annotated photos: who is found, who is missed, and how far the keypoints lie off.

    a3dgen bench detector --source coco=/data/coco --source mpii=/data/mpii [--json]
    a3dgen bench detector --detector vitpose --weights DIR --person-weights DIR --source coco=/data/coco

The annotations are used for nothing but the comparison. Everybody with 8 or more labelled points is looked for. A
person is found if the labelled limb points lie within 0.15 of their size of a detection's on average. Printed: people
found and missed, detections that match nobody labelled, PCK@0.2 of the torso and mean error over the person's size of
all limb points, the same joint by joint, and how well the table of confidences (``a3dgen/detectors/calibration.json``)
says how large the errors are: once with the table made of the same photos, once leaving out the photo it is tried on.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.detectors import DETECTORS, DetectorConfig, Person, get_detector
from a3dgen.detectors.calibration import table_of
from a3dgen.geometry.skeleton import ANATOMICAL, ROW
from a3dgen.io.images import read_rgb
from a3dgen.sources import open_source
from benchmarks.calibration_fit import WORST, Point, fit_table, table_sd

MATCH = 0.15
PCK = 0.2
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
LEAST_LABELS = 8


@dataclass
class Result:
    """People found and missed (keys), detections that match nobody (photo and box), points with their errors."""

    found: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    photos: int = 0


def read_people(sources: list[str]) -> list[dict[str, Any]]:
    """Return the people of sources given as ``KIND=ROOT`` who have enough labels to be looked for."""
    rows: list[dict[str, Any]] = []
    for kind, _, root in (text.partition("=") for text in sources):
        source, config = open_source(kind, {"root": root})
        rows += [f for f in source.read(config) if isinstance(f, dict) and labels_of(f) >= LEAST_LABELS]
    return rows


def labels_of(row: dict[str, Any]) -> int:
    return int((row["keypoints"][:, 2] > 0).sum())


def limbs_of(row: dict[str, Any]) -> np.ndarray:
    rows = np.array([ROW[f"extra_{side}_{n}"] for n in LIMBS for side in ("left", "right")])
    return rows[row["keypoints"][rows, 2] > 0]


def size_of(row: dict[str, Any]) -> float:
    """Return the longer side (px) of the person's box, or of the labelled points' where that is larger."""
    x0, y0, x1, y1 = row["bbox"]
    points = row["keypoints"][row["keypoints"][:, 2] > 0, :2]
    return float(max(x1 - x0, y1 - y0, *np.ptp(points, axis=0)))


def torso_of(row: dict[str, Any]) -> float:
    """Return the mean distance (px) from the shoulders to the opposite hips; NaN where unlabelled."""
    k = row["keypoints"]
    pairs = (("left_shoulder", "right_hip"), ("right_shoulder", "left_hip"))
    lengths = [
        np.linalg.norm(k[ROW[f"extra_{a}"], :2] - k[ROW[f"extra_{b}"], :2])
        for a, b in pairs
        if k[ROW[f"extra_{a}"], 2] > 0 and k[ROW[f"extra_{b}"], 2] > 0
    ]
    return float(np.mean(lengths)) if lengths else float("nan")


def distance(person: Person, row: dict[str, Any]) -> float:
    """Return the mean distance of the labelled limb points from the detection's, in shares of the person's size."""
    rows = limbs_of(row)
    return float(np.linalg.norm(person.keypoints[rows, :2] - row["keypoints"][rows, :2], axis=1).mean() / size_of(row))


def measure(rows: list[dict[str, Any]], config: DetectorConfig) -> Result:
    """Run the detector on every photo and match its people with the labelled ones, nearest first."""
    detector, out = get_detector(config), Result()
    for image in sorted({r["image"] for r in rows}):
        out.photos += 1
        people = detector.detect(read_rgb(image), Path(image).name)
        here = [r for r in rows if r["image"] == image]
        pairs = sorted((distance(p, r), i, j) for i, p in enumerate(people) for j, r in enumerate(here))
        taken: dict[int, int] = {}
        for d, i, j in pairs:
            if d < MATCH and i not in taken and j not in taken.values():
                taken[i] = j
        out.unmatched += [
            f"{Path(image).name} at {p.box.round().astype(int).tolist()}"
            for i, p in enumerate(people)
            if i not in taken
        ]
        out.missed += [r["key"] for j, r in enumerate(here) if j not in taken.values()]
        for i, j in taken.items():
            out.found.append(here[j]["key"])
            out.points += points_of(people[i], here[j])
    return out


def points_of(person: Person, row: dict[str, Any]) -> list[Point]:
    both = np.flatnonzero((row["keypoints"][:, 2] > 0) & (person.keypoints[:, 2] > 0))
    errors = np.linalg.norm(person.keypoints[both, :2] - row["keypoints"][both, :2], axis=1)
    size, torso = size_of(row), torso_of(row)
    return [
        Point(float(person.keypoints[k, 2]), float(e / size), ANATOMICAL[k].split("_")[-1], float(e / torso),
              str(row["image"]))
        for k, e in zip(both, errors, strict=True)
    ]  # fmt: skip


def summary(result: Result, detector: str) -> dict[str, Any]:
    """Return everything that is printed, as plain JSON."""
    limbs = [p for p in result.points if p.joint in LIMBS]
    by_joint = defaultdict(list)
    for point in result.points:
        by_joint[point.joint].append(point)
    return {
        "detector": detector,
        "photos": result.photos,
        "people": len(result.found) + len(result.missed),
        "found": len(result.found),
        "missed": result.missed,
        "unmatched": result.unmatched,
        "limbs": errors_of(limbs),
        "joints": {name: errors_of(points) for name, points in sorted(by_joint.items())},
        "calibration": calibration_check(result.points, detector),
    }


def errors_of(points: list[Point]) -> dict[str, Any]:
    """Return number of points, PCK@0.2 of the torso and mean error in shares of the person's size."""
    torso = np.array([p.torso for p in points])
    torso = torso[np.isfinite(torso)]
    return {
        "points": len(points),
        "pck_0.2_torso": round(float(np.mean(torso < PCK)), 4) if len(torso) else None,
        "mean_error": round(float(np.mean([p.error for p in points])), 4) if points else None,
    }


def calibration_check(points: list[Point], detector: str) -> dict[str, Any]:
    """Return how well a table predicts the errors: spread of error / predicted deviation (1 is right), and the mean
    negative log likelihood of a coordinate (less is better), with the shipped table, with a table of the same photos,
    and leaving the photo out that it is tried on."""
    if not points:
        return {}
    own = table_sd(fit_table(points), points)
    left_out = np.zeros(len(points))
    images = np.array([p.image for p in points])
    for image in sorted(set(images)):
        others = [p for p in points if p.image != image]
        here = np.flatnonzero(images == image)
        if others:
            left_out[here] = table_sd(fit_table(others), [points[i] for i in here])
    tables = {"shipped": table_sd(table_of(detector), points), "same_photos": own}
    if left_out.all():
        tables["photo_left_out"] = left_out
    tables["default"] = table_sd(table_of("default"), points)
    errors = np.minimum([p.error for p in points], WORST)
    return {name: fit_of(errors, sd) for name, sd in tables.items()}


def fit_of(errors: np.ndarray, sd: np.ndarray) -> dict[str, float]:
    """Return spread and negative log likelihood; an error is the length of two coordinates of deviation ``sd``."""
    square = errors**2 / (2 * sd**2)
    return {
        "spread": round(float(np.sqrt(np.mean(square))), 3),
        "nll": round(float(np.mean(square + 2 * np.log(sd)) / 2), 3),
    }


def show(facts: dict[str, Any]) -> None:
    print(f"{facts['detector']}: found {facts['found']} of {facts['people']} people in {facts['photos']} photos")
    print(f"missed: {', '.join(facts['missed']) or 'nobody'}")
    print(f"detections that match nobody labelled: {len(facts['unmatched'])}")
    for text in facts["unmatched"]:
        print(f"  {text}")
    print(f"{'joint':10s} {'points':>6s} {'PCK@0.2 torso':>14s} {'mean error / size':>18s}")
    for name, e in {"limbs": facts["limbs"], **facts["joints"]}.items():
        if e["points"]:
            pck = "-" if e["pck_0.2_torso"] is None else f"{e['pck_0.2_torso']:.3f}"
            print(f"{name:10s} {e['points']:6d} {pck:>14s} {e['mean_error']:18.4f}")
    print("table of confidences: error / predicted deviation (1 is right), negative log likelihood of a coordinate")
    for name, fit in facts["calibration"].items():
        print(f"  {name.replace('_', ' '):15s} {fit['spread']:6.3f} {fit['nll']:8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="a3dgen bench detector", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", action="append", required=True, metavar="KIND=ROOT", help="annotated photos")
    parser.add_argument("--detector", default="mediapipe", choices=sorted(DETECTORS))
    parser.add_argument("--weights", default="", help="of the pose network")
    parser.add_argument("--person-weights", default="", help="of the network that finds people")
    parser.add_argument("--keypoints", default="", help="finished detections, for the detector 'given'")
    parser.add_argument("--detector-config", default="", help="configuration file of mmpose or detectron2")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    name = "given" if args.keypoints else args.detector
    config = DetectorConfig(name, args.weights, args.person_weights, args.keypoints, args.detector_config)
    facts = summary(measure(read_people(args.source), config), name)
    if args.json:
        print(json.dumps(facts, indent=1))
    else:
        show(facts)


if __name__ == "__main__":
    main()
