"""Several people in a photo whose source has no masks: who is removed, who stays, what is never copied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a3dgen.core.errors import MissingDependency
from a3dgen.core.records import VISIBLE
from a3dgen.geometry.skeleton import NUM_ROWS, ROW
from a3dgen.removal import masks, neighbours, segment
from a3dgen.removal.mask_ops import erode_unless_thin, hands
from a3dgen.removal.masks import plan_removal
from a3dgen.removal.photo import RemovalScene
from a3dgen.stages.background import Config

H, W = 240, 320
WALL, SHIRT, COAT = (150, 160, 170), (200, 60, 40), (40, 60, 160)


def _box(y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    out = np.zeros((H, W), bool)
    out[y0:y1, x0:x1] = True
    return out


BODY, ARM = _box(30, 220, 80, 120), _box(90, 102, 120, 200)
NEIGHBOUR = _box(40, 215, 180, 225)


@pytest.fixture
def scene() -> RemovalScene:
    """A person whose arm, the hand included, lies across a neighbour whom the source gives thick lines."""
    rgb = np.empty((H, W, 3))
    rgb[:] = WALL
    rgb[NEIGHBOUR], rgb[BODY | ARM] = COAT, SHIRT
    rgb += np.random.default_rng(0).normal(0, 4, rgb.shape)
    keypoints, state = np.zeros((NUM_ROWS, 2)), np.zeros(NUM_ROWS, np.uint8)
    for name, xy in (("shoulder", (110, 96)), ("elbow", (145, 96)), ("wrist", (180, 96))):
        keypoints[ROW[f"extra_left_{name}"]], state[ROW[f"extra_left_{name}"]] = xy, VISIBLE
    return RemovalScene(
        np.clip(rgb, 0, 255).astype(np.uint8), np.zeros((H, W), bool), [NEIGHBOUR], [], BODY, keypoints, state, 190.0
    )


CONFIG = Config(segmenter="none", remove_shadow=False)


def test_colours_say_who_is_in_front(scene: RemovalScene) -> None:
    removal = plan_removal(CONFIG, scene)
    assert removal.hole[BODY | ARM].all(), "a hand before somebody else is removed, too"
    kept = NEIGHBOUR & ~ARM
    assert (removal.hole & kept).sum() < 0.06 * kept.sum(), "but not those it is held before"
    assert not removal.front[ARM].any()
    behind = replace(scene, rgb=scene.rgb.copy())
    behind.rgb[NEIGHBOUR] = COAT  # the same arm, behind the neighbour
    removal = plan_removal(CONFIG, behind)
    assert (removal.hole & NEIGHBOUR).sum() < 0.06 * NEIGHBOUR.sum()


def test_masks_that_touch_give_way_to_the_pixels(scene: RemovalScene) -> None:
    drawn = replace(scene, own=BODY | (ARM & ~NEIGHBOUR), others=[NEIGHBOUR | _box(90, 102, 177, 180)])
    removal = plan_removal(CONFIG, drawn)
    assert removal.hole[90:102, 177:180].all(), "three columns of the arm were drawn into the neighbour"
    assert not removal.hole[110:200, 180:225].any()


def test_unmarked_people_are_neither_copied_nor_erased(scene: RemovalScene, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = _box(60, 200, 128, 150)
    monkeypatch.setattr(masks, "usable", lambda name: True)
    monkeypatch.setattr(neighbours, "segment_person", lambda rgb, near: None)
    monkeypatch.setattr(masks, "segment_everybody", lambda rgb: stranger | BODY | NEIGHBOUR)
    alone = replace(scene, others=[], state=np.zeros(NUM_ROWS, np.uint8))
    removal = plan_removal(CONFIG, alone)
    seen = stranger & ~_box(0, H, 0, 136) & ~_box(80, 112, 0, W)  # beside the body and its arm it may be theirs
    assert removal.avoid[seen].all()
    assert not removal.hole[seen].any()
    assert removal.hole[BODY].all()
    removal = plan_removal(CONFIG, replace(alone, alone=True))
    assert not removal.avoid.any(), "a studio's subject is alone: nobody is looked for"


def test_the_detectors_outline_of_a_neighbour_is_kept(scene: RemovalScene, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, feet = _box(50, 190, 196, 210), _box(190, 222, 190, 240)
    asked: list[int] = []

    def look(rgb: np.ndarray, near: np.ndarray) -> np.ndarray:
        asked.append(int(near.sum()))
        return NEIGHBOUR | feet if (near & lines).sum() > 0.9 * lines.sum() else BODY

    monkeypatch.setattr(masks, "usable", lambda name: True)
    monkeypatch.setattr(neighbours, "segment_person", look)
    monkeypatch.setattr(masks, "segment_everybody", lambda rgb: np.zeros((H, W), bool))
    removal = plan_removal(CONFIG, replace(scene, others=[lines], state=np.zeros(NUM_ROWS, np.uint8)))
    assert len(asked) == 2
    assert removal.avoid[100:190, 190:220].all()
    assert removal.avoid[195:215, 195:220].all()


def test_hands_reach_beyond_the_wrist(scene: RemovalScene) -> None:
    mask = hands(scene.keypoints, scene.state == VISIBLE, 190.0, (H, W))
    assert mask[96, 184:206].all()
    assert not mask[96, :178].any()
    state = scene.state.copy()
    state[ROW["extra_left_elbow"]] = 0
    assert hands(scene.keypoints, state == VISIBLE, 190.0, (H, W))[96, 180], "without an elbow: around the wrist"
    assert not hands(scene.keypoints, np.zeros(NUM_ROWS, bool), 190.0, (H, W)).any()


def test_inner_keeps_what_is_thin() -> None:
    thick, thin = _box(20, 60, 20, 60), _box(100, 103, 20, 90)
    np.testing.assert_array_equal(erode_unless_thin(thick | thin, 3.0), _box(23, 57, 23, 57) | thin)


def test_everybody_is_looked_for_once_a_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    from a3dgen.detectors import mediapipe

    calls: list[int] = []

    def look(rgb: np.ndarray, box: tuple[int, int, int, int]) -> None:
        calls.append(1)

    monkeypatch.setattr(mediapipe, "look", look)
    photo = np.random.default_rng(1).integers(0, 255, (90, 160, 3)).astype(np.uint8)
    first = segment.segment_everybody(photo)
    count = len(calls)
    assert count > 5
    first[:] = True
    assert not segment.segment_everybody(photo).any(), "a caller cannot change what is remembered"
    assert len(calls) == count


@pytest.mark.parametrize("name", ["none", "given"])
def test_nobody_is_asked_where_the_source_is_to_be_believed(
    name: str, scene: RemovalScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "segmenter_name", lambda: "mediapipe")
    monkeypatch.setattr(masks, "detections", lambda *_: pytest.fail("asked for outlines"))
    monkeypatch.setattr(masks, "segment_everybody", lambda *_: pytest.fail("asked for others"))
    assert "mediapipe" not in plan_removal(replace(CONFIG, segmenter=name), scene).source


def test_a_missing_detector_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "segmenter_name", lambda: "")
    assert not segment.usable("auto")
    assert not segment.usable("none")

    def missing() -> None:
        raise MissingDependency("mediapipe", "the detector mediapipe")

    monkeypatch.setattr(segment.networks, "folder", missing)
    with pytest.raises(MissingDependency, match="mediapipe"):
        segment.usable("mediapipe")


@pytest.mark.samples
def test_people_nobody_marked_are_seen_in_a_real_photo(samples: Path) -> None:
    from a3dgen.io.images import read_rgb

    seen = segment.segment_everybody(read_rgb(samples / "mpii/images/005808361.jpg"))
    assert seen[250:600, 330:560].mean() > 0.7, "the man seen from behind, whom MPII leaves out"
    assert seen[:60].mean() < 0.05
