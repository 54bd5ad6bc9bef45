"""What a picture shows of devices: masks, states of prosthetic keypoints, and what hides a keypoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray

from a3dgen.core.records import AMPUTATED, OCCLUDED, OUTSIDE, VISIBLE
from a3dgen.devices.attach import Devices
from a3dgen.devices.device import DOFFED, NO_LIMB_LOST, NOTHING_WORN, POINTS, UNDER_CLOTH, WORN, is_worn
from a3dgen.devices.materials import FIRST_LABEL
from a3dgen.devices.place import Attached
from a3dgen.geometry.camera import inside_image, project
from a3dgen.geometry.raster import rasterize
from a3dgen.geometry.regions import LIMBS, REGION_NAMES, REGIONS
from a3dgen.geometry.visibility import Buffers

MIN_PIXELS = 60
"""A prosthesis of which less is seen does not show that the limb is gone."""
POINT_DEPTH_M = 0.07
"""Prosthetic keypoints lie inside their device, at most this far behind its surface, m."""
HIDDEN_BY = ("none", "self", "photo", "device")


def body_part(part: UInt8[ndarray, "h w"]) -> UInt8[ndarray, "h w"]:
    """Return part labels with devices taken out: 0 there, as where nothing is."""
    return part * (part < FIRST_LABEL)


def device_ids(labels: UInt8[ndarray, "h w"]) -> UInt8[ndarray, "h w"]:
    """Return instance ids of devices, 1 for the first one, 0 elsewhere."""
    return np.where(labels >= FIRST_LABEL, labels - (FIRST_LABEL - 1), 0).astype(np.uint8)


def sockets_as_limbs(buffers: Buffers, part: UInt8[ndarray, "h w"], devices: Devices) -> Buffers:
    """Return buffers in which a worn prosthesis counts as the segment that carries it: it covers the residual limb as
    its own cloth does."""
    out = buffers.part.copy()
    for a in devices.attached:
        if is_worn(a.device):
            carrier = REGIONS[REGION_NAMES.index(a.device.region)].segment[0]
            out[part == a.label] = carrier + 1
    return replace(buffers, part=out)


def prosthetic_states(
    points: Float[ndarray, "24 4"], devices: Devices, buffers: Buffers, part: UInt8[ndarray, "h w"]
) -> Integer[ndarray, "24"]:
    """Return the states (u1, see ``records``) of prosthetic keypoints; 3 = there is no such point.

    A point is visible where the nearest surface at its pixel is that of its own device, at most ``POINT_DEPTH_M``
    before it.
    """
    out = np.full(len(points), AMPUTATED, np.uint8)
    for a in devices.attached:
        if not is_worn(a.device):
            continue
        rows = np.arange(len(POINTS)) + a.device.limb * len(POINTS)
        rows = rows[points[rows, 3] > 0]
        pixels = project(points[rows, :3], buffers.K)
        depth, _ = buffers.lookup(pixels, 1)
        own = replace(buffers, part=(part == a.label).astype(np.uint8)).lookup(pixels, 1)[1] > 0
        seen = (own & (points[rows, 2][:, None] - depth < POINT_DEPTH_M)).any(1) & ~_behind_photo(pixels, buffers)
        inside = inside_image(pixels, buffers.width, buffers.height)
        out[rows] = np.where(inside, np.where(seen, VISIBLE, OCCLUDED), OUTSIDE)
    return out


def _behind_photo(pixels: ndarray, buffers: Buffers) -> ndarray:
    """Whether what stays in front of the person covers these pixels."""
    if buffers.occluders is None:
        return np.zeros(len(pixels), bool)
    at = np.rint(np.nan_to_num(pixels, nan=-1, posinf=-1, neginf=-1)).astype(np.int64)
    x, y = np.clip(at[:, 0], 0, buffers.width - 1), np.clip(at[:, 1], 0, buffers.height - 1)
    return buffers.occluders[y, x]


def hidden_by(
    state: Integer[ndarray, "44"], keypoints: Float[ndarray, "44 3"], buffers: Buffers, part: UInt8[ndarray, "h w"]
) -> UInt8[ndarray, "44"]:
    """Return what hides each occluded keypoint: 1 the body, 2 what stays in front in the photo, 3 a device; else 0."""
    pixels = project(np.asarray(keypoints, np.float64), buffers.K)
    depth, _ = buffers.lookup(pixels, 0)
    device = replace(buffers, part=part).lookup(pixels, 0)[1][:, 0] >= FIRST_LABEL
    device &= depth[:, 0] < keypoints[:, 2]
    who = np.where(_behind_photo(pixels, buffers), 2, np.where(device, 3, 1))
    return np.where(state == OCCLUDED, who, 0).astype(np.uint8)


@dataclass(frozen=True)
class Seen:
    """Pixels of one device: ``silhouette`` if nothing hid it, inside the image or not, and ``visible`` ones."""

    silhouette: int
    visible: int

    def enough(self, share: float) -> bool:
        """Whether so much of it shows."""
        return self.visible >= MIN_PIXELS and self.visible >= share * self.silhouette


def seen_of(attached: Attached, ids: UInt8[ndarray, "h w"], K: Float[ndarray, "3 3"]) -> Seen:
    """Count the pixels of one device.

    Args:
        attached: the device. ids: instance ids of the finished picture. K: its camera, px.
    """
    items = attached.items()
    vertices = np.concatenate([i.vertices for i in items])
    starts = np.cumsum([0, *(len(i.vertices) for i in items)])
    faces = np.concatenate([i.faces + s for i, s in zip(items, starts[:-1], strict=True)]).astype(np.int32)
    pixels = project(vertices.astype(np.float64), K)
    if not np.isfinite(pixels).all():
        return Seen(1, 0)  # it reaches behind the camera
    low, high = np.floor(pixels.min(0)).astype(int), np.ceil(pixels.max(0)).astype(int) + 1
    camera = np.array(K, np.float64)
    camera[:2, 2] -= low
    size = np.minimum(high - low, 4096)
    _, face = rasterize(vertices, faces, camera, int(size[0]), int(size[1]))
    number = attached.label - FIRST_LABEL + 1
    return Seen(int((face >= 0).sum()), int((ids == number).sum()))


def limb_status(removed: ndarray, devices: Devices, seen: Sequence[Seen], share: float) -> UInt8[ndarray, "4"]:
    """Return what is with each limb, in AJAHR order, see ``device.STATUS_NAMES``; a prosthesis that cloth, or anything
    else, hides for the most part counts as worn under cloth."""
    out = np.array([NOTHING_WORN if removed[list(limb)].any() else NO_LIMB_LOST for limb in LIMBS], np.uint8)
    for a, s in zip(devices.attached, seen, strict=True):
        if is_worn(a.device):
            out[a.device.limb] = WORN if s.enough(share) else UNDER_CLOTH
        elif a.device.doffed and s.visible >= MIN_PIXELS:
            out[a.device.limb] = DOFFED
    return out
