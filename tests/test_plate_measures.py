"""What ``a3dgen bench plates`` counts: pixels left, harmed and lost, and how the hole compares with the truth."""

from __future__ import annotations

import numpy as np

from benchmarks.plate_measures import PlateTruth, measure, summary

H, W = 60, 80


def _box(y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    out = np.zeros((H, W), bool)
    out[y0:y1, x0:x1] = True
    return out


def test_each_fault_of_a_plate_is_counted_in_pixels() -> None:
    clean = np.random.default_rng(0).integers(90, 110, (H, W, 3)).astype(np.uint8)
    own, other, post = _box(10, 50, 30, 45), _box(10, 50, 45, 60), _box(20, 40, 33, 36)
    photo = clean.copy()
    photo[own], photo[other], photo[post] = 200, 30, 0
    truth = PlateTruth(photo, np.where(other[..., None], photo, clean), own & ~post, {"other": other}, post)
    right = np.where((own & ~post)[..., None], clean, photo)
    good = measure(truth, right, own & ~post, post)
    assert (good["left"], good["harm"], good["lost"]) == (0, 0, 0)
    assert good["psnr"] > 40
    assert abs(good["texture"] - 1) < 1e-6
    hole = _box(12, 50, 30, 50)  # two rows short, five columns too far
    bad = measure(truth, np.where(hole[..., None], clean, photo), hole, _box(45, 50, 30, 45))
    assert bad["left"] == 2 * 15 + 5 * 15, "rows forgotten, and rows put back in front"
    assert (bad["harm"], bad["harm_share"]) == (38 * 5, 38 * 5 / other.sum())
    assert bad["lost"] == post.sum()
    flat = np.where(hole[..., None], np.uint8(100), photo)
    assert measure(truth, flat, hole, post)["texture"] < 0.2
    every = summary([good, bad], {"why": 3})
    assert (every["plates"], every["refused"], every["harm_px"], every["harmed_over_1_percent"]) == (2, 3, 190, 1)


def test_what_nobody_knows_is_not_counted() -> None:
    photo = np.zeros((H, W, 3), np.uint8)
    found = measure(PlateTruth(photo, None, None), photo, _box(0, 9, 0, 9), _box(0, 0, 0, 0))
    assert np.isnan([found[k] for k in ("left", "lost", "psnr", "texture")]).all()
    assert summary([found], {})["psnr"] is None
