"""COCO person keypoints, 17 + 8 residual-limb ends, with presence and visibility flags and run-length masks.

The 25-keypoint schema is that of LDPose / InclusiveVidPose: 0-16 COCO, 17-24 the ends of residual limbs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import AMPUTATED, OUTSIDE, VISIBLE
from a3dgen.devices.device import PROSTHESES, STATUS_NAMES
from a3dgen.devices.device import TYPES as DEVICE_TYPES
from a3dgen.formats.dataset_rows import Row, keeps_occluded, rows
from a3dgen.formats.exports.prosthetic_joints import FEET, prosthetic_pixels, with_prosthetic_joints
from a3dgen.geometry.camera import inside_image, project
from a3dgen.geometry.regions import LIMBS, REGION_NAMES, REGIONS, RESIDUAL_ENDS
from a3dgen.geometry.skeleton import COCO_ROWS, ROWS
from a3dgen.io.images import image_size, read_labels, read_mask, replace_file
from a3dgen.io.rle import area, encode

COCO_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087,
    0.089, 0.089,
)  # fmt: skip
"""OKS sigmas of the COCO keypoints (cocoapi)."""
DESCRIPTION = "a3dgen synthetic amputees"
END_SIGMA = 0.079
"""OKS sigma of a residual-limb end: no published value; taken as wide as COCO's shoulder, an engineering choice."""
DEVICE_CATEGORY = 2
"""Category id of the first type of device; the person is 1."""
NAMES = tuple(ROWS[r].split("_", 1)[1] for r in COCO_ROWS) + RESIDUAL_ENDS
SIGMAS = COCO_SIGMAS + (END_SIGMA,) * len(RESIDUAL_ENDS)
_BONES = ((15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8), (7, 9), (8, 10),
          (1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 17), (6, 18), (7, 19), (8, 20), (11, 21),
          (12, 22), (13, 23), (14, 24))  # fmt: skip


def export(
    folder: Path,
    out: Path,
    subsets: list[str] | None = None,
    force: bool = False,
    with_prosthesis: bool = False,
    prosthetic_as_joints: bool = False,
) -> list[Path]:
    """Write ``out`` as one COCO JSON whose ``file_name`` is relative to the dataset folder.

    Each annotation carries ``presence`` (25 flags: the point exists on this body) beside COCO's visibility
    (0 absent or outside, 1 in the picture but hidden, 2 visible), and ``amputations`` (region and residual). Where the
    dataset has assistive devices, each annotation of a person carries ``prosthesis``, the status of each limb (none of
    the published sets' field names is known), and ``prosthetic_keypoints``, six points a limb (docs/devices.md) with
    COCO's visibility; each device is an annotation of its own category. ``with_prosthesis``: a person's segmentation
    covers the prostheses that they wear, too. ``prosthetic_as_joints``: knees, ankles, elbows and wrists of worn
    prostheses stand in the place of the absent ones, and six points of the feet follow (``prosthetic_joints``).

    Raises:
        DataError: if the dataset lacks extension keys or masks, or was written with ``annotate.occluded: keep``,
            which leaves no trace of whether a stump's tip is hidden.
        ConfigError: if ``out`` is a file that is no earlier export and ``force`` is not set.
    """
    if out.is_dir() or (out.exists() and not force and not _is_ours(out)):
        raise ConfigError(f"{out}: is there and is no COCO export of a3dgen's; nothing was touched. Name a new file")
    if keeps_occluded(folder):
        raise DataError(
            f"{folder}: written with annotate.occluded=keep, so nothing tells which stump tips are hidden; run "
            f"'a3dgen annotate --set annotate.occluded=mask' and export again"
        )
    images, annotations, devices = [], [], []  # type: tuple[list[Any], list[Any], list[Any]]
    for i, row in enumerate(rows(folder, subsets), start=1):
        width, height = image_size(row.image)
        images.append(
            {"id": i, "file_name": row.image.relative_to(folder).as_posix(), "width": width, "height": height,
             "license": 0, "source_license": str(row.extra("source_license"))}
        )  # fmt: skip
        annotations.append(_annotation(i, row, (width, height), with_prosthesis, prosthetic_as_joints))
        devices += _devices(i, row)
    for number, device in enumerate(devices, start=len(annotations) + 1):
        device["id"] = number
    feet = FEET if prosthetic_as_joints else ()
    category = {
        "id": 1, "name": "person", "supercategory": "person", "keypoints": [*NAMES, *feet],
        "sigmas": [*SIGMAS, *(COCO_SIGMAS[-1] for _ in feet)],
        "skeleton": [[a + 1, b + 1] for a, b in _BONES],
    }  # fmt: skip
    content = {
        "info": {"description": DESCRIPTION, "keypoints": "COCO 17 + 8 residual-limb ends" + (
            " + 6 of the feet; prosthetic joints in the place of absent ones" if feet else "")},
        "licenses": [{"id": 0, "name": "see source_license of each image"}],
        "images": images, "annotations": annotations + devices, "categories": [category, *_categories(devices)],
    }  # fmt: skip
    replace_file(out, (json.dumps(content, sort_keys=True) + "\n").encode())
    return [out]


def _is_ours(path: Path) -> bool:
    """Whether a file is an earlier export: only such a one is written over."""
    try:
        content = json.loads(path.read_bytes())
        return bool(content["info"]["description"] == DESCRIPTION)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _annotation(number: int, row: Row, size: tuple[int, int], with_prosthesis: bool, as_joints: bool) -> dict[str, Any]:
    keypoints, presence = keypoints_25(row, *size)
    if as_joints:
        keypoints, presence = with_prosthetic_joints(row, NAMES, keypoints, presence)
    mask = read_mask(row.mask)
    if with_prosthesis:
        mask = mask | _worn_mask(row, mask)
    ys, xs = np.nonzero(mask)
    box = [int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1] if len(xs) else [0, 0, 0, 0]
    rle = encode(mask)
    return {
        "id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "bbox": box, "area": int(area(rle)),
        "segmentation": rle, "keypoints": [float(v) for v in keypoints.ravel()],
        "num_keypoints": int((keypoints[:, 2] > 0).sum()), "presence": [int(p) for p in presence],
        "amputations": [
            {"region": REGION_NAMES[k], "residual": round(float(row.extra("residual")[k]), 4)}
            for k in np.flatnonzero(row.removed)
        ],
        "key": str(row.extra("key")), **_prosthesis(row), **_track(row),
    }  # fmt: skip


def _track(row: Row) -> dict[str, str]:
    """The person's ``track_id``; nothing if the dataset has none."""
    return {"track_id": str(row.extra("track_id"))} if "track_id" in row.columns.extra else {}


def _prosthesis(row: Row) -> dict[str, Any]:
    """The status of each limb in words, e.g. ``left_leg: worn:transtibial``; nothing if the dataset has no devices."""
    if "devices" not in row.columns.extra:
        return {}
    kinds = {d["region"]: d["type"] for d in json.loads(str(row.extra("devices"))) if "region" in d}
    out = {}
    for limb, status in zip(LIMBS, row.extra("prosthesis"), strict=True):
        region = REGIONS[limb[0]]
        kind = next((kinds[REGION_NAMES[k]] for k in limb if REGION_NAMES[k] in kinds), "")
        out[f"{region.side}_{region.limb}"] = STATUS_NAMES[status] + (f":{kind}" if kind else "")
    return {"prosthesis": out, "prosthetic_keypoints": [float(v) for v in prosthetic_pixels(row).ravel()]}


def _worn_mask(row: Row, person: np.ndarray) -> np.ndarray:
    """The pixels of prostheses that the person wears."""
    if "devices" not in row.columns.extra or not str(row.extra("device_mask")):
        return np.zeros_like(person)
    worn = [d["id"] for d in json.loads(str(row.extra("devices"))) if d["type"] in PROSTHESES and not d.get("doffed")]
    return np.isin(read_labels(row.device_mask), worn)


def _devices(number: int, row: Row) -> list[dict[str, Any]]:
    """Return an annotation for every device of one sample that shows."""
    if "devices" not in row.columns.extra or not str(row.extra("device_mask")):
        return []
    ids = read_labels(row.device_mask)
    out = []
    for device in json.loads(str(row.extra("devices"))):
        mask = ids == device["id"]
        if mask.any():
            ys, xs = np.nonzero(mask)
            rle = encode(mask)
            out.append({
                "image_id": number, "category_id": DEVICE_CATEGORY + DEVICE_TYPES.index(device["type"]), "iscrowd": 0,
                "bbox": [int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1],
                "area": int(area(rle)), "segmentation": rle, "side": device["side"], "key": str(row.extra("key")),
            })  # fmt: skip
    return out


def _categories(devices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not devices:
        return []
    return [{"id": DEVICE_CATEGORY + k, "name": name, "supercategory": "assistive device"}
            for k, name in enumerate(DEVICE_TYPES)]  # fmt: skip


def keypoints_25(row: Row, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (25, 3) x, y px and COCO visibility, and (25,) presence of one sample."""
    index = list(COCO_ROWS)
    points, state = row.extra("keypoints_2d")[index], row.extra("state")[index]
    flag = np.where(state == VISIBLE, 2, 1)
    flag = np.where((state == AMPUTATED) | (state == OUTSIDE), 0, flag)
    ends = row.extra("residual_ends_3d")
    there = ends[:, 3] > 0
    tips = project(np.where(there[:, None], ends[:, :3] + row.extra("root"), (0, 0, 1.0)), row.extra("K"))
    inside = there & inside_image(tips, width, height)
    end_flag = np.where(inside, np.where(row.extra("residual_ends_2d")[:, 2] > 0, 2, 1), 0)
    xy = np.concatenate([points[:, :2], tips])
    flags = np.concatenate([flag, end_flag])
    presence = np.concatenate([state != AMPUTATED, there])
    return np.concatenate([np.where(flags[:, None] > 0, np.round(xy, 3), 0), flags[:, None]], 1), presence
