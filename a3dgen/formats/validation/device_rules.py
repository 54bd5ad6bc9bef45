"""Rules on assistive devices: status, list, keypoints, masks and postures say the same; twins carry the same aids."""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.core.records import AMPUTATED, OCCLUDED, OUTSIDE, VISIBLE
from a3dgen.devices.device import (
    AID_POINTS,
    DOFFED,
    GRIPPED,
    NO_LIMB_LOST,
    POINTS,
    PROSTHESES,
    UNDER_CLOTH,
    WORN,
    Device,
    device_of,
)
from a3dgen.formats.validation.columns import Columns
from a3dgen.formats.validation.findings import Findings
from a3dgen.geometry.camera import project
from a3dgen.geometry.devices.chairs import CHAIRS
from a3dgen.geometry.devices.wheelchair import hub_height
from a3dgen.geometry.regions import LIMBS, REGION_NAMES
from a3dgen.io.images import open_picture
from a3dgen.io.regular import leaves

_STANDING = {"wheelchair": ("left_hub", "right_hub"), "walker": ("left_tip", "right_tip")}
"""Points of aids that are level: hubs at the height of their wheels, tips on the ground."""
PROJECTION_PX = 0.5
GROUND_M = 0.005
"""Tips stand on one plane to this."""
_POINTS = {
    "wheelchair": ("left_hub", "right_hub", "footplate", "seat"),
    "walker": ("left_grip", "left_tip", "right_grip", "right_tip"),
}
"""Points of aids that no single hand holds."""


def check_devices(c: Columns, keeps_occluded: bool, found: Findings) -> None:
    """Run the rules that need no image on one npz that has the keys of devices."""
    devices = _listed(c, found)
    _status(c, devices, found)
    _points(c, keeps_occluded, found)
    _aids(c, devices, found)
    _hidden(c, found)
    _twins(c, devices, found)
    masked = np.array([bool(str(m)) for m in c.extra["device_mask"]])
    wanted = np.array([bool(d) for d in devices])
    found.rows("device mask", c.file, masked != wanted, c.names, "a device mask is named without devices, or none is")


def _listed(c: Columns, found: Findings) -> list[list[tuple[Device, dict[str, Any]]]]:
    """Return the devices of each row with the facts that only a picture has."""
    out, bad = [], np.zeros(len(c.names), bool)
    for i, text in enumerate(c.extra["devices"]):
        row = []
        try:
            for facts in json.loads(str(text)):
                extra = {k: facts.pop(k) for k in ("id", "pixels", "whole_pixels")}
                row.append((device_of(facts), extra))
        except (ValueError, KeyError, TypeError, AttributeError, DataError):
            bad[i] = True
        bad[i] |= [e["id"] for _, e in row] != list(range(1, len(row) + 1))
        out.append(row)
    found.rows("devices", c.file, bad, c.names, "a3dgen_devices is no JSON list of devices with the ids 1, 2, ...")
    return out


def _status(c: Columns, devices: list[list[tuple[Device, dict[str, Any]]]], found: Findings) -> None:
    status = c.extra["prosthesis"]
    found.rows("prosthesis", c.file, status > DOFFED, c.names, "a prosthesis status is not one of 0..4")
    lost = np.stack([c.removed[:, list(limb)].any(1) for limb in LIMBS], 1)
    found.rows("prosthesis", c.file, (status == NO_LIMB_LOST) == lost, c.names,
               "a limb is lost and its prosthesis status is 0, or the other way round")  # fmt: skip
    worn, doffed, region = np.zeros_like(lost), np.zeros_like(lost), np.zeros(len(lost), bool)
    for i, row in enumerate(devices):
        for device, _ in row:
            if device.type in PROSTHESES:
                (doffed if device.doffed else worn)[i, device.limb] = True
                region[i] |= not c.removed[i, REGION_NAMES.index(device.region)]
                region[i] |= not device.region.endswith(PROSTHESES[device.type])
    found.rows("prosthesis", c.file, region, c.names, "a prosthesis replaces a region that is not removed")
    found.rows("prosthesis", c.file, np.isin(status, (WORN, UNDER_CLOTH)) != worn, c.names,
               "a prosthesis is worn that is not listed, or the other way round")  # fmt: skip
    found.rows("prosthesis", c.file, (status == DOFFED) & ~doffed, c.names, "a doffed prosthesis is not listed")


def _points(c: Columns, keeps_occluded: bool, found: Findings) -> None:
    e = c.extra
    points, flat, state = e["prosthetic_3d"], e["prosthetic_2d"], e["prosthetic_state"]
    there = points[..., 3] > 0
    worn = np.repeat(np.isin(e["prosthesis"], (WORN, UNDER_CLOTH)), len(POINTS), 1)
    found.rows("prosthetic points", c.file, there & ~worn, c.names, "a prosthetic point where no prosthesis is worn")
    first = np.arange(0, points.shape[1], len(POINTS))
    found.rows("prosthetic points", c.file, worn[:, first] & ~there[:, first], c.names, "a socket without a brim")
    for name, flag in (("prosthetic_3d", there), ("prosthetic_2d", flat[..., 2] > 0)):
        value = e[name]
        found.rows("prosthetic points", c.file, ~np.isin(value[..., -1], (0, 1)) | ((value != 0).any(-1) & ~flag),
                   c.names, f"a point of a3dgen_{name} that is not there is not zero")  # fmt: skip
    pixels = project(np.where(there[..., None], points[..., :3] + e["root"][:, None], (0, 0, 1.0)), e["K"])
    seen = flat[..., 2] > 0
    off = ~(np.abs(pixels - flat[..., :2]).max(-1) <= PROJECTION_PX)
    found.rows("projection", c.file, seen & off, c.names, "a prosthetic point in 2D is not its 3D point projected")
    found.rows("prosthetic points", c.file, (state == AMPUTATED) == there, c.names,
               "the state of a prosthetic point says other than its 3D flag")  # fmt: skip
    found.rows("prosthetic points", c.file, ~np.isin(state, (OCCLUDED, VISIBLE, AMPUTATED, OUTSIDE)), c.names,
               "the state of a prosthetic point is not 1..4")  # fmt: skip
    shown = (state == VISIBLE) | ((state == OCCLUDED) & keeps_occluded)
    found.rows("prosthetic points", c.file, seen != (shown & there), c.names,
               "2D confidence of a prosthetic point does not follow its state")  # fmt: skip


def _aids(c: Columns, devices: list[list[tuple[Device, dict[str, Any]]]], found: Findings) -> None:
    points = c.extra["aid_3d"]
    there = points[..., 3] > 0
    found.rows("aids", c.file, ~np.isin(points[..., 3], (0, 1)) | ((points != 0).any(-1) & ~there), c.names,
               "a point of a3dgen_aid_3d that is not there is not zero")  # fmt: skip
    wanted, uneven, inside = np.zeros_like(there), np.zeros(len(there), bool), np.zeros(len(there), bool)
    for i, row in enumerate(devices):
        heights = []
        for device, _ in row:
            held = tuple(f"{device.side}_{n}" for n in ("grip", "tip")) if device.type in GRIPPED else ()
            for name in _POINTS.get(device.type, held):
                wanted[i, AID_POINTS.index(name)] = True
            if device.type in _STANDING:
                uneven[i] |= _above_ground(device, points[i, :, :3] + c.extra["root"][i]) > GROUND_M
            if device.tip:
                at = points[i, AID_POINTS.index(f"{device.side}_tip"), :3] + c.extra["root"][i]
                heights.append(float(at @ device.up))
                uneven[i] |= np.abs(at - device.tip).max() > GROUND_M
                grip = points[i, AID_POINTS.index(f"{device.side}_grip"), :3] + c.extra["root"][i]
                inside[i] |= (grip - at) @ device.up < 0.3
        uneven[i] |= bool(heights) and max(heights) - min(heights) > GROUND_M
    found.rows("aids", c.file, wanted != there, c.names, "points of aids are not those of the aids listed")
    found.rows("ground", c.file, uneven, c.names, "tips do not stand where the devices say, on one plane")
    found.rows("aids", c.file, inside, c.names, "a grip is not above its tip")


def _above_ground(device: Device, points: np.ndarray) -> float:
    """Return how far off their height some points of a wheelchair or walker are, m."""
    up, at = np.reshape(device.frame["turn"], (3, 3))[:, 1], np.array(device.frame["at"])
    kind = CHAIRS.get(str(device.frame.get("kind", "active")))
    height = hub_height(kind[1]) if device.type == "wheelchair" and kind else 0.0
    return max(abs(float((points[AID_POINTS.index(n)] - at) @ up) - height) for n in _STANDING[device.type])


def _hidden(c: Columns, found: Findings) -> None:
    by = c.extra["hidden_by"]
    found.rows("hidden by", c.file, by > 3, c.names, "a3dgen_hidden_by is not 0..3")
    found.rows("hidden by", c.file, (by > 0) != (c.extra["state"] == OCCLUDED), c.names,
               "a3dgen_hidden_by names something for other rows than the occluded")  # fmt: skip
    without = np.array([not str(m) for m in c.extra["device_mask"]])
    found.rows("hidden by", c.file, (by == 3).any(1) & without, c.names, "a device hides a keypoint, but there is none")


def _twins(c: Columns, devices: list[list[tuple[Device, dict[str, Any]]]], found: Findings) -> None:
    e = c.extra
    row = {str(k): i for i, k in enumerate(e["key"])}
    aids, posture = np.zeros(len(c.names), bool), np.zeros(len(c.names), bool)
    own = [[d for d, _ in some if d.type not in PROSTHESES] for some in devices]
    for i, twin in enumerate(e["twin"]):
        other = row.get(str(twin), -1)
        if other >= 0:
            aids[i] = own[i] != own[other]
            posture[i] = (e["reposed"][i] != e["reposed"][other]).any() or (e["pose"][i] != e["pose"][other]).any()
            posture[i] |= bool((e["transl"][i] != e["transl"][other]).any())
    found.rows("twin", c.file, aids, c.names, "twins carry different aids")
    found.rows("twin", c.file, posture, c.names, "twins stand differently")


def check_device_mask(c: Columns, i: int, root: Path, masks: Path, person: np.ndarray | None, found: Findings) -> None:
    """Check the device mask of one row against its list, the person mask (None if unread) and the keypoints."""
    name = str(c.extra["device_mask"][i])
    if not name:
        return
    shown = f"{c.subset}/Masks/{name}"
    if PurePosixPath(name).with_suffix("").as_posix() != f"{PurePosixPath(c.names[i]).with_suffix('')}_devices":
        found.error("files", shown, f"does not have the base name of {c.names[i]}")
        return
    if leaves(root, masks / name):
        return
    if not os.path.lexists(masks / name):
        found.error("files", shown, "the device mask is missing")
        return
    try:
        with open_picture(masks / name, formats=("PNG",)) as image:
            ids = np.array(image)
    except DataError as error:
        found.error("decode", shown, f"cannot be decoded ({str(error)[:80]})")
        return
    _compare(c, i, ids, person, shown, found)


def _compare(c: Columns, i: int, ids: np.ndarray, person: np.ndarray | None, shown: str, found: Findings) -> None:
    try:
        pixels = [int(f["pixels"]) for f in json.loads(str(c.extra["devices"][i]))]
    except (ValueError, KeyError, TypeError):
        return  # reported with the list
    counted = np.bincount(ids.ravel(), minlength=len(pixels) + 1)
    if ids.ndim != 2 or len(counted) > len(pixels) + 1:
        found.error("device mask", shown, "has an id that a3dgen_devices does not list")
    elif counted[1:].tolist() != pixels:
        found.error("device mask", shown, "its pixels are not as many as a3dgen_devices says")
    if person is not None and person.shape == ids.shape and (person & (ids > 0)).any():
        found.error("device mask", shown, "covers pixels of the person mask")
    rows = np.flatnonzero(c.extra["hidden_by"][i] == 3)
    at = np.rint(c.extra["keypoints_2d"][i, rows, :2]).astype(np.int64)
    inside = (at >= 0).all(1) & (at[:, 0] < ids.shape[1]) & (at[:, 1] < ids.shape[0])
    at = at[inside]
    if not inside.all() or not (ids[at[:, 1], at[:, 0]] > 0).all():
        found.error("hidden by", shown, "a device is said to hide a keypoint whose pixel shows none")
