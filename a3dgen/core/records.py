"""Records that flow between stages, joined by ``key``; what a column is, ``columns.py`` says."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from a3dgen.core.columns import Record, column

SCHEMA_VERSION = 5

UNLABELLED, OCCLUDED, VISIBLE, AMPUTATED, OUTSIDE = 0, 1, 2, 3, 4
"""Keypoint states. They are never merged before the last writer."""
STATE_NAMES = ("unlabelled", "occluded", "visible", "amputated", "outside")


@dataclass(frozen=True)
class Persons(Record):
    """One annotated human in one image, as read from a source (stage ``ingest``)."""

    subset: np.ndarray = column("str", doc="folder in A3D_Dataset: COCO_train, COCO_val, MPII, H36M/S1, CUSTOM/x")
    stem: np.ndarray = column("str", doc="stem of the output name, folder left out")
    person_id: np.ndarray = column("str", doc="person part of the output name; may be empty", fill="")
    license: np.ndarray = column("str", doc="licence of the source image", fill="")
    group: np.ndarray = column("str", doc="instant seen by several cameras; never split over shards", fill="")
    subject: np.ndarray = column("str", doc="same body across frames (H36M subject); empty if unknown", fill="")
    image: np.ndarray = column("str", doc="path of the photo")
    image_size: np.ndarray = column("i4", 2, unit="px", doc="width, height")
    bbox: np.ndarray = column("f8", 4, unit="px", doc="x0, y0, x1, y1 of the person")
    keypoints: np.ndarray = column("f8", 44, 3, unit="px", doc="x, y, confidence; zero where unlabelled")
    state: np.ndarray = column("u1", 44, doc="0 unlabelled, 1 occluded, 2 visible, 3 amputated, 4 outside")
    K: np.ndarray = column("f8", 3, 3, unit="px", doc="camera matrix (a guess unless K_known)")
    dist: np.ndarray = column("f8", 5, doc="lens distortion k1 k2 p1 p2 k3 (OpenCV order)", fill=0.0)
    K_known: np.ndarray = column("bool", doc="the camera is calibrated", fill=False)
    joints3d: np.ndarray = column("f8", 44, 4, unit="m", doc="camera frame, confidence last; 0 = none", fill=0.0)
    mask: np.ndarray = column("str", doc="person mask: JSON RLE {size, counts}, or empty", fill="")
    others: np.ndarray = column("str", doc="JSON list of RLEs of all other people in the image", fill="[]")
    objects: np.ndarray = column("str", doc="JSON list of RLEs of objects in the image", fill="[]")
    present_removed: np.ndarray = column("bool", 12, doc="regions the real person lacks", fill=False)
    present_residual: np.ndarray = column("f4", 12, doc="their residual fraction", fill=1.0)
    dropped: np.ndarray = column("str", doc="why the user leaves this person out; empty = kept", fill="")
    track: np.ndarray = column("str", doc="the same person over the frames of a recording; empty if unknown", fill="")
    seconds: np.ndarray = column("f8", unit="s", doc="time of the frame in its recording", fill=0.0)
    clip: np.ndarray = column("str", doc="frames that may be fitted together; then never split over shards", fill="")
    exchanged: np.ndarray = column(
        "str",
        doc="what the detector took left for right in, put right here: labels, arms, legs; empty = nothing",
        fill="",
    )
    company: np.ndarray = column(
        "f4", None, 44, 4, unit="px", doc="everybody labelled on the photo: x, y, confidence, state; 0 = not used",
        fill=np.zeros((0, 44, 4)),
    )  # fmt: skip
    cloud: np.ndarray = column("f4", None, 3, unit="m", doc="point cloud, camera frame", fill=np.zeros((0, 3)))
    cloud_origin: np.ndarray = column("f4", 3, unit="m", doc="where its sensor is; NaN = fused from several", fill=0.0)
    cloud_sd: np.ndarray = column("f4", unit="m", doc="noise of its points; 0 = as fit.cloud_sd says", fill=0.0)


@dataclass(frozen=True)
class Bodies(Record):
    """The fitted body of a person (stage ``fit``)."""

    pose: np.ndarray = column("f8", 24, 3, unit="rad", doc="axis-angle; joint 0 in the camera frame")
    betas: np.ndarray = column("f8", "B", doc="shape coefficients of the body model")
    transl: np.ndarray = column("f8", 3, unit="m", doc="X_cam = FK(pose, betas) + transl")
    K: np.ndarray = column("f8", 3, 3, unit="px", doc="camera as used (pinhole; distortion removed)")
    reproj_px: np.ndarray = column("f8", unit="px", doc="mean reprojection error over labelled keypoints")
    cost: np.ndarray = column("f8", doc="final MAP cost", fill=0.0)
    sigma: np.ndarray = column("f8", 24, unit="m", doc="standard deviation of each joint")
    alt_pose: np.ndarray = column("f8", 3, 24, 3, unit="rad", doc="near-tied alternative poses", fill=0.0)
    alt_betas: np.ndarray = column("f8", 3, "B", doc="their betas")
    alt_transl: np.ndarray = column("f8", 3, 3, unit="m", doc="their translations", fill=0.0)
    alt_cost: np.ndarray = column("f8", 3, doc="their costs; inf = no such alternative", fill=np.inf)
    down: np.ndarray = column("f8", 3, doc="direction of gravity, camera frame; 0 = not estimated", fill=0.0)
    down_sd: np.ndarray = column("f4", unit="rad", doc="standard deviation of its pitch", fill=0.0)
    camera_height: np.ndarray = column("f4", unit="m", doc="of the camera above the ground; 0 = unknown", fill=0.0)
    cloud_points: np.ndarray = column("i4", doc="points of the cloud that the fit rests on; 0 = none", fill=0)
    cloud_mm: np.ndarray = column("f4", unit="mm", doc="median distance of these points from the skin", fill=0.0)
    cloud_inliers: np.ndarray = column("f4", doc="share of these points that lie on the skin", fill=0.0)
    stump_fit: np.ndarray = column("f4", 12, doc="residual fraction seen in the cloud; NaN = not seen", fill=np.nan)
    stump_sd: np.ndarray = column("f4", 12, doc="its standard deviation; NaN = not seen", fill=np.nan)


@dataclass(frozen=True)
class Shapes(Record):
    """Body shape of every subject with 3D joints (made once, before the shards of stage ``fit``); keyed by subject."""

    betas: np.ndarray = column("f8", "B", doc="shape coefficients of the body model")
    frames: np.ndarray = column("i4", doc="frames whose median they are")


@dataclass(frozen=True)
class Plans(Record):
    """Everything random about one sample, decided before anything is drawn (stage ``amputate``)."""

    parent: np.ndarray = column("str", doc="key of the person")
    twin: np.ndarray = column("str", doc="key of the intact (or amputee) twin with the same looks", fill="")
    variant: np.ndarray = column("i4", doc="counts the person's samples", fill=0)
    removed: np.ndarray = column("bool", 12, doc="AJAHR regions, most proximal only; all false = intact")
    residual: np.ndarray = column("f4", 12, doc="place of the stump tip along its segment; 1 = at the joint", fill=1.0)
    geometry: np.ndarray = column("str", doc="residual | collapse", fill="residual")
    stump: np.ndarray = column("f4", 12, 3, doc="cap exponent, cap height / radius, taper", fill=(2.1, 0.8, 0.12))
    skin: np.ndarray = column("u1", doc="Monk Skin Tone 1..10")
    hair: np.ndarray = column("str", doc="JSON: style, length, colour, brows, stubble", fill="{}")
    garments: np.ndarray = column("str", doc="JSON list of garments with fabric, colours, seed, ending over a stump")
    light: np.ndarray = column("str", doc="JSON: adjustments of the light found in the plate", fill="{}")
    look_seed: np.ndarray = column("u8", doc="seed of texture noise", fill=0)
    hands: np.ndarray = column("f4", doc="how far fingers are bent: 0 flat, 1 at rest", fill=0.0)
    mode: np.ndarray = column(
        "str", doc="overlay | erase: draw a person over the plate, or keep the one in the photo", fill="overlay"
    )
    erased: np.ndarray = column(
        "bool", 12, doc="erase: regions whose pixels leave the photo; a twin gets them back", fill=False
    )
    erased_residual: np.ndarray = column("f4", 12, doc="erase: place of the tips of their stumps", fill=1.0)
    otherwise: np.ndarray = column(
        "str", doc="what happens if the photo (erase) or the plate refuses: overlay | reject | erase", fill="overlay"
    )
    devices: np.ndarray = column("str", doc="JSON list of assistive devices", fill="[]")
    pose: np.ndarray = column("f8", 24, 3, unit="rad", doc="posture, where any joint is reposed", fill=0.0)
    transl: np.ndarray = column("f8", 3, unit="m", doc="its translation", fill=0.0)
    reposed: np.ndarray = column("bool", 24, doc="joints that turn otherwise than in the fit", fill=False)


@dataclass(frozen=True)
class Plates(Record):
    """The photo without the person (stage ``background``)."""

    image: np.ndarray = column("str", doc="path of the plate below the build folder")
    mask: np.ndarray = column("str", doc="path of the filled region's mask below the build folder")
    occluders: np.ndarray = column("str", doc="path of the mask of what stays in front of the person; may be empty")
    doubt: np.ndarray = column("str", doc="picture of the chance that the filling is noticed; may be empty", fill="")
    filled: np.ndarray = column("f4", doc="share of the image that was filled")
    method: np.ndarray = column("str", doc="inpainter, and what the mask came from")
    refused: np.ndarray = column("str", doc="why nobody may be drawn over it, only erased; or empty", fill="")


@dataclass(frozen=True)
class Renders(Record):
    """One finished picture with what was measured on it (stage ``render``)."""

    image: np.ndarray = column("str", doc="path below the build folder")
    mask: np.ndarray = column("str", doc="path of the person mask PNG below the build folder")
    parts: np.ndarray = column("str", doc="path of the part-label PNG, or empty", fill="")
    state: np.ndarray = column("u1", 44, doc="keypoint state measured on the picture")
    keypoints: np.ndarray = column("f8", 44, 3, unit="m", doc="camera frame; zero where amputated")
    visible: np.ndarray = column("f4", 12, doc="visible share of each region's carrying segment")
    residual_ends: np.ndarray = column("f8", 8, 4, unit="m", doc="stump tips, camera frame, 1 = present", fill=0.0)
    residual_end_state: np.ndarray = column("u1", 8, doc="state of the stump tips; 3 = no such stump", fill=3)
    height: np.ndarray = column("f8", unit="m", doc="standing height of the intact body")
    segment: np.ndarray = column("f8", 12, unit="m", doc="length of the carrying segment, intact")
    stump_length: np.ndarray = column("f8", 12, unit="m", doc="length of the residual limb; 0 if none", fill=0.0)
    stump_girth: np.ndarray = column("f8", 12, unit="m", doc="circumference at the cut ring; 0 if none", fill=0.0)
    mode: np.ndarray = column("str", doc="overlay | erase: how the picture was made", fill="overlay")
    registered_pose: np.ndarray = column(
        "f8", 24, 3, unit="rad", doc="erase: the fit moved onto the photo", fill=np.nan
    )
    registered_transl: np.ndarray = column("f8", 3, unit="m", doc="erase: its translation", fill=np.nan)
    registered_error: np.ndarray = column("f4", doc="erase: clicks off that fit, largest, of the height", fill=np.nan)
    erased_frame: np.ndarray = column("f4", 12, 6, unit="px", doc="erase: of each residual limb in the photo the cut's "
                                      "x, y, the direction to its end, half width, height", fill=np.nan)  # fmt: skip
    prosthesis: np.ndarray = column("u1", 4, doc="limb in AJAHR order: 0 intact, 1 none worn, 2 worn, 3 under cloth, 4 "
                                    "doffed", fill=0)  # fmt: skip
    devices: np.ndarray = column("str", doc="JSON list: the plan's devices, mask ids and visible pixels", fill="[]")
    device_mask: np.ndarray = column("str", doc="path of the device instance PNG, or empty", fill="")
    prosthetic: np.ndarray = column(
        "f8", 24, 4, unit="m", doc="prosthetic keypoints, camera frame, 1 = there", fill=0.0
    )
    prosthetic_state: np.ndarray = column("u1", 24, doc="their states; 3 = no such point", fill=3)
    aids: np.ndarray = column("f8", 8, 4, unit="m", doc="grips, tips, hubs, footplate, seat; 1 = there", fill=0.0)
    hidden_by: np.ndarray = column("u1", 44, doc="of occluded rows: 1 body, 2 photo, 3 device; else 0", fill=0)


OK, REJECTED, FAILED = "ok", "rejected", "failed"


@dataclass(frozen=True)
class Outcome(Record):
    """What became of **every** input key of a stage."""

    status: np.ndarray = column("str", doc="ok | rejected | failed")
    reason: np.ndarray = column("str", doc="why, or a remark on an ok row", fill="")

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each status."""
        return {s: int(np.sum(self.status == s)) for s in (OK, REJECTED, FAILED)}


@dataclass(frozen=True)
class Pictures(Record):
    """What every picture of a shard held when it was written; ``key`` is its path below the build folder."""

    sha256: np.ndarray = column("str", doc="SHA-256 of the file, hexadecimal")
    size: np.ndarray = column("i8", unit="bytes", doc="length of the file")


RECORDS: dict[str, type[Record]] = {
    c.__name__: c for c in (Persons, Shapes, Bodies, Plans, Plates, Renders, Outcome, Pictures)
}


def canonical(value: object) -> str:
    """Return JSON with sorted keys and no blanks: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
