"""Fit the table that turns a detector's confidence into a standard deviation, on annotated photos.

    a3dgen bench calibrate_detector --source coco=/data/coco --source mpii=/data/mpii [--write]

How good detector and table are is measured by ``a3dgen bench detector``, on photos that the table has not seen too.
``--write`` puts the table into a3dgen/detectors/calibration.json. The shipped one is of the nine real sample frames.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import a3dgen
from a3dgen.detectors import DetectorConfig
from benchmarks.calibration_fit import fit_table
from benchmarks.detector import measure, read_people

TABLE = Path(a3dgen.__file__).parent / "detectors" / "calibration.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", action="append", required=True, metavar="KIND=ROOT")
    parser.add_argument("--detector", default="mediapipe")
    parser.add_argument("--weights", default="")
    parser.add_argument("--person-weights", default="")
    parser.add_argument("--write", action="store_true", help="put the table into calibration.json")
    args = parser.parse_args()
    config = DetectorConfig(args.detector, args.weights, args.person_weights)
    table = fit_table(measure(read_people(args.source), config).points)
    print(json.dumps(table, indent=1))
    if args.write:
        everything = json.loads(TABLE.read_text())
        everything["detectors"].setdefault(args.detector, {"least": 0.15, "seen": 0.5}).update(table)
        TABLE.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
