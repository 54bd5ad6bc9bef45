"""How near an erased photo is to the truth: similarity in the limb's zone, what is left, what is harmed, the labels."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.removal.mask_ops import dilate

ZONE, NEAR = 6.0, 10.0
"""The zone of the limb and what is near it reach this far around the true limb, px."""
SEEN, SAME, CHANGED = 24, 10, 10
"""8-bit differences: the limb shows, a pixel is still the photo's, a pixel has been changed."""
Picture = UInt8[ndarray, "h w 3"]
Mask = Bool[ndarray, "h w"]


def psnr(a: Picture, b: Picture, where: Mask) -> float:
    """Return the peak signal-to-noise ratio over ``where``, dB."""
    return float(10 * np.log10(255**2 / max(((a[where].astype(float) - b[where]) ** 2).mean(), 1e-3)))


def ssim(a: Picture, b: Picture) -> Float[ndarray, "h w"]:
    """Return the structural similarity map of the grey pictures (Wang et al. 2004, sigma 1.5)."""
    x, y = (cv2.cvtColor(v, cv2.COLOR_RGB2GRAY).astype(np.float32) for v in (a, b))

    def blur(v: ndarray) -> ndarray:
        return cv2.GaussianBlur(v, (0, 0), 1.5)

    mx, my = blur(x), blur(y)
    shared, own = blur(x * y) - mx * my, blur(x * x) - mx**2 + blur(y * y) - my**2
    return ((2 * mx * my + 6.5) * (2 * shared + 58.5)) / ((mx**2 + my**2 + 6.5) * (own + 58.5))


def gradient_similarity(a: Picture, b: Picture) -> Float[ndarray, "h w"]:
    """Return the gradient magnitude similarity map (Xue et al. 2014)."""
    x, y = (_gradient(v) for v in (a, b))
    return (2 * x * y + 42.5) / (x * x + y * y + 42.5)


def _gradient(rgb: Picture) -> Float[ndarray, "h w"]:
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.hypot(cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)) / 4


def score(
    photo: Picture, drawn: Picture, truth: Picture, mask: Mask, with_limb: Mask, without: Mask
) -> dict[str, float]:
    """Return the measures of one erased photo; all arrays cover the same window.

    Args:
        photo: before. drawn: after. truth: really rendered without the limb. mask: the written person mask.
        with_limb, without: the true masks.
    """
    limb = with_limb & ~without
    zone, near = dilate(limb, ZONE), dilate(limb, NEAR)
    differs = np.abs(truth.astype(int) - photo).max(-1) > SEEN
    same = np.abs(drawn.astype(int) - photo).max(-1) < SAME
    kept = with_limb & without & ~dilate(limb, 3.0)
    harmed = kept & (np.abs(drawn.astype(int) - photo).max(-1) > CHANGED)
    area = max(int(limb.sum()), 1)
    union = (mask | without) & near
    return {
        "psnr": psnr(drawn, truth, zone),
        "psnr_photo": psnr(photo, truth, zone),
        "ssim": float(ssim(drawn, truth)[zone].mean()),
        "ssim_photo": float(ssim(photo, truth)[zone].mean()),
        "gradient": float(gradient_similarity(drawn, truth)[zone].mean()),
        "left": float((limb & differs & same).sum() / max(int((limb & differs).sum()), 1)),
        "left_in_mask": float((limb & mask).sum() / area),
        "harm": float(harmed.sum() / area),
        "iou": float((mask & without & near).sum() / max(int(union.sum()), 1)),
    }
