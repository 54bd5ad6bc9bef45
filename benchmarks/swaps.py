"""Swapped left and right labels noticed, right ones refused: ``a3dgen bench swaps [--people N] [--json]``.

The people of the fitter's benchmark, with COCO's 17 keypoints and their noise. Eyes and nose are labelled where the
true head faces the camera; else the ears alone are. ``none``: share of people refused although nothing was swapped
(false alarms); ``labels``, ``arms``, ``legs``: share of people refused where those labels were swapped; ``silent_mm``:
the mean joint error of those that were swapped and not refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace

import numpy as np

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.fit.checks import FACE_ROWS, faces_away
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Observation
from a3dgen.fit.swaps import exchanged, refuse_swapped
from a3dgen.geometry.body import BodyData, forward_kinematics, rest_joints
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import EXCHANGES, JOINT
from benchmarks.fit import SEED
from benchmarks.synthetic import EVALUATED, SyntheticPeople, make_scene, observe

COCO_ROWS = [0, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
"""Rows of the benchmark's 25 that COCO labels: no neck, no hip centre, no feet."""


def labelled(scene: SyntheticPeople, i: int, face: bool) -> Observation:
    """Return one person with COCO's keypoints only, without nose and eyes if the face is turned away."""
    seen = observe(scene, i)
    sd = np.full(44, np.inf)
    sd[COCO_ROWS] = seen.pixel_sd[COCO_ROWS]
    if not face:
        sd[FACE_ROWS] = np.inf
    return replace(seen, pixel_sd=sd)


def face_is_visible(body: BodyData, scene: SyntheticPeople, i: int) -> bool:
    """Return whether the true head of a person faces the camera."""
    world, _ = forward_kinematics(rotvec_to_matrix(scene.pose[i].reshape(24, 3)), rest_joints(body, scene.betas[i]))
    return not faces_away(world[JOINT["head"]], scene.joints[i])


def measure(people: int) -> dict[str, float]:
    """Return the share of people refused, for nothing swapped and for each kind of swap."""
    body = load_body(BodyConfig())
    fitter, scene = Fitter(body), make_scene(body, people, SEED)
    out: dict[str, float] = {}
    silent: list[float] = []
    for name in ("none", *EXCHANGES):
        refused = 0
        for i in range(people):
            face = face_is_visible(body, scene, i)
            seen = labelled(scene, i, face)
            seen = seen if name == "none" else exchanged(seen, name)
            fit = fitter.fit(seen)
            try:
                refuse_swapped(fitter, seen, fit, face)
            except Rejected:
                refused += 1
                continue
            if name != "none":
                gap = (fit.best.joints - fit.best.joints[0]) - (scene.joints[i] - scene.joints[i, 0])
                silent.append(float(np.linalg.norm(gap[EVALUATED], axis=1).mean() * 1000))
        out[name] = round(refused / people, 4)
    return out | {"silent_mm": round(float(np.mean(silent)), 1) if silent else 0.0}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=256)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.people)
    lines = json.dumps(figures) if options.json else "\n".join(f"{k:<10}{v:8.3f}" for k, v in figures.items())
    sys.stdout.write(lines + "\n")
