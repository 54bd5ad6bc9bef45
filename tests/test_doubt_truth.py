"""What of a filling somebody would notice, as the truth for doubt says, and the fit of its weights."""

from __future__ import annotations

import cv2
import numpy as np

from a3dgen.removal.doubt import Filled
from benchmarks.calibrate_doubt import area_under_curve, fit, score
from benchmarks.doubt_truth import noticed

H, W, HEIGHT = 160, 140, 120.0
HOLE = np.zeros((H, W), bool)
HOLE[20:140, 50:90] = True


def _noticed(photo: np.ndarray, plate: np.ndarray) -> np.ndarray:
    put = np.where(HOLE[..., None], plate, photo).astype(np.uint8)
    return noticed(Filled(photo.astype(np.uint8), put, put, HOLE, HOLE, np.zeros_like(HOLE), HEIGHT))


def _grass(seed: int) -> np.ndarray:
    blades = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (H, W)), (0, 0), 1.0)
    return np.clip(np.array((70, 120, 50)) + 60 * blades[..., None], 0, 255)


def test_other_grass_is_not_noticed_and_flat_colour_is() -> None:
    assert _noticed(_grass(1), _grass(2)).sum() < 0.02 * HOLE.sum()
    assert _noticed(_grass(1), np.broadcast_to([70.0, 120, 50], (H, W, 3))).sum() > 0.6 * HOLE.sum()


def test_a_rail_that_ends_is_noticed_and_a_thing_that_stood_behind_is_not_missed() -> None:
    wall = np.full((H, W, 3), 150.0)
    rail, thing = wall.copy(), wall.copy()
    rail[70:78] = (240, 220, 60)
    thing[70:80, 65:75] = (240, 220, 60)
    assert _noticed(rail, wall).sum() > 200
    assert not _noticed(thing, wall).any()
    assert _noticed(wall, thing).sum() > 50, "invented"


def test_a_thing_copied_from_beside_is_noticed() -> None:
    """It looks like a place around, but nothing stood there."""
    wall = np.full((H, W, 3), 150.0)
    for x in range(96, 110, 4):
        wall[60:90, x : x + 2] = (60, 60, 70)  # a radiator beside the hole
    copied = wall.copy()
    copied[60:90, 62:76] = wall[60:90, 96:110]
    assert _noticed(wall, copied).sum() > 300
    assert not _noticed(copied, wall).any(), "gone, and nobody misses it"


def test_weights_are_found_again() -> None:
    rng = np.random.default_rng(0)
    true = np.array([-1.0, 2.0, -0.5, 0.0, 1.0, 0.3, 0.2])
    judged = []
    for k in range(12):
        signs = rng.normal(0.2 * k, 1, (800, 6))
        chance = 1 / (1 + np.exp(-(true[0] + signs @ true[1:])))
        truth = rng.random(800) < chance
        judged.append({"signs": signs, "truth": truth, "height": 40.0, "bad": chance.mean() > 0.6})
    found = fit(judged)
    np.testing.assert_allclose(found, true, atol=0.25)
    assert area_under_curve(np.array([(score(j, found), j["bad"]) for j in judged])) > 0.95
    assert area_under_curve(np.array([(0.0, True), (0.0, False)])) == 0.5
