"""Who owns a pixel where two people touch: by drawn islands, by colours, by whom a detection covers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.core.records import OCCLUDED
from a3dgen.geometry.skeleton import NUM_ROWS, ROW
from a3dgen.removal import masks
from a3dgen.removal import neighbours as plate_neighbours
from a3dgen.removal.colours import UNLIKE, colour_distance
from a3dgen.removal.label_map import BY_SEGMENTER
from a3dgen.removal.mask_ops import feet
from a3dgen.removal.masks import plan_removal
from a3dgen.removal.neighbours import Removed, binary_opening, detections, neighbours
from a3dgen.removal.overlap import contested, hidden, islands
from a3dgen.removal.photo import RemovalScene
from a3dgen.stages.background import Config

H, W = 200, 260
WALL, SHIRT, COAT = (150, 160, 170), (200, 60, 40), (40, 60, 160)
NONE = np.zeros((H, W), bool)


def _box(y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    out = np.zeros((H, W), bool)
    out[y0:y1, x0:x1] = True
    return out


def _scene(paint: list[tuple[np.ndarray, tuple[int, int, int]]], **known: object) -> RemovalScene:
    rgb = np.empty((H, W, 3))
    rgb[:] = WALL
    for mask, colour in paint:
        rgb[mask] = colour
    rgb += np.random.default_rng(0).normal(0, 4, rgb.shape)
    points, state = np.zeros((NUM_ROWS, 2)), np.zeros(NUM_ROWS, np.uint8)
    plain = RemovalScene(np.clip(rgb, 0, 255).astype(np.uint8), NONE, [], [], NONE, points, state, 160.0)
    return replace(plain, **known)


def test_unlikeness_looks_at_the_nearest_colours_in_reach() -> None:
    coat, stripe = _box(40, 160, 100, 160), _box(90, 100, 100, 160)
    scene = _scene([(coat, COAT), (stripe, SHIRT)])
    asked = _box(60, 140, 162, 170) | _box(92, 98, 120, 140)
    away = colour_distance(scene.rgb, asked, coat & ~asked, 20.0)
    assert (away[92:98, 120:140] < 16).all(), "a stripe is as much the coat's as the rest of it"
    assert (away[60:140, 162:170] > 60).all(), "the wall is not"
    assert (away[~asked] == UNLIKE).all()
    rare = colour_distance(scene.rgb, _box(80, 84, 162, 166), coat, 20.0, share=0.5)
    assert (rare >= away)[80:84, 162:166].all()
    assert (colour_distance(scene.rgb, asked, _box(0, 5, 0, 5), 20.0) == UNLIKE).all(), "nothing in reach"


def test_of_a_neighbour_nothing_as_thin_as_a_thumb_is_believed() -> None:
    coat, thumb, island = _box(40, 160, 100, 160), _box(90, 94, 88, 100), _box(60, 64, 20, 24)
    kept = binary_opening(coat | thumb | island, 4.0)
    assert not kept[island].any()
    assert not kept[:, :98].any(), "no thumb; two pixels of its root may stay"
    assert (coat & ~kept).sum() < 40, "but for the corners"
    assert not (kept & ~coat & ~thumb).any()


def test_a_piece_drawn_in_the_midst_of_another_mask_was_meant() -> None:
    foot, body = _box(90, 100, 60, 75), _box(20, 60, 200, 220)
    other = _box(40, 160, 30, 120)  # the outline of an arm and a leg, drawn around the gap
    np.testing.assert_array_equal(islands(foot | body, [other]), foot)
    assert not islands(other, [foot | body]).any(), "seen from the other side: the gap is not theirs"
    assert not islands(_box(90, 100, 100, 200), [other]).any(), "a limb that reaches in is no island"
    scene = _scene([(other, COAT), (foot | body, SHIRT)], own=foot | body, others=[other])
    assert plan_removal(Config(remove_shadow=False), scene).hole[foot].all()


def test_a_scrap_of_the_photo_within_the_hole_is_filled_as_well() -> None:
    ring = _box(30, 170, 60, 140) & ~_box(86, 108, 92, 110)
    scene = _scene([(ring, SHIRT)], own=ring)
    plan = plan_removal(Config(remove_shadow=False, remove_held=False), scene)
    assert plan.hole[86:108, 92:110].all()
    gap = _box(30, 170, 60, 160) & ~_box(60, 140, 80, 140)
    scene = _scene([(gap, SHIRT)], own=gap)
    assert not plan_removal(Config(remove_shadow=False, remove_held=False), scene).hole[90:110, 100:120].any()


def _seen_by_a_segmenter(chair: bool) -> RemovalScene:
    """Return somebody without a mask whose outline a segmenter has told, one hand before a chair."""
    body, arm, hand = _box(30, 170, 60, 100), _box(80, 90, 100, 136), _box(80, 90, 136, 146)
    seat = _box(60, 120, 128, 170)
    points, state = np.zeros((NUM_ROWS, 2)), np.zeros(NUM_ROWS, np.uint8)
    for name, x, y in (("elbow", 80, 85), ("wrist", 136, 85)):
        points[ROW[f"extra_left_{name}"]], state[ROW[f"extra_left_{name}"]] = (x, y), OCCLUDED
    person = body | arm | hand
    mine = np.where(person, 0.95, 0.0).astype(np.float32)
    paint = [(seat, (20, 140, 40))] if chair else []
    return _scene([*paint, (person, SHIRT)], body=body | arm, keypoints=points, state=state, mine=mine,
                  rival=np.zeros((H, W), np.float32), strangers=NONE, source=f"body and {BY_SEGMENTER}")  # fmt: skip


def test_a_chair_behind_a_hand_stays_where_a_segmenter_sees_the_hand() -> None:
    scene = _seen_by_a_segmenter(chair=True)
    plan = plan_removal(Config(remove_shadow=False, remove_held=False), scene)
    assert plan.hole[80:90, 100:146].all(), "arm and hand go"
    assert not plan.hole[60:70, 128:170].any()
    assert not plan.hole[100:120, 128:170].any()
    plain = plan_removal(Config(remove_shadow=False, remove_held=False, keep_background=False), scene)
    assert not plain.hole[60:72, 128:170].any()
    blind = replace(scene, source="fitted body")
    taken = plan_removal(Config(remove_shadow=False, remove_held=False, keep_background=False), blind).hole
    assert taken.sum() > 1.08 * plain.hole.sum()


def test_beside_somebody_else_colours_do_not_tell_a_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken for the surroundings of a hand may be its fingers before the other's foot."""
    scene = _seen_by_a_segmenter(chair=False)
    hand = _box(80, 90, 140, 146)
    monkeypatch.setattr(masks, "behind_hands", lambda _: _box(50, 120, 138, 190))
    config = Config(remove_shadow=False, remove_held=False)
    assert not plan_removal(config, scene).hole[hand].any()
    beside = replace(scene, rival=np.where(_box(97, 120, 134, 160), 0.9, 0.0).astype(np.float32))
    assert plan_removal(config, beside).hole[hand].mean() > 0.9


def test_edges_of_small_people_ring_and_are_not_given_back() -> None:
    scene = _seen_by_a_segmenter(chair=False)
    soft = np.maximum(scene.mine, np.where(_box(40, 160, 55, 60), 0.6, 0)).astype(np.float32)
    hole = plan_removal(Config(remove_shadow=False, remove_held=False), replace(scene, mine=soft)).hole
    assert hole[60:140, 52:60].all(), "the wall shows there, but so near to the outline nothing is sure"
    assert not hole[60:140, 30:48].any()


def test_what_only_may_be_the_person_does_not_tell_their_colours() -> None:
    scene = _seen_by_a_segmenter(chair=True)
    halo = _box(68, 102, 128, 158)
    unsure = replace(scene, mine=np.maximum(scene.mine, np.where(halo, 0.5, 0)).astype(np.float32))
    hole = plan_removal(Config(remove_shadow=False, remove_held=False), unsure).hole
    assert hole[80:90, 100:146].all()
    assert hole[halo & _box(60, 120, 128, 170)].mean() < 0.9, "some of the chair around the hand stays"


def test_what_the_segmenter_misses_altogether_is_taken_from_the_fitted_body() -> None:
    scene = _seen_by_a_segmenter(chair=False)
    far = _box(80, 120, 200, 230)
    missed = plan_removal(Config(remove_shadow=False, remove_held=False), replace(scene, body=scene.body | far))
    assert missed.hole[far].all()
    assert not plan_removal(Config(remove_shadow=False, remove_held=False), scene).hole[far].any()


def test_a_limb_that_reaches_out_of_the_photo_goes_to_its_edge() -> None:
    """The segmenter loses the raised arm just below the photo's edge, and the fitted arm lies a little beside it."""
    scene = _seen_by_a_segmenter(chair=False)
    arm, fitted = _box(0, 40, 70, 82), _box(0, 40, 74, 86)
    person = (scene.mine > 0) | arm
    raised = replace(
        scene, rgb=_scene([(person, SHIRT)], body=scene.body).rgb, body=scene.body | fitted,
        mine=np.where(person & ~_box(0, 9, 0, W), 0.95, 0).astype(np.float32),
    )  # fmt: skip
    hole = plan_removal(Config(remove_shadow=False, remove_held=False), raised).hole
    assert hole[arm].all()
    assert not hole[:9, 110:].any()


def test_hair_beside_the_fitted_head_is_no_background() -> None:
    scene = _seen_by_a_segmenter(chair=False)
    rgb = scene.rgb.copy()
    rgb[20:30, 60:100] = scene.rgb[10:20, 60:100]  # of the wall's colour
    bare = replace(scene, rgb=rgb)
    config = Config(remove_shadow=False, remove_held=False, dilate_seen=0.06)
    with_head = plan_removal(config, replace(bare, head=_box(30, 50, 60, 100))).hole
    assert with_head[23:30, 62:98].all()
    assert not plan_removal(config, bare).hole[21:24, 62:98].all()


def test_where_drawn_masks_touch_only_what_is_clearly_the_others_stays() -> None:
    mine, other = _box(30, 170, 60, 100), _box(30, 170, 96, 150)
    scene = _scene([(_box(30, 170, 100, 150), COAT), (mine, SHIRT)], own=_box(30, 170, 60, 96), others=[other])
    claimed = contested(scene, scene.own)
    assert claimed[40:160, 96:100].all()
    assert not claimed[:, 103:].any()


def test_fingers_behind_an_arm_come_out_on_its_other_side() -> None:
    own, arm, fingers = _box(90, 100, 20, 120), _box(20, 180, 120, 134), _box(92, 98, 134, 140)
    body = _box(90, 100, 20, 132)
    points, state = np.zeros((NUM_ROWS, 2)), np.zeros(NUM_ROWS, np.uint8)
    for name, x in (("elbow", 80), ("wrist", 122)):
        points[ROW[f"extra_left_{name}"]], state[ROW[f"extra_left_{name}"]] = (x, 95), OCCLUDED
    paint = [(own | fingers, SHIRT), (arm, COAT)]
    scene = _scene(paint, own=own, others=[arm], body=body, keypoints=points, state=state)
    np.testing.assert_array_equal(hidden(scene), body & arm)
    hole = plan_removal(Config(remove_shadow=False), scene).hole
    assert hole[fingers].all()
    assert not hole[arm].any() or hole[arm].mean() < 0.02


def test_a_detection_belongs_to_whom_it_covers(monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = _box(20, 180, 60, 90), _box(20, 180, 110, 140)
    scene = _scene([(mine, SHIRT), (theirs, COAT)])

    def look(rgb: np.ndarray, near: np.ndarray) -> np.ndarray | None:
        painted = np.abs(rgb[100, 125].astype(int) - COAT).sum() > 60
        return mine if painted else theirs  # the one in the coat is seen first, whoever is asked for

    monkeypatch.setattr(plate_neighbours, "segment_person", look)
    first, second = detections(scene.rgb, [mine, theirs])
    np.testing.assert_array_equal(first, mine)
    np.testing.assert_array_equal(second, theirs)
    monkeypatch.setattr(plate_neighbours, "segment_person", lambda rgb, near: None)
    assert detections(scene.rgb, [mine, theirs]) == [None, None]


def test_lines_between_clicks_protect_only_what_has_the_neighbours_colours() -> None:
    mine, hair, arm = _box(60, 180, 60, 110), _box(44, 60, 60, 110), _box(30, 44, 20, 200)
    line = _box(28, 48, 20, 200)  # wider than the arm: wall and hair lie in it
    scene = _scene([(mine, SHIRT), (hair, (210, 170, 60)), (arm, COAT)])
    (kept,) = neighbours(scene, Removed(mine, None), [line], [None], 12.0)
    assert not kept[46:60, 62:108].any()
    assert kept[33:43, 30:190].mean() > 0.95
    (kept,) = neighbours(scene, Removed(mine, mine), [line], [arm], 12.0)
    assert not kept[46:60, 62:108].any()
    assert kept[arm].mean() > 0.95
    far = [_box(30, 60, 200, 240)]
    assert neighbours(scene, Removed(_box(100, 180, 20, 60), None), far, [None], 5.0)[0][far[0]].all()


def test_feet_lie_beyond_the_ankles() -> None:
    points, labelled = np.zeros((NUM_ROWS, 2)), np.zeros(NUM_ROWS, bool)
    points[ROW["extra_left_knee"]], points[ROW["extra_left_ankle"]] = (100, 80), (100, 130)
    labelled[[ROW["extra_left_knee"], ROW["extra_left_ankle"]]] = True
    (disc,) = feet(points, labelled, 160.0, (H, W))
    assert disc[130:144, 100].all()
    assert not disc[:124].any()
    labelled[ROW["extra_left_knee"]] = False
    assert feet(points, labelled, 160.0, (H, W)) == []


def test_colours_are_compared_as_the_definition_says():
    rng = np.random.default_rng(2)
    rgb = (rng.integers(0, 9, (14, 15, 3)) * 11).astype(np.uint8)
    asked, certain = rng.random((2, 14, 15)) < 0.4
    offsets = [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6]
    for share in (0.0, 0.4):
        found = colour_distance(rgb, asked, certain, 6.0, share)
        for y, x in np.argwhere(asked):
            near = [rgb[y + a, x + b].astype(int) for a in offsets for b in offsets
                    if 0 <= y + a < 14 and 0 <= x + b < 15 and certain[y + a, x + b]]  # fmt: skip
            away = np.sort(np.abs(np.array(near) - rgb[y, x]).mean(1) // 2)
            wanted = away[max(int(np.ceil(share * len(away))), 3) - 1]
            assert found[y, x] == (2 * wanted + 1 if wanted < 40 else UNLIKE)
