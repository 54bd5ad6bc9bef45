"""Takes one picture: renders it, writes the photo and the true masks, and returns what annotators noted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.rng import generator_for
from a3dgen.demo import labels
from a3dgen.demo.lidar import CLOUDS, write_cloud
from a3dgen.demo.picture import Picture, Subject, take
from a3dgen.demo.shots import COCO_TRAIN, COCO_VAL, H36M, MPII, STUDIO_DISTANCE, STUDIO_FOCAL, DemoShot, arrange
from a3dgen.demo.truth import MASKS
from a3dgen.demo.viewpoint import Viewpoint
from a3dgen.geometry.camera import project, project_distorted
from a3dgen.geometry.skeleton import COCO_ROWS, H36M_RIGHT_FIRST_ROWS, MPII_ROWS
from a3dgen.io import images, rle

FIRST_ID = {COCO_TRAIN: 100_000, COCO_VAL: 200_000, MPII: 300_000}
RECORDS = "shots"


@dataclass(frozen=True)
class Job:
    """What all pictures of a demo share.

    Attributes:
        raw: folder of the raw trees. truth: folder of the truth. seed: of the build. noise_px: of the labels.
        body: body model; the demo's people use as many betas as it offers. digest: of everything above.
        lidar: kind of sensor beside the camera, or ``off``.
    """

    raw: Path
    truth: Path
    seed: int
    noise_px: float
    body: BodyConfig
    digest: str
    lidar: str = "off"


def image_id(shot: DemoShot) -> int:
    """Return the number of a COCO or MPII photo."""
    return FIRST_ID[shot.source] + shot.number


def photo_path(shot: DemoShot) -> str:
    """Return where the photo lies below the raw folder."""
    if shot.source == MPII:
        return f"mpii/images/{image_id(shot):09d}.jpg"
    if shot.source == H36M:
        return f"h36m/images/{h36m_name(shot)}"
    split = {COCO_TRAIN: "train2017", COCO_VAL: "val2017"}[shot.source]
    return f"coco/{split}/{image_id(shot):012d}.jpg"


def h36m_frame(shot: DemoShot) -> int:
    """Return the frame's number in its video (every fifth is kept)."""
    return 5 * shot.number - 4


def h36m_name(shot: DemoShot) -> str:
    """Return mmpose's image name of a frame."""
    take_name = f"{shot.subject}_{shot.take}.{shot.camera}"
    return f"{shot.subject}/{take_name}/{take_name}_{h36m_frame(shot):06d}.jpg"


def person_key(shot: DemoShot, index: int) -> str:
    """Return the key that the source's reader gives the person."""
    if shot.source == MPII:
        return f"mpii/{image_id(shot):09d}/{index}"
    if shot.source == H36M:
        return f"h36m/{shot.subject}/{shot.take}/{h36m_frame(shot):06d}/{shot.camera}"
    split = {COCO_TRAIN: "train2017", COCO_VAL: "val2017"}[shot.source]
    return f"coco/{split}/{image_id(shot)}/{10 * image_id(shot) + index}"


def shoot(shot: DemoShot, job: Job) -> dict[str, Any]:
    """Take one picture, unless it has been taken already with the same job, and return its facts (plain JSON)."""
    path = job.truth / RECORDS / f"{shot.name}.json"
    facts = _earlier(path, job)
    if facts is not None:
        return facts
    body = load_body(job.body)
    scene, people, view = arrange(body, shot, job.seed)
    picture = take(body, scene, people, view, generator_for(job.seed, "demo.film", shot.name))
    photo = job.raw / photo_path(shot)
    photo.parent.mkdir(parents=True, exist_ok=True)
    images.replace_file(photo, _jpeg(picture.photo, shot, job))
    if job.lidar != "off" and shot.source in (COCO_TRAIN, COCO_VAL):
        rng = generator_for(job.seed, "demo.lidar", shot.name)
        write_cloud(job.raw / CLOUDS, photo.stem, job.lidar, picture.depth, view.K, rng)
    facts = {
        "digest": job.digest,
        "size": [view.width, view.height],
        "people": [_person(shot, i, s, picture, view, job) for i, s in enumerate(picture.people)],
        "camera": {"K": view.K.tolist(), "dist": view.dist.tolist(), "rotation": view.rotation.tolist(),
                   "centre": view.centre.tolist()},
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    images.replace_file(path, json.dumps(facts).encode())
    return facts


def _earlier(path: Path, job: Job) -> dict[str, Any] | None:
    """Return the facts of a picture taken before by the same job; a damaged file counts as none."""
    try:
        facts = json.loads(path.read_text())
        return facts if facts["digest"] == job.digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _jpeg(photo: UInt8[ndarray, "h w 3"], shot: DemoShot, job: Job) -> bytes:
    """Compress as collections do: halved chroma, a quality that varies."""
    quality = int(generator_for(job.seed, "demo.jpeg", shot.name).integers(86, 96))
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(photo[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()


def _person(
    shot: DemoShot, index: int, subject: Subject, picture: Picture, view: Viewpoint, job: Job
) -> dict[str, Any]:
    """Return the truth and the labels of one person, and write the true mask."""
    key = person_key(shot, index)
    name = f"{MASKS}/{shot.name}_{index}.png"
    (job.truth / MASKS).mkdir(parents=True, exist_ok=True)
    images.write_mask(job.truth / name, subject.mask)
    rng = generator_for(job.seed, "demo.labels", key)
    flags = labels.seen(subject.keypoints, view.K, picture.depth)
    size = (view.width, view.height)
    truth = {
        "key": key,
        "mask": name,
        "K": view.K.tolist(),
        **{c: getattr(subject, c).tolist() for c in ("pose", "betas", "transl", "keypoints", "joints")},
    }
    if shot.source == H36M:
        return {"truth": truth, "label": motion_capture(shot, subject.keypoints, view, job)}
    rows = list(COCO_ROWS if shot.source != MPII else MPII_ROWS)
    pixels = project(subject.keypoints[None], view.K[None])[0][rows]
    xy, states = labels.clicks(rng, pixels, flags[rows], job.noise_px, size)
    label: dict[str, Any] = {"xy": np.round(xy, 2).tolist(), "v": states.tolist()}
    if subject.mask.any():
        drawn = labels.drawn_mask(rng, subject.mask)
        label |= {"polygons": labels.polygons(drawn), "rle": rle.encode(drawn), "box": labels.box(drawn)}
        label["area"] = float(drawn.sum())
    head = subject.keypoints[[labels.HEAD_TOP, labels.UPPER_NECK]]
    label["head_px"] = float(np.linalg.norm(np.diff(project(head[None], view.K[None])[0], axis=0)))
    return {"truth": truth, "label": label}


def motion_capture(shot: DemoShot, keypoints: Float[ndarray, "44 3"], view: Viewpoint, job: Job) -> dict[str, Any]:
    """Return 3D joints (m, camera frame) and their distorted projections (px).

    All cameras of an instant get what one motion capture measured; its error shows as ``noise_px`` in the image of a
    person in the middle of the studio.
    """
    joints = keypoints[list(H36M_RIGHT_FIRST_ROWS)]
    sigma = job.noise_px * STUDIO_DISTANCE / STUDIO_FOCAL
    error = generator_for(job.seed, "demo.capture", shot.key).normal(0, sigma, joints.shape)
    measured = joints + error @ view.rotation.T
    return {"S": measured.tolist(), "part": project_distorted(measured, view.K, view.dist).tolist()}


def job_digest(facts: dict[str, Any]) -> str:
    """Return the digest of plain facts."""
    return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=16).hexdigest()
