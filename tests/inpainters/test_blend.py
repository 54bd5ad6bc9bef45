"""Levelling of seams: small offsets go, edges and what surrounds the hole stay."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.inpainters.blend import level_seams

SIZE, LOW, HIGH = 60, 20, 40


def _level(offset: int, texture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A hole whose right half was copied from a place ``offset`` grey levels brighter; return before and after."""
    image = np.zeros((SIZE, SIZE, 4), np.int16)
    image[..., :3] = (100 + texture)[..., None]
    bright = image.copy()
    bright[..., :3] += offset
    field = np.full((SIZE, SIZE, 2), -1, np.int32)
    # Sources: the left half from 20 rows above, the right half from 20 rows below, where the picture is brighter.
    y, x = np.mgrid[LOW - 3 : HIGH + 3, LOW - 3 : HIGH + 3]
    left = x < (LOW + HIGH) // 2
    field[y, x] = np.stack([np.where(left, y - 17, y + 17), x], -1)
    image[HIGH:, :, :3] = bright[HIGH:, :, :3]
    pixels = np.argwhere(np.pad(np.ones((20, 20), bool), LOW)).astype(np.int32)
    right = pixels[:, 1] >= (LOW + HIGH) // 2
    image[pixels[right, 0], pixels[right, 1], :3] += np.int16(offset)
    before = image.copy()
    level_seams(image, pixels, field, np.ones((SIZE, SIZE), bool))
    return before, image


def _seam(image: np.ndarray) -> float:
    middle = (LOW + HIGH) // 2
    part = image[LOW + 3 : HIGH - 3, :, 0].astype(float)
    return float(abs(part[:, middle].mean() - part[:, middle - 1].mean()))


def test_small_offsets_are_levelled_and_texture_is_kept() -> None:
    texture = np.random.default_rng(0).integers(-5, 6, (SIZE, SIZE)).astype(np.int16)
    texture[LOW:HIGH] = texture[LOW - 17 : HIGH - 17]
    before, after = _level(8, texture)
    assert _seam(after) < 0.6 * _seam(before)
    hole = np.s_[LOW:HIGH, LOW:HIGH, 0]
    rough = [float(np.abs(np.diff(image[hole].astype(float), axis=0)).mean()) for image in (before, after)]
    assert rough[1] == pytest.approx(rough[0], rel=0.3)
    outside = np.ones((SIZE, SIZE), bool)
    outside[LOW:HIGH, LOW:HIGH] = False
    np.testing.assert_array_equal(before[outside], after[outside])


def test_edges_are_not_smeared() -> None:
    before, after = _level(90, np.zeros((SIZE, SIZE), np.int16))
    assert np.abs(after.astype(int) - before).max() <= 14
    assert _seam(after) > 0.8 * _seam(before)
