"""Masks of what leaves the photo and what stays in front."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from a3dgen.geometry.raster import silhouette
from a3dgen.geometry.skeleton import NUM_ROWS, ROW
from a3dgen.removal.cast_shadow import cast_shadow, neighbours_shadows
from a3dgen.removal.held_objects import held_objects
from a3dgen.removal.mask_ops import ANKLES, dilate, discs, in_front, limb_capsules

K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])


def _box(shape: tuple[int, int], y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    out = np.zeros(shape, bool)
    out[y0:y1, x0:x1] = True
    return out


def test_silhouette_of_a_square() -> None:
    corners = np.array([[-0.2, -0.1, 1], [0.2, -0.1, 1], [0.2, 0.1, 1], [-0.2, 0.1, 1]], np.float32)
    faces = np.array([[0, 1, 2], [0, 3, 2]])  # either winding counts
    mask = silhouette(corners, faces, K, 100, 80)
    assert mask.shape == (80, 100)
    assert abs(int(mask.sum()) - 41 * 21) <= 62  # edges fall on pixel centres, which rounding may lose
    assert mask[31:50, 31:70].all()
    assert not mask[:29].any()


def test_silhouette_ignores_what_is_behind_or_outside() -> None:
    behind = np.array([[-1, -1, -1], [1, -1, -1], [0, 1, -1]], np.float32)
    outside = behind * (1, 1, -1) + np.float32([50, 0, 0])
    face = np.array([[0, 1, 2]])
    assert not silhouette(behind, face, K, 100, 80).any()
    assert not silhouette(outside, face, K, 100, 80).any()
    crossing = np.array([[-1, -1, 1], [1, -1, 1], [0, 1, -1]], np.float32)
    assert not silhouette(crossing, face, K, 100, 80).any()
    covering = np.array([[-9, -9, 1], [9, -9, 1], [0, 9, 1]], np.float32)
    assert silhouette(covering, face, K, 100, 80).all()


def test_grow_is_a_disc() -> None:
    point = _box((41, 41), 20, 21, 20, 21)
    y, x = np.mgrid[:41, :41] - 20
    np.testing.assert_array_equal(dilate(point, 7.0), np.hypot(x, y) <= 7.0)
    assert not dilate(np.zeros((5, 5), bool), 3.0).any()
    np.testing.assert_array_equal(dilate(point, 0.0), point)


def test_capsules_cover_the_limbs_between_labelled_keypoints() -> None:
    points, labelled = np.zeros((NUM_ROWS, 2)), np.zeros(NUM_ROWS, bool)
    for name, xy in (("extra_left_elbow", (20, 20)), ("extra_left_wrist", (60, 20)), ("extra_left_knee", (20, 70))):
        points[ROW[name]], labelled[ROW[name]] = xy, True
    mask = limb_capsules(points, labelled, 100.0, (100, 100))
    assert mask[20, 20:61].all()
    assert mask[17:24, 40].all()
    assert not mask[40:].any(), "a limb needs both ends"
    assert not discs(np.array([[np.nan, 3.0], [1e9, 2.0]]), 5.0, (10, 10)).any()


def test_held_objects() -> None:
    person = _box((100, 100), 20, 90, 40, 60)
    bat, table, bag = (
        _box((100, 100), 38, 42, 60, 90),
        _box((100, 100), 45, 100, 60, 100),
        _box((100, 100), 80, 90, 60, 64),
    )
    hands = np.array([[61.0, 41.0]])
    assert held_objects(person, [bat, table, bag], hands, 8.0) == [0]
    assert held_objects(person, [bat], np.zeros((0, 2)), 8.0) == []


@pytest.fixture
def lawn() -> np.ndarray:
    rng = np.random.default_rng(0)
    rgb = np.empty((200, 300, 3))
    rgb[:100], rgb[100:] = (160, 190, 230), (150, 140, 110)
    return np.clip(rgb + rng.normal(0, 3, rgb.shape), 0, 255).astype(np.uint8)


def test_shadow_that_hangs_on_the_feet_is_found(lawn: np.ndarray) -> None:
    person, feet = _box(lawn.shape[:2], 60, 160, 140, 160), np.array([[145.0, 155.0], [155.0, 155.0]])
    shadow, lonely = _box(lawn.shape[:2], 156, 164, 155, 215), _box(lawn.shape[:2], 165, 175, 70, 100)
    photo = lawn.copy()
    photo[shadow | lonely] = (lawn[shadow | lonely] * (0.5, 0.52, 0.58)).astype(np.uint8)
    none = np.zeros_like(person)
    found = cast_shadow(photo, person, none, feet, 100.0)
    rest = shadow & ~dilate(person, 4.0)
    assert (found & rest).sum() > 0.85 * rest.sum()
    assert not (found & lonely).any()
    assert not cast_shadow(lawn, person, none, feet, 100.0).any()
    assert not cast_shadow(photo, person, none, np.array([[-5.0, 500.0]]), 100.0).any()
    green = lawn.copy()
    green[shadow] = (50, 95, 30)  # grass, not shade
    assert not cast_shadow(green, person, none, feet, 100.0).any()


def test_the_black_core_of_a_shadow_and_ground_it_encloses_go_with_it(lawn: np.ndarray) -> None:
    person, feet = _box(lawn.shape[:2], 60, 160, 140, 160), np.array([[145.0, 155.0], [155.0, 155.0]])
    shadow, core = _box(lawn.shape[:2], 154, 166, 155, 215), _box(lawn.shape[:2], 157, 161, 180, 190)
    photo = lawn.copy()
    photo[shadow] = (lawn[shadow] * (0.5, 0.52, 0.58)).astype(np.uint8)
    photo[core] = (4, 2, 3)
    found = cast_shadow(photo, person, np.zeros_like(person), feet, 100.0)
    assert found[core].all()
    photo[core] = lawn[core]
    assert cast_shadow(photo, person, np.zeros_like(person), feet, 100.0)[core].all()


def test_a_shadow_at_the_feet_of_somebody_who_stays_is_theirs(lawn: np.ndarray) -> None:
    person, feet = _box(lawn.shape[:2], 60, 160, 140, 160), np.array([[145.0, 155.0], [155.0, 155.0]])
    neighbour = _box(lawn.shape[:2], 80, 160, 225, 245)
    theirs, mine = _box(lawn.shape[:2], 152, 164, 161, 228), _box(lawn.shape[:2], 154, 166, 90, 145)
    photo = lawn.copy()
    photo[theirs | mine] = (lawn[theirs | mine] * (0.5, 0.52, 0.58)).astype(np.uint8)
    found = cast_shadow(photo, person, neighbour, feet, 100.0)
    assert not found[:, 200:].any(), "it begins at the neighbour's feet"
    rest = mine & ~dilate(person, 4.0)
    assert (found & rest).sum() > 0.85 * rest.sum()


def test_shadows_of_those_who_stay_are_found_from_their_masks(lawn: np.ndarray) -> None:
    person = _box(lawn.shape[:2], 60, 160, 140, 160)
    shadow = _box(lawn.shape[:2], 156, 164, 155, 215)
    photo = lawn.copy()
    photo[shadow] = (lawn[shadow] * (0.5, 0.52, 0.58)).astype(np.uint8)
    rest = shadow & ~dilate(person, 4.0)
    assert (neighbours_shadows(photo, [person]) & rest).sum() > 0.85 * rest.sum()
    assert not neighbours_shadows(lawn, [person, np.zeros_like(person)]).any()
    assert not neighbours_shadows(lawn, []).any()


def _fold(shape: tuple[int, int], start: tuple[int, int], end: tuple[int, int], wide: float = 2.0) -> np.ndarray:
    """Return how much of its light a crease keeps: least in its middle, no plateau."""
    line = np.ones(shape, np.uint8)
    cv2.line(line, start, end, 0, 1)
    return 1 - 0.7 * np.exp(-cv2.distanceTransform(line, cv2.DIST_L2, 5) / wide)


@pytest.fixture
def cloth() -> np.ndarray:
    """A creased cloth, (520, 760, 3) grey levels, before somebody's feet at (365 to 395, 390)."""
    rng, shape = np.random.default_rng(4), (520, 760)
    folds = [((380, 395), (60, 430)), ((395, 398), (700, 390)), ((370, 400), (310, 470))]
    folds += [((x, 385), (x + 20, 475)) for x in (*range(20, 300, 20), *range(520, 740, 20))]
    light = np.min([_fold(shape, a, b) for a, b in folds], axis=0)
    return np.clip(np.full((*shape, 3), (60, 130, 70)) * light[..., None] + rng.normal(0, 2, (*shape, 3)), 0, 255)


def test_folds_of_a_cloth_that_lead_to_the_feet_are_no_shadow(cloth: np.ndarray) -> None:
    shape = cloth.shape[:2]
    person, feet = _box(shape, 60, 400, 360, 400), np.array([[365.0, 390.0], [395.0, 390.0]])
    none, shadow, dark = np.zeros(shape, bool), _box(shape, 402, 432, 395, 500), _box(shape, 402, 500, 340, 400)
    wide = _fold(shape, (380, 405), (460, 470), 6.0)

    def found(light: np.ndarray) -> np.ndarray:
        return cast_shadow((cloth * light[..., None]).astype(np.uint8), person, none, feet, 340.0)

    assert not found(np.ones(shape)).any()
    assert not found(wide).any(), "a broad fold has no plateau"
    assert not found(1 - 0.45 * dark).any(), "dark cloth goes on where no shadow can be"
    shade = found(1 - 0.45 * shadow)
    rest = shadow & ~dilate(person, 5.0)
    assert (shade & rest).sum() > 0.7 * rest.sum(), "a shadow on the cloth is found"
    assert (shade & ~dilate(shadow | person, 20.0)).sum() < 0.1 * shade.sum(), "without the folds"


def test_the_soft_rim_of_a_shadow_goes_with_it(lawn: np.ndarray) -> None:
    person, feet = _box(lawn.shape[:2], 60, 160, 140, 160), np.array([[145.0, 155.0], [155.0, 155.0]])
    hard = _box(lawn.shape[:2], 156, 168, 155, 215).astype(np.float32)
    shade = cv2.GaussianBlur(hard, (0, 0), 2.5)
    photo = (lawn * (1 - 0.5 * shade[..., None])).astype(np.uint8)
    found = cast_shadow(photo, person, np.zeros_like(person), feet, 100.0)
    faint = (shade > 0.25) & ~person
    assert (found & faint).sum() > 0.95 * faint.sum()
    assert not found[:150].any()
    assert not found[:, 235:].any()


def test_in_front() -> None:
    shape = (200, 200)
    body = _box(shape, 20, 180, 80, 120)
    rail, rim = _box(shape, 100, 110, 0, 200), _box(shape, 20, 180, 117, 160)
    none, nothing_seen = np.zeros(shape, bool), np.zeros((0, 2))
    front = in_front([rail], body, none, nothing_seen, 8.0, 6.0)
    np.testing.assert_array_equal(front & body, rail & body)
    assert front[105, 75]
    assert not front[105, 60]
    seen = np.array([[100.0, 105.0]])
    assert not in_front([rail], body, none, seen, 8.0, 6.0)[105, 93:108].any()
    shallow = in_front([rim], body, none, nothing_seen, 8.0, 6.0)
    np.testing.assert_array_equal(shallow, rim & body)  # a fit a little too wide pulls nobody to the front
    assert not in_front([rail], body, rail, nothing_seen, 8.0, 6.0).any()
    assert not in_front([], body, none, nothing_seen, 8.0, 6.0).any()
    assert len(ANKLES) == 2


@pytest.mark.parametrize("radius", [0.4, 1.0, 2.0, 2.9, 6.99, 7.0, 7.1, 12.0])
def test_a_disc_is_the_pixels_within_its_radius(radius):
    rng = np.random.default_rng(5)
    mask = rng.random((60, 70)) < 0.003
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    assert np.array_equal(dilate(mask, radius), away <= radius + 1e-3)
