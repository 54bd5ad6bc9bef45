"""``A3DDataset``: a torch dataset over a finished A3D_Dataset, with flips, rotation and labels that stay true.

train = A3DDataset("build/demo/A3D_Dataset", ["COCO_train", "MPII"], augment=True)
loader = torch.utils.data.DataLoader(train, batch_size=32, shuffle=True)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.core.errors import MissingDependency
from a3dgen.core.rng import generator_for
from a3dgen.formats.dataset_rows import find_subsets, load_subset
from a3dgen.formats.schema import image_root
from a3dgen.formats.validation.columns import Columns
from a3dgen.geometry.regions import LIMBS, REGION_FLIP, absent_joints
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT_FLIP, ROW_FLIP
from a3dgen.io.images import read_labels, read_rgb
from a3dgen.io.regular import inside

try:
    import torch
    from torch.utils.data import Dataset
except ImportError as error:
    raise MissingDependency("torch", "A3DDataset", "pip install 'a3dgen[torch]'") from error

LIMB_FLIP = np.array([next(i for i, other in enumerate(LIMBS) if REGION_FLIP[limb[0]] in other) for limb in LIMBS])
"""Limb permutation of a mirrored body."""


@dataclass(frozen=True)
class Augmentation:
    """How much a training crop may vary.

    Attributes:
        flip: probability of a mirror image.
        rotation_deg: standard deviation of the in-plane rotation, cut at twice its value.
        scale: largest relative change of the crop's side.
        shift: largest shift of the crop's centre, as a share of its side.
        colour: largest relative change of each colour channel.
    """

    flip: float = 0.5
    rotation_deg: float = 15.0
    scale: float = 0.2
    shift: float = 0.05
    colour: float = 0.2


class A3DDataset(Dataset):
    """Samples of one or more subsets as crops with labels.

    Each item is a dict of tensors: ``image`` (3, S, S) f4 in 0..1; ``keypoints_2d`` (44, 3) f4 in crop pixels with
    confidence; ``state`` (44,) i8 (2 visible, 1 occluded, 3 amputated, 4 outside the photo; where the file has no
    states, visible or amputated or 1); ``keypoints_3d`` (44, 4) f4 m, pelvis-centred; ``pose`` (24, 3) f4 axis-angle
    with removed joints zero; ``betas`` (10,) f4; ``removed`` (12,) f4; ``heads`` (4,) i8, the class
    0..3 (none, distal to proximal) of right arm, left arm, left leg, right leg, as BPAC-Net's four heads; ``label``
    i8, the AJAHR class, 12 = intact; ``real`` bool, the person is the photo's (mode ``erase``: labels are
    pseudo-truth) and not drawn; ``index`` i8.

    With ``devices=True`` and a dataset that has them also ``prosthesis`` (4,) i8, the status of each limb in the order
    of ``heads`` (0 intact, 1 none worn, 2 worn, 3 worn under cloth, 4 doffed in view), and ``device_mask`` (S, S) u1,
    instance ids of assistive devices, 0 = none. A worn prosthesis changes no other label.

    Augmented items depend on (seed, epoch, index) alone: call ``set_epoch`` before each pass.
    """

    def __init__(
        self,
        folder: str | Path,
        subsets: Sequence[str] | None = None,
        size: int = 256,
        augment: bool | Augmentation = False,
        seed: int = 0,
        devices: bool = False,
    ) -> None:
        """Open annotation files; pictures are read on access.

        Args:
            folder: an A3D_Dataset.
            subsets: names such as ``COCO_train`` or ``H36M/S1``; all that are there by default.
            size: side S of the crop, px.
            devices: give prosthesis status and device masks too, where the dataset has them.

        Raises:
            DataError: if there is no such subset or its file breaks the format.
        """
        self.folder, self.size, self.seed, self.epoch = Path(folder), size, seed, 0
        self.devices = devices
        self.augmentation = Augmentation() if augment is True else (augment or None)
        self._columns = [load_subset(self.folder, s) for s in (subsets or find_subsets(self.folder))]
        self._starts = np.cumsum([0] + [len(c.names) for c in self._columns])

    def set_epoch(self, epoch: int) -> None:
        """Choose another set of augmentations."""
        self.epoch = epoch

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        part = int(np.searchsorted(self._starts, index, "right")) - 1
        columns, row = self._columns[part], index - int(self._starts[part])
        sample = _sample(columns, row, self.devices)
        path = self.folder / image_root(columns.subset) / "Images" / columns.names[row]
        image = read_rgb(inside(self.folder, path))
        if "prosthesis" in sample:
            sample["device_mask"] = self._device_mask(columns, row, image.shape[:2])
        rng = generator_for(self.seed, "augment", f"{self.epoch}/{index}")
        draw = _draw(self.augmentation, rng)
        if draw["flip"]:
            image, sample = image[:, ::-1], flip(sample, image.shape[1])
        sample = rotate(sample, draw["angle"])
        image, sample = _crop(image, sample, self.size, draw)
        pixels = np.clip(image.astype(np.float32) / 255 * draw["colour"], 0, 1)
        tensors = {k: torch.as_tensor(np.array(v)) for k, v in sample.items() if k not in ("center", "scale")}
        return {"image": torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))), **tensors,
                "index": torch.tensor(index)}  # fmt: skip

    def _device_mask(self, columns: Columns, row: int, shape: tuple[int, ...]) -> ndarray:
        name = str(columns.extra["device_mask"][row])
        if not name:
            return np.zeros(shape, np.uint8)
        return read_labels(inside(self.folder, self.folder / image_root(columns.subset) / "Masks" / name))


def heads_of(removed: Integer[ndarray, " 12"] | ndarray) -> Integer[ndarray, " 4"]:
    """Return the class 0..3 of each limb: 0 whole, then the removed region counted from distal to proximal."""
    out = np.zeros(len(LIMBS), np.int64)
    for head, limb in enumerate(LIMBS):
        flagged = [level + 1 for level, region in enumerate(limb) if removed[region]]
        out[head] = max(flagged, default=0)
    return out


def _sample(c: Columns, row: int, devices: bool = False) -> dict[str, Any]:
    removed = c.removed[row].astype(np.float32)
    if c.pose is not None:
        pose = c.pose[row].astype(np.float64)
    else:
        gone = absent_joints(c.removed[row])[1:]
        assert c.matrices is not None  # one of the two is there
        matrices = np.where(gone[:, None, None], np.eye(3), c.matrices[row])
        pose = np.concatenate([c.rotvec[row][None], matrix_to_rotvec(matrices)])
    conf_2d, conf_3d = c.points_2d[row, :, 2], c.conf_3d[row]
    state = c.extra["state"][row] if "state" in c.extra else np.where(conf_3d == 0, 3, np.where(conf_2d > 0, 2, 1))
    return {
        "keypoints_2d": c.points_2d[row].astype(np.float32),
        "state": np.asarray(state, np.int64),
        "keypoints_3d": np.concatenate([c.points_3d[row], conf_3d[:, None]], -1).astype(np.float32),
        "pose": pose.astype(np.float32),
        "betas": c.betas[row].astype(np.float32),
        "removed": removed,
        "heads": heads_of(removed),
        "label": np.int64(c.labels[row]),
        "real": np.bool_("mode" in c.extra and str(c.extra["mode"][row]) == "erase"),
        "center": c.center[row],
        "scale": float(c.scale[row]),
        **({"prosthesis": c.extra["prosthesis"][row].astype(np.int64)} if devices and "prosthesis" in c.extra else {}),
    }


def _draw(augmentation: Augmentation | None, rng: np.random.Generator) -> dict[str, Any]:
    if augmentation is None:
        return {"flip": False, "angle": 0.0, "scale": 1.0, "shift": np.zeros(2), "colour": np.ones(3, np.float32)}
    a = augmentation
    return {
        "flip": bool(rng.random() < a.flip),
        "angle": float(np.deg2rad(np.clip(rng.normal(), -2, 2) * a.rotation_deg)),
        "scale": 1 + float(rng.uniform(-a.scale, a.scale)),
        "shift": rng.uniform(-a.shift, a.shift, 2),
        "colour": (1 + rng.uniform(-a.colour, a.colour, 3)).astype(np.float32),
    }


def flip(sample: dict[str, Any], width: int) -> dict[str, Any]:
    """Mirror a sample left to right: pixels, 3D, pose, keypoint rows, joints and regions all swap sides.

    Args:
        width: width of the photo the 2D keypoints lie in, px.
    """
    out = dict(sample)
    points = sample["keypoints_2d"][ROW_FLIP].copy()
    points[:, 0] = np.where(points[:, 2] > 0, width - 1 - points[:, 0], points[:, 0])
    out["keypoints_2d"] = points
    out["keypoints_3d"] = sample["keypoints_3d"][ROW_FLIP] * np.array([-1, 1, 1, 1], np.float32)
    out["state"] = sample["state"][ROW_FLIP]
    out["pose"] = sample["pose"][JOINT_FLIP] * np.array([1, -1, -1], np.float32)
    out["removed"] = sample["removed"][REGION_FLIP]
    out["heads"] = heads_of(out["removed"])
    if "prosthesis" in sample:
        out["prosthesis"] = sample["prosthesis"][LIMB_FLIP]
        out["device_mask"] = sample["device_mask"][:, ::-1]
    flagged = np.flatnonzero(out["removed"])
    out["label"] = np.int64(flagged[0] if len(flagged) else len(REGION_FLIP))
    out["center"] = np.array([width - 1 - sample["center"][0], sample["center"][1]])
    return out


def rotate(sample: dict[str, Any], angle: float) -> dict[str, Any]:
    """Turn the camera about its optical axis: 3D points and root follow the picture; 2D points turn in the crop.

    Args:
        angle: rad, clockwise as seen in the image (x right, y down).
    """
    turn = rotvec_to_matrix(np.array([0.0, 0.0, angle]))
    out = {**sample, "angle": angle}
    points = sample["keypoints_3d"].copy()
    points[:, :3] = points[:, :3] @ turn.T.astype(np.float32)
    out["keypoints_3d"] = points
    pose = sample["pose"].copy()
    pose[0] = matrix_to_rotvec(turn @ rotvec_to_matrix(pose[0].astype(np.float64)))
    out["pose"] = pose
    return out


def _crop(
    image: ndarray, sample: dict[str, Any], size: int, draw: dict[str, Any]
) -> tuple[Float[ndarray, "s s 3"] | ndarray, dict[str, Any]]:
    """Cut the box out of the photo, turned by the sample's angle, and move the 2D keypoints into it."""
    side = sample["scale"] * draw["scale"]
    angle = sample.pop("angle")
    zoom, center = size / side, sample["center"] + draw["shift"] * side
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = (size - 1) / 2 - turn @ center
    affine = np.concatenate([turn, offset[:, None]], 1)
    crop = _warp(np.ascontiguousarray(image), affine, zoom, size)
    if "device_mask" in sample:
        mask = np.ascontiguousarray(sample["device_mask"])
        sample = sample | {"device_mask": cv2.warpAffine(mask, affine, (size, size), flags=cv2.INTER_NEAREST)}
    points = sample["keypoints_2d"].copy()
    moved = points[:, :2] @ turn.T + offset
    points[:, :2] = np.where(points[:, 2:] > 0, moved, 0)
    return crop, {**sample, "keypoints_2d": points}


def _warp(image: ndarray, affine: Float[ndarray, "2 3"], zoom: float, size: int) -> ndarray:
    """Resample without aliasing: where the crop is smaller than its box, the photo is first averaged to its scale.

    (``cv2.warpAffine`` knows no area interpolation; it takes the bilinear one instead, without a word.)
    """
    if zoom < 0.75:
        height, width = image.shape[:2]
        smaller = max(1, round(width * zoom)), max(1, round(height * zoom))
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
        scale = np.array([width / smaller[0], height / smaller[1]])
        # centre of pixel p' in the smaller photo lies at scale (p' + 0.5) - 0.5 in the photo
        affine = np.concatenate([affine[:, :2] * scale, affine @ np.append((scale - 1) / 2, 1)[:, None]], 1)
    return cv2.warpAffine(image, affine, (size, size), flags=cv2.INTER_LINEAR)
