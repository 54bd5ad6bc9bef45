"""A made-up photo with a depth picture, fitted from its keypoints alone and with the depth.

    python examples/depth_photo.py [FOLDER]

Writes photo.png's depth picture with its camera (what ``a3dgen custom photos/ --clouds FOLDER`` reads beside your own
photos), reads it back through the same reader, and prints how far both fits are from the truth.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.observation import Observation
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.raster import rasterize
from a3dgen.geometry.skeleton import COCO_ROWS, JOINT
from a3dgen.sources.clouds import cut_person, read_cloud

WIDTH, HEIGHT = 640, 480
K = np.array([[600.0, 0, 319.5], [0, 600, 239.5], [0, 0, 1]])
DEPTH_NOISE = 0.004


def main(folder: Path) -> None:
    """Make, write, read and fit."""
    rng = np.random.default_rng(0)
    body = load_body(BodyConfig())
    pose = np.zeros((24, 3))
    pose[0] = [np.pi, 0, 0]  # upright in a camera whose y points down, facing it
    pose[JOINT["left_shoulder"]], pose[JOINT["right_shoulder"]] = [0, -0.9, -0.6], [0, 0, 1.1]
    pose[JOINT["left_hip"]], pose[JOINT["left_knee"]] = [-0.6, 0, 0], [0.8, 0, 0]
    posed = pose_body(body, pose, np.zeros(body.num_betas), np.array([0.1, 0.1, 3.2]))
    vertices = posed.vertices(body.mesh, np.zeros(body.num_betas)).astype(np.float64)

    depth, face = rasterize(vertices, body.mesh.faces, K, WIDTH, HEIGHT)
    metres = np.where(face >= 0, depth + DEPTH_NOISE * rng.standard_normal(depth.shape), 5.0)  # a wall behind
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "photo.png"), np.round(1000 * metres).astype(np.uint16))
    (folder / "photo.json").write_text(json.dumps({"K": K.tolist(), "depth_scale": 0.001, "sd": DEPTH_NOISE}))

    pixels, sd = project(posed.keypoints, K) + rng.normal(0, 3, (44, 2)), np.full(44, np.inf)
    sd[list(COCO_ROWS)] = 3.0
    box = np.concatenate([pixels[list(COCO_ROWS)].min(0), pixels[list(COCO_ROWS)].max(0)])
    person = cut_person(read_cloud(folder / "photo.png"), box, "", K, np.zeros(5))
    seen = Observation(pixels, sd, K, float(np.ptp(pixels[list(COCO_ROWS)], axis=0).max()))
    fitter = Fitter(body)
    for name, one in (
        ("keypoints alone", seen),
        ("with depth", replace(seen, cloud=person["cloud"].astype(np.float64), cloud_sd=person["cloud_sd"])),
    ):
        fit = fitter.fit(one)
        miss = np.linalg.norm(fit.best.joints - posed.joints, axis=1).mean()
        said = f", {len(fit.cloud.points)} points, {1000 * fit.cloud.median:.0f} mm from the skin" if fit.cloud else ""
        print(f"{name}: joints {1000 * miss:.0f} mm off{said}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "depth_photo"))
