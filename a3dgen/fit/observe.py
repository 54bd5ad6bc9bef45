"""Persons to fitter observations, and reprojection errors of the result."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.records import OCCLUDED, VISIBLE, Persons
from a3dgen.fit.checks import check_labels
from a3dgen.fit.config import Config
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.noise import pixel_sd, point_sd
from a3dgen.fit.observation import Observation, Solution
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project, undistort_points
from a3dgen.geometry.regions import absent_rows


def usable_rows(persons: Persons, i: int) -> Bool[ndarray, "44"]:
    """Return the rows of a person that are labelled, on the image and of limbs the person has."""
    return usable_labels(persons.keypoints[i], persons.state[i], persons.present_removed[i])


def usable_labels(
    keypoints: Float[ndarray, "44 3"], state: Integer[ndarray, "44"], removed: Bool[ndarray, "12"]
) -> Bool[ndarray, "44"]:
    """Return the rows that are labelled, on the image and of limbs that are there."""
    labelled = ((state == OCCLUDED) | (state == VISIBLE)) & ~(keypoints[:, 2] <= 0)
    return labelled & ~absent_rows(removed)


def person_size(bbox: Float[ndarray, "4"], pixels: Float[ndarray, "n 2"]) -> float:
    """Return the longer side (px) of a person's box, or of its keypoints' where that is larger or there is no box."""
    sides = [0.0, *(np.ptp(pixels, axis=0) if len(pixels) else ())]
    if np.isfinite(bbox).all():
        sides += [bbox[2] - bbox[0], bbox[3] - bbox[1]]
    return float(max(sides))


def observe(config: Config, persons: Persons, i: int) -> Observation:
    """Return what is known of one person, in the camera without lens distortion.

    Raises:
        Rejected: if the labels cannot be used.
    """
    if persons.dropped[i]:
        raise Rejected(persons.dropped[i])
    keypoints, K = persons.keypoints[i], persons.K[i]
    used = usable_rows(persons, i)
    size = person_size(persons.bbox[i], keypoints[used, :2])
    points = persons.joints3d[i]
    seen3d = (points[:, 3] > 0) & ~absent_rows(persons.present_removed[i])
    check_labels(
        keypoints, used, 0 if seen3d.sum() >= config.min_points else config.min_points, size, config.min_size_px
    )
    if not (np.isfinite(K).all() and K[0, 0] > 0 and K[1, 1] > 0):
        raise Rejected("the camera is not finite or has no focal length")
    if not np.isfinite(points[seen3d]).all():
        raise Rejected("a 3D joint is not finite")
    pixels = np.zeros((44, 2))
    pixels[used] = undistort_points(keypoints[used, :2], K, persons.dist[i])
    noise = max(config.noise * size, config.min_noise_px)
    return Observation(
        pixels=pixels,
        pixel_sd=pixel_sd(noise, keypoints[:, 2], persons.state[i], used, config.occluded),
        K=K,
        size=size,
        points=points[:, :3],
        point_sd=point_sd(config.noise_3d, points[:, 3], seen3d),
        **_cloud(config, persons, i),
    )


def _cloud(config: Config, persons: Persons, i: int) -> dict[str, Any]:
    if config.cloud == "off":
        return {}
    return {
        "cloud": persons.cloud[i].astype(np.float64),
        "cloud_sd": float(persons.cloud_sd[i]) or config.cloud_sd,
        "cloud_origin": persons.cloud_origin[i].astype(np.float64),
        "removed": persons.present_removed[i],
        "residual": persons.present_residual[i].astype(np.float64),
    }


def reprojection(fitter: Fitter, seen: Observation, found: Solution) -> Float[ndarray, " n"]:
    """Return the reprojection error (px) of every keypoint that was used."""
    used = np.isfinite(seen.pixel_sd)
    posed = pose_body(fitter.body, found.pose, found.betas, found.transl)
    K = seen.K.copy()
    K[[0, 1], [0, 1]] *= found.focal_scale
    return np.linalg.norm(project(posed.keypoints[used], K) - seen.pixels[used], axis=1)
