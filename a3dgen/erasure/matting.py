"""The border between an erased limb and the person's other parts: where it is seen in colour, and unmixed there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.erasure.limb_pixels import LimbPixels
from a3dgen.erasure.subject import Subject
from a3dgen.removal.mask_ops import around, dilate

REACH = 0.012
"""Colours of both sides are gathered this near to the border, share of the height."""
APART = 20.0
"""Sides that differ at least this much (Lab, lightness at 0.7) have a border that can be seen."""
BAND, CLEAR = 1.5, 2.5
"""Pixels this near to the border show both sides; those beyond the second one show one of them, px."""
_NEAR = 0.1


@dataclass(frozen=True)
class Sides:
    """Over ``box`` of the window: mean colours of limb and kept body near every pixel, linear light, and where both are
    known and differ."""

    box: tuple[slice, slice]
    limb: Float[ndarray, "h w 3"]
    kept: Float[ndarray, "h w 3"]
    seen: Bool[ndarray, "h w"]


def sides(subject: Subject, limb: LimbPixels) -> Sides | None:
    """Return the colours on both sides of a limb's border to other parts of the person; None where there is none."""
    kept = limb.keep & (limb.level < -0.5)
    near = dilate(limb.pixels, _NEAR * subject.height)
    if not (dilate(limb.pixels, CLEAR) & kept).any():
        return None
    box = around(limb.pixels, int(3 * REACH * subject.height) + 8)
    inner, outer = limb.pixels[box], (kept & near)[box]
    sigma = max(2.0, REACH * subject.height)
    a, known_a = _mean(subject.linear[box], inner & ~dilate(outer, CLEAR), sigma)
    b, known_b = _mean(subject.linear[box], outer & ~dilate(inner, CLEAR), sigma)
    lab = [cv2.cvtColor(np.clip(v, 0, 1) ** np.float32(1 / 2.2), cv2.COLOR_RGB2LAB) for v in (a, b)]
    step = (lab[0] - lab[1]) * np.array([0.7, 1.0, 1.0], np.float32)
    return Sides(box, a, b, known_a & known_b & (np.linalg.norm(step, axis=-1) > APART))


def unmixed(
    subject: Subject, limb: LimbPixels, found: Sides | None, base: Float[ndarray, "h w 3"], hole: Bool[ndarray, "h w"]
) -> tuple[Float[ndarray, "h w 3"], Bool[ndarray, "h w"]]:
    """Return the filled window with the limb's colour taken out of the border's pixels, and which these are.

    A pixel of the border shows alpha K + (1 - alpha) L of kept body and limb; alpha is read between the means of both
    sides (as in closed-form matting with known layers), and the fill takes the limb's place.
    """
    band = np.zeros(hole.shape, bool)
    if found is None or not found.seen.any():
        return base, band
    box = found.box
    kept, pixels = (limb.keep & (limb.level < -0.5))[box], limb.pixels[box]
    on_kept = kept & dilate(pixels, BAND) & found.seen
    on_limb = pixels & hole[box] & dilate(kept, BAND) & found.seen
    fill, known = _mean(base[box], hole[box] & ~dilate(kept, BAND), 2.0)
    on_kept, on_limb = on_kept & known, on_limb & known
    apart = found.kept - found.limb
    photo = subject.linear[box]
    alpha = ((photo - found.limb) * apart).sum(-1) / np.maximum((apart**2).sum(-1), 1e-6)
    alpha = np.clip(alpha, 0, 1)[..., None]
    out = base.copy()
    part = out[box]
    part[on_kept] = np.clip(photo + (1 - alpha) * (fill - found.limb), 0, 1)[on_kept]
    part[on_limb] = (base[box] + alpha * (found.kept - base[box]))[on_limb]
    band[box] = on_kept
    return out, band


def _mean(
    linear: Float[ndarray, "h w 3"], where: Bool[ndarray, "h w"], sigma: float
) -> tuple[Float[ndarray, "h w 3"], Bool[ndarray, "h w"]]:
    """Return the local mean over ``where``, and where there is enough of it."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), sigma)
    total = cv2.GaussianBlur(linear.astype(np.float32) * where[..., None], (0, 0), sigma)
    return total / np.maximum(weight, 1e-4)[..., None], weight > 0.02
