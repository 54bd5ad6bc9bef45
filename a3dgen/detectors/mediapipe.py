"""MediaPipe's pose network (BlazePose), the default: the user gives no weights.

It finds one person in a picture. Several people are found by showing it windows of several scales, keeping one of all
poses that agree, and asking again on a close crop of each: what is a person is found again in the same place, what
only looked like one is not. (The networks are those of mediapipe 0.10.21, see ``detectors.networks``; the package
itself is not needed.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.detectors import DetectorConfig, Person
from a3dgen.detectors.blazepose import find_pose
from a3dgen.detectors.crowd import distinct, share_out
from a3dgen.detectors.keypoint_rows import extent, pose_distance, square_around, thin, windows
from a3dgen.detectors.networks import folder
from a3dgen.geometry.boxes import Square
from a3dgen.geometry.skeleton import NUM_ROWS, ROW

_POINTS = {"nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8, "left_heel": 29, "right_heel": 30,
           "left_big_toe": 31, "right_big_toe": 32}  # fmt: skip
_JOINTS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_FIRST = (11, 13, 15, 23, 25, 27)
LANDMARK_OF_ROW = {ROW[f"body_{name}"]: k for name, k in _POINTS.items()} | {
    ROW[f"extra_{side}_{joint}"]: first + (side == "right")
    for joint, first in zip(_JOINTS, _FIRST, strict=True)
    for side in ("left", "right")
}
"""Input row -> BlazePose landmark 0..32."""
LIMBS = np.array([k for first in _FIRST for k in (first, first + 1)])
"""The twelve limb landmarks that poses are compared by."""
TORSO = np.array([11, 12, 23, 24])

FACE = [r for r, k in LANDMARK_OF_ROW.items() if k <= 8]
HIDDEN_FACE = 0.4
"""BlazePose calls the face visible even of people seen from behind: their face points count this much."""

HEAD_END = 11
"""Landmarks 0..10 are of the face."""

SHARES = (0.8, 0.55, 0.38, 0.26)
"""Sides of the windows."""
CLOSE_UPS = (1.25, 1.5, 1.8)
"""Sides of the crops on which a pose must be found again, in shares of its extent."""
HEADLESS = 0.35
"""Share of the face's landmarks on the segmentation below which what has a head in the picture is no person: a frame of
a racing chair has limbs for the network, and no head."""
MIN_SIZE = 32.0
"""Smaller people (px) are not worth a fit."""


@dataclass(frozen=True)
class Hit:
    """What the network said on one window: landmarks (33, 3) px, px, visibility; segmentation with its place; the
    square it looked at, of the whole picture."""

    landmarks: Float[ndarray, "33 3"]
    inside: Float[ndarray, "33"]
    segmentation: Float[ndarray, "h w"]
    corner: tuple[int, int]
    square: Square

    @property
    def limbs(self) -> Float[ndarray, "12 2"]:
        return self.landmarks[LIMBS, :2]

    @property
    def size(self) -> float:
        return extent(self.limbs)

    @property
    def quality(self) -> float:
        """Visibility of the limbs, times the share of them that the network's own segmentation covers."""
        return float(self.landmarks[LIMBS, 2].mean() * np.clip(self.inside[LIMBS], 0, 1).mean())


class MediapipeDetector:
    """The default detector."""

    def __init__(self, config: DetectorConfig) -> None:
        self._min_score = config.min_score
        folder()

    def detect(self, rgb: UInt8[ndarray, "h w 3"], name: str = "") -> list[Person]:
        """Find everybody; the best first."""
        hits = overview(rgb)
        if not hits:
            return []
        groups = thin([h.limbs for h in hits], np.array([h.quality for h in hits]), 0.15)
        found = [p for i, same in groups if (p := verify(rgb, hits[i], len(same))) is not None]
        return share_out([p for p in distinct(found) if p.score >= self._min_score])


_last: list[tuple[UInt8[ndarray, "h w 3"], list[Hit]]] = []
"""The photo looked at last, with what was seen: its faces are looked for right after its people."""


def overview(rgb: UInt8[ndarray, "h w 3"]) -> list[Hit]:
    """Return every plausible pose in windows of all scales; a person is in it several times, or not at all."""
    if not (_last and _last[0][0] is rgb):
        height, width = rgb.shape[:2]
        hits = [h for box in windows(width, height, SHARES) if (h := look(rgb, box)) is not None and plausible(h)]
        _last[:] = [(rgb, hits)]
    return _last[0][1]


def glance(rgb: UInt8[ndarray, "h w 3"]) -> tuple[list[Person], Bool[ndarray, "h w"]]:
    """Return everybody who may be in a photo, many of them wrongly, and where any person was seen.

    The score is 0 for a pose seen once, 1/2 for one seen in two windows, and so on.

    Raises:
        MissingDependency: without its networks.
    """
    height, width = rgb.shape[:2]
    hits = overview(rgb)
    region = np.zeros((height, width), bool)
    for hit in hits:
        (x, y), (h, w) = hit.corner, hit.segmentation.shape
        region[y : y + h, x : x + w] |= hit.segmentation > 0.3
    groups = thin([h.limbs for h in hits], np.array([h.quality for h in hits]), 0.15)
    heads = [(hits[i], len(same)) for i, same in groups if hits[i].inside[:HEAD_END].mean() > 0.6]
    return [_person(hit.landmarks, hit, 1 - 1 / votes, height, width) for hit, votes in heads], region


def plausible(hit: Hit) -> bool:
    """Whether a pose is worth a second look: large enough, mostly on the picture, limbs in its own segmentation."""
    visible, covered = hit.landmarks[LIMBS, 2].mean(), hit.inside[TORSO].mean()
    return bool(hit.size >= MIN_SIZE and visible > 0.35 and covered > 0.15)


def headless(hit: Hit) -> bool:
    """Whether a pose has a head that lies in the window, and where its own segmentation shows nobody."""
    face = hit.inside[:HEAD_END]
    seen = face[face >= 0]
    return bool(2 * len(seen) > HEAD_END and np.clip(seen, 0, 1).mean() < HEADLESS)


def verify(rgb: UInt8[ndarray, "h w 3"], hit: Hit, votes: int) -> Person | None:
    """Look again at close crops of a pose; return the person, scored by how well the looks agree."""
    looks = []
    for factor in CLOSE_UPS:
        again = look(rgb, square_around(hit.landmarks[:, :2][hit.landmarks[:, 2] > 0.1], factor))
        if again is not None:
            looks.append((pose_distance(again.limbs, hit.limbs), again))
    near = [h for d, h in looks if d < 0.25]
    if not near or headless(max(near, key=lambda h: h.quality)):
        return None
    spread = [pose_distance(a.limbs, b.limbs) for i, a in enumerate(near) for b in near[:i]]
    steady = float(np.exp(-np.mean(spread) / 0.1)) if spread else 0.3
    quality = float(np.mean([h.quality for h in near]))
    share = len(near) / len(CLOSE_UPS)
    score = (quality * steady * share) ** (1 / 2) * (1 - 0.3 / votes)
    best = max(near, key=lambda h: h.quality)
    landmarks = np.mean([h.landmarks for h in near], axis=0)
    return _person(landmarks, best, score, rgb.shape[0], rgb.shape[1])


def _person(landmarks: Float[ndarray, "33 3"], hit: Hit, score: float, height: int, width: int) -> Person:
    keypoints = np.zeros((NUM_ROWS, 3))
    rows = list(LANDMARK_OF_ROW)
    keypoints[rows] = landmarks[[LANDMARK_OF_ROW[r] for r in rows]]
    if from_behind(landmarks):
        keypoints[FACE, 2] *= HIDDEN_FACE
    mask = np.zeros((height, width), bool)
    x, y = hit.corner
    h, w = hit.segmentation.shape
    mask[y : y + h, x : x + w] = hit.segmentation > 0.4
    sure = keypoints[keypoints[:, 2] > 0.3, :2]
    points = sure if len(sure) > 1 else keypoints[rows, :2]
    margin = 0.1 * extent(points)
    low, high = np.clip(points.min(0) - margin, 0, (width, height)), np.clip(points.max(0) + margin, 0, (width, height))
    return Person(np.concatenate([low, high]), keypoints, score, mask, square=hit.square)


def from_behind(landmarks: Float[ndarray, "33 3"]) -> bool:
    """Whether a person shows their back: the left shoulder and hip lie left of the right ones in the picture."""
    shoulders, hips = landmarks[11, 0] - landmarks[12, 0], landmarks[23, 0] - landmarks[24, 0]
    return bool(shoulders + hips < -0.1 * extent(landmarks[TORSO, :2]))


def look(rgb: UInt8[ndarray, "h w 3"], box: tuple[int, int, int, int], done: Sequence[Square] = ()) -> Hit | None:
    """Ask the network about one window (clipped to the image); None if it sees nobody, or only who was ``done``: whose
    squares of the image were looked at before."""
    h, w = rgb.shape[:2]
    x0, y0, x1, y1 = max(0, box[0]), max(0, box[1]), min(w, box[2]), min(h, box[3])
    if x1 - x0 < 16 or y1 - y0 < 16:
        return None
    before = [replace(s, centre=(s.centre[0] - x0, s.centre[1] - y0)) for s in done]
    pose = find_pose(np.ascontiguousarray(rgb[y0:y1, x0:x1]), before)
    if pose is None:
        return None
    scale, shift = np.array([x1 - x0, y1 - y0]), np.array([x0, y0]) - 0.5
    marks = pose.landmarks.astype(np.float64)
    marks[:, :2] = marks[:, :2] * scale + shift
    segmentation = pose.segmentation
    i, j = np.rint(marks[:, 1]).astype(int) - y0, np.rint(marks[:, 0]).astype(int) - x0
    known = (i >= 0) & (j >= 0) & (i < y1 - y0) & (j < x1 - x0)
    inside = np.where(known, segmentation[np.clip(i, 0, y1 - y0 - 1), np.clip(j, 0, x1 - x0 - 1)], -1.0)
    (x, y), square = pose.square.centre, pose.square
    placed = Square((x + x0, y + y0), square.size, square.angle)
    return Hit(marks, inside.astype(np.float64), segmentation, (x0, y0), placed)


def segment(rgb: UInt8[ndarray, "h w 3"], box: Float[ndarray, "4"]) -> Bool[ndarray, "h w"] | None:
    """Outline the person in a box, for detectors that give no mask; None if the network sees nobody there."""
    hit = look(rgb, square_around(box.reshape(2, 2), 1.25))
    if hit is None:
        return None
    mask = np.zeros(rgb.shape[:2], bool)
    (x, y), (h, w) = hit.corner, hit.segmentation.shape
    mask[y : y + h, x : x + w] = hit.segmentation > 0.4
    return mask
