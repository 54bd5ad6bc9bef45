"""From photos to recovered bodies: people found, limbs judged, the rest fitted, cut where the residual limb ends."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.core.records import OUTSIDE, UNLABELLED, Persons
from a3dgen.detectors import DetectorConfig, Person, get_detector
from a3dgen.detectors.calibration import calibrate
from a3dgen.detectors.mediapipe import LANDMARK_OF_ROW, LIMBS
from a3dgen.detectors.pose_features import PoseTensors, body_points
from a3dgen.fit.config import Config as FitConfig
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import default_K, inside_image, project
from a3dgen.geometry.regions import absent_rows
from a3dgen.geometry.skeleton import NUM_ROWS
from a3dgen.io import rle
from a3dgen.learning.absence import from_tensors, look_twice, packaged_model
from a3dgen.recovery.person import Recovery, absent_regions, residuals
from a3dgen.recovery.seen_depths import fit_with_depths
from a3dgen.stages.fit import fit_row

LEAST_CONFIDENCE = 0.1
"""Keypoints above it say where the person is."""


def recover_people(
    rgb: UInt8[ndarray, "h w 3"],
    name: str = "photo",
    detection: DetectorConfig | None = None,
    body: BodyConfig | None = None,
    geometry: str = "residual",
) -> list[tuple[Recovery, dict[str, Any]]]:
    """Return everybody found in a picture, from the left, with their row of Persons.

    Args:
        rgb: the picture. name: begins the people's keys. detection: the detector; the default one if None.
        body: the body model; the open one if None. geometry: ``residual`` or ``collapse``.

    Raises:
        MissingDependency: without the networks; see ``detectors.networks``.
    """
    settings = detection or DetectorConfig()
    people = sorted(get_detector(settings).detect(rgb, name), key=lambda p: p.box[0] + p.box[2])
    out = []
    for number, person in enumerate(people, 1):
        row = _row(rgb, person, f"{name}/{number}", settings.name)
        out.append((_recover(rgb, person, row, body or BodyConfig(), geometry), row))
    return out


def _recover(
    rgb: UInt8[ndarray, "h w 3"], person: Person, row: dict[str, Any], body: BodyConfig, geometry: str
) -> Recovery:
    sure = person.keypoints[person.keypoints[:, 2] > LEAST_CONFIDENCE, :2]
    points = sure if len(sure) > 1 else person.box.reshape(2, 2)
    square, looks = look_twice(rgb, points, person.square)
    presence = from_tensors(square, looks, packaged_model())
    removed = absent_regions(presence)
    found = Recovery(row["key"], person.box, presence, removed, np.ones(12), np.full(12, np.nan))
    row |= {"present_removed": removed}
    try:
        fitted = fit_with_looks(row, looks, body)
    except Rejected as why:
        return replace(found, reason=str(why))
    model, fit = load_body(body), BodyFit.of(fitted)
    joints = pose_body(model, fit.pose, fit.betas, fit.transl).joints
    at, spread = residuals(presence, removed, project(joints, fitted["K"]))
    if geometry == "collapse":
        at, spread = np.ones(12), np.full(12, np.nan)
    row["present_residual"] = at.astype(np.float32)
    amputee = rebuild(model, fit, Cut(removed, at, geometry))
    return replace(found, residual=at, residual_sd=spread, fitted=fitted, amputee=amputee)


def fit_with_looks(row: dict[str, Any], looks: dict[bool, PoseTensors], body: BodyConfig) -> dict[str, Any]:
    """Fit one person, with the depths that the pose network sees, and return the row of Bodies.

    Args:
        row: of Persons; limbs in ``present_removed`` count for nothing. looks: at the picture and at the mirrored one.

    Raises:
        Rejected: if the keypoints cannot be used or the fit is bad.
    """
    points, used = np.zeros((NUM_ROWS, 3)), np.zeros(NUM_ROWS, bool)
    marks = body_points(looks, np.asarray(row["K"], np.float64))
    for place, mark in LANDMARK_OF_ROW.items():
        points[place], used[place] = marks[mark], mark in LIMBS
    used &= ~absent_rows(row["present_removed"])
    find = functools.partial(fit_with_depths, points=points, used=used)
    return fit_row(FitConfig(), body, Persons.from_rows([row]), 0, find=find)


def _row(rgb: UInt8[ndarray, "h w 3"], person: Person, key: str, detector: str) -> dict[str, Any]:
    height, width = rgb.shape[:2]
    keypoints, state = calibrate(person.keypoints, detector)
    off = (state != UNLABELLED) & ~inside_image(keypoints[:, :2], width, height)
    state[off] = OUTSIDE
    keypoints[off, 2] = 0.0
    return {
        "key": key, "subset": "CUSTOM/recovered", "stem": key.rpartition("/")[0], "person_id": key.rpartition("/")[2],
        "image": "", "image_size": (width, height), "bbox": person.box, "keypoints": keypoints, "state": state,
        "K": default_K(width, height),
        "mask": rle.to_json(rle.encode(person.mask) if person.mask is not None and person.mask.any() else None),
    }  # fmt: skip
