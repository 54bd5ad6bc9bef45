"""Limb absence: maps between picture and square, features of a left limb, the head's algebra, its file."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.core.errors import DataError
from a3dgen.core.rng import generator_for
from a3dgen.detectors.blazepose import SIDE, Square
from a3dgen.detectors.pose_features import (
    PoseTensors,
    from_square,
    person_square,
    pose_tensors,
    square_pixels,
    to_square,
)
from a3dgen.io.images import read_rgb
from a3dgen.learning.absence import FORMAT, KINDS, AbsenceModel, from_tensors, packaged_model, read_model, write_model
from a3dgen.learning.augment import cut_off, hidden, jittered, spoiled
from a3dgen.learning.head import Head, Targets, Training, train_head
from a3dgen.learning.limb_features import ARM, LEG, limb_features, width

SQUARE = Square((140.0, 90.0), 160.0, 0.4)


@pytest.mark.parametrize("mirrored", [False, True])
def test_square_and_picture_map_onto_each_other(mirrored):
    points = generator_for(1, "points", "").uniform(0, 200, (20, 2))
    inner = to_square(points, SQUARE, mirrored)
    assert np.allclose(from_square(inner, SQUARE, mirrored), points, atol=1e-9)
    assert np.allclose(to_square(np.array([[139.5, 89.5]]), SQUARE, mirrored), (SIDE - 1) / 2)


def test_pixels_of_the_square_lie_where_the_map_says():
    rgb = np.zeros((200, 300, 3), np.uint8)
    rgb[100:103, 170:173] = 255
    part = square_pixels(rgb, SQUARE)
    i, j = np.unravel_index(part[..., 0].astype(float).argmax(), part.shape[:2])
    weights = part[..., 0] / part[..., 0].sum()
    centre = np.array([(weights.sum(0) * np.arange(SIDE)).sum(), (weights.sum(1) * np.arange(SIDE)).sum()])
    assert np.allclose(centre, to_square(np.array([[171.0, 101.0]]), SQUARE)[0], atol=0.6), (i, j)


def _made_up(rng):
    marks = np.concatenate([rng.uniform(40, 200, (33, 3)), rng.normal(0, 2, (33, 2))], 1)
    return PoseTensors(
        SQUARE, False, marks, 1.0, rng.normal(size=(64, 64, 39)), rng.normal(size=(256, 256)),
        rng.normal(size=(33, 3)), rng.normal(size=(64, 64, 48)), rng.normal(size=(32, 32, 48)),
        rng.normal(size=(16, 16, 88)), rng.normal(size=(8, 8, 144)), rng.normal(size=(2, 2, 288)),
    )  # fmt: skip


@pytest.mark.parametrize("kind", [ARM, LEG])
def test_features_have_the_length_that_weights_are_checked_against(kind):
    vector = limb_features(_made_up(generator_for(2, "tensors", "")), kind)
    assert vector.shape == (width(kind),)
    assert np.isfinite(vector).all()


def _limbs(count, rng):
    """Limbs whose first feature says that they are absent, second the level, third the prosthesis, next two the end."""
    said, level, worn = rng.integers(0, 3, count), rng.integers(0, 3, count), rng.random(count) < 0.5
    end = rng.normal(0, 1, (count, 2))
    x = rng.normal(0, 1, (count, 12))
    x[:, :3] = 3 * np.eye(3)[said]
    x[:, 3:6] = 3 * np.eye(3)[level]
    x[:, 6] = 3.0 * worn
    x[:, 7:9] = end
    return x.astype(np.float32), Targets(said, level, worn, np.where((said == 1)[:, None], end, np.nan), np.ones(count))


def test_a_head_learns_each_answer_and_ignores_rows_that_count_nothing():
    rng = generator_for(3, "limbs", "")
    x, targets = _limbs(600, rng)
    head = train_head(x, targets, Training(ridge=1e-3))
    new, truth = _limbs(200, rng)
    said = head.answers(new)
    gone = truth.said == 1
    assert (said["said"].argmax(1) == truth.said).mean() > 0.97
    assert (said["level"].argmax(1) == truth.level)[gone].mean() > 0.97
    assert ((said["worn"][:, 0] > 0.5) == truth.worn)[gone].mean() > 0.97
    assert np.abs(said["end"] - truth.end)[gone].mean() < 0.2
    wrong = np.arange(600) >= 300
    twisted = Targets(
        np.where(wrong, 0, targets.said), targets.level, targets.worn, targets.end, (~wrong).astype(float)
    )
    again = train_head(x, twisted, Training(ridge=1e-3))
    assert (again.answers(new)["said"].argmax(1) == truth.said).mean() > 0.95


def test_a_head_sees_where_two_features_disagree():
    """No linear answer can: absent are limbs whose first two features have different signs."""
    x = generator_for(8, "signs", "").normal(size=(900, 8)).astype(np.float32)
    said = (x[:, 0] * x[:, 1] < 0).astype(int)
    targets = Targets(said, np.zeros(900, int), np.zeros(900, bool), np.full((900, 2), np.nan), np.ones(900))
    head = train_head(x[:600], targets.take(np.arange(600)), Training(size=8, absent=1.0))
    assert (head.answers(x[600:])["said"].argmax(1) == said[600:]).mean() > 0.78


def test_blocks_of_features_count_alike():
    """A short block is not drowned by a long one that says nothing."""
    rng = generator_for(9, "blocks", "")
    x = rng.normal(size=(400, 403)).astype(np.float32)
    said = (x[:, 0] > 0).astype(int)
    targets = Targets(said, np.zeros(400, int), np.zeros(400, bool), np.full((400, 2), np.nan), np.ones(400))
    first, how = np.arange(250), Training(size=20, absent=1.0)
    heads = [train_head(x[first], targets.take(first), how, blocks) for blocks in (None, np.array([3, 400]))]
    right = [(head.answers(x[250:])["said"].argmax(1) == said[250:]).mean() for head in heads]
    assert right[1] > 0.85 > right[0]


def test_a_model_comes_back_from_its_file_and_damage_is_told(tmp_path):
    rng = generator_for(4, "weights", "")
    heads = {
        kind: Head(*(rng.normal(size=s).astype(np.float32) for s in ((n,), (n,), (n, 3), (3,), (9, 9), (9,))))
        for kind, n in ((k, width(k)) for k in KINDS)
    }
    model = AbsenceModel(heads, *(dict.fromkeys(KINDS, 0.5) for _ in range(3)))
    path = tmp_path / "absence.npz"
    write_model(path, model)
    back = read_model(path)
    assert np.allclose(back.heads[ARM].weights, heads[ARM].weights, atol=2e-3, rtol=1e-3)
    tensors = _made_up(rng)
    presence = from_tensors(SQUARE, {False: tensors, True: tensors}, back)
    assert np.allclose(presence.probability.sum(1), 1)
    other = tmp_path / "x.npz"
    other.write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"x\.npz"):
        read_model(other)
    np.savez(other, format=np.array(FORMAT), arm_mean=np.zeros(3))
    with pytest.raises(DataError, match="not a model"):
        read_model(other)
    np.savez(other, format=np.array(FORMAT), arm_mean=np.array([{}], object))
    with pytest.raises(DataError, match="arm_mean"):  # pickles are not opened
        read_model(other)


def test_the_packaged_model_is_small_and_of_this_version():
    model = packaged_model()
    assert set(model.heads) == set(KINDS)
    assert all(0 < model.threshold[k] < 1 for k in KINDS)


@pytest.mark.samples
def test_a_mirrored_photo_swaps_left_and_right(samples):
    rgb = read_rgb(samples / "coco" / "val2017" / "000000000785.jpg")
    points = np.array([[330.0, 60.0], [450.0, 390.0], [380.0, 210.0]])
    square = person_square(rgb, points)
    part = square_pixels(rgb, square)
    plain = from_tensors(square, {m: pose_tensors(part, square, m) for m in (False, True)}, packaged_model())
    part = np.ascontiguousarray(part[:, ::-1])
    other = from_tensors(square, {m: pose_tensors(part, square, m) for m in (False, True)}, packaged_model())
    assert np.allclose(plain.probability, other.probability[[1, 0, 3, 2]], atol=1e-5)
    assert "absent" not in plain.verdicts()  # an intact skier


def test_pictures_are_spoiled_where_they_should_be_and_the_same_way_twice():
    part = generator_for(5, "part", "").integers(0, 255, (256, 256, 3), np.uint8)
    assert np.array_equal(spoiled(part, generator_for(6, "s", "")), spoiled(part, generator_for(6, "s", "")))
    covered = hidden(part, np.array([100.0, 100.0]), np.array([100.0, 140.0]), generator_for(7, "h", ""))
    changed = (covered != part).any(-1)
    assert changed[120, 100]
    assert not changed[:40].any()
    cut = cut_off(part, np.array([100.0, 200.0]), 1)
    assert np.array_equal(cut[:201], part[:201])
    assert (cut[201:] == cut[200]).all()
    assert np.array_equal(cut_off(part, np.array([50.0, 0.0]), 0)[:, 50:], part[:, 50:])
    moved = jittered(SQUARE, generator_for(8, "j", ""))
    assert moved != SQUARE
    assert abs(moved.size / SQUARE.size - 1) < 0.3
