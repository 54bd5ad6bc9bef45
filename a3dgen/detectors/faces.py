"""Faces in photos: where they are or may be, and making them unrecognisable.

A face that shows is worse than a blurred bush, so whatever may be a face counts: the heads of all people found, the
heads of poses that were seen but not believed, if something else speaks for them, and what two face detectors see. The
near-range one sees faces that nothing else sees, and many that are none: it is believed where the pose network sees
people, and at the size of heads. What only a face detector sees, or a pose that was not believed, must be seen again
on a close crop: else stumps, elbows and plants are blurred. A face that none of them sees stays clear. The limbs of
the person whose photo it is stay as they are.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import MissingDependency
from a3dgen.detectors import Person
from a3dgen.detectors.blazepose import find_faces
from a3dgen.detectors.keypoint_rows import extent, square_around, windows
from a3dgen.detectors.mediapipe import CLOSE_UPS, HEAD_END, glance, look
from a3dgen.detectors.networks import folder
from a3dgen.geometry.skeleton import ROW

_HEAD = [ROW[f"body_{n}"] for n in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")]
_TOP = [ROW["extra_head_top_lsp"], ROW["extra_neck_lsp"]]
_SHOULDERS = [ROW["extra_left_shoulder"], ROW["extra_right_shoulder"]]
_HIPS = [ROW["extra_left_hip"], ROW["extra_right_hip"]]
_LIMBS = [ROW[f"extra_{s}_{j}"] for s in ("left", "right") for j in ("shoulder", "elbow", "hip", "knee", "ankle")]
CELLS = 5
"""A blurred face is made of this many cells a side: nothing of a face is left at that size."""
SHARES = (0.6, 0.35, 0.2, 0.12)
"""Sides of the windows in which faces are looked for."""
FAR, NEAR = 1, 0
"""MediaPipe's two face detectors: for people up to 5 m and up to 2 m away."""
SURE = {FAR: 0.6, NEAR: 0.5}
"""Scores from which they count, as in MediaPipe's graphs."""
PLAIN, CERTAIN = 0.65, 0.85
"""Scores of the near-range detector from which a face seen once counts, and one of any size."""
LARGER = 1.4
"""A face may be this much larger than the largest head found."""
ERASED = 0.7
"""A circle with this share on the person's own outline is erased with them."""
AGAIN = 0.3
"""Score from which a face counts as seen again, on close crops."""
CLOSE = (2.6, 4.5)
"""Sides of these crops, in diameters of the circle."""
LIMB = 0.05
"""Half the width of a limb that is never blurred, in shares of the person's size."""
HAND = 0.4
"""How far hand or foot go on beyond wrist or ankle, in shares of the last bone."""
LEG = 0.06
"""The same about legs on which nothing is a face."""
_CHAINS = [[ROW[f"extra_{side}_{joint}"] for joint in joints] for side in ("left", "right")
           for joints in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))]  # fmt: skip
ROUND = 0.8
"""Radius of a face's circle in shares of the longer side of its box."""


def head_circles(people: list[Person]) -> Float[ndarray, "n 3"]:
    """Return x, y, radius (px) of a circle around every person's head, as their keypoints have it.

    Without a point of the face: around head top and neck, above the shoulders, or in the upper part of the box.
    """
    return np.array([_head(person) for person in people], np.float64).reshape(-1, 3)


def _head(person: Person) -> list[float]:
    size = max(extent(_known(person, _LIMBS, 0.3)), 20.0)
    face, top = _known(person, _HEAD), _known(person, _TOP)
    shoulders, hips = _known(person, _SHOULDERS), _known(person, _HIPS)
    width = float(np.linalg.norm(shoulders[0] - shoulders[1])) if len(shoulders) == 2 else 0.0
    if len(face):
        radius = max(0.9 * extent(face), 0.4 * width, 0.09 * size, 6.0)
        return [*face.mean(0), min(radius, 0.3 * size)]
    if len(top) == 2:
        return [*top.mean(0), max(0.7 * float(np.linalg.norm(top[0] - top[1])), 6.0)]
    if len(shoulders) and len(hips):
        up = shoulders.mean(0) - hips.mean(0)
        return [*(shoulders.mean(0) + 0.4 * up), max(0.4 * float(np.linalg.norm(up)), 0.5 * width, 6.0)]
    x0, y0, x1, y1 = person.box
    reach = 0.5 * min(x1 - x0, y1 - y0)
    return [(x0 + x1) / 2, y0 + 0.7 * reach, max(reach, 6.0)]


def _known(person: Person, rows: list[int], least: float = 0.0) -> Float[ndarray, "k 2"]:
    points = person.keypoints[rows]
    return points[points[:, 2] > least, :2]


def face_circles(rgb: UInt8[ndarray, "h w 3"], kind: int) -> Float[ndarray, "n 4"]:
    """Return x, y, radius (px), score of every face that a face detector (``FAR`` or ``NEAR``) sees in any window.

    Raises:
        MissingDependency: without its networks.
    """
    try:
        folder()
    except MissingDependency as error:
        raise MissingDependency(
            "mediapipe", "privacy.blur_bystanders", f"set it to false, or get its networks: {error}"
        ) from None
    found = []
    h, w = rgb.shape[:2]
    for x0, y0, x1, y1 in windows(w, h, SHARES):
        if min(x1 - x0, y1 - y0) < 24:
            continue
        for face in find_faces(np.ascontiguousarray(rgb[y0:y1, x0:x1]), kind, SURE[kind]):
            u0, v0, u1, v1 = face.box * (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
            found.append([x0 + (u0 + u1) / 2, y0 + (v0 + v1) / 2, ROUND * max(u1 - u0, v1 - v0), face.score])
    return np.array(found, np.float64).reshape(-1, 4)


def possible_faces(rgb: UInt8[ndarray, "h w 3"], people: list[Person]) -> Float[ndarray, "n 3"]:
    """Return x, y, radius (px) of everything that may be a face, besides the heads of the people found.

    Raises:
        MissingDependency: without its networks.
    """
    far, near = face_circles(rgb, FAR), face_circles(rgb, NEAR)
    doubtful, region = glance(rgb)
    for person in people:
        if person.mask is not None and person.mask.shape == region.shape:
            region |= person.mask
    heads = head_circles(people)
    near = near[believed(near, region, heads[:, 2].max(initial=0.0))]
    seen = np.concatenate([far[:, :3], near[:, :3]])
    seen = seen[[face_again(rgb, circle) for circle in seen]] if len(seen) else seen
    weak = head_circles(doubtful)
    once = np.array([person.score == 0 for person in doubtful], bool)
    backed = supported(weak, seen)
    chosen = [backed[i] or (not once[i] and head_again(rgb, person)) for i, person in enumerate(doubtful)]
    return np.concatenate([seen, weak[np.array(chosen, bool)]])


def face_again(rgb: UInt8[ndarray, "h w 3"], circle: Float[ndarray, "3"]) -> bool:
    """Tell whether a face detector sees a face of about this size in this place on a close crop.

    Args:
        rgb: the photo. circle: x, y, radius px.
    """
    x, y, radius = (float(v) for v in circle)
    h, w = rgb.shape[:2]
    for reach in (radius * c for c in CLOSE):
        x0, y0 = max(0, int(x - reach)), max(0, int(y - reach))
        part = np.ascontiguousarray(rgb[y0 : int(y + reach) + 1, x0 : int(x + reach) + 1])
        if min(part.shape[:2]) < 12 or not (0 <= x < w and 0 <= y < h):
            continue
        size = np.array([part.shape[1], part.shape[0]] * 2)
        for kind in (NEAR, FAR):
            for face in find_faces(part, kind, AGAIN):
                u0, v0, u1, v1 = face.box * size
                away = np.hypot(x0 + (u0 + u1) / 2 - x, y0 + (v0 + v1) / 2 - y)
                if away < radius and 0.4 < ROUND * max(u1 - u0, v1 - v0) / radius < 2.5:
                    return True
    return False


def head_again(rgb: UInt8[ndarray, "h w 3"], person: Person) -> bool:
    """Tell whether the pose network sees the person's head in the same place on a close crop."""
    points = _known(person, _LIMBS, 0.1)
    if len(points) < 2:
        return False
    again = look(rgb, square_around(points, CLOSE_UPS[0]))
    if again is None or again.inside[:HEAD_END].mean() < 0.6:
        return False
    x, y, radius = _head(person)
    return bool(np.hypot(*(again.landmarks[:HEAD_END, :2].mean(0) - (x, y))) < radius)


def believed(near: Float[ndarray, "n 4"], region: Bool[ndarray, "h w"], largest: float) -> Bool[ndarray, " n"]:
    """Tell which faces of the near-range detector count: on people, seen twice or plainly, no larger than heads are.

    Args:
        near: x, y, radius px, score. region: where there are people. largest: radius of the largest head found, px.
    """
    twice = supported(near[:, :3], np.zeros((0, 3))) | (near[:, 3] >= PLAIN)
    size = (near[:, 2] <= LARGER * largest) | (near[:, 3] >= CERTAIN) | (largest == 0)
    h, w = region.shape
    x, y = np.clip(near[:, 0].astype(int), 0, w - 1), np.clip(near[:, 1].astype(int), 0, h - 1)
    return twice & size & region[y, x]


def supported(circles: Float[ndarray, "n 3"], others: Float[ndarray, "m 3"]) -> Bool[ndarray, " n"]:
    """Tell which circles have the centre of another one, of either kind, inside them."""
    every = np.concatenate([circles, others])
    distance = np.linalg.norm(circles[:, None, :2] - every[None, :, :2], axis=2)
    return (distance < circles[:, 2:3]).sum(1) > 1


def of_others(own: Person, others: list[Person], faces: Float[ndarray, "n 3"]) -> Float[ndarray, "k 3"]:
    """Return the circles to blur in the photo of one person: everybody's head but their own.

    What lies on the person's own outline is left out: the samples show nothing of it. So is what lies on a leg.
    """
    (mine,) = head_circles([own])
    faces = faces[~on_legs([own, *others], faces)]
    away = np.linalg.norm(faces[:, :2] - mine[:2], axis=1) > np.maximum(mine[2], 0.7 * faces[:, 2])
    if own.mask is not None:
        away &= np.array([_share_on(own.mask, circle) < ERASED for circle in faces], bool)
    return np.concatenate([head_circles(others), faces[away]])


def on_legs(people: list[Person], circles: Float[ndarray, "n 3"]) -> Bool[ndarray, " n"]:
    """Tell which circles have their middle on the leg or foot of one of the people, below the upper thigh, and on
    nobody's head: knees and feet are taken for faces, and faces are hardly ever behind legs."""
    on, heads = np.zeros(len(circles), bool), head_circles(people)
    for person in people:
        reach = LEG * extent(_known(person, _LIMBS, 0.3))
        for chain in _CHAINS[1::2]:
            hip, knee, ankle = person.keypoints[chain]
            if min(hip[2], knee[2]) > 0.3:
                on |= _near(circles, hip[:2] + 0.4 * (knee - hip)[:2], knee[:2], reach)
            if min(knee[2], ankle[2]) > 0.3:
                on |= _near(circles, knee[:2], ankle[:2] + 0.25 * (ankle - knee)[:2], reach)
    if len(heads):
        apart = np.linalg.norm(circles[:, None, :2] - heads[None, :, :2], axis=2)
        on &= (apart > heads[None, :, 2]).all(1)
    return on


def _near(circles: Float[ndarray, "n 3"], start: ndarray, end: ndarray, reach: float) -> Bool[ndarray, " n"]:
    """Tell which circles have their middle within ``reach`` of a line."""
    along = end - start
    at = np.clip((circles[:, :2] - start) @ along / max(float(along @ along), 1e-6), 0, 1)
    return np.asarray(np.linalg.norm(circles[:, :2] - start - at[:, None] * along, axis=1) < reach)


def _share_on(mask: Bool[ndarray, "h w"], circle: Float[ndarray, "3"]) -> float:
    disc = np.zeros(mask.shape, np.uint8)
    cv2.circle(disc, (round(circle[0]), round(circle[1])), max(1, round(circle[2])), 1, -1)
    return float(mask[disc > 0].mean()) if disc.any() else 1.0


def own_limbs(own: Person, height: int, width: int) -> Bool[ndarray, "h w"]:
    """Return the pixels of a person's arms and legs, hands and feet, that no circle may cover.

    They lie about the bones, and on the outline if there is one. Residual limbs are among them, for detectors go on to
    where the joint would be.
    """
    limbs = np.zeros((height, width), np.uint8)
    thick = max(2, round(2 * LIMB * extent(_known(own, _LIMBS, 0.3))))
    for chain in _CHAINS:
        last = own.keypoints[chain[-1]]
        tip = last + HAND * (last - own.keypoints[chain[-2]])
        tip[2] = last[2]
        for first, second in pairwise([*own.keypoints[chain], tip]):
            if min(first[2], second[2]) > 0.1:
                ends = [tuple(round(v) for v in np.clip(p[:2], -4 * width, 4 * width)) for p in (first, second)]
                cv2.line(limbs, ends[0], ends[1], 1, thick)
    return (limbs > 0) & own.mask if own.mask is not None and own.mask.shape == limbs.shape else limbs > 0


def blur(
    rgb: UInt8[ndarray, "h w 3"], circles: Float[ndarray, "n 3"], keep: Bool[ndarray, "h w"] | None = None
) -> UInt8[ndarray, "h w 3"]:
    """Return the photo with the circles (x, y, radius px) reduced to a few soft cells each.

    Args:
        rgb: the photo. circles: what to blur. keep: pixels that stay as they are.
    """
    out = rgb.copy()
    h, w = rgb.shape[:2]
    for x, y, radius in circles:
        x0, y0 = max(0, int(x - radius)), max(0, int(y - radius))
        x1, y1 = min(w, int(x + radius) + 1), min(h, int(y + radius) + 1)
        if x1 - x0 < 2 or y1 - y0 < 2:
            continue
        part = out[y0:y1, x0:x1]
        small = cv2.resize(part, (min(CELLS, x1 - x0), min(CELLS, y1 - y0)), interpolation=cv2.INTER_AREA)
        soft = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        yy, xx = np.mgrid[y0:y1, x0:x1]
        disc = (xx - x) ** 2 + (yy - y) ** 2 <= radius**2
        if keep is not None:
            disc &= ~keep[y0:y1, x0:x1]
        out[y0:y1, x0:x1] = np.where(disc[..., None], soft, part)
    return out
