"""Real people pasted into real photos: what is behind them is known. Truth for ``a3dgen bench plates``.

A person whose outline a COCO file gives is cut out of one photo and put into another: over its people or behind one of
them. The photo before that is the clean one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from numpy.random import Generator

from a3dgen.core.rng import generator_for
from a3dgen.io import rle
from a3dgen.io.images import read_mask, read_rgb, write_image, write_mask
from benchmarks.plate_measures import PlateTruth

LEAST_POINTS, LEAST_HEIGHT = 12, 90
"""Who is cut out has so many keypoints and is so tall (px)."""
WIDEST = 900
"""Photos are made no wider than this, px."""
SIZE = (0.75, 1.15)
"""Height of who is pasted, over that of the tallest person of the photo."""
FIRST = 500_000


@dataclass(frozen=True)
class Frame:
    """A photo with its annotated people: boxes, keypoints (17, 3), masks (None where none is drawn)."""

    name: str
    rgb: UInt8[ndarray, "h w 3"]
    boxes: list[Float[ndarray, "4"]]
    points: list[Float[ndarray, "17 3"]]
    masks: list[Any]


@dataclass(frozen=True)
class Cutout:
    """A person cut out: colours, opacity, keypoints in its own pixels."""

    rgb: UInt8[ndarray, "h w 3"]
    mask: Bool[ndarray, "h w"]
    points: Float[ndarray, "17 3"]


def frames(samples: Path) -> Iterator[Frame]:
    """Yield the photos of all COCO trees below a folder."""
    for path in sorted(samples.glob("**/annotations/person_keypoints_*.json")):
        content = json.loads(path.read_text("utf-8"))
        for image in content["images"]:
            rgb = read_rgb(path.parents[1] / "val2017" / image["file_name"])
            h, w = rgb.shape[:2]
            mine = [a for a in content["annotations"] if a["image_id"] == image["id"] and not a.get("iscrowd")]
            masks = [
                rle.decode(rle.from_segmentation(a["segmentation"], w, h)) if a.get("segmentation") else None
                for a in mine
            ]
            yield _smaller(
                Frame(
                    Path(image["file_name"]).stem,
                    rgb,
                    [np.array(a["bbox"], float) for a in mine],
                    [np.array(a["keypoints"], float).reshape(-1, 3)[:17] for a in mine],
                    masks,
                )
            )


def _smaller(frame: Frame) -> Frame:
    h, w = frame.rgb.shape[:2]
    s = min(1.0, WIDEST / w)
    if s == 1:
        return frame
    size = (round(w * s), round(h * s))
    points = [np.column_stack([p[:, :2] * s, p[:, 2]]) for p in frame.points]
    return Frame(
        frame.name, cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA), [b * s for b in frame.boxes], points,
        [None if m is None else cv2.resize(m.astype(np.uint8), size) > 0 for m in frame.masks],
    )  # fmt: skip


def cutouts(photos: list[Frame]) -> list[tuple[str, Cutout]]:
    """Return the people who can be cut out, with the names of their photos: whole, and nobody in front of them."""
    out = []
    for frame in photos:
        for mask, points in zip(frame.masks, frame.points, strict=True):
            if mask is None or (points[:, 2] > 0).sum() < LEAST_POINTS:
                continue
            rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            y0, y1, x0, x1 = rows[0], rows[-1] + 1, cols[0], cols[-1] + 1
            if y1 - y0 < LEAST_HEIGHT:
                continue
            moved = points.copy()
            moved[:, :2] -= (x0, y0)
            out.append((frame.name, Cutout(frame.rgb[y0:y1, x0:x1].copy(), mask[y0:y1, x0:x1], moved)))
    return out


def make(folder: Path, samples: Path, count: int, seed: int = 0, masked: bool = True) -> dict[str, object]:
    """Write ``count`` composites as a COCO tree with truth; return the settings of its source.

    Args:
        masked: whether the annotations have the masks; without, people are known by their keypoints, as in MPII.
    """
    photos = list(frames(samples))
    people = cutouts(photos)
    images, annotations = [], []
    for n in range(count):
        rng = generator_for(seed, "bench.composite", str(n))
        frame = photos[n % len(photos)]
        strangers = [c for name, c in people if name != frame.name]
        pasted = _paste(frame, strangers[int(rng.integers(len(strangers)))], rng)
        number = FIRST + n
        _write(folder, number, frame, pasted)
        h, w = frame.rgb.shape[:2]
        images.append({"id": number, "file_name": f"{number}.jpg", "width": w, "height": h, "license": 0})
        known = [*zip(pasted.points, pasted.masks, frame.boxes, strict=True), (pasted.own, pasted.mask, None)]
        for i, (points, mask, box) in enumerate(known):
            annotations.append(_annotation(10 * number + i, number, points, mask if masked else None, box, mask))
    tree = folder / "raw" / "annotations" / "person_keypoints_val2017.json"
    tree.parent.mkdir(parents=True, exist_ok=True)
    names = ["nose", "left_eye", "right_eye", "left_ear", "right_ear"]
    names += [f"{s}_{j}" for j in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for s in ("left", "right")]
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": names, "skeleton": []}
    tree.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))
    return {"coco": {"root": str(folder / "raw")}}


@dataclass(frozen=True)
class Pasted:
    """A composite: picture; keypoints, visible mask and hidden part of who is pasted; keypoints and masks of others."""

    rgb: UInt8[ndarray, "h w 3"]
    own: Float[ndarray, "17 3"]
    mask: Bool[ndarray, "h w"]
    covered: Bool[ndarray, "h w"]
    points: list[Float[ndarray, "17 3"]]
    masks: list[Any]


def _paste(frame: Frame, person: Cutout, rng: Generator) -> Pasted:
    """Put a person into a photo, beside one of its people, in front of everybody or behind those with masks."""
    h, w = frame.rgb.shape[:2]
    tall = max(float(b[3]) for b in frame.boxes)
    near = frame.boxes[int(np.argmax([b[3] for b in frame.boxes]))]
    s = float(np.clip(rng.uniform(*SIZE) * tall, 110, 0.95 * h)) / person.mask.shape[0]
    size = (max(2, round(person.mask.shape[1] * s)), max(2, round(person.mask.shape[0] * s)))
    solid = cv2.resize(person.mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    colours = cv2.resize(person.rgb, size, interpolation=cv2.INTER_AREA if s < 1 else cv2.INTER_CUBIC)
    side = 1 if near[0] + near[2] / 2 < w / 2 else -1
    apart = rng.uniform(0.3, 0.9) * 0.5 * (near[2] + size[0])
    x = round(near[0] + near[2] / 2 + side * apart - size[0] / 2)
    y = round(min(near[1] + near[3], h) - size[1] + rng.uniform(-0.06, 0.06) * tall)
    x, y = int(np.clip(x, -0.2 * size[0], w - 0.8 * size[0])), int(np.clip(y, 0, h - size[1]))
    alpha, layer = np.zeros((h, w), np.float32), np.zeros((h, w, 3), np.float32)
    a0, a1, b0, b1 = max(0, y), min(h, y + size[1]), max(0, x), min(w, x + size[0])
    part = np.s_[a0 - y : a1 - y, b0 - x : b1 - x]
    alpha[a0:a1, b0:b1], layer[a0:a1, b0:b1] = solid[part], colours[part]
    full = alpha > 0.5
    everybody = np.logical_or.reduce([np.zeros((h, w), bool), *(m for m in frame.masks if m is not None)])
    behind = everybody.any() and rng.random() < 0.5
    if behind:
        alpha = alpha * (1 - cv2.GaussianBlur(everybody.astype(np.float32), (3, 3), 0))
    alpha = cv2.GaussianBlur(alpha, (3, 3), 0)
    rgb = np.clip(frame.rgb * (1 - alpha[..., None]) + layer * alpha[..., None] + 0.5, 0, 255).astype(np.uint8)
    own = person.points.copy()
    own[:, :2] = own[:, :2] * s + (x, y)
    visible = full & ~everybody if behind else full
    outside = (own[:, 0] < 0) | (own[:, 0] > w - 1) | (own[:, 1] > h - 1)
    own[outside] = 0
    covered = full & everybody if behind else np.zeros((h, w), bool)
    _flag(own, covered)
    points = [p.copy() for p in frame.points]
    if not behind:
        for p in points:
            _flag(p, full)
    return Pasted(rgb, own, visible, covered, points, [None if m is None else m & ~visible for m in frame.masks])


def _flag(points: Float[ndarray, "17 3"], hidden: Bool[ndarray, "h w"]) -> None:
    """Call the keypoints that now lie under a mask occluded."""
    h, w = hidden.shape
    at = np.clip(np.rint(points[:, :2]).astype(int), 0, (w - 1, h - 1))
    points[(points[:, 2] > 0) & hidden[at[:, 1], at[:, 0]], 2] = 1


def _annotation(number: int, image: int, points: ndarray, mask: Any, box: Any, seen: Any) -> dict[str, Any]:
    if box is None or (seen is not None and seen.any()):
        rows, cols = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        box = [cols[0], rows[0], cols[-1] - cols[0] + 1, rows[-1] - rows[0] + 1]
    out: dict[str, Any] = {
        "id": number, "image_id": image, "category_id": 1, "iscrowd": 0, "bbox": [float(v) for v in box],
        "area": float(box[2] * box[3]), "num_keypoints": int((points[:, 2] > 0).sum()),
        "keypoints": [float(v) for v in points.ravel()],
    }  # fmt: skip
    if mask is not None and mask.any():
        out["segmentation"] = rle.encode(mask)
    return out


def _write(folder: Path, number: int, frame: Frame, pasted: Pasted) -> None:
    pictures, truth = folder / "raw" / "val2017", folder / "truth"
    pictures.mkdir(parents=True, exist_ok=True)
    truth.mkdir(parents=True, exist_ok=True)
    write_image(pictures / f"{number}.jpg", pasted.rgb, quality=95)
    write_image(truth / f"{number}_clean.jpg", frame.rgb, quality=95)
    for i, mask in enumerate([*pasted.masks, pasted.mask]):
        if mask is not None:
            write_mask(truth / f"{number}_{i}.png", mask)
    write_mask(truth / f"{number}_covered.png", pasted.covered)
    (truth / f"{number}.json").write_text(json.dumps({"people": len(pasted.masks) + 1}))


def truths(folder: Path) -> dict[str, PlateTruth]:
    """Return key -> truth of everybody in a folder made by ``make``; only of the pasted ones is the place known."""
    out = {}
    for facts in sorted((folder / "truth").glob("*.json")):
        number, count = int(facts.stem), json.loads(facts.read_text())["people"]
        photo = read_rgb(folder / "raw" / "val2017" / f"{number}.jpg")
        paths = [folder / "truth" / f"{number}_{i}.png" for i in range(count)]
        masks = {i: read_mask(p) for i, p in enumerate(paths) if p.is_file()}
        for i in range(count):
            pasted = i == count - 1
            out[f"coco/val2017/{number}/{10 * number + i}"] = PlateTruth(
                photo,
                read_rgb(folder / "truth" / f"{number}_clean.jpg") if pasted else None,
                masks.get(i),
                {str(j): m for j, m in masks.items() if j != i},
                read_mask(folder / "truth" / f"{number}_covered.png") if pasted else None,
            )
    return out
