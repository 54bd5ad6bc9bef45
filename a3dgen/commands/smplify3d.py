"""``a3dgen smplify3d``: fit the people of SMPLify-3D's data with their point clouds, and write its result files."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from scipy.spatial import cKDTree

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import A3dgenError, Rejected
from a3dgen.core.user_paths import user_path
from a3dgen.fit.checks import check_labels
from a3dgen.fit.config import Config
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Fit, Observation
from a3dgen.fit.observe import reprojection
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.skeleton import COCO_ROWS
from a3dgen.io.images import image_size, replace_file
from a3dgen.sources.smplify3d import Entry, Settings, read_entries, read_settings, results_folder

SKELETON = ((0, 1), (1, 3), (0, 2), (2, 4), (5, 6), (5, 11), (11, 12), (12, 6), (5, 7), (7, 9), (6, 8), (8, 10),
            (11, 13), (13, 15), (12, 14), (14, 16))  # fmt: skip
"""Bones of COCO's 17 keypoints as the published result files list them."""


def run(args: argparse.Namespace) -> int:
    """Fit everybody and write one JSON file an image; return the exit code."""
    settings = read_settings(args.config)
    config = BodyConfig(model="smpl", path=args.smpl) if args.smpl else BodyConfig()
    fitter = Fitter(load_body(config))
    images: dict[tuple[str, str], dict[str, Any]] = {}
    done, refused = 0, []
    for found in read_entries(settings, args.data):
        if isinstance(found, tuple):
            refused.append(found)
            continue
        try:
            annotation = _annotation(fitter, settings, found)
        except Rejected as error:
            refused.append((f"{found.sequence}/{found.time}/{found.tracking_id}", str(error)))
            continue
        file = images.setdefault((found.sequence, found.time), _empty(fitter.body, found))
        file["annotations"][found.tracking_id] = annotation
        done += 1
    for (sequence, moment), file in images.items():
        folder = user_path(args.out) if args.out else results_folder(settings, Path(args.data), sequence)
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / f"smpl_{moment}.json", json.dumps(file, indent=4).encode())
    for name, reason in refused:
        print(f"a3dgen: {name}: {reason}", file=sys.stderr)
    if not args.quiet:
        print(f"{done} people fitted in {len(images)} images, {len(refused)} rejected")
    return 0


def _observation(settings: Settings, entry: Entry) -> Observation:
    config, rows = Config(), list(COCO_ROWS)
    size = float(max(entry.bbox[2:].max(), np.ptp(entry.keypoints[:, :2], axis=0).max()))
    labelled, used = np.zeros((44, 3)), np.zeros(44, bool)
    labelled[rows] = entry.keypoints[:, :3]
    used[rows] = entry.keypoints[:, 2] >= settings.confidence
    check_labels(labelled, used, config.min_points, size, config.min_size_px)
    sd = np.full(44, np.inf)
    sd[used] = max(config.noise * size, config.min_noise_px)
    origin = np.full(3, np.nan) if settings.fused else np.zeros(3)
    return Observation(
        labelled[:, :2], sd, entry.K, size, cloud=entry.points, cloud_sd=config.cloud_sd, cloud_origin=origin
    )


def _annotation(fitter: Fitter, settings: Settings, entry: Entry) -> dict[str, Any]:
    seen = _observation(settings, entry)
    fit = fitter.fit(seen)
    if fit.cloud is not None and not fit.cloud.used:
        print(f"a3dgen: {entry.sequence}/{entry.time}/{entry.tracking_id}: {fit.cloud.remark}", file=sys.stderr)
    best = fit.best
    plain = lambda a: np.asarray(a, np.float64).tolist()  # noqa: E731
    confidence = entry.keypoints[:, 2:3]
    return {
        "idx": entry.index,
        "bbox": plain(entry.bbox),
        "keypoints": plain(np.hstack([entry.keypoints[:, :2], confidence, confidence, entry.keypoints[:, 3:4]])),
        "hmr": {
            "body_pose": plain(best.pose[1:].ravel()),
            "betas": plain(best.betas[:10]),
            "global_orient": plain(best.pose[0]),
            "global_t": plain(best.transl),
            "joints3d": plain(best.joints),
        },
        "reprojection_error": float(reprojection(fitter, seen, best).mean()),
        "chamfer_distance": _chamfer(fitter.body, fit, entry.points),
    }


def _chamfer(body: BodyData, fit: Fit, points: ndarray) -> float:
    """Return the mean squared distances (m2) of points to vertices and back, added up, as published."""
    finite = points[np.isfinite(points).all(1)]
    if not len(finite):
        return 0.0
    best = fit.best
    vertices = pose_body(body, best.pose, best.betas, best.transl).vertices(body.mesh, best.betas)
    there, back = cKDTree(vertices).query(finite)[0], cKDTree(finite).query(vertices)[0]
    return float((there**2).mean() + (back**2).mean())


def _empty(body: BodyData, entry: Entry) -> dict[str, Any]:
    try:
        width, height = image_size(entry.image)
    except A3dgenError as error:
        print(f"a3dgen: {error}", file=sys.stderr)
        width, height = -1, -1
    info: dict[str, Any] = {
        "sequence": entry.sequence,
        "date_created": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        "skeleton2d": [list(bone) for bone in SKELETON],
        "camera_intrinsics": entry.K.tolist(),
    }
    if not body.smpl_betas:
        info["body_model"] = f"{body.name}: betas are its own, not SMPL's"
    number: int | str = int(entry.time) if entry.time.isdigit() else entry.time
    image = {"image_id": number, "file_name": entry.image.name, "width": width, "height": height}
    return {"info": info, "image": image, "annotations": {}}
