"""Masks: what COCO writes is read, what is damaged is refused before any C code sees it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from a3dgen.core.errors import DataError
from a3dgen.io import rle as masks

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


@settings(max_examples=80, deadline=None)
@given(MASKS)
def test_round_trip_and_agreement_with_pycocotools(mask):
    rle = masks.encode(mask)
    assert np.array_equal(masks.decode(rle), mask)
    assert np.array_equal(coco.decode(rle).astype(bool), mask)
    assert masks.area(rle) == mask.sum() == coco.area(rle)
    assert np.array_equal(masks.from_json(masks.to_json(rle)), mask)


@settings(max_examples=40, deadline=None)
@given(MASKS)
def test_plain_counts(mask):
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat]).astype(int))) if len(flat) else []
    counts = np.diff([0, *edges, len(flat)]).tolist()
    height, width = mask.shape
    rle = {"size": [height, width], "counts": counts}
    assert np.array_equal(masks.decode(rle), mask)
    assert masks.from_segmentation(rle, width, height) == masks.encode(mask)


def test_big_runs_use_differences():
    mask = np.zeros((700, 900), bool)
    mask[50:650, 100:700] = True
    mask[300:310, 120:680:3] = False
    assert np.array_equal(masks.decode(masks.encode(mask)), mask)


def test_polygons_agree_with_pycocotools():
    polygons = [[10.5, 10, 60, 12, 55.5, 50, 12, 45], [70, 5, 90, 5, 80, 30], [1, 1, 2, 2]]
    rle = masks.from_segmentation(polygons, 100, 60)
    wanted = coco.decode(coco.merge(coco.frPyObjects(polygons[:2], 60, 100))).astype(bool)
    assert rle["size"] == [60, 100]
    assert np.array_equal(masks.decode(rle), wanted)


def test_polygon_far_outside_is_cut_to_the_image():
    mask = masks.decode(masks.from_segmentation([[-1e12, -1e12, 1e12, -1e12, 1e12, 1e12, -1e12, 1e12]], 30, 20))
    assert mask.shape == (20, 30)
    assert mask.all()


@pytest.mark.parametrize(
    "segmentation",
    [
        None, [], "abc", 3, [[]], [[1, 2, 3, 4]], [[1, 2, 3, 4, 5, 6, 7]], [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, "x"]], [{"a": 1}], {"size": [20, 30]}, {"counts": "abc"}, {"size": [20], "counts": [600]},
        {"size": [20, 30], "counts": [599]}, {"size": [20, 30], "counts": [-1, 601]},
        {"size": [20, 30], "counts": [2**70]}, {"size": [20, 30], "counts": [1.5, 598.5]},
        {"size": [20, 30], "counts": []}, {"size": [20, 30], "counts": ""}, {"size": [20, 30], "counts": "~~~~"},
        {"size": [20, 30], "counts": "é"}, {"size": [20, 30], "counts": "oooooooooooooooooo0"},
        {"size": [10**9, 10**9], "counts": [10**18]}, {"size": [30, 20], "counts": [600]},
        {"size": ["a", "b"], "counts": [600]}, {"size": [0, 0], "counts": []},
    ],
)  # fmt: skip
def test_damaged_segmentations_are_data_errors(segmentation):
    with pytest.raises(DataError):
        masks.from_segmentation(segmentation, 30, 20)


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=30))
def test_any_counts_string_is_a_mask_or_a_data_error(text):
    try:
        mask = masks.decode({"size": [6, 7], "counts": text})
    except DataError:
        return
    assert mask.shape == (6, 7)


def test_union_of_stored_masks():
    a, b = np.zeros((5, 8), bool), np.zeros((5, 8), bool)
    a[1:3, 2:4], b[2:5, 3:7] = True, True
    text = masks.list_to_json([masks.encode(a), masks.encode(b)])
    assert np.array_equal(masks.union_from_json(text, 8, 5), a | b)
    assert not masks.union_from_json("[]", 8, 5).any()
    assert masks.from_json("") is None
    assert masks.to_json(None) == ""
    with pytest.raises(DataError, match="image of 9x5"):
        masks.union_from_json(text, 9, 5)
    with pytest.raises(DataError, match="JSON"):
        masks.from_json("{")
