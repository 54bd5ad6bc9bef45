"""Recovered people as an A3D dataset: the photo itself is the picture, the recovered body its annotation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.files import TEMPORARY, remove_temporary
from a3dgen.core.records import AMPUTATED, OCCLUDED, OUTSIDE, VISIBLE, Bodies, Persons, Plans, Renders
from a3dgen.core.stage import Context, Inputs
from a3dgen.formats.names import sample_name
from a3dgen.geometry.camera import inside_image, near_mask, project
from a3dgen.geometry.regions import label
from a3dgen.io import rle
from a3dgen.io.images import write_image, write_mask
from a3dgen.recovery.person import Recovery
from a3dgen.stages import annotate
from a3dgen.stages.table import DATASET_FOLDER

SCRATCH = f".pictures{TEMPORARY}"
LISTED = Path(f".{DATASET_FOLDER}.files")
"""List of the dataset's files: what the next run may take away."""
SKIN = 5
"""Monk tone that is written: nobody measures it here."""


def write_dataset(out: Path, people: list[tuple[Recovery, dict[str, Any], UInt8[ndarray, "h w 3"]]]) -> str:
    """Write ``out/A3D_Dataset`` with everybody who has a body; return what to tell the user.

    A single person is written twice, for readers of this format fail on a file of one row.
    """
    usable = [p for p in people if p[0].amputee is not None]
    if not usable:
        return f"no dataset: nobody of {len(people)} people has a body"
    copies = annotate.MIN_ROWS if len(usable) == 1 else 1
    persons, bodies, plans, renders = [], [], [], []
    for recovery, row, rgb in usable:
        persons.append(row)
        bodies.append({**recovery.fitted, "key": recovery.key})  # type: ignore[dict-item]
        kind = "full" if not recovery.removed.any() else f"amp_{label(recovery.removed)}"
        for copy in range(copies):
            key = f"{recovery.key}/{kind}_v{copy}"
            plans.append({
                "key": key, "parent": recovery.key, "removed": recovery.removed,
                "residual": recovery.residual.astype(np.float32), "geometry": recovery.amputee.cut.geometry,
                "skin": SKIN, "garments": "[]",
            })  # fmt: skip
            renders.append({"key": key, **_drawn(out, recovery, row, rgb, copy)})
    width = len(bodies[0]["betas"])
    inputs = Inputs(
        Persons.from_rows(persons), Bodies.from_rows(bodies, B=width), plans=Plans.from_rows(plans),
        renders=Renders.from_rows(renders),
    )  # fmt: skip
    settings = {"recovered": True, "render": {"mode": "erase"}, "amputate": {}}
    annotate.run(annotate.Config(), Context(0, BodyConfig(), out, out / SCRATCH, settings=settings), [inputs], LISTED)
    remove_temporary(out / SCRATCH)
    told = f"{len(usable)} people" if copies == 1 else "1 person, in two equal rows: readers fail on one"
    return f"dataset: {out / DATASET_FOLDER} ({told})"


def _drawn(
    out: Path, recovery: Recovery, row: dict[str, Any], rgb: UInt8[ndarray, "h w 3"], copy: int
) -> dict[str, Any]:
    """Write the picture and the person's mask; return their row of Renders, measured on the recovered body."""
    amputee, fitted = recovery.amputee, recovery.fitted
    assert amputee is not None
    assert fitted is not None
    height, width = rgb.shape[:2]
    name = sample_name(recovery.removed, row["stem"], row["person_id"], copy, "jpg")
    image, mask = f"{SCRATCH}/Images/{name}", f"{SCRATCH}/Masks/{Path(name).stem}.png"
    write_image(out / image, rgb)
    person = rle.from_json(row["mask"])
    person = np.zeros((height, width), bool) if person is None else person
    write_mask(out / mask, person)
    state = _states(project(amputee.keypoints, fitted["K"]), person)
    state[~amputee.present] = AMPUTATED
    there = amputee.ends[:, 3] > 0
    ends = _states(project(np.where(there[:, None], amputee.ends[:, :3], 1.0), fitted["K"]), person)
    ends[~there] = AMPUTATED
    return {
        "image": image, "mask": mask, "state": state, "keypoints": amputee.keypoints, "visible": np.ones(12),
        "residual_ends": amputee.ends, "residual_end_state": ends, "height": amputee.height,
        "segment": amputee.segment, "stump_length": amputee.stump_length, "stump_girth": amputee.stump_girth,
        "mode": "erase", "registered_pose": fitted["pose"],
    }  # fmt: skip


def _states(pixels: Float[ndarray, "n 2"], person: Bool[ndarray, "h w"]) -> UInt8[ndarray, " n"]:
    """Return (n) states: what lies beside the person's mask is hidden by something, or not where the body has it."""
    height, width = person.shape
    pixels = np.nan_to_num(pixels, nan=-1e6)
    shown = near_mask(pixels, person) if person.any() else np.ones(len(pixels), bool)
    inside = inside_image(pixels, width, height)
    return np.where(inside, np.where(shown, VISIBLE, OCCLUDED), OUTSIDE).astype(np.uint8)
