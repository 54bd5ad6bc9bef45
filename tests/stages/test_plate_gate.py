"""The label map of a photo, and the gate on its plates: nobody else is cut, or the person is rejected and says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.core.records import VISIBLE
from a3dgen.geometry.skeleton import JOINT, NUM_ROWS, ROW
from a3dgen.removal.config import Config, PlateBars
from a3dgen.removal.gate import crossing, measure, require
from a3dgen.removal.label_map import Figure, label_map
from a3dgen.removal.masks import plan_removal
from a3dgen.removal.people import left_over_masks, unread, usable_segmenter
from a3dgen.removal.photo import RemovalScene, labelled_only, with_labels
from a3dgen.removal.seats import require_seat
from a3dgen.segmenters import Thing

H, W = 200, 260
WALL, SHIRT, COAT = (150, 160, 170), (200, 60, 40), (40, 60, 160)
NONE = np.zeros((H, W), bool)
LEFT, RIGHT, BEHIND = slice(60, 110), slice(100, 150), slice(170, 200)


def _box(columns: slice, rows: slice = slice(30, 180)) -> np.ndarray:
    out = np.zeros((H, W), bool)
    out[rows, columns] = True
    return out


def _figure(rough: np.ndarray, mask: np.ndarray | None = None, click: tuple[int, int] | None = None) -> Figure:
    keypoints, state = np.zeros((NUM_ROWS, 3)), np.zeros(NUM_ROWS, np.uint8)
    if click is not None:
        keypoints[0], state[0] = (*click, 1), VISIBLE
    return Figure(mask, rough, keypoints, state, 150.0)


class _Seen:
    """Sees the left figure whole, the right one without what the left one covers, and a stranger."""

    def __init__(self) -> None:
        self.looks = 0

    def people(self, rgb, asked):
        self.looks += 1
        masks = [_box(LEFT), _box(slice(110, 150))]
        return [m.astype(np.float32) for m in masks[: len(asked)]]

    def anybody(self, rgb):
        return _box(LEFT) | _box(RIGHT) | _box(slice(220, 245))

    def things(self, rgb):
        return []


@pytest.fixture
def photo() -> np.ndarray:
    rgb = np.empty((H, W, 3))
    rgb[:] = WALL
    rgb[_box(RIGHT)], rgb[_box(BEHIND)], rgb[_box(LEFT)] = COAT, COAT, SHIRT
    return np.clip(rgb + np.random.default_rng(0).normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)


def test_every_pixel_has_one_owner_and_drawn_masks_rule(photo: np.ndarray) -> None:
    figures = [_figure(_box(LEFT)), _figure(_box(RIGHT)), _figure(NONE, _box(BEHIND))]
    segmenter = _Seen()
    found = label_map(photo, figures, segmenter, True, "test")
    assert (found.mask(0) & _box(slice(100, 110))).sum() > 0.95 * 10 * 150, "the segmenter saw who is in front"
    assert (found.mask(1) & _box(slice(112, 148))).sum() > 0.95 * 36 * 150
    np.testing.assert_array_equal(found.mask(2), _box(BEHIND))
    assert not (found.mask(0) & found.mask(1)).any()
    np.testing.assert_array_equal(found.strangers, _box(slice(220, 245)))
    assert found.sources == ["fitted body and segmenter", "fitted body and segmenter", "source mask"]
    label_map(photo, figures, segmenter, True, "test")
    assert segmenter.looks == 1, "made once a photo"
    fitted = label_map(photo, figures, None, True, "none")
    assert not fitted.strangers.any()
    assert (fitted.mask(0) | fitted.mask(1))[_box(slice(66, 144), slice(40, 170))].all()


def test_a_click_of_a_visible_keypoint_decides_what_two_outlines_claim(photo: np.ndarray) -> None:
    spot = (105, 100)
    for clicked in (0, 1):
        figures = [_figure(_box(c), click=spot if i == clicked else None) for i, c in enumerate((LEFT, RIGHT))]
        assert label_map(photo, figures, None, False, "click").owner[spot[1], spot[0]] == clicked


def _scene(photo: np.ndarray, own: np.ndarray = NONE, others: tuple[np.ndarray, ...] = ()) -> RemovalScene:
    points, state = np.zeros((NUM_ROWS, 2)), np.zeros(NUM_ROWS, np.uint8)
    return RemovalScene(photo, own, list(others), [], _box(LEFT), points, state, 150.0)


CONFIG = Config(segmenter="none", remove_shadow=False, remove_held=False)


def test_people_without_masks_keep_what_the_map_gives_them(photo: np.ndarray) -> None:
    found = label_map(photo, [_figure(_box(LEFT)), _figure(_box(RIGHT))], _Seen(), False, "keep")
    scene = with_labels(_scene(photo), found, 0)
    removal = plan_removal(CONFIG, scene)
    assert removal.hole[_box(LEFT)].mean() > 0.99
    theirs = _box(slice(114, 150))
    assert (removal.hole & theirs).sum() < 0.01 * theirs.sum()
    assert not removal.front[_box(slice(60, 95))].any()
    assert crossing(scene, removal) < 0.2


class _Both(_Seen):
    """A segmenter that gives a strip to both people."""

    def people(self, rgb: np.ndarray, asked: list) -> list:
        strip = _box(slice(100, 124))
        return [np.maximum(m, strip).astype(np.float32) for m in super().people(rgb, asked)]


@pytest.mark.parametrize("score", [-3.0, -1.0, 3.0])
def test_what_two_people_claim_is_that_of_whoever_surely_stands_in_front(photo: np.ndarray, score: float) -> None:
    strip = _box(slice(104, 120))
    people = [_figure(_box(LEFT) | strip), _figure(_box(RIGHT) | strip)]
    found = label_map(photo, people, _Both(), False, f"both {score}")
    removal = plan_removal(CONFIG, with_labels(_scene(photo), found, 0, (score,)))
    assert bool(removal.hole[strip].mean() < 0.25) == (score < -2)
    assert removal.hole[_box(slice(60, 98))].mean() > 0.9


def test_the_rim_of_a_mask_drawn_too_small_stays(photo: np.ndarray) -> None:
    away = _box(slice(173, 197))  # three columns short on either side
    apart = replace(_scene(photo, _box(slice(60, 160)), (away,)), body=NONE)
    hole = plan_removal(CONFIG, apart).hole
    assert not hole[_box(slice(169, 173), slice(40, 170))].any(), "nothing of the person is there"
    near = _scene(photo, _box(slice(60, 110)), (_box(slice(114, 150)),))
    hole = plan_removal(CONFIG, near).hole
    assert not hole[_box(slice(112, 114), slice(40, 170))].any(), "beside the person the colours say it is a coat"
    assert hole[_box(LEFT)].all()


def test_a_seat_stays_where_it_is_seen(photo: np.ndarray) -> None:
    seat = _box(slice(50, 120), slice(150, 190)) & ~_box(LEFT)
    scene = _scene(photo, _box(LEFT))
    assert plan_removal(CONFIG, scene).hole[seat].any()
    kept = plan_removal(CONFIG, replace(scene, objects=[seat | _box(LEFT, slice(150, 190))])).hole
    assert not kept[seat].any()
    assert kept[_box(LEFT)].all(), "but the person leaves, whatever the seat's outline claims"
    things = [Thing("chair", seat), Thing("grass", ~seat), Thing("dining table-merged", NONE)]
    found = label_map(photo, [_figure(_box(LEFT))], None, False, "seat")
    assert len(replace(found, things=things).furniture()) == 2


def test_whoever_would_be_cut_is_a_reason_to_reject(photo: np.ndarray) -> None:
    scene = _scene(photo, _box(LEFT), (_box(slice(110, 150)),))
    whole = plan_removal(CONFIG, scene)
    assert crossing(scene, whole) < 0.005
    cut = replace(whole, hole=whole.hole | _box(slice(110, 112)))
    assert crossing(scene, cut) == pytest.approx(2 / 40, abs=0.01)
    facts = measure(scene, cut, photo, None, crossing(scene, cut))
    with pytest.raises(Rejected, match=r"would cut 5\.\d% off somebody else"):
        require(facts, PlateBars())
    require(facts, PlateBars(crossing=0.1))
    with pytest.raises(Rejected, match="still seen in 100%"):
        require(measure(scene, whole, photo, _box(LEFT).astype(np.float32), 0.0), PlateBars())
    with pytest.raises(Rejected, match="cannot be invented"):
        require(replace(measure(scene, whole, photo, None, 0.0), structure=5.0), PlateBars(structure=4.0))


def test_masks_of_nobody_who_was_read_are_people_all_the_same(photo: np.ndarray) -> None:
    crowd = _box(slice(220, 250))
    own = _figure(NONE, _box(LEFT))
    lines = _figure(_box(RIGHT), click=(125, 100))
    scene = _scene(photo, _box(LEFT), (crowd, _box(slice(120, 130)), _box(BEHIND)))
    rest = left_over_masks(scene, [own, lines, _figure(NONE, _box(BEHIND))], 0)
    assert len(rest) == 1, "the thick line is the right figure's, the drawn mask the third's"
    np.testing.assert_array_equal(rest[0], crowd)


def test_nobody_is_asked_where_none_or_given_is_configured() -> None:
    assert usable_segmenter("none", "")[0] is None
    assert usable_segmenter("given", "") == (None, "given")


def test_whoever_is_labelled_but_was_not_read_is_in_the_map_too(photo: np.ndarray) -> None:
    company = np.zeros((2, NUM_ROWS, 4))
    joints = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for one, x in zip(company, (85.0, 130.0), strict=True):
        for i, joint in enumerate(joints):
            for side, away in (("left", 8), ("right", -8)):
                one[ROW[f"extra_{side}_{joint}"]] = x + away, 40 + 22 * i, 1, VISIBLE
    row = {"image_size": (W, H), "K": np.eye(3), "dist": np.zeros(5), "company": company}
    everybody = labelled_only(row)
    assert len(everybody) == 2
    assert everybody[1].rough[100, 130]
    assert not everybody[1].rough[100, 60]
    (other,) = unread(everybody, [everybody[0]])
    assert other is everybody[1]


def _sitting(body) -> dict:
    pose = np.zeros((24, 3))
    for side in ("left", "right"):
        pose[JOINT[f"{side}_hip"]], pose[JOINT[f"{side}_knee"]] = [-1.5, 0, 0], [1.5, 0, 0]
    pose[0] = [np.pi, 0, 0]
    K = np.array([[200.0, 0, W / 2], [0, 200.0, H / 2], [0, 0, 1]])
    return {"pose": pose, "betas": np.zeros(body.num_betas), "transl": np.array([0.0, 0, 3]), "K": K,
            "down": np.array([0.0, 1, 0])}  # fmt: skip


def test_who_sits_on_something_that_nobody_outlined_is_refused(photo: np.ndarray, body) -> None:
    row, scene = _sitting(body), _scene(photo)
    with pytest.raises(Rejected, match="no mask says on what"):
        require_seat(scene, row, BodyConfig(), [])
    chair = _box(slice(100, 160), slice(70, 150))
    require_seat(replace(scene, objects=[chair]), row, BodyConfig(), [])
    with pytest.raises(Rejected, match="sits"):
        require_seat(replace(scene, objects=[chair]), row, BodyConfig(), [0])
    with pytest.raises(Rejected, match="sits"):
        require_seat(replace(scene, objects=[_box(slice(0, 30))]), row, BodyConfig(), [])
    upright = row | {"pose": np.where(np.arange(24)[:, None] == 0, row["pose"], 0)}
    require_seat(scene, upright, BodyConfig(), [])
    crouching = row["pose"].copy()
    for side in ("left", "right"):
        crouching[JOINT[f"{side}_knee"]] = [2.6, 0, 0]
    require_seat(scene, row | {"pose": crouching}, BodyConfig(), [])
