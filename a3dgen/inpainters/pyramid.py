"""Pyramid of a photo for the exemplar fill: padded levels of colour and texture, averaged over what may be copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int16, UInt8
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.inpainters.patchmatch import SIDE, R

COARSEST_HOLE = 500
"""The pyramid ends once the hole has at most this many pixels."""
MIN_SIDE = 24
"""... or the crop would be smaller than this."""
MIN_SOURCES = 60
"""Patches that must be copyable at every level."""
TEXTURE = 0.7
"""Weight of the texture channel (mean gradient) against a colour channel."""
PAD = R + 2
"""Frame around every level, px."""


@dataclass
class Level:
    """One level with its frame.

    Attributes:
        image: R, G, B and texture. inside: the crop without its frame.
    """

    image: Int16[ndarray, "h w 4"]
    hole: Bool[ndarray, "h w"]
    forbidden: Bool[ndarray, "h w"]
    inside: Bool[ndarray, "h w"]

    def sources(self) -> Bool[ndarray, "h w"]:
        """Return the places whose patches may be copied."""
        bad = (self.hole | self.forbidden | ~self.inside).astype(np.uint8)
        return cv2.dilate(bad, np.ones((SIDE, SIDE), np.uint8)) == 0

    def targets(self) -> Bool[ndarray, "h w"]:
        """Return every place inside the crop whose patch reaches into the hole."""
        return (cv2.dilate(self.hole.astype(np.uint8), np.ones((SIDE, SIDE), np.uint8)) > 0) & self.inside


def pyramid(rgb: UInt8[ndarray, "h w 3"], hole: Bool[ndarray, "h w"], forbidden: Bool[ndarray, "h w"]) -> list[Level]:
    """Return padded levels, finest first; each is averaged over the copyable pixels of the one before, the last is the
    coarsest that still has patches to copy."""
    levels: list[Level] = []
    colour, good = rgb.astype(np.float32), (~(hole | forbidden)).astype(np.float32)
    while True:
        level = _level(colour, hole, forbidden, good)
        if levels and level.sources().sum() < MIN_SOURCES:
            return levels  # a narrow gap between people holds whole patches at finer levels only
        levels.append(level)
        h, w = hole.shape
        if hole.sum() <= COARSEST_HOLE or min(h, w) < 2 * MIN_SIDE:
            return levels
        size = (w // 2, h // 2)
        share = cv2.resize(good, size, interpolation=cv2.INTER_AREA)
        closed = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        plain = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
        _black_out(colour, good)
        mixed = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
        _divide(mixed, share, plain)
        colour = mixed
        hole = closed > 0.5
        forbidden = ~hole & (share + closed < 0.75)
        good = (~(hole | forbidden)).astype(np.float32)


@kernel
@no_type_check
def _black_out(colour, good):
    """Blacken what must not be copied."""
    for y in range(colour.shape[0]):
        for x in range(colour.shape[1]):
            if good[y, x] == 0.0:
                for c in range(3):
                    colour[y, x, c] = 0.0


@kernel
@no_type_check
def _divide(mixed, share, plain):
    """Make sums over copyable pixels their means. Known but forbidden pixels keep their own colour (``plain``); they
    are never copied nor compared."""
    for y in range(share.shape[0]):
        for x in range(share.shape[1]):
            if share[y, x] > np.float32(0.05):
                for c in range(3):
                    mixed[y, x, c] /= share[y, x]
            else:
                for c in range(3):
                    mixed[y, x, c] = plain[y, x, c]


def _level(
    colour: Float[ndarray, "h w 3"],
    hole: Bool[ndarray, "h w"],
    forbidden: Bool[ndarray, "h w"],
    good: Float[ndarray, "h w"],
) -> Level:
    grey = np.empty(hole.shape, np.float32)
    _grey(colour, grey)
    # Gradients next to the hole or to other people are theirs, not the background's.
    trusted = cv2.erode(good, np.ones((3, 3), np.uint8))
    gradient, down = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, scale=0.25) for dx in (1, 0))
    _steepness(gradient, down, trusted)
    size = (2 * SIDE + 1, 2 * SIDE + 1)
    h, w = hole.shape
    image = np.empty((h + 2 * PAD, w + 2 * PAD, 4), np.int16)
    _pack(colour, cv2.blur(gradient, size), cv2.blur(trusted, size), np.float32(TEXTURE * 4), image[PAD:-PAD, PAD:-PAD])
    _repeat_edges(image)
    inside = np.pad(np.ones_like(hole), PAD)
    return Level(image, np.pad(hole, PAD), np.pad(forbidden, PAD), inside)


@kernel
@no_type_check
def _grey(colour, out):
    """Write the mean of the channels."""
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = (colour[y, x, 0] + colour[y, x, 1] + colour[y, x, 2]) / np.float32(3)


@kernel
@no_type_check
def _steepness(across, down, trusted):
    """Replace the gradient across by the sum of both, where it is trusted."""
    for y in range(across.shape[0]):
        for x in range(across.shape[1]):
            across[y, x] = (abs(across[y, x]) + abs(down[y, x])) * trusted[y, x]


@kernel
@no_type_check
def _pack(colour, gradient, trusted, weight, out):
    """Write rounded colours, and the mean gradient of what is trusted around, times a weight."""
    half, most, least = np.float32(0.5), np.float32(255), np.float32(1e-3)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            for c in range(3):
                out[y, x, c] = np.int16(colour[y, x, c] + half)
            texture = gradient[y, x] * weight / max(trusted[y, x], least)
            out[y, x, 3] = np.int16(min(texture + half, most))


def _repeat_edges(image: Int16[ndarray, "h w 4"]) -> None:
    """Repeat the outermost pixels of the crop in the frame around it."""
    image[:PAD], image[-PAD:] = image[PAD], image[-PAD - 1]
    image[:, :PAD], image[:, -PAD:] = image[:, PAD, None], image[:, -PAD - 1, None]
