"""The demo's pictures of several people, and the same places without one of them: truth for ``a3dgen bench plates``."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.rng import generator_for
from a3dgen.demo import BETAS
from a3dgen.demo.picture import Picture, take
from a3dgen.demo.shoot import Job, job_digest, person_key, photo_path, shoot
from a3dgen.demo.shots import H36M, DemoShot, arrange, list_shots
from a3dgen.demo.trees import write_trees
from a3dgen.demo.truth import MASKS, write_truth
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.raster import silhouette
from a3dgen.io.images import read_mask, read_rgb, write_mask
from benchmarks.plate_measures import PlateTruth

COVERED, CLEAN = "covered", "clean"
RIM = 2
"""The outline of who is covered and of what covers them are this many px unsure."""


def crowds(people: int) -> list[DemoShot]:
    """Return the pictures of several people in a demo of this size."""
    return [s for s in list_shots(people) if s.people > 1 and s.source != H36M]


def make(folder: Path, people: int, seed: int) -> dict[str, object]:
    """Write the raw trees and the truth of a demo's pictures of several people; return the settings of its sources."""
    raw, truth = folder / "raw", folder / "truth"
    shots = crowds(people)
    model = BodyConfig(betas=BETAS)
    job = Job(raw, truth, seed, 3.0, model, job_digest({"seed": seed, "people": "crowds"}))
    taken = [(shot, shoot(shot, job)) for shot in shots]
    write_trees(raw, taken, seed)
    write_truth(truth, [person["truth"] for _, facts in taken for person in facts["people"]])
    for shot in shots:
        for index in range(shot.people):
            _write_clean(shot, index, job)
    return {"coco": {"root": str(raw / "coco")}, "mpii": {"root": str(raw / "mpii")}}


def _write_clean(shot: DemoShot, index: int, job: Job) -> None:
    """Write the picture without one of its people, and what stands in front of them."""
    path, hidden = (job.truth / kind / f"{shot.name}_{index}.png" for kind in (CLEAN, COVERED))
    if path.is_file() and hidden.is_file():
        return
    body = load_body(job.body)
    whole = _taken(shot, None, job)
    clean = _taken(shot, index, job, whole.metered)
    quality = int(generator_for(job.seed, "demo.jpeg", shot.name).integers(86, 96))
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(clean.photo[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.imdecode(data, cv2.IMREAD_COLOR))
    subject = whole.people[index]
    vertices = pose_body(body, subject.pose, subject.betas, subject.transl).vertices(body.mesh, subject.betas)
    _, _, view = arrange(body, shot, job.seed)
    bare = silhouette(vertices, body.mesh.faces[~body.mesh.hidden], view.K, view.width, view.height)
    kernel = np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
    seen = cv2.dilate(subject.mask.astype(np.uint8), kernel) > 0
    hidden.parent.mkdir(parents=True, exist_ok=True)
    write_mask(hidden, (cv2.erode(bare.astype(np.uint8), kernel) > 0) & ~seen)


def _taken(shot: DemoShot, leave_out: int | None, job: Job, metered: float | None = None) -> Picture:
    body = load_body(job.body)
    scene, people, view = arrange(body, shot, job.seed)
    kept = [p for i, p in enumerate(people) if i != leave_out]
    return take(body, scene, kept, view, generator_for(job.seed, "demo.film", shot.name), metered)


def truths(folder: Path, people: int) -> dict[str, PlateTruth]:
    """Return key -> truth of everybody in a folder made by ``make``."""
    out = {}
    for shot in crowds(people):
        photo = read_rgb(folder / "raw" / photo_path(shot))
        masks = [read_mask(folder / "truth" / MASKS / f"{shot.name}_{i}.png") for i in range(shot.people)]
        for i in range(shot.people):
            clean = read_rgb(folder / "truth" / CLEAN / f"{shot.name}_{i}.png")
            covered = read_mask(folder / "truth" / COVERED / f"{shot.name}_{i}.png")
            others = {person_key(shot, j): m for j, m in enumerate(masks) if j != i}
            out[person_key(shot, i)] = PlateTruth(photo, clean, masks[i], others, covered)
    return out
