"""What is wrong with a plate, counted in pixels: what of the person is left, who else was cut, how it was filled."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from benchmarks.erase_measures import psnr

CHANGED = 10
"""A pixel that differs by more, in some channel, is another one (8-bit levels)."""
Picture = UInt8[ndarray, "h w 3"]
Mask = Bool[ndarray, "h w"]


@dataclass(frozen=True)
class PlateTruth:
    """What is true of one person's photo.

    Attributes:
        photo: as the plate was made from. clean: the same place without the person, None where nobody knows.
        own: pixels that show the person; None where nobody knows. others: name -> pixels that show somebody else.
        covered: pixels of what stands in front of the person.
    """

    photo: Picture
    clean: Picture | None
    own: Mask | None
    others: dict[str, Mask] = field(default_factory=dict)
    covered: Mask | None = None


def measure(truth: PlateTruth, plate: Picture, hole: Mask, front: Mask) -> dict[str, float]:
    """Return the figures of one plate; what nobody knows is nan.

    Returns:
        ``hole``: share of the photo. ``left``: pixels of the person that the plate, or what is put in front, shows.
        ``harm``: pixels of other people changed; ``harm_share``: of whom most is gone, so much of theirs. ``lost``:
        pixels in front of the person that will not be put back. ``psnr``: dB in the hole against the clean photo.
        ``texture``: its energy in the hole over that of the clean photo.
    """
    changed = hole & (np.abs(plate.astype(int) - truth.photo).max(-1) > CHANGED)
    harm = {name: int((mask & changed).sum()) for name, mask in truth.others.items()}
    shares = [n / max(int(truth.others[name].sum()), 1) for name, n in harm.items()]
    nan = float("nan")
    own, covered, clean = truth.own, truth.covered, truth.clean
    return {
        "hole": float(hole.mean()),
        "left": nan if own is None else float((own & (~hole | front)).sum()),
        "harm": float(sum(harm.values())),
        "harm_share": float(max(shares, default=0.0)),
        "lost": nan if covered is None else float((covered & ~front).sum()),
        "psnr": nan if clean is None or not hole.any() else psnr(plate, clean, hole),
        "texture": nan if clean is None else texture(plate, clean, hole),
    }


def texture(plate: Picture, clean: Picture, hole: Mask) -> float:
    """Return the mean absolute Laplacian of L* in a filled hole over that of the clean photo at the same place."""
    inner = cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2) > 0
    if not inner.any():
        return float("nan")
    made, true = (float(_energy(v)[inner].mean()) for v in (plate, clean))
    return made / max(true, 1e-6)


def _energy(rgb: Picture) -> Float[ndarray, "h w"]:
    return np.abs(cv2.Laplacian(cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[..., 0], cv2.CV_32F))


def summary(rows: list[dict[str, float]], refused: dict[str, int]) -> dict[str, object]:
    """Return sums, medians and counts over the plates made, and how many were refused for which reason."""

    def column(name: str) -> Float[ndarray, " n"]:
        return np.array([r[name] for r in rows], np.float64) if rows else np.zeros(0)

    def middle(name: str) -> float | None:
        known = column(name)[~np.isnan(column(name))]
        return round(float(np.median(known)), 3) if len(known) else None

    def tenth(name: str, percent: float) -> float | None:
        known = column(name)[~np.isnan(column(name))]
        return round(float(np.percentile(known, percent)), 3) if len(known) else None

    return {
        "plates": len(rows),
        "refused": sum(refused.values()),
        "psnr": middle("psnr"),
        "psnr_p10": tenth("psnr", 10),
        "texture": middle("texture"),
        "left_px": int(np.nansum(column("left"))),
        "left_max": int(np.nanmax(column("left"))) if (~np.isnan(column("left"))).any() else 0,
        "harm_px": int(column("harm").sum()),
        "harm_max": int(column("harm").max()) if rows else 0,
        "harmed_over_1_percent": int((column("harm_share") > 0.01).sum()),
        "lost_px": int(np.nansum(column("lost"))),
        "reasons": refused,
    }
