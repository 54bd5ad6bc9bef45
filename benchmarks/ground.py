"""Benchmark of gravity and ground: ``a3dgen bench ground [--json] [--people N] [--seed S]``.

The demo's scenes and cameras (``a3dgen.demo.shots``), arranged but not drawn; labels of all in the picture have
3 px noise, the focal length is guessed from the picture's size. Compared are fits that take gravity to be straight down
in the picture, fits on the estimated ground, and fits on the true one.
"""

from __future__ import annotations

import argparse
import json as json_text
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.rng import generator_for
from a3dgen.demo.labels import MISSING, SEEN, clicks
from a3dgen.demo.people import in_camera
from a3dgen.demo.shots import H36M, MPII, arrange, list_shots
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.ground import SOLE, Ground, estimate
from a3dgen.fit.mixture import load_mixture
from a3dgen.fit.observation import Fit, Observation, Support
from a3dgen.geometry.body import BodyData, PosedBody, pose_body
from a3dgen.geometry.camera import default_K, inside_image, project
from a3dgen.geometry.skeleton import COCO_ROWS, JOINT, MPII_ROWS, NUM_ROWS, ROW
from a3dgen.stages.fit_ground import first_stance, legs
from benchmarks.synthetic import EVALUATED, MIN_NOISE, NOISE

PEOPLE, SEED = 300, 11
NOISE_PX = 3.0
UPRIGHT = 20.0
"""People whose trunk leans by less than this (degrees) in truth are asked how they lean."""
_SOLES = [ROW[f"body_{side}_{part}"] for side in ("left", "right") for part in ("heel", "big_toe")]


@dataclass(frozen=True)
class Photo:
    """A picture: true gravity (3,) in the camera frame, the camera's height (m), what is seen of its people, truth."""

    down: np.ndarray
    height: float
    seen: list[Observation]
    truth: list[PosedBody]


def photos(body: BodyData, people: int, seed: int) -> Iterator[Photo]:
    """Yield the demo's COCO and MPII pictures of this many people."""
    for shot in list_shots(people):
        if shot.source == H36M:
            continue
        _, persons, view = arrange(body, shot, seed)
        rows = np.array(COCO_ROWS if shot.source != MPII else MPII_ROWS)
        size = (view.width, view.height)
        photo = Photo(view.rotation @ np.array([0.0, -1.0, 0.0]), float(view.centre[1]), [], [])
        for i, person in enumerate(persons):
            pose, transl = in_camera(person, view.rotation, view.centre, body)
            posed = pose_body(body, pose, person.betas, transl)
            pixels = project(posed.keypoints[rows], view.K)
            flags = np.where(inside_image(pixels, *size), SEEN, MISSING)
            xy, states = clicks(generator_for(seed, "bench.ground", f"{shot.name}/{i}"), pixels, flags, NOISE_PX, size)
            if (states > 0).sum() >= 8:
                photo.seen.append(_observation(rows[states > 0], xy[states > 0], default_K(*size)))
                photo.truth.append(posed)
        yield photo


def _observation(rows: np.ndarray, xy: np.ndarray, K: np.ndarray) -> Observation:
    pixels, sd = np.zeros((NUM_ROWS, 2)), np.full(NUM_ROWS, np.inf)
    size = float(np.ptp(xy, axis=0).max())
    pixels[rows], sd[rows] = xy, max(NOISE * size, MIN_NOISE)
    return Observation(pixels, sd, K, size)


def lean(joints: np.ndarray, down: np.ndarray) -> float:
    """Return by how many degrees a trunk leans towards the camera."""
    axis = joints[JOINT["neck"]] - joints[JOINT["pelvis"]]
    towards = -joints[JOINT["pelvis"]]
    towards = towards - (towards @ down) * down
    return float(np.degrees(np.arcsin(axis @ towards / np.linalg.norm(axis) / np.linalg.norm(towards))))


def tilt(joints: np.ndarray, down: np.ndarray) -> float:
    """Return by how many degrees a trunk leans to wherever."""
    axis = joints[JOINT["neck"]] - joints[JOINT["pelvis"]]
    return float(np.degrees(np.arccos(np.clip(-axis @ down / np.linalg.norm(axis), -1, 1))))


def run(people: int = PEOPLE, seed: int = SEED) -> dict[str, dict[str, float]]:
    """Return the figures of the estimate, and of the fits without and with it."""
    body = load_body(BodyConfig())
    plain, level = Fitter(body), Fitter(body, load_mixture().in_known_gravity())
    some = [p for p in photos(body, people, seed) if p.seen]
    stances = [[first_stance(level, seen) for seen in photo.seen] for photo in some]
    grounds = [estimate([s for s in own if s is not None]) for own in stances]
    out = {"estimate": _estimate(some, grounds)}
    straight = np.array([0.0, 1.0, 0.0])
    for name in ("straight down", "estimated", "true"):
        rows = []
        for photo, ground, own in zip(some, grounds, stances, strict=True):
            for seen, stance, truth in zip(photo.seen, own, photo.truth, strict=True):
                down = {"straight down": straight, "estimated": ground.down, "true": photo.down}[name]
                if name == "straight down" or stance is None:
                    fit = plain.fit(seen)
                else:
                    held = ground.support(stance, legs(seen))
                    held = held if name == "estimated" else Support(photo.down, photo.height - SOLE, held.sd)
                    fit = level.fit(replace(seen, support=held))
                rows.append(_measures(body, fit, truth, photo.down, down))
        out[name] = _summary(np.array(rows))
    return out


def _estimate(some: list[Photo], grounds: list[Ground]) -> dict[str, float]:
    pitch = np.array([np.arcsin(g.down[2]) - np.arcsin(p.down[2]) for p, g in zip(some, grounds, strict=True)])
    height = np.array([g.height - p.height for p, g in zip(some, grounds, strict=True)])
    sd = np.array([g.pitch_sd for g in grounds])
    return {
        "photos": len(some), "true_pitch_deg": _round(np.degrees(np.mean([np.arcsin(p.down[2]) for p in some]))),
        "pitch_bias_deg": _round(np.degrees(pitch.mean())), "pitch_sd_deg": _round(np.degrees(pitch.std())),
        "error_over_sd_rms": _round(np.sqrt(((pitch / sd) ** 2).mean())),
        "height_bias_m": _round(height.mean()), "height_sd_m": _round(height.std()),
    }  # fmt: skip


def _measures(body: BodyData, fit: Fit, truth: PosedBody, down: np.ndarray, believed: np.ndarray) -> list[float]:
    best = fit.best
    hips = lambda j: j - j[[JOINT["left_hip"], JOINT["right_hip"]]].mean(0)  # noqa: E731
    gap = (hips(best.joints) - hips(truth.joints))[EVALUATED]
    points = pose_body(body, best.pose, best.betas, best.transl).keypoints
    level = [float((k[_SOLES] @ down).max()) for k in (points, truth.keypoints)]
    return [
        1000 * float(np.linalg.norm(gap, axis=1).mean()), lean(best.joints, down) - lean(truth.joints, down),
        lean(best.joints, believed), 1000 * (level[0] - level[1]), tilt(truth.joints, down) < UPRIGHT,
    ]  # fmt: skip


def _summary(rows: np.ndarray) -> dict[str, float]:
    upright = rows[:, 4] > 0
    return {
        "people": len(rows), "mpjpe_mm": _round(rows[:, 0].mean()), "upright": int(upright.sum()),
        "lean_bias_deg": _round(rows[upright, 1].mean()), "lean_sd_deg": _round(rows[upright, 1].std()),
        "own_lean_deg": _round(rows[upright, 2].mean()),
        "lean_towards_camera": _round((rows[upright, 2] > 0).mean()), "foot_level_sd_mm": _round(rows[:, 3].std()),
    }  # fmt: skip


def _round(value: float) -> float:
    return round(float(value), 2)


def main(json: bool = False, people: int = PEOPLE, seed: int = SEED) -> None:
    """Run the benchmark and print its figures, as one JSON object or line by line."""
    figures = run(people, seed)
    lines = [f"{name:<14}" + "  ".join(f"{k} {v}" for k, v in row.items()) for name, row in figures.items()]
    sys.stdout.write((json_text.dumps(figures) if json else "\n".join(lines)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()
    main(options.json, options.people, options.seed)
