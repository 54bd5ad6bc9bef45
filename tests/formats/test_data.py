"""The torch dataset: labels follow every flip and rotation."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from a3dgen import data as module
from a3dgen.core.errors import DataError
from a3dgen.data import A3DDataset, Augmentation, flip, heads_of, rotate
from a3dgen.formats.dataset_rows import find_subsets
from a3dgen.geometry.camera import project
from a3dgen.geometry.regions import absent_rows, find_region
from a3dgen.geometry.skeleton import ROW


def test_items_have_the_documented_shapes(written: Path) -> None:
    data = A3DDataset(written, size=64)
    assert len(data) == 30
    item = data[0]
    shapes = {k: tuple(v.shape) for k, v in item.items()}
    assert shapes == {
        "image": (3, 64, 64), "keypoints_2d": (44, 3), "state": (44,), "keypoints_3d": (44, 4), "pose": (24, 3),
        "betas": (10,), "removed": (12,), "heads": (4,), "label": (), "real": (), "index": (),
    }  # fmt: skip
    batch = next(iter(torch.utils.data.DataLoader(data, batch_size=4)))
    assert batch["image"].shape == (4, 3, 64, 64)


def test_visible_keypoints_lie_in_the_crop(written: Path) -> None:
    for item in A3DDataset(written, ["COCO_train"], size=100):
        points = item["keypoints_2d"]
        shown = points[points[:, 2] > 0]
        assert len(shown)
        assert (shown[:, :2] > -1).all()
        assert (shown[:, :2] < 100).all()


def test_h36m_poses_equal_coco_poses_where_removed_joints_are_zero(written: Path) -> None:
    item = A3DDataset(written, ["H36M/S1"])[0]
    assert item["label"] == 7
    assert item["heads"].tolist() == [0, 0, 2, 0]
    assert (item["pose"][[4, 7, 10]] == 0).all()


def test_heads() -> None:
    removed = np.zeros(12)
    assert heads_of(removed).tolist() == [0, 0, 0, 0]
    for name, head, level in (("right_hand", 0, 1), ("left_shoulder", 1, 3), ("left_foot", 2, 1), ("right_hip", 3, 3)):
        one = removed.copy()
        one[find_region(name)[0].index] = 1
        assert heads_of(one)[head] == level
        assert heads_of(one).sum() == level


def sample_of(written: Path) -> dict:
    data = A3DDataset(written, ["COCO_train"], size=64)
    from a3dgen.data import _sample

    return _sample(data._columns[0], 0)


def test_a_flip_swaps_sides_and_is_its_own_inverse(written: Path) -> None:
    sample = sample_of(written)
    mirrored = flip(sample, 160)
    assert mirrored["label"] == find_region("right_knee")[0].index
    absent = absent_rows(mirrored["removed"] > 0)
    np.testing.assert_array_equal(mirrored["keypoints_3d"][:, 3] == 0, absent)
    left, right = ROW["body_left_wrist"], ROW["body_right_wrist"]
    np.testing.assert_array_equal(mirrored["keypoints_3d"][right, 1:3], sample["keypoints_3d"][left, 1:3])
    again = flip(mirrored, 160)
    for key, value in sample.items():
        np.testing.assert_allclose(again[key], value, atol=1e-4, err_msg=key)


def test_rotation_turns_3d_as_the_picture_turns(written: Path) -> None:
    """A camera turned about its axis sees the same points, turned about the principal point."""
    sample, angle = sample_of(written), 0.4
    K = np.array([[200.0, 0, 0], [0, 200, 0], [0, 0, 1]])
    depth = (0, 0, 4.0)
    before = project(sample["keypoints_3d"][:, :3].astype(float) + depth, K)
    after = project(rotate(sample, angle)["keypoints_3d"][:, :3].astype(float) + depth, K)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    np.testing.assert_allclose(after, before @ turn.T, atol=1e-3)


def test_augmentation_depends_on_seed_epoch_and_index_alone(written: Path) -> None:
    one, two = (A3DDataset(written, size=48, augment=Augmentation()) for _ in range(2))
    torch.testing.assert_close(one[3], two[3])
    two.set_epoch(1)
    assert not torch.equal(one[3]["image"], two[3]["image"])


def test_an_unknown_subset_names_the_nearest(written: Path) -> None:
    assert find_subsets(written) == ["COCO_train", "COCO_val", "H36M/S1", "H36M/S11", "MPII"]
    with pytest.raises(DataError, match="did you mean 'COCO_train'"):
        A3DDataset(written, ["coco_train"])


def test_a_smaller_crop_is_averaged_not_sampled() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (400, 400, 3), np.uint8)
    zoom, offset = 0.25, np.array([[3.0], [5.0]])
    affine = np.concatenate([zoom * np.eye(2), offset], 1)
    assert (
        module._warp(noise, affine, zoom, 80)[20:60, 20:60].std() < 25
    )  # 74 without averaging, 18 with ideal averaging
    spot = np.zeros((400, 400, 3), np.uint8)
    cv2.circle(spot, (200, 120), 12, (255, 255, 255), -1)
    found = module._warp(spot, affine, zoom, 80)[..., 0].astype(float)
    rows, columns = np.mgrid[:80, :80]
    centre = (found * columns).sum() / found.sum(), (found * rows).sum() / found.sum()
    np.testing.assert_allclose(centre, affine @ [200, 120, 1], atol=0.02)
