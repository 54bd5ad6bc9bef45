"""Finished detections, which count the pixels of the file, in the pixels of the picture that is used."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.detectors import Detector, Person
from a3dgen.io.orientation import upright_mask, upright_points
from a3dgen.sources.exif import labels_are_stored, stored_size


def given_people(
    detector: Detector, name: str, size: tuple[int, int], used: tuple[int, int], orientation: int, exif: str
) -> tuple[list[Person], str]:
    """Return the people of a photo, turned as it is shown and scaled as it is used, and what was noticed.

    Args:
        detector: looks them up. name: of the photo. size: (width, height) px of the photo as it is shown.
        used: (width, height) px that it was scaled down to. orientation: EXIF's, 1..8. exif: ``sources.photos.exif``.
    """
    notes: Counter[str] = Counter()
    people = detector.detect(_blank(size), name)
    points = np.concatenate([np.zeros((0, 2)), *(p.keypoints[p.keypoints[:, 2] > 0, :2] for p in people)])
    if len(people) and labels_are_stored(orientation, size, points, exif, notes, "sources.photos.exif"):
        stored = stored_size(size, orientation)
        people = [_upright(p, orientation, stored) for p in detector.detect(_blank(stored), name)]
    if used != size:
        people = [_scaled(p, size, used) for p in people]
    return people, "; ".join(notes)


def _blank(size: tuple[int, int]) -> UInt8[ndarray, "h w 3"]:
    """Return an array of this size that takes no memory: the lookup wants the size alone."""
    return np.broadcast_to(np.uint8(0), (size[1], size[0], 3))


def _upright(person: Person, orientation: int, stored: tuple[int, int]) -> Person:
    keypoints = person.keypoints.copy()
    there = keypoints[:, 2] > 0
    keypoints[there, :2] = upright_points(keypoints[there, :2], orientation, stored)
    corners = upright_points(person.box.reshape(2, 2), orientation, stored)
    mask = None if person.mask is None else upright_mask(person.mask, orientation)
    return replace(person, keypoints=keypoints, box=np.concatenate([corners.min(0), corners.max(0)]), mask=mask)


def _scaled(person: Person, size: tuple[int, int], used: tuple[int, int]) -> Person:
    """Return a person on the smaller picture; pixel (0, 0) is the centre of the top left pixel on both."""
    factor = np.array(used) / np.array(size)
    keypoints, box = person.keypoints.copy(), person.box.reshape(2, 2)
    there = keypoints[:, 2] > 0
    keypoints[there, :2] = (keypoints[there, :2] + 0.5) * factor - 0.5
    mask = person.mask
    if mask is not None:
        mask = cv2.resize(mask.astype(np.uint8), used, interpolation=cv2.INTER_AREA) > 0
    return replace(person, keypoints=keypoints, box=((box + 0.5) * factor - 0.5).reshape(4), mask=mask)
