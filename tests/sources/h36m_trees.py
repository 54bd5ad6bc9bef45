"""A made-up take of Human3.6M, projected by its cameras, and the files that hold it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from raw_trees import photo

from a3dgen.geometry.camera import project_distorted
from a3dgen.sources.h36m.cameras import CAMERA_IDS, Camera, Extrinsics, rotation

WIDTH, HEIGHT = 200, 202
RIGHT_FIRST = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
LEFT_FIRST = [0, 6, 7, 8, 1, 2, 3, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
ANGLES = np.array([1.6, 0.1, -0.2])
PLACE = np.array([100.0, -5000.0, 900.0])
"""Camera centre, mm in the world frame (z up)."""

# a standing person in world mm, facing the camera along -y, so that the subject's left is on +x
_STANDING = {
    0: (0, 0, 950), 1: (-130, 0, 950), 2: (-130, -20, 500), 3: (-130, 20, 80), 6: (130, 0, 950), 7: (140, -20, 500),
    8: (150, 20, 80), 12: (0, 10, 1200), 13: (0, 10, 1450), 14: (0, -40, 1550), 15: (0, 0, 1680), 17: (170, 0, 1400),
    18: (260, 0, 1130), 19: (300, -50, 900), 25: (-170, 0, 1400), 26: (-260, 0, 1130), 27: (-300, -50, 900),
}  # fmt: skip


def cameras() -> dict[str, tuple[Camera, Extrinsics]]:
    """Return four cameras: the same place, a little different focal lengths."""
    found = {}
    for i, name in enumerate(CAMERA_IDS):
        f, c = np.array([230.0 + i, 231.0]), np.array([100.5, 101.0])
        camera = Camera.make(f, c, np.array([-0.2, 0.24, -0.003]), np.array([-0.001, -0.0014]))
        found[name] = camera, Extrinsics(rotation(ANGLES), PLACE * 1e-3)
    return found


def joints_world(frame: int) -> np.ndarray:
    """Return (32, 3) mm; the person walks 10 mm to the side in each frame."""
    joints = np.zeros((32, 3))
    joints[list(_STANDING)] = list(_STANDING.values())
    return joints + [10.0 * (frame - 1), 0, 0]


def observed(camera: str, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Return 2D px (32, 2) and 3D camera-frame mm (32, 3)."""
    calibration, place = cameras()[camera]
    joints = place.to_camera(joints_world(frame) * 1e-3)
    return project_distorted(joints, calibration.K, calibration.dist), joints * 1e3


def camera_table(subjects: tuple[str, ...] = ("S1", "S9")) -> dict[tuple[str, str], dict]:
    """Return mmpose's table (R camera to world, T in m)."""
    table = {}
    for subject in subjects:
        for name, (camera, place) in cameras().items():
            k1, k2, p1, p2, k3 = camera.dist
            table[subject, name] = {
                "R": place.R.T, "T": place.T[:, None], "f": camera.K[[0, 1], [0, 1]][:, None], "c": camera.K[:2, 2:],
                "k": np.array([[k1], [k2], [k3]]), "p": np.array([[p1], [p2]]), "w": 1000, "h": 1000, "id": name,
            }  # fmt: skip
    return table


def write_cameras_json(path: Path) -> None:
    """Write the pickle-free copy of the table."""
    plain = {
        "_".join(pair): {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in entry.items()}
        for pair, entry in camera_table().items()
    }
    path.write_text(json.dumps(plain))


def write_metadata(path: Path) -> None:
    """Write a metadata.xml with w0: extrinsics camera by subject, then intrinsics camera by camera."""
    numbers = []
    for _ in CAMERA_IDS:
        numbers += [*ANGLES, *PLACE] * 11
    for camera, _ in cameras().values():
        k1, k2, p1, p2, k3 = camera.dist
        numbers += [camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2], k1, k2, k3, p1, p2]
    text = " ".join(f"{n:.12g}" for n in numbers)
    path.write_text(f"<?xml version='1.0'?><metadata><mapping/><w0>[{text}]</w0></metadata>")


def write_npz(
    root: Path, frames: list[tuple[str, str, str, int]], order=RIGHT_FIRST, name="fps50/h36m_train.npz", **change
):
    """Write mmpose's npz and the photos for frames (subject, take, camera, number); return the arrays."""
    names, part, solid = [], [], []
    for subject, take, camera, number in frames:
        stem = f"{subject}_{take}.{camera}"
        names.append(f"{subject}/{stem}/{stem}_{number:06d}.jpg")
        photo(root / "images" / names[-1], WIDTH, HEIGHT)
        pixels, joints = observed(camera, number)
        part.append(np.c_[pixels[order], np.ones(17)])
        solid.append(np.c_[joints[order] * 1e-3, np.ones(17)])
    arrays = {
        "imgname": np.array(names), "part": np.array(part), "S": np.array(solid),
        "center": np.zeros((len(names), 2)), "scale": np.ones(len(names)),
    }  # fmt: skip
    path = root / "annotation_body3d" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path, arrays
