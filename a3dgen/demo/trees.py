"""The demo's pictures as raw COCO, MPII and Human3.6M trees, laid out as people have the real ones."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.demo.shoot import h36m_name, image_id, photo_path
from a3dgen.demo.shots import CAMERAS, COCO_TRAIN, COCO_VAL, H36M, MPII, DemoShot, studio_camera
from a3dgen.geometry.skeleton import COCO_ROWS, ROWS
from a3dgen.io.images import replace_file

Taken = Sequence[tuple[DemoShot, dict[str, Any]]]
LICENSE = "CC0 1.0 (made by a3dgen)"
SUBJECTS = {"S1": "train", "S11": "test"}
_LINKS = ((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10), (9, 11),
          (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7))  # fmt: skip
_TO_H36M = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""The demo's world (X left, Y up, Z forward) to Human3.6M's (Z up)."""


def write_trees(raw: Path, taken: Taken, seed: int) -> None:
    """Write all annotation files; every tree is complete even if it has no people."""
    for source, split in ((COCO_TRAIN, "train2017"), (COCO_VAL, "val2017")):
        _write(raw / "coco" / "annotations" / f"person_keypoints_{split}.json", _coco(_of(taken, source)))
    (raw / "mpii" / "images").mkdir(parents=True, exist_ok=True)
    _write(raw / "mpii" / "annot" / "train.json", _mpii(_of(taken, MPII)))
    for subject, role in SUBJECTS.items():
        shots = [(s, f) for s, f in _of(taken, H36M) if s.subject == subject]
        path = raw / "h36m" / "annotation_body3d" / "fps10" / f"h36m_{role}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, _h36m(shots))
    _write(raw / "h36m" / "annotation_body3d" / "cameras.json", _cameras(seed))


def _of(taken: Taken, source: str) -> list[tuple[DemoShot, dict[str, Any]]]:
    return [(shot, facts) for shot, facts in taken if shot.source == source]


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, json.dumps(content).encode())


def _coco(taken: Taken) -> dict[str, Any]:
    names = [ROWS[r].split("_", 1)[1] for r in COCO_ROWS]
    category = {"supercategory": "person", "id": 1, "name": "person", "keypoints": names, "skeleton": _LINKS}
    pictures, people = [], []
    for shot, facts in taken:
        width, height = facts["size"]
        name = Path(photo_path(shot)).name
        pictures.append({"id": image_id(shot), "file_name": name, "width": width, "height": height, "license": 1,
                         "coco_url": "", "flickr_url": "", "date_captured": "2024-01-01 12:00:00"})  # fmt: skip
        for i, person in enumerate(facts["people"]):
            if "box" in person["label"]:
                people.append(_coco_person(shot, i, person["label"]))
    return {
        "info": {"description": "a3dgen demo", "version": "1.0", "year": 2024, "contributor": "a3dgen"},
        "licenses": [{"id": 1, "name": LICENSE, "url": "https://creativecommons.org/publicdomain/zero/1.0/"}],
        "images": pictures,
        "annotations": people,
        "categories": [category],
    }


def _coco_person(shot: DemoShot, index: int, label: dict[str, Any]) -> dict[str, Any]:
    """Return one annotation; clicks are whole pixels, and now and then the mask is a compressed RLE."""
    triples = [v for (x, y), f in zip(label["xy"], label["v"], strict=True) for v in (round(x), round(y), f)]
    outline = label["polygons"] if label["polygons"] and (shot.number + index) % 4 != 3 else label["rle"]
    return {
        "id": 10 * image_id(shot) + index,
        "image_id": image_id(shot),
        "category_id": 1,
        "iscrowd": 0,
        "area": label["area"],
        "bbox": label["box"],
        "segmentation": outline,
        "num_keypoints": sum(f > 0 for f in label["v"]),
        "keypoints": triples,
    }


def _mpii(taken: Taken) -> list[dict[str, Any]]:
    """Return HRNet's records: first pixel (1, 1), (-1, -1) and 0 where a joint is missing, scale = height / 200 px."""
    out = []
    for shot, facts in taken:
        for person in facts["people"]:
            label = person["label"]
            known = np.array(label["v"]) > 0
            joints = np.where(known[:, None], np.array(label["xy"]) + 1, -1.0)
            x, y, w, h = label.get("box", (0, 0, 1, 1))
            out.append(
                {
                    "joints_vis": known.astype(int).tolist(),
                    "joints": np.round(joints, 4).tolist(),
                    "image": Path(photo_path(shot)).name,
                    "scale": round(max(w, h, 7.5 * label["head_px"]) / 200, 6),
                    "center": [round(x + w / 2 + 1, 1), round(y + h / 2 + 1, 1)],
                }
            )
    return out


def _h36m(taken: Taken) -> bytes:
    """Return mmpose's npz: image names, box, 17 joints in px and in camera-frame metres, confidence 1."""
    n = len(taken)
    part, joints = np.ones((n, 17, 3)), np.ones((n, 17, 4))
    for i, (_, facts) in enumerate(taken):
        label = facts["people"][0]["label"]
        part[i, :, :2], joints[i, :, :3] = label["part"], label["S"]
    low, high = part[:, :, :2].min(1), part[:, :, :2].max(1)
    file = io.BytesIO()
    np.savez(
        file,
        imgname=np.array([h36m_name(shot) for shot, _ in taken], dtype="<U80"),
        center=(low + high) / 2,
        scale=1.2 * (high - low).max(1) / 200 if n else np.zeros(0),
        part=part,
        S=joints,
    )
    return file.getvalue()


def _cameras(seed: int) -> dict[str, Any]:
    """Return mmpose's camera table: R camera to world, T the camera's place (m)."""
    out = {}
    for subject in SUBJECTS:
        for index, name in enumerate(CAMERAS):
            view = studio_camera(seed, subject, index)
            k1, k2, p1, p2, k3 = view.dist.tolist()
            out[f"{subject}_{name}"] = {
                "R": (_TO_H36M @ view.rotation.T).tolist(),
                "T": (_TO_H36M @ view.centre)[:, None].tolist(),
                "c": view.K[:2, 2:].tolist(),
                "f": [[float(view.K[0, 0])], [float(view.K[1, 1])]],
                "k": [[k1], [k2], [k3]],
                "p": [[p1], [p2]],
                "w": view.width,
                "h": view.height,
                "name": f"camera{index + 1}",
                "id": name,
            }
    return out
