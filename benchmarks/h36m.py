"""Human3.6M frames fitted with their 3D joints and from 2D alone: ``a3dgen bench h36m --root DIR [--json]``.

Errors are those of the 17 joints, pelvis on pelvis, in mm; ``pa`` after the best similarity transform.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import Bodies, Persons
from a3dgen.core.stage import Context, Inputs
from a3dgen.fit.config import Config
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.skeleton import ROW
from a3dgen.sources import open_source
from a3dgen.stages.fit import run
from benchmarks.synthetic import aligned_error

ROOT = ROW["extra_pelvis_mpii"]


def frame_errors(persons: Persons, bodies: Bodies) -> dict[str, dict[str, float]]:
    """Return key -> mean joint error (mm), the same after alignment, and the mean reprojection error (px)."""
    body, out, index = load_body(BodyConfig()), {}, persons.index()
    for i, key in enumerate(bodies.key.tolist()):
        row, points = bodies.row(i), persons.joints3d[index[key]]
        found = pose_body(body, row["pose"], row["betas"], row["transl"]).keypoints
        given = points[:, 3] > 0
        gap = (found - found[ROOT]) - (points[:, :3] - points[ROOT, :3])
        aligned = aligned_error(found[None, given], points[None, given, :3])[0]
        out[key] = {
            "mpjpe_mm": round(float(np.linalg.norm(gap[given], axis=1).mean() * 1000), 1),
            "pa_mpjpe_mm": round(float(aligned * 1000), 1),
            "reproj_px": round(float(row["reproj_px"]), 2),
        }
    return out


def measure(root: Path) -> dict[str, Any]:
    """Fit all frames below a folder twice and return their errors."""
    source, config = open_source("h36m", {"root": str(root)})
    persons = Persons.from_rows([row for row in source.read(config) if isinstance(row, dict)])
    context = Context(0, BodyConfig(), Path("."), Path("."))
    flat = replace(persons, joints3d=np.zeros_like(persons.joints3d))
    given = {"with_3d": persons, "from_2d": flat}
    return {name: frame_errors(persons, run(Config(), Inputs(p), context).record) for name, p in given.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the h36m source")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.root)
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        for how, frames in figures.items():
            for key, row in frames.items():
                sys.stdout.write(f"{how:<9}{key:<50}" + "".join(f"{k} {v:<8}" for k, v in row.items()) + "\n")
