"""Compile the kernels that plates and pictures need by making one small picture of a made-up scene."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.appearance.looks import LooksConfig, draw_look
from a3dgen.bodies import load_body
from a3dgen.compositing.scene import load_scene
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import Bodies, Persons, Plans, Plates
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context
from a3dgen.fit.chain import Goals, solve
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.raster import silhouette
from a3dgen.geometry.reach import visibility_reach
from a3dgen.geometry.regions import NUM_REGIONS, REGION_NAMES
from a3dgen.geometry.skeleton import JOINT, NUM_JOINTS, NUM_ROWS, PARENTS
from a3dgen.inpainters.exemplar import fill
from a3dgen.io import images
from a3dgen.removal.colours import colour_distance
from a3dgen.removal.doubt import doubtful
from a3dgen.removal.rays import ray_of
from a3dgen.stages import render
from a3dgen.stages.drawing import Brush

SIDE = 112
"""px: the person is a hundred high."""
LOOKS = 3
"""Different clothes and hair use different kernels; so many have nearly all."""
CUT = "left_knee"


def compile_drawing() -> None:
    """Fill a hole, move an arm, draw a person, whole and without a lower leg: what plates, postures and pictures of a
    build use is compiled, and cached on disk, once and not in every worker."""
    body = load_body(BodyConfig())
    rng = generator_for(0, "precompile", "photo")
    photo = rng.integers(90, 166, (SIDE, SIDE, 3)).astype(np.uint8)
    hole = np.zeros((SIDE, SIDE), bool)
    hole[6:106, 44:68] = True
    _plates(photo, hole, rng)
    _postures(body)
    config = render.Config(reject_invisible=False)
    reach = visibility_reach(body)
    with tempfile.TemporaryDirectory(prefix="a3dgen-") as name:
        folder = Path(name)
        images.write_image(folder / "photo.jpg", photo)
        images.write_image(folder / "plate.png", photo)
        images.write_mask(folder / "mask.png", hole)
        person, fitted, plate = _rows(body, folder)
        place = load_scene(person, fitted, plate, body, folder)
        brush = Brush(config, body, Context(0, BodyConfig(), folder, folder / "render"))
        for plan in _plans():
            render.render_sample(config, person, fitted, plan, place, reach, brush)


def _plates(photo: UInt8[ndarray, "h w 3"], hole: Bool[ndarray, "h w"], rng: np.random.Generator) -> None:
    plate = fill(photo, hole, np.zeros_like(hole), rng)
    doubtful(photo, plate, hole, np.zeros_like(hole), 100.0, fill, rng)
    decoded = photo.copy()
    decoded.flags.writeable = False  # as pictures are that come from a file: a type of their own
    colour_distance(decoded, hole, ~hole, 5.0)
    ray = np.zeros_like(hole)
    ray[20, 60:100] = True
    ray_of(ray, hole, hole, ray, 100.0, False)


def _postures(body: BodyData) -> None:
    elbow, wrist = JOINT["left_elbow"], JOINT["left_wrist"]
    forward, nowhere = np.array([0.0, 0.0, 1.0]), np.zeros(3)
    goals = Goals().point(wrist, nowhere, nowhere, 0.01).direction(wrist, forward, forward, 1.0)
    solve(np.zeros((NUM_JOINTS, 3)), body.joints_template, (PARENTS[elbow], elbow), goals)
    silhouette(body.mesh.vertices + np.float32(3.0), body.mesh.faces, np.diag([1.0, 1.0, 1.0]), 8, 8)


def _rows(body: BodyData, folder: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return rows of Persons, Bodies and Plates: somebody upright in the middle of the photo."""
    K = np.array([[1.2 * SIDE, 0, SIDE / 2], [0, 1.2 * SIDE, SIDE / 2], [0, 0, 1.0]])
    pose = np.zeros((NUM_JOINTS, 3))
    pose[0, 0] = np.pi
    person = {
        "key": "p", "subset": "NONE", "stem": "1", "image": str(folder / "photo.jpg"), "image_size": (SIDE, SIDE),
        "bbox": (0, 0, SIDE, SIDE), "keypoints": np.zeros((NUM_ROWS, 3)), "state": np.zeros(NUM_ROWS), "K": K,
    }  # fmt: skip
    fitted = {
        "key": "p", "pose": pose, "betas": np.zeros(body.num_betas), "transl": (0.0, 0.2, 2.6), "K": K,
        "reproj_px": 1.0, "sigma": np.zeros(NUM_JOINTS), "alt_betas": np.zeros((3, body.num_betas)),
    }  # fmt: skip
    plate = {"key": "p", "image": "plate.png", "mask": "mask.png", "occluders": "", "filled": 0.2, "method": ""}
    records = (Persons.from_rows([person]), Bodies.from_rows([fitted], B=body.num_betas), Plates.from_rows([plate]))
    one, two, three = (record.row(0) for record in records)
    return one, two, three


def _plans() -> list[dict[str, Any]]:
    """Return rows of Plans: each look whole and cut."""
    rows = []
    for look in range(LOOKS):
        for removes in (False, True):
            removed, residual = np.zeros(NUM_REGIONS, bool), np.ones(NUM_REGIONS, np.float32)
            if removes:
                removed[REGION_NAMES.index(CUT)], residual[REGION_NAMES.index(CUT)] = True, 0.6
            drawn = draw_look(generator_for(0, "precompile", str(look)), LooksConfig(), removed, residual.astype(float))
            rows.append({"key": f"p/{look}{removes}", "parent": "p", "variant": look, "removed": removed,
                         "residual": residual, **drawn.columns()})  # fmt: skip
    plans = Plans.from_rows(rows)
    return [plans.row(i) for i in range(len(plans))]
