"""Levels seams between copied patches by gradient-domain blending.

Screened Poisson equation (Perez, Gangnet, Blake 2003; screening: Bhat et al. 2008), solved by successive
over-relaxation: the result's gradients should be those of the copied sources, its colours near the voted ones, and at
the hole's border it must meet the photo.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Int, Int16
from numpy import ndarray

from a3dgen.core.compiled import kernel

SCREEN = 0.01
"""Weight of the voted colours against the gradients; its root is the reciprocal of the reach of a correction, px."""
SEAM = 14.0
"""Offsets well below this many grey levels are levelled, those well above it are edges."""
ROUNDS = 40
RELAX = 1.7
ENOUGH = 0.25
"""A sweep that moves no colour by more grey levels is the last."""


def level_seams(
    image: Int16[ndarray, "h w 4"],
    pixels: Int[ndarray, "m 2"],
    field: Int[ndarray, "h w 2"],
    background: Bool[ndarray, "h w"],
) -> None:
    """Level the seams of a filled hole in place.

    Args:
        image: photo with the hole filled by voting; the last channel is left alone.
        pixels: the hole's pixels in scan order.
        field: source of every pixel in and near the hole, -1 = none.
        background: pixels a filled one may border on: the hole and what is known, not other people, not the padding.
    """
    colours = image[..., :3].astype(np.float32)
    goal = np.zeros((len(pixels), 3), np.float32)
    count = np.zeros(len(pixels), np.float32)
    _goals(colours, pixels, field, background, goal, count)
    _relax(colours, pixels, background, goal, count)
    rows, cols = pixels[:, 0], pixels[:, 1]
    voted = image[rows, cols, :3].astype(np.float32)
    change = colours[rows, cols] - voted
    size = np.abs(change).max(-1, keepdims=True)
    change /= 1 + (size / SEAM) ** 4  # two things side by side are no seam: levelling would smear one over the other
    image[rows, cols, :3] = np.clip(voted + change + 0.5, 0, 255).astype(np.int16)


@kernel
@no_type_check
def _goals(image, pixels, field, background, goal, count):
    """Sum, for every hole pixel, the copied differences to its neighbours, plus the screened voted colour."""
    for i in range(len(pixels)):
        y, x = pixels[i, 0], pixels[i, 1]
        for c in range(3):
            goal[i, c] = SCREEN * image[y, x, c]
        for k in range(4):
            dy = (-1, 1, 0, 0)[k]
            dx = (0, 0, -1, 1)[k]
            if not background[y + dy, x + dx]:
                continue
            n = 0
            a = b = d = np.float32(0)
            sy, sx = field[y, x, 0], field[y, x, 1]
            if sy >= 0:
                a += image[sy, sx, 0] - image[sy + dy, sx + dx, 0]
                b += image[sy, sx, 1] - image[sy + dy, sx + dx, 1]
                d += image[sy, sx, 2] - image[sy + dy, sx + dx, 2]
                n += 1
            ty, tx = field[y + dy, x + dx, 0], field[y + dy, x + dx, 1]
            if ty >= 0:
                a += image[ty - dy, tx - dx, 0] - image[ty, tx, 0]
                b += image[ty - dy, tx - dx, 1] - image[ty, tx, 1]
                d += image[ty - dy, tx - dx, 2] - image[ty, tx, 2]
                n += 1
            goal[i, 0] += a / n
            goal[i, 1] += b / n
            goal[i, 2] += d / n
            count[i] += 1


@kernel
@no_type_check
def _relax(image, pixels, background, goal, count):
    """Solve (screen + neighbours) u = goal + sum of neighbours for the hole's pixels."""
    total, width = len(pixels), image.shape[1]
    colours, known = image.reshape(-1), background.reshape(-1)
    aside = (np.int64(-width), np.int64(width), np.int64(-1), np.int64(1))
    for sweep in range(ROUNDS):
        most = np.float32(0)
        for k in range(total):
            i = k if sweep % 2 == 0 else total - 1 - k
            at = np.int64(pixels[i, 0]) * width + pixels[i, 1]
            red = green = blue = np.float32(0)
            for j in range(4):
                if known[np.uint64(at + aside[j])]:
                    beside = np.uint64(3 * (at + aside[j]))
                    red += colours[beside]
                    green += colours[beside + np.uint64(1)]
                    blue += colours[beside + np.uint64(2)]
            here = np.uint64(3 * at)
            weight = np.float32(RELAX) / (np.float32(SCREEN) + count[i])
            for c, around in enumerate((red, green, blue)):
                own = here + np.uint64(c)
                step = weight * (goal[i, c] + around) - np.float32(RELAX) * colours[own]
                colours[own] += step
                most = max(most, abs(step))
        if most < ENOUGH:
            return
