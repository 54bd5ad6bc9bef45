"""Measure a detector on annotated photos, and fit the table that turns its confidence into a standard deviation.

    python -m benchmarks.calibrate_detector --source coco=/data/coco --source mpii=/data/mpii [--write]

Everybody with 8 or more labelled points is looked for. A person is found if the labelled points lie within 0.15 of
their size of a detection's on average. Printed: people found and missed, detections that match nobody, PCK@0.2 of the
torso, mean error over the person's size, and the standard deviation by confidence and joint. ``--write`` puts the
table into a3dgen/detectors/calibration.json. The shipped one is of the nine real sample frames (16 people).
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import a3dgen
from a3dgen.detectors import DetectorConfig, Person, get_detector
from a3dgen.geometry.skeleton import ANATOMICAL, ROW
from a3dgen.io.images import read_rgb
from a3dgen.sources import open_source

EDGES = (0.0, 0.5, 0.8, 0.95, 1.01)
MATCH = 0.15
WORST = 0.25
"""Larger errors (share of the size) count as this: the fitter is robust against gross ones."""
LEAST_POINTS = 30
TABLE = Path(a3dgen.__file__).parent / "detectors" / "calibration.json"


def limbs_of(row: dict[str, Any]) -> np.ndarray:
    names = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    rows = np.array([ROW[f"extra_{side}_{n}"] for n in names for side in ("left", "right")])
    return rows[row["keypoints"][rows, 2] > 0]


def size_of(row: dict[str, Any]) -> float:
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
    rows = limbs_of(row)
    return float(np.linalg.norm(person.keypoints[rows, :2] - row["keypoints"][rows, :2], axis=1).mean() / size_of(row))


def measure(rows: list[dict[str, Any]], config: DetectorConfig) -> dict[str, Any]:
    """Run the detector on every photo; return counts and (confidence, error, joint, torso error) of every point."""
    detector = get_detector(config)
    points: list[tuple[float, float, str, float]] = []
    found, missed, unmatched = [], [], []
    for image in sorted({r["image"] for r in rows}):
        people = detector.detect(read_rgb(image), Path(image).name)
        free = list(range(len(people)))
        here = [r for r in rows if r["image"] == image]
        pairs = sorted((distance(people[i], r), i, j) for i in free for j, r in enumerate(here))
        taken: dict[int, int] = {}
        for d, i, j in pairs:
            if d < MATCH and i not in taken and j not in taken.values():
                taken[i] = j
        unmatched += [
            f"{Path(image).name} at {people[i].box.round().astype(int).tolist()}" for i in free if i not in taken
        ]
        missed += [r["key"] for j, r in enumerate(here) if j not in taken.values()]
        for i, j in taken.items():
            found.append(here[j]["key"])
            points += points_of(people[i], here[j])
    return {"found": found, "missed": missed, "unmatched": unmatched, "points": points}


def points_of(person: Person, row: dict[str, Any]) -> list[tuple[float, float, str, float]]:
    both = np.flatnonzero((row["keypoints"][:, 2] > 0) & (person.keypoints[:, 2] > 0))
    errors = np.linalg.norm(person.keypoints[both, :2] - row["keypoints"][both, :2], axis=1)
    size, torso = size_of(row), torso_of(row)
    return [
        (float(person.keypoints[k, 2]), float(e / size), ANATOMICAL[k].split("_")[-1], float(e / torso))
        for k, e in zip(both, errors, strict=True)
    ]


def deviation(errors: np.ndarray) -> float:
    """Return the standard deviation of one coordinate, gross errors cut off."""
    return float(np.sqrt(np.mean(np.minimum(errors, WORST) ** 2) / 2))


def fit_table(points: list[tuple[float, float, str, float]]) -> dict[str, Any]:
    """Return confidence -> deviation (never rising) and a factor by joint, shrunk to 1 where there are few points."""
    confidence = np.array([p[0] for p in points])
    errors = np.array([p[1] for p in points])
    at, sd = [], []
    for low, high in itertools.pairwise(EDGES):
        inside = (confidence >= low) & (confidence < high)
        if inside.sum() >= 5:
            at.append(round(float(confidence[inside].mean()), 3))
            sd.append(deviation(errors[inside]))
    sd = list(np.maximum.accumulate(sd[::-1])[::-1])
    expected = np.interp(confidence, at, sd)
    by_joint = defaultdict(list)
    for (_, error, joint, _), base in zip(points, expected, strict=True):
        by_joint[joint].append(min(error, WORST) / base)
    factor = {}
    for joint, ratios in sorted(by_joint.items()):
        weight = len(ratios) / (len(ratios) + LEAST_POINTS)
        factor[joint] = round(float(np.sqrt(np.mean(np.square(ratios)) / 2)) ** weight, 2)
    return {"confidence": at, "sd": [round(float(s), 4) for s in sd], "factor": factor, "points": len(points)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", required=True, metavar="KIND=ROOT")
    parser.add_argument("--detector", default="mediapipe")
    parser.add_argument("--weights", default="")
    parser.add_argument("--person-weights", default="")
    parser.add_argument("--write", action="store_true", help="put the table into calibration.json")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for kind, _, root in (text.partition("=") for text in args.source):
        source, config = open_source(kind, {"root": root})
        rows += [f for f in source.read(config) if isinstance(f, dict) and (f["keypoints"][:, 2] > 0).sum() >= 8]
    result = measure(rows, DetectorConfig(args.detector, args.weights, args.person_weights))
    points = result["points"]
    limbs = [p for p in points if p[2] in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
    print(f"found {len(result['found'])} of {len(rows)}; missed: {', '.join(result['missed']) or 'nobody'}")
    print(f"matching nobody labelled: {len(result['unmatched'])}: {', '.join(result['unmatched'])}")
    torso = np.array([p[3] for p in limbs])
    print(f"limbs: PCK@0.2 torso {np.mean(torso[np.isfinite(torso)] < 0.2):.3f}, "
          f"mean error {np.mean([p[1] for p in limbs]):.4f} of the person's size, {len(limbs)} points")  # fmt: skip
    table = fit_table(points)
    print(json.dumps(table, indent=1))
    if args.write:
        everything = json.loads(TABLE.read_text())
        everything["detectors"].setdefault(args.detector, {"least": 0.15, "seen": 0.5}).update(table)
        TABLE.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
