"""Whether a drawn person is as bright, as colourful and as sharp as the photo they stand in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError
from a3dgen.lighting.byte_statistics import brightest, dimmest, resized
from a3dgen.lighting.photo_style import edge_spread
from a3dgen.lighting.srgb import LUMINANCE, decode_table

# Every constant below is hand-set on 13 people of real sample frames, each as it is and in four worse versions.
_SIDE = 96
"""Longer side (px) at which brightness and colour are read: grain and JPEG's chroma are averaged away."""
_LEAST_PIXELS = 24
_DARK = 20.0
"""Colours of pixels below this (brightest channel, 8-bit) are grain."""
_SEEN = 0.0006
"""Luminance that counts as none (linear; 2 of 255 steps)."""
_SPREAD = 0.5
"""Spread of edges (px) below which sharpness cannot be told apart."""


@dataclass(frozen=True)
class LightBars:
    """Most that a drawn person may differ from the photo; who exceeds one is rejected, with the reason.

    Attributes:
        brighter: by how many stops (factors of 2) the person's bright parts exceed the brighter of the removed person
            and the surroundings.
        darker: by how many stops they fall below the darker of the two.
        saturation: by how much (0..1) the most colourful parts exceed twice the photo's, or the greyest fall short of
            the photo's greyest: colours in a grey photo, greys under coloured light.
        sharpness: factor between the spreads of edges.
    """

    brighter: float = 1.4
    darker: float = 4.0
    saturation: float = 0.3
    sharpness: float = 2.0

    def __post_init__(self) -> None:
        for name in ("brighter", "darker", "saturation", "sharpness"):
            if getattr(self, name) < 0:
                raise ConfigError(f"render.light.{name} is {getattr(self, name)}; it must not be negative")


@dataclass(frozen=True)
class Tone:
    """What is read from a region of a picture.

    Attributes:
        bright: 90th percentile of linear luminance.
        greyest, fullest: 10th and 95th percentile of saturation ((max - min) / max of the channels, 0..1); None where
            everything is too dark to have colours.
    """

    bright: float
    greyest: float | None
    fullest: float | None


@dataclass(frozen=True)
class PhotoLook:
    """What a drawn person is compared with: the removed person, their surroundings, the whole photo, and the spread
    (px) of the edges of person and surroundings. None where there is nothing to read."""

    person: Tone | None = None
    around: Tone | None = None
    whole: Tone | None = None
    spread: float | None = None


def read_tone(rgb: UInt8[ndarray, "h w 3"], where: Bool[ndarray, "h w"]) -> Tone | None:
    """Return the tone of a region, or None if it has hardly a pixel."""
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    if not len(rows):
        return None
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    part, inside = rgb[window], where[window]
    pixels = resized(part, _SIDE)[resized(inside.astype(np.float32), _SIDE) > 0.9]
    if len(pixels) < _LEAST_PIXELS:
        return None
    bright = float(np.percentile(decode_table()[pixels] @ LUMINANCE, 90))
    top = brightest(pixels).astype(np.float64)
    told = top >= _DARK
    if told.sum() < _LEAST_PIXELS:
        return Tone(bright, None, None)
    greyest, fullest = np.percentile((1 - dimmest(pixels) / np.maximum(top, 1))[told], (10, 95))
    return Tone(bright, float(greyest), float(fullest))


def read_look(photo: UInt8[ndarray, "h w 3"], removed: Bool[ndarray, "h w"], near: Bool[ndarray, "h w"]) -> PhotoLook:
    """Return what is read from a photo as taken.

    Args:
        removed: where the person was. near: they and what is around them.
    """
    around, whole = read_tone(photo, near & ~removed), read_tone(photo, np.ones_like(removed))
    return PhotoLook(read_tone(photo, removed), around, whole, edge_spread(photo, near))


def unlike(picture: UInt8[ndarray, "h w 3"], drawn: Bool[ndarray, "h w"], look: PhotoLook, bars: LightBars) -> str:
    """Return in what a drawn person differs from the photo, or an empty text.

    Args:
        picture: finished. drawn: the person's pixels in it.
    """
    tone = read_tone(picture, drawn)
    if tone is None or look.person is None:
        return ""
    tones = [t for t in (look.person, look.around) if t is not None]
    above = _stops(tone.bright, max(t.bright for t in tones))
    if above > bars.brighter:
        return f"{above:.1f} stops brighter than the removed person and their surroundings (at most {bars.brighter:g})"
    below = -_stops(tone.bright, min(t.bright for t in tones))
    if below > bars.darker:
        return f"{below:.1f} stops darker than the removed person and their surroundings (at most {bars.darker:g})"
    excess, lack = _saturation(tone, [t for t in (*tones, look.whole) if t is not None])
    if excess > bars.saturation:
        return f"more colourful than anything in the photo, by {excess:.2f} (at most {bars.saturation:g})"
    if lack > bars.saturation:
        return f"greyer than anything in the photo's coloured light, by {lack:.2f} (at most {bars.saturation:g})"
    return _unsharp(picture, drawn, look.spread, bars.sharpness)


def _stops(value: float, reference: float) -> float:
    return float(np.log2(max(value, _SEEN) / max(reference, _SEEN)))


def _saturation(tone: Tone, photo: list[Tone]) -> tuple[float, float]:
    """Return by how much the fullest colours exceed twice the photo's (a red shirt may stand in a dull photo, none in a
    grey one), and by how much the greyest fall short of it."""
    fullest = [t.fullest for t in photo if t.fullest is not None]
    greyest = [t.greyest for t in photo if t.greyest is not None]
    if tone.fullest is None or tone.greyest is None or not fullest or not greyest:
        return 0.0, 0.0
    return tone.fullest - 2 * max(fullest), min(greyest) - tone.greyest


def _unsharp(picture: UInt8[ndarray, "h w 3"], drawn: Bool[ndarray, "h w"], spread: float | None, most: float) -> str:
    """Return how the sharpness of a drawn person differs from the photo's, or an empty text."""
    own = edge_spread(picture, drawn) if spread is not None else None
    if own is None or spread is None:
        return ""
    ratio = float(np.hypot(own, _SPREAD) / np.hypot(spread, _SPREAD))
    if ratio > most:
        return f"edges {ratio:.1f} times as soft as the photo's (at most {most:g})"
    return f"edges {1 / ratio:.1f} times as sharp as the photo's (at most {most:g})" if 1 / ratio > most else ""
