"""``a3dgen uplift INPUT --out DIR``: 2D keypoints over time to joints and SMPL rotations, a file a track."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.files import whole_file
from a3dgen.core.records import UNLABELLED, VISIBLE, Persons
from a3dgen.core.user_paths import user_path
from a3dgen.detectors import DetectorConfig, get_detector
from a3dgen.fit.config import Config
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.lifted import Lifted
from a3dgen.fit.observation import Observation
from a3dgen.formats.fit3d import Tree, fit3d_arrays, present_rows, write_fit3d
from a3dgen.formats.names import safe_stem
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.regions import NUM_REGIONS, absent_joints, absent_rows, find_region
from a3dgen.geometry.skeleton import IS_BELOW
from a3dgen.learning.lifter import Lifter
from a3dgen.learning.windows import FPS
from a3dgen.sources.common import box_of
from a3dgen.sources.photos.files import PHOTOS, VIDEOS
from a3dgen.sources.photos.videos import sampled_frames
from a3dgen.sources.tracks2d import Camera, Track, build, detections, fit3d, video
from a3dgen.stages.fit_fitters import get_fitter
from a3dgen.stages.fit_sequences import sequence_rows

FASTEST = 50.0
"""Frames a second taken of a video at most; a window of the lifter spans 1.1 s."""
MOST_FRAMES = 100_000
UNSEEN = "nobody was seen there"
"""Reason of frames between those where somebody was seen."""


def run(args: argparse.Namespace) -> int:
    """Lift every track; print a line each and what became of all frames, as JSON."""
    out, tracks = user_path(args.out), _tracks(args)
    removed = np.zeros(NUM_REGIONS, bool)
    for name in filter(None, (n.strip() for n in args.removed.split(","))):
        removed[find_region(name)[0].index] = True
    config = Config(lifter=args.weights)
    out.mkdir(parents=True, exist_ok=True)
    trees: dict[str, Tree] = {"positions_2d": {}, "positions_3d": {}, "rotations_3d": {}, "betas": {}}
    report: list[dict[str, Any]] = []
    for track in tracks:
        track = replace(track, removed=track.removed | removed)
        found, reasons = _lift(track, config, args.refine)
        if args.format == "fit3d":
            _add(trees, track, found)
        else:
            path = out / f"{safe_stem(track.name.replace('/', '_'))}.npz"
            with whole_file(path) as file:
                np.savez_compressed(file, **found)
        line = {
            "track": track.name, "frames": len(track.images), "lifted": int(found["ok"].sum()),
            "exchanged": sum(state != "" for state in track.exchanged), "reasons": reasons,
        }  # fmt: skip
        report.append(line)
        if not args.quiet:
            print(f"{track.name}: {line['lifted']} of {line['frames']} frames", file=sys.stderr, flush=True)
    if args.format == "fit3d" and report:
        write_fit3d(out / "uplift.npz", trees, present_rows(~absent_joints(removed)))
    with whole_file(out / "report.json") as file:
        file.write(json.dumps(report, indent=1).encode() + b"\n")
    frames, lifted = (sum(line[name] for line in report) for name in ("frames", "lifted"))
    print(json.dumps({"tracks": len(report), "frames": frames, "lifted": lifted, "out": str(out)}))
    return 0


def _tracks(args: argparse.Namespace) -> Iterator[Track]:
    """Return the tracks of the input, whatever it is.

    Raises:
        ConfigError: if it is not there, or an option is wrong.
    """
    path = user_path(args.input)
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder")
    if args.fps is not None and not args.fps > 0:
        raise ConfigError(f"--fps {args.fps}: a frame rate is above 0")
    camera = Camera(_size(args.size), args.focal, args.fps or FPS, not args.keep_sides)
    if path.suffix == ".npz":
        return fit3d(path, camera)
    if path.is_dir() and any(path.glob("*.h5")):
        return build(path, camera)
    if path.suffix.lower() in VIDEOS:
        rate = args.fps or min(FASTEST, _rate(path))
        frames = sampled_frames(path, rate, MOST_FRAMES)
        return video(path, frames, get_detector(DetectorConfig(args.detector)), replace(camera, fps=rate))
    if path.suffix.lower() in PHOTOS or (path.is_dir() and not any(path.rglob("*.json"))):
        raise ConfigError(
            f"{path}: neither a video nor detections (.json); 'a3dgen custom' takes photos, and folders of videos with "
            "--set fit.temporal=on"
        )
    return detections(path, camera)


def _rate(path: Path) -> float:
    """Return the frame rate of a video by the times of its frames."""
    times = [frame.seconds for frame, _ in zip(sampled_frames(path, 1000, 12), range(12), strict=False)]
    return round(1 / float(np.median(np.diff(times))), 3) if len(times) > 1 else FPS


def _size(text: str | None) -> tuple[int, int] | None:
    if not text:
        return None
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise ConfigError(f"--size {text}: wanted WIDTHxHEIGHT in px, e.g. 1920x1080") from None
    return width, height


def _lift(track: Track, config: Config, refine: str) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the arrays of a track's file, one row a frame (NaN where there is no body), and counts of reasons."""
    if refine == "none":
        found, reasons = _said(track, config), {}
    else:
        rows, why = sequence_rows(config, BodyConfig(), _persons(track), track.fps)
        found = {int(row["key"]): (row["pose"], row["betas"], row["transl"], row["sigma"]) for row in rows}
        why |= {key: UNSEEN for key in why if not track.conf[int(key)].any()}
        reasons = dict(sorted(Counter(why.values()).items()))
    body, count = load_body(BodyConfig()), len(track.images)
    out: dict[str, Any] = {
        "ok": np.zeros(count, bool), "pose": np.full((count, 24, 3), np.nan),
        "betas": np.full((count, body.num_betas), np.nan), "transl": np.full((count, 3), np.nan),
        "sigma": np.full((count, 24), np.nan), "joints": np.full((count, 24, 3), np.nan),
        "joints3d": np.zeros((count, 44, 4)),
    }  # fmt: skip
    there = ~absent_rows(track.removed)
    for t, (pose, betas, transl, sigma) in found.items():
        posed = pose_body(body, pose, betas, transl)
        for name, value in (("ok", True), ("pose", pose), ("betas", betas), ("transl", transl), ("sigma", sigma),
                            ("joints", posed.joints)):  # fmt: skip
            out[name][t] = value
        out["joints3d"][t] = np.concatenate([posed.keypoints, np.ones((44, 1))], 1) * there[:, None]
    out |= {
        "present": ~absent_joints(track.removed), "removed": track.removed,
        "residual": np.ones(NUM_REGIONS, np.float32), "fps": np.array(track.fps),
        "imgname": np.array(track.images), "K": track.K, "exchanged": np.array(track.exchanged or [""] * count),
    }  # fmt: skip
    return out, reasons


def _persons(track: Track) -> Persons:
    """Return a track as people of a source."""
    rows = []
    for t, (pixels, conf) in enumerate(zip(track.pixels, track.conf, strict=True)):
        keypoints = np.concatenate([pixels, conf[:, None]], 1) * (conf > 0)[:, None]
        seen = conf > 0
        rows.append({
            "key": str(t), "subset": "uplift", "stem": str(t), "image": track.images[t], "image_size": track.size,
            "bbox": box_of(keypoints, track.size) if seen.sum() > 1 else np.zeros(4), "keypoints": keypoints,
            "state": np.where(seen, VISIBLE, UNLABELLED), "K": track.K, "K_known": False,
            "present_removed": track.removed,
        })  # fmt: skip
    return Persons.from_rows(rows)


def _said(track: Track, config: Config) -> dict[int, tuple[ndarray, ndarray, ndarray, ndarray]]:
    """Return what the lifter says of each frame, placed where the keypoints are."""
    lifter = Lifter.load(config.lifter or None)
    lifted = lifter(track.pixels, track.conf, track.K, track.fps, track.removed)
    fitter = get_fitter(config, BodyConfig(), False)
    out = {}
    for t, (pixels, conf) in enumerate(zip(track.pixels, track.conf, strict=True)):
        if (conf > 0).sum() >= config.min_points:
            out[t] = _placed(fitter, track, lifted, t, pixels, conf)
    return out


def _placed(
    fitter: Fitter, track: Track, lifted: Lifted, t: int, pixels: ndarray, conf: ndarray
) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    size = float(np.ptp(pixels[conf > 0], axis=0).max())
    seen = Observation(pixels, np.where(conf > 0, max(0.01 * size, 1.0), np.inf), track.K, max(size, 1.0))
    x = fitter.placed(seen, lifted.pose[t], lifted.betas)
    betas = x[72:-4]
    return lifted.pose[t], betas, x[-4:-1], _spread(fitter.body, lifted, t)


def _spread(body: BodyData, lifted: Lifted, t: int) -> ndarray:
    """Return sigma (24,) m of joints: each joint's angle moves what hangs on it, by its distance, independently."""
    posed = pose_body(body, lifted.pose[t], lifted.betas[: body.num_betas], np.zeros(3))
    lever = np.linalg.norm(posed.joints[:, None] - posed.joints[None], axis=2)
    return np.sqrt((((lifted.sigma[t][:, None] * lever) ** 2) * IS_BELOW).sum(0) + 1e-6)


def _add(trees: dict[str, Tree], track: Track, found: dict[str, Any]) -> None:
    """Put one track into the trees of Fit3D's layout, under subject, action and the next camera."""
    subject, _, rest = track.name.partition("/")
    action = rest.rpartition("/")[0] or rest or "0"
    if not found["ok"].all():
        missing = int((~found["ok"]).sum())
        raise DataError(
            f"{track.name}: {missing} frames have no body, which Fit3D's layout cannot say; leave --format out"
        )
    arrays = fit3d_arrays(found["joints"], found["pose"], found["betas"])
    arrays["positions_2d"] = _points_2d(found)
    for name, array in arrays.items():
        trees[name].setdefault(subject, {}).setdefault(action, []).append(array)


def _points_2d(found: dict[str, Any]) -> ndarray:
    """Return (T, 26, 2) f4 px of the joints."""
    out = np.zeros((len(found["joints"]), 26, 2), np.float32)
    rays = found["joints"][:, :22, :2] / found["joints"][:, :22, 2:]
    K = found["K"]
    out[:, :22] = rays * [K[0, 0], K[1, 1]] + K[:2, 2]
    return out
