"""The empty studio: frames found alike by everybody, a median that shows nobody, and what happens where it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError
from a3dgen.core.stage import Context
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import undistort_image
from a3dgen.geometry.raster import silhouette
from a3dgen.io import images
from a3dgen.removal.studio import pick_frames, studio
from a3dgen.stages import background
from a3dgen.stages.background import Config

WIDTH, HEIGHT, FRAMES = 200, 240, 20
K = np.array([[300.0, 0, 100], [0, 300, 120], [0, 0, 1]])
DIST = np.array([-0.15, 0.05, 0.0, 0.0, 0.0])
CONFIG = Config(segmenter="none", studio_frames=12, studio_least=5)


class Recording:
    """A body that walks across a room with a pattern no inpainter would guess; ``shift`` px a frame."""

    def __init__(self, folder: Path, body: Any, shift: int) -> None:
        self.folder = folder / "S1" / "S1_Walking.54138969"
        rng = np.random.default_rng(0)
        room = np.kron(rng.integers(60, 200, (HEIGHT // 8, WIDTH // 8, 3)), np.ones((8, 8, 1)))
        self.room = room.astype(np.uint8)
        pose = np.zeros((24, 3))
        pose[[0, 16, 17]] = (np.pi, 0, 0), (0, 0, -1.3), (0, 0, 1.3)
        betas, transl = np.zeros(body.num_betas), np.array([0.0, 0.1, 4.5])
        posed = pose_body(body, pose, betas, transl)
        self.outline = silhouette(posed.vertices(body.mesh, betas), body.mesh.faces, K, WIDTH, HEIGHT)
        for number in range(FRAMES):
            frame = np.clip(self.room + rng.normal(0, 3, (HEIGHT, WIDTH, 1)), 0, 255).astype(np.uint8)
            moved = np.roll(self.outline, shift * (number - FRAMES // 2), axis=1)
            frame[moved] = (255, 0, 255)
            images.write_image(self.folder / f"S1_Walking.54138969_{5 * number + 1:06d}.png", frame)
        self.photo = self.folder / f"S1_Walking.54138969_{5 * (FRAMES // 2) + 1:06d}.png"
        self.row = {
            "key": "h36m/S1/Walking/000051/54138969", "image": str(self.photo), "image_size": np.array((WIDTH, HEIGHT)),
            "K": K, "dist": np.zeros(5), "K_known": True, "subject": "S1", "mask": "", "others": "[]", "objects": "[]",
            "keypoints": np.zeros((44, 3)), "state": np.zeros(44, np.uint8),
        }  # fmt: skip
        self.fit = {"pose": pose, "betas": betas, "transl": transl, "K": K}

    def plate(
        self, out: Path, config: Config = CONFIG, **columns: Any
    ) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
        context = Context(3, BodyConfig(), out, out / "background")
        row = background.make_plate(config, self.row | columns, self.fit, context)
        return row, images.read_rgb(out / row["image"]), images.read_mask(out / row["mask"])


def _magenta(rgb: np.ndarray) -> np.ndarray:
    return (rgb[..., 0] > 200) & (rgb[..., 1] < 80) & (rgb[..., 2] > 200)


def test_the_room_behind_somebody_who_moves_is_the_real_one(tmp_path: Path, body: Any) -> None:
    recording = Recording(tmp_path, body, shift=9)
    row, plate, hole = recording.plate(tmp_path / "a")
    assert row["method"].startswith("median of 12 frames; ")
    error = np.abs(plate.astype(int) - recording.room)[hole]
    assert np.median(error) < 6
    assert np.percentile(error, 99) < 25
    again, same, _ = recording.plate(tmp_path / "b")
    assert again == row
    np.testing.assert_array_equal(plate, same)
    lens, bent, hole = recording.plate(tmp_path / "c", dist=DIST)
    assert lens["method"].startswith("median")
    error = np.abs(bent.astype(int) - undistort_image(recording.room, K, DIST))[hole]
    assert np.median(error) < 8


def test_somebody_who_stands_still_is_left_to_the_inpainter(tmp_path: Path, body: Any) -> None:
    recording = Recording(tmp_path, body, shift=0)
    row, plate, hole = recording.plate(tmp_path / "a")
    assert "exemplar" in row["method"]
    assert not _magenta(plate).any()
    assert (hole | ~recording.outline).all()


def test_few_frames_or_a_moving_camera_are_filled_as_photos(tmp_path: Path, body: Any) -> None:
    recording = Recording(tmp_path, body, shift=9)
    for config, columns in (
        (replace(CONFIG, studio_frames=30, studio_least=21), {}),
        (CONFIG, {"K_known": False}),
    ):
        row, plate, _ = recording.plate(tmp_path / "a", config, **columns)
        assert row["method"].startswith("exemplar;")
        assert not _magenta(plate).any()


def test_frames_are_the_same_for_every_photo_of_a_recording(tmp_path: Path) -> None:
    folder = tmp_path / "S9" / "Sitting.1"
    for number in range(1, 400, 7):
        (folder / f"img_{number}.jpg").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"img_{number}.jpg").write_bytes(b"")
    (folder / "other_3.jpg").write_bytes(b"")
    (folder / "img_3.png").write_bytes(b"")
    picked = pick_frames(folder / "img_8.jpg", 10, seed=1)
    assert picked == pick_frames(folder / "img_393.jpg", 10, seed=1)
    assert picked != pick_frames(folder / "img_8.jpg", 10, seed=2)
    numbers = [int(p.stem[4:]) for p in picked]
    assert len(picked) == 10
    assert numbers == sorted(numbers)
    assert numbers[0] < 60
    assert numbers[-1] > 340
    assert pick_frames(folder / "cover.jpg", 10, seed=1) == []
    assert studio(picked, 3) is None, "none of them can be read"


def test_config_is_checked() -> None:
    with pytest.raises(ConfigError, match="studio_frames"):
        Config(studio_frames=-1)
    with pytest.raises(ConfigError, match="studio_least"):
        Config(studio_least=1)
