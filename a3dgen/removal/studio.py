"""Empty studio of a fixed camera: the median over frames of one recording.

The frames are found in the folder of the person's own frame, so that every shard and worker finds the same ones. A
pixel of the median counts only where most frames agree on it; where the person stood still through the recording, the
median shows the person, and looks like the photo inside the outline: such places are left to the inpainter.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.core.pool import Pool
from a3dgen.core.rng import generator_for
from a3dgen.io.partial_pictures import read_photo
from a3dgen.removal.mask_ops import dilate

AGREE = 14
"""Frames agree on a pixel within this many grey levels of its median (every channel) ..."""
SHARE = 0.6
"""... and this share of them must."""
STILL = 12.0
"""Inside the person's outline, a median this close to the photo (mean over channels) shows the person."""
STILL_SHARE = 0.1
"""Smaller parts of the person that seem to have stood still are background inside the outline."""
KEPT = 4
"""Medians kept in memory: the cameras of one moment follow each other."""
BAND = 64
"""Rows sorted at a time."""


@dataclass(frozen=True)
class EmptyStudio:
    """The median of a recording, not undistorted.

    Attributes:
        rgb: median. sure: enough frames agree. frames: how many it is made from.
    """

    rgb: UInt8[ndarray, "h w 3"]
    sure: Bool[ndarray, "h w"]
    frames: int


def pick_frames(photo: Path, count: int, seed: int) -> list[Path]:
    """Return up to ``count`` frames of the recording a photo belongs to, spread over its length.

    Frames of one recording lie in one folder and differ in the number their names end with. One is drawn from each of
    ``count`` equal stretches, by the recording's name: whoever asks gets the same.
    """
    match = re.fullmatch(r"(.*-f)\d{6}(?:_\d+_faces)?-[0-9a-f]{8}", photo.stem)
    number = r"\d{6}-[0-9a-f]{8}"  # a frame of a video, and a digest of its content
    if match is None:
        match, number = re.fullmatch(r"(.*?)(\d+)", photo.stem), r"\d+"
    if match is None:
        return []
    pattern = re.compile(re.escape(match[1]) + number + re.escape(photo.suffix))
    found = sorted(
        (p for p in photo.parent.iterdir() if pattern.fullmatch(p.name)), key=lambda p: (len(p.name), p.name)
    )
    if len(found) <= count:
        return found
    rng = generator_for(seed, "studio", "/".join((*photo.parent.parts[-2:], match[1])))
    edges = np.linspace(0, len(found), count + 1).astype(int)
    return [found[int(rng.integers(a, b))] for a, b in pairwise(edges)]


def frames_digest(frames: list[Path]) -> str:
    """Return a digest of the frames' names and bytes."""
    mix = hashlib.blake2b(digest_size=16)
    for path in frames:
        mix.update(os.fsencode(path.name))
        mix.update(path.read_bytes())
    return mix.hexdigest()


_STUDIOS: Pool[EmptyStudio | None] = Pool(KEPT)


def studio(frames: list[Path], least: int) -> EmptyStudio | None:
    """Return the median of these frames, or None if fewer than ``least`` can be read at the size of most.

    Args:
        frames: files. least: number of frames that is enough.
    """
    return _STUDIOS.get(tuple(str(p) for p in frames), lambda: _median(frames, least))


def _median(frames: list[Path], least: int) -> EmptyStudio | None:
    pictures = []
    for path in frames:
        try:
            pictures.append(read_photo(path))
        except DataError:
            continue  # a damaged frame of the recording is one frame less
    shapes = [p.shape for p in pictures]
    pictures = [p for p in pictures if p.shape == max(shapes, key=shapes.count)]
    if len(pictures) < max(least, 1):
        return None
    pictures = [_exposed(p, pictures[0]) for p in pictures]
    h, w = pictures[0].shape[:2]
    rgb, sure = np.empty((h, w, 3), np.uint8), np.empty((h, w), bool)
    for y in range(0, h, BAND):
        stack = np.stack([p[y : y + BAND] for p in pictures], -1)
        middle = np.partition(stack, len(pictures) // 2, axis=-1)[..., len(pictures) // 2]
        near = np.abs(stack.astype(np.int16) - middle[..., None]) <= AGREE
        rgb[y : y + BAND] = middle
        sure[y : y + BAND] = near.all(2).mean(-1) >= SHARE
    return EmptyStudio(rgb, sure, len(pictures))


def _exposed(picture: UInt8[ndarray, "h w 3"], like: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "h w 3"]:
    """Return a frame with the exposure of another: one factor a channel, the median over every eighth pixel."""
    a, b = (p[::8, ::8].reshape(-1, 3).astype(np.float64) + 1 for p in (picture, like))
    factor = np.median(b / a, axis=0)
    table = np.clip(np.arange(256)[:, None] * factor + 0.5, 0, 255).astype(np.uint8)
    return cv2.LUT(picture, table[None]).reshape(picture.shape)


def from_studio(
    photo: UInt8[ndarray, "h w 3"],
    empty: UInt8[ndarray, "h w 3"],
    sure: Bool[ndarray, "h w"],
    hole: Bool[ndarray, "h w"],
    person: Bool[ndarray, "h w"],
    height: float,
) -> tuple[UInt8[ndarray, "h w 3"], Bool[ndarray, "h w"]]:
    """Fill the hole from the empty studio.

    Args:
        photo: the frame, lens distortion removed. empty, sure: the studio, likewise.
        hole: what to fill. person: outline of the person before it was grown. height: of the person, px.

    Returns:
        The photo with the hole filled as far as the studio is known there, and the rest of the hole.
    """
    difference = np.abs(photo.astype(np.float32) - empty).mean(-1)
    still = _still(difference, person, height)
    unknown = ~sure & hole
    # Single pixels on which frames disagree are noise; a person's rim is not.
    unknown = cv2.morphologyEx(unknown.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)) > 0
    # Beyond a part that stood still there may be more of it: the outline is not exact.
    rest = (dilate(still, 0.05 * height + 2.0) | dilate(unknown, 0.015 * height + 1.0)) & hole
    taken = hole & ~rest
    matched = _matched(photo, empty, hole, height)
    return np.where(taken[..., None], matched, photo), rest


def _still(difference: Float[ndarray, "h w"], person: Bool[ndarray, "h w"], height: float) -> Bool[ndarray, "h w"]:
    """Return where the studio shows the person, who stood still there; all false if that is but little of them.

    The outline may hold some background, which stands still by nature: its rim, and small or few places, do not count.
    """
    deep = person & ~dilate(~person, 0.012 * height)
    side = max(3, round(0.02 * height))
    still = (deep & (difference < STILL)).astype(np.uint8)
    found = cv2.morphologyEx(still, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)) > 0
    stood = found.sum() > STILL_SHARE * deep.sum()
    return person & (difference < STILL) if stood else np.zeros_like(found)


def _matched(
    photo: UInt8[ndarray, "h w 3"], empty: UInt8[ndarray, "h w 3"], hole: Bool[ndarray, "h w"], height: float
) -> UInt8[ndarray, "h w 3"]:
    """Return the empty studio in the photo's light: the difference beside the hole, carried smoothly across it."""
    beside = (dilate(hole, 0.06 * height + 4) & ~hole).astype(np.float32)
    difference = photo.astype(np.float32) - empty
    calm = beside * (np.abs(difference).mean(-1) < 2 * STILL)
    return np.clip(empty + _spread(difference, calm, height) + 0.5, 0, 255).astype(np.uint8)


def _spread(values: Float[ndarray, "h w 3"], weight: Float[ndarray, "h w"], height: float) -> Float[ndarray, "h w 3"]:
    """Return weighted means over ever larger boxes, the smallest that holds enough weight winning."""
    out = np.zeros_like(values)
    left = np.ones(weight.shape, bool)
    for share in (0.04, 0.08, 0.16, 0.32, 1.0, 3.0):
        side = 2 * round(0.5 * share * height) + 1
        total = cv2.blur(weight, (side, side))
        mean = cv2.blur(values * weight[..., None], (side, side)) / np.maximum(total, 1e-6)[..., None]
        here = left & (total > 0.08)
        out[here] = mean[here]
        left &= ~here
    blur = 2 * round(0.03 * height) + 1
    return cv2.GaussianBlur(out, (blur, blur), 0)
