"""The foot of somebody who kneels before others is theirs, whatever outline a segmenter has drawn."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.core.records import OCCLUDED, UNLABELLED, VISIBLE
from a3dgen.geometry.skeleton import NUM_ROWS, ROW
from a3dgen.removal.contested_feet import settle_feet
from a3dgen.removal.label_map import Figure, label_map
from a3dgen.segmenters import Asked

H, W = 240, 320


def _box(y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    out = np.zeros((H, W), bool)
    out[y0:y1, x0:x1] = True
    return out


SHIN, FOOT = _box(180, 194, 100, 164), _box(180, 208, 164, 178)
KNEELER, STANDING = _box(60, 194, 60, 110) | SHIN, _box(40, 186, 160, 184)


def _figure(rough: np.ndarray, height: float, **joints: tuple[float, float]) -> Figure:
    keypoints, state = np.zeros((NUM_ROWS, 3)), np.full(NUM_ROWS, UNLABELLED, np.uint8)
    for name, at in joints.items():
        keypoints[ROW[f"extra_{name}"]], state[ROW[f"extra_{name}"]] = (*at, 1.0), VISIBLE
    return Figure(None, rough, keypoints, state, height)


def _people() -> tuple[Figure, Figure]:
    kneeler = _figure(KNEELER | FOOT, 170.0, left_knee=(105, 187), left_ankle=(162, 190))
    standing = _figure(STANDING, 170.0, left_knee=(172, 130), left_ankle=(172, 178))
    return kneeler, standing


class _Greedy:
    """A segmenter whose outline of the standing person ends in the kneeler's foot."""

    def people(self, rgb: np.ndarray, asked: list[Asked]) -> list[np.ndarray]:
        return [m.astype(np.float32) for m in (KNEELER, STANDING | FOOT)]

    def anybody(self, rgb: np.ndarray) -> np.ndarray:
        return np.zeros((H, W), bool)

    def things(self, rgb: np.ndarray) -> list:
        return []


def test_a_nearer_foot_goes_back_to_its_owner() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (H, W, 3), np.uint8)
    found = label_map(rgb, list(_people()), _Greedy(), False, "greedy")
    low = FOOT & _box(196, H, 0, W)  # below the other's sock
    assert found.mask(0)[low].mean() > 0.95
    assert not found.mask(1)[low].any()
    assert found.mask(1)[STANDING & ~FOOT & _box(0, 170, 0, W)].all(), "everything else stays the standing one's"


@pytest.mark.parametrize("what", ["higher", "hidden", "seen"])
def test_only_a_nearer_visible_foot_that_was_missed_is_given_back(what: str) -> None:
    kneeler, standing = _people()
    ankle = ROW["extra_left_ankle"]
    seen = [m.astype(np.float32) for m in (KNEELER, STANDING | FOOT)]
    if what == "higher":
        standing.keypoints[ankle, 1] = 205
    elif what == "hidden":
        kneeler.state[ankle] = OCCLUDED
    else:
        seen[0][FOOT] = 1.0
    claims = [0.7 * s for s in seen]
    before = [c.copy() for c in claims]
    settle_feet([kneeler, standing], seen, claims)
    assert all(np.array_equal(a, b) for a, b in zip(claims, before, strict=True))
