"""A small made-up build (records and pictures, no renderer) for tests of the dataset's files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import AMPUTATED, OCCLUDED, OUTSIDE, VISIBLE, Bodies, Persons, Plans, Renders
from a3dgen.core.stage import Context, Inputs
from a3dgen.geometry.camera import default_K, inside_image, project
from a3dgen.geometry.regions import REGIONS, absent_rows, find_region
from a3dgen.geometry.skeleton import NUM_ROWS

WIDTH, HEIGHT = 160, 120
SUBSETS = ("COCO_train", "COCO_val", "MPII", "H36M/S1", "H36M/S11")
REMOVED = ("left_knee", "right_hand")


def build(root: Path, per_subset: int = 2) -> tuple[Context, list[Inputs]]:
    """Return a context and one shard a subset; each person has two amputees and one intact sample."""
    shards = [_shard(root, subset, per_subset) for subset in SUBSETS]
    context = Context(7, BodyConfig(), root, root / "annotate", {"note": "made up", "root": "/somewhere/coco"})
    return context, shards


def _shard(root: Path, subset: str, people: int) -> Inputs:
    rng = np.random.default_rng(sum(subset.encode()))
    persons, bodies, plans, renders = [], [], [], []
    for p in range(people):
        key = f"{subset}/{p}"
        persons.append({
            "key": key, "subset": subset, "stem": f"{p:012d}", "person_id": "1", "license": "CC BY 2.0",
            "image": "photo.jpg", "image_size": (WIDTH, HEIGHT), "bbox": (0, 0, 9, 9), "K": default_K(WIDTH, HEIGHT),
            "keypoints": np.zeros((NUM_ROWS, 3)), "state": np.zeros(NUM_ROWS),
        })  # fmt: skip
        pose = rng.normal(0, 0.2, (24, 3))
        pose[0] = (np.pi + 0.1 * p, 0.1, 0.2)  # upright: the camera's y points down
        fit = BodyFit(pose, rng.normal(0, 0.5, 10), np.array([0.05, 0.1 * p - 0.9, 4.0]))
        bodies.append({
            "key": key, "pose": pose, "betas": fit.betas, "transl": fit.transl,
            "K": default_K(WIDTH, HEIGHT), "reproj_px": 2.0, "sigma": np.full(24, 0.03), "alt_betas": np.zeros((3, 10)),
        })  # fmt: skip
        for name in (*REMOVED, None):
            plan, render = _sample(root, subset, key, p, name, fit)
            plans.append(plan)
            renders.append(render)
    return Inputs(
        Persons.from_rows(persons), Bodies.from_rows(bodies), Plans.from_rows(plans), None, Renders.from_rows(renders)
    )


def _sample(root: Path, subset: str, parent: str, p: int, name: str | None, fit: BodyFit) -> tuple[dict, dict]:
    removed, residual, label = np.zeros(12, bool), np.ones(12), "full"
    end_state = np.full(8, AMPUTATED)
    if name:
        region = find_region(name)[0]
        removed[region.index], residual[region.index] = True, 0.5
        end_state[region.end] = VISIBLE
        label = f"amp_{region.index}"
    amputee = rebuild(load_body(BodyConfig()), fit, Cut(removed, residual))
    key = f"{parent}/{label}_v0"
    absent = absent_rows(removed)
    pixels = project(amputee.posed.keypoints[None], default_K(WIDTH, HEIGHT)[None])[0]
    state = np.where(inside_image(pixels, WIDTH, HEIGHT), VISIBLE, OUTSIDE)
    state[3] = np.where(state[3] == VISIBLE, OCCLUDED, state[3])
    state[absent] = AMPUTATED
    base = f"{label}_{p:012d}_1_v0"
    image, mask = f"render/{subset}/Images/{base}.jpg", f"render/{subset}/Masks/{base}.png"
    for path in (image, mask):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 60)).save(root / image, quality=90)
    Image.new("L", (WIDTH, HEIGHT), 255).save(root / mask)
    twin = f"{parent}/full_v0" if name else f"{parent}/amp_{find_region(REMOVED[0])[0].index}_v0"
    plan = {"key": key, "parent": parent, "twin": twin, "removed": removed, "residual": residual, "skin": 4,
            "garments": '[{"kind": "t_shirt"}]'}  # fmt: skip
    render = {"key": key, "image": image, "mask": mask, "state": state, "keypoints": amputee.keypoints,
              "visible": np.ones(12), "residual_ends": amputee.ends, "residual_end_state": end_state,
              "height": amputee.height, "segment": amputee.segment, "stump_length": amputee.stump_length,
              "stump_girth": amputee.stump_girth}  # fmt: skip
    return plan, render


__all__ = ["HEIGHT", "REGIONS", "SUBSETS", "WIDTH", "build"]
