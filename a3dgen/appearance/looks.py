"""Draws a person's look (skin, hair, clothes, light adjustments) within what the configuration allows.

A draw consumes the same random numbers whatever is amputated, so that an intact twin drawn from the same
generator state differs only in what happens to cloth over a stump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.random import Generator

from a3dgen.appearance.look import BOTTOMS, FOOTWEAR, LINER, TEXTURE, TOPS, Garment, Hair, Look
from a3dgen.appearance.looks_config import (
    ENDINGS,
    EYE_COLOURS,
    FABRICS,
    HAIR_COLOURS,
    HAIR_STYLES,
    LooksConfig,
)
from a3dgen.appearance.palette import RGB, palette
from a3dgen.core.rng import generator_for
from a3dgen.geometry.regions import LIMBS, REGIONS
from a3dgen.lighting.light import LightAdjust

__all__ = [
    "ENDINGS", "EYE_COLOURS", "FABRICS", "HAIR_COLOURS", "HAIR_STYLES", "DrawnLook", "Gain", "LooksConfig", "draw_look",
    "drawn_look", "tips",
]  # fmt: skip

CUT_GARMENTS = ("trousers", "shorts")
TROUSER_CUTS = ("tapered", "straight", "wide", "straight", "jogger", "straight", "wide", "straight", "straight", "wide")
"""Cuts of trousers and shorts, as often as they are drawn."""
LIMB_NAMES = ("left_arm", "right_arm", "left_leg", "right_leg")
TOP_FITS = (0.1, 0.6, 1.8)
"""Fits of tops that are tried where what they cover matters; else one of the first two is drawn."""
MATTERS = 0.012
"""What is worn is e times likelier to be chosen for covering so much more, share of the body's longer side squared."""
Gain = Callable[[Garment], float]
"""Says what something worn would cover of what should not be seen, see ``MATTERS``."""
_CONTRAST = 0.14  # least difference in luminance between a pattern's first two colours: prints are made to be seen


@dataclass(frozen=True)
class DrawnLook:
    """A look before anybody's limbs are known.

    Attributes:
        look: garments end as on an intact body. fates: of the cloth over each of ``LIMB_NAMES``, 0..1. liner: colour.
    """

    look: Look
    fates: tuple[float, ...]
    liner: RGB

    def on(self, config: LooksConfig, removed: Bool[ndarray, "12"], residual: Float[ndarray, "12"]) -> Look:
        """Return the look of somebody; ``removed`` and ``residual`` change nothing but ``ending`` and the liners in
        its garments.

        Args:
            config: what is allowed. removed: amputated regions (most proximal only). residual: place of the stump tips
                along their segments.
        """
        if self.look.garments[0].kind == TEXTURE:
            return self.look
        garments = _end_over_stumps(self.look.garments, config, tips(removed, residual), self.fates, self.liner)
        return replace(self.look, garments=tuple(garments))


def draw_look(
    rng: Generator,
    config: LooksConfig,
    removed: Bool[ndarray, "12"],
    residual: Float[ndarray, "12"],
    textures: Sequence[str] = (),
    gain: Gain | None = None,
) -> Look:
    """Draw everything about a person's appearance: ``drawn_look`` on somebody."""
    return drawn_look(rng, config, textures, gain).on(config, removed, residual)


def drawn_look(
    rng: Generator, config: LooksConfig, textures: Sequence[str] = (), gain: Gain | None = None
) -> DrawnLook:
    """Draw everything about a person's appearance but what amputations change.

    Args:
        rng: generator of this person and variant; twins pass generators in the same state.
        config: what is allowed.
        textures: file names in ``config.textures`` in sorted order, for whole-person textures.
        gain: what something worn would cover of what should not be seen; then how wide top and trousers are is
            chosen by that. What is worn, its colours and its lengths stay as drawn.
    """
    tone = int(rng.choice(np.asarray(config.skin)))
    masculine = bool(rng.random() < 0.5)
    hair = _draw_hair(rng, config, tone, masculine)
    garments = _draw_garments(rng, config, masculine)
    fates = tuple(float(u) for u in rng.random(len(LIMB_NAMES)))
    liners = palette().liner
    liner = liners[rng.integers(len(liners))]
    light = LightAdjust(
        azimuth=round(float(rng.normal(0, 6)), 1),
        gain=round(float(np.exp(rng.normal(0, 0.05))), 3),
        key=round(float(np.exp(rng.normal(0.05, 0.12))), 3),
    )
    seed = int(rng.integers(2**32))
    painted = rng.random(2)
    cut = TROUSER_CUTS[seed // 28 % len(TROUSER_CUTS)]
    garments = [replace(g, cut=cut) if g.kind in CUT_GARMENTS else g for g in garments]
    if gain is not None:
        garments = _chosen(generator_for(seed, "look.cover"), garments, gain)
    if textures and painted[0] < config.texture_share:
        file = f"{config.textures}/{textures[int(painted[1] * len(textures))]}"
        garments = [Garment(TEXTURE, file=file)]
    hands = config.hands[seed // 4 % len(config.hands)]  # draws nothing more: what is drawn after a look stays the same
    return DrawnLook(Look(tone, hair, tuple(garments), light, seed, hands), fates, liner)


def _chosen(rng: Generator, drawn: list[Garment], gain: Gain) -> list[Garment]:
    """Return top, bottom and footwear as drawn, but cut so that they cover more."""
    top, bottom, feet = drawn
    if bottom.kind in CUT_GARMENTS:
        bottom = _better(rng, [replace(bottom, cut=cut) for cut in TROUSER_CUTS], gain)
    if not top.tucked:  # what stands off would stand out over a waistband
        top = _better(rng, [replace(top, fit=fit) for fit in TOP_FITS], gain)
    return [top, bottom, feet]


def _better(rng: Generator, options: Sequence[Garment], gain: Gain) -> Garment:
    """Draw one of several options, the more readily the more it covers."""
    gains = np.array([gain(option) for option in options])
    weights = np.exp((gains - gains.max()) / MATTERS)
    return options[int(rng.choice(len(options), p=weights / weights.sum()))]


def tips(removed: Bool[ndarray, "12"], residual: Float[ndarray, "12"]) -> dict[str, float]:
    """Return limb name -> limb coordinate of its stump tip (0 root joint, 1 mid joint, 2 end joint)."""
    place = {}
    for limb in LIMBS:
        for level, index in enumerate(limb):  # distal first: hand or foot, elbow or knee, shoulder or hip
            if removed[index]:
                region = REGIONS[index]
                place[f"{region.side}_{region.limb}"] = (1.0 - level) + float(residual[index]) if level < 2 else 0.0
    return place


def _pick(rng: Generator, weights: Mapping[str, float | int]) -> str:
    names = list(weights)
    p = np.array([weights[n] for n in names], float)
    return names[int(rng.choice(len(names), p=p / p.sum()))]


def _allowed(weights: Mapping[str, float | int], allowed: Iterable[str]) -> dict[str, float | int]:
    allowed = list(allowed)
    return {n: w for n, w in weights.items() if n in allowed and w > 0} or dict.fromkeys(allowed, 1.0)


def _draw_hair(rng: Generator, config: LooksConfig, tone: int, masculine: bool) -> Hair:
    age = 5 * round(float(np.clip(rng.gamma(6.0, 4.0) + 16, 18, 80)) / 5)
    fair = max(0.0, (5 - tone) / 4)
    colours = {"black": 1 + 3 * (1 - fair), "dark_brown": 2, "brown": 2.5 * fair, "light_brown": 2.2 * fair,
               "blond": 1.6 * fair, "light_blond": 1.0 * fair, "red": 0.6 * fair}  # fmt: skip
    if age > 50:
        colours |= {"grey": 0.2 * (age - 48), "white": 0.1 * max(0, age - 60)}
    styles = (
        {
            "bald": 0.4 + 0.02 * max(0, age - 40), "balding": 0.04 * max(0, age - 40), "buzz": 1.4, "short": 2.2,
            "crop": 1.5, "fade": 1.6, "receding": 0.05 * max(0, age - 30), "fringe": 0.5, "curly": 0.6, "long": 0.25,
        }
        if masculine
        else {
            "short": 0.5, "crop": 0.5, "fringe": 0.4, "curly": 0.6, "bob": 1.8, "long": 2.0, "bun": 1.1,
            "ponytail": 1.2, "buzz": 0.1,
        }
    )  # fmt: skip
    if tone >= 6:
        styles["afro"] = 1.2
    eyes = {"dark_brown": 1 + tone, "brown": 3, "hazel": 2 * fair + 0.2, "green": 1.2 * fair, "blue": 3 * fair,
            "grey": fair}  # fmt: skip
    colour = _pick(rng, _allowed(colours, config.hair_colours))
    style = _pick(rng, _allowed(styles, config.hair_styles))
    stubble = float(rng.choice([0.0, 0.35, 0.7, 1.0], p=[0.4, 0.3, 0.2, 0.1])) if masculine else 0.0
    return Hair(
        age=age,
        brows=round(float(rng.uniform(0.65, 1.0)) if masculine else float(rng.uniform(0.4, 0.85)), 1),
        colour=colour,
        eyes=_pick(rng, _allowed(eyes, EYE_COLOURS)),
        length=float(rng.choice([0.6, 0.8, 1.0])),
        stubble=stubble,
        style=style,
    )


def _draw_garments(rng: Generator, config: LooksConfig, masculine: bool) -> list[Garment]:
    top = _pick(rng, _allowed({"tshirt": 4, "longsleeve": 3.5, "tanktop": 0.8 if masculine else 1.6},
                              config.worn(TOPS)))  # fmt: skip
    bottom = _pick(rng, _allowed({"trousers": 5, "shorts": 2.2, "skirt": 0.0 if masculine else 1.8},
                                 config.worn(BOTTOMS)))  # fmt: skip
    feet = _pick(rng, _allowed({"shoes": 6, "bare_feet": 1}, config.worn(FOOTWEAR)))
    lengths = palette().lengths
    sleeve, leg = (lengths[k][int(rng.integers(len(lengths[k])))] for k in (top, bottom))
    neck = str(rng.choice(["crew", "crew", "v", "wide"]))
    tucked = bool(rng.random() < (1.0 if bottom == "skirt" else 0.15))  # a skirt stands too far off for a hem over it
    fits = [float(f[i]) for f, i in zip(((0.1, 0.6), (0.35, 0.75)), rng.integers(0, 2, 2), strict=True)]
    return [
        Garment(top, _sides("arm", sleeve), neck=neck, tucked=tucked, fit=fits[0], **_draw_fabric(rng, config, "top")),
        Garment(bottom, _sides("leg", leg), fit=fits[1],
                **_draw_fabric(rng, config, "skirt" if bottom == "skirt" else "trousers")),
        Garment(feet, height=str(rng.choice(["low", "low", "boot"])), **_draw_fabric(rng, config, "shoes")),
    ]  # fmt: skip


def _sides(limb: str, length: float) -> dict[str, float]:
    return {f"{side}_{limb}": length for side in ("left", "right")}


def _draw_fabric(rng: Generator, config: LooksConfig, where: str) -> dict[str, Any]:
    tables = palette()
    allowed = FABRICS if where == "shoes" else config.fabrics
    weights = tables.fabrics[where]
    fabric = _pick(rng, weights if where == "shoes" else _allowed(weights, allowed))
    table = {"trousers": tables.trousers, "shoes": tables.shoes}.get(where, tables.cloth)
    order = rng.permutation(len(tables.cloth))
    first = table[int(rng.integers(len(table)))]
    variant = int(rng.integers(4))
    others = list(dict.fromkeys(tables.cloth[i] for i in order if tables.cloth[i] != first))
    others.sort(key=lambda c: abs(_luminance(c) - _luminance(first)) < _CONTRAST)  # a stable sort keeps the drawn order
    colours = [first, *others[:2]]
    if fabric == "denim":
        colours = [tables.denim[variant % len(tables.denim)]]
    elif fabric == "camouflage":
        colours = list(tables.camouflage[variant % len(tables.camouflage)])
    seed = int(rng.integers(4))  # few seeds, lengths and fits, so that meshes and patterns are pooled
    return {"fabric": fabric, "colors": tuple(colours), "seed": seed}


def _luminance(colour: Sequence[int]) -> float:
    return sum(w * (c / 255) ** 2.2 for w, c in zip((0.2126, 0.7152, 0.0722), colour, strict=True))


def _end_over_stumps(
    garments: Sequence[Garment], config: LooksConfig, stumps: Mapping[str, float], fates: Sequence[float], liner: RGB
) -> list[Garment]:
    """Return the garments with what happens where cloth would pass a stump, and liners; skirts, and sleeves that end
    above it, need nothing."""
    names = [n for n in ENDINGS if config.endings.get(n, 0) > 0]
    cumulative = np.cumsum([config.endings[n] for n in names])
    out, liners = list(garments), []
    for limb, tip in stumps.items():
        fate = names[int(np.searchsorted(cumulative, fates[LIMB_NAMES.index(limb)] * cumulative[-1], side="right"))]
        for i, garment in enumerate(out):
            length = garment.lengths.get(limb)
            if length is None or garment.kind == "skirt":
                continue
            ending = fate
            if tip < 0.3 and ending in ("bare", "rolled", "liner"):  # nothing to show below a shoulder or hip
                ending = "covered"
            if length > tip - 0.12:
                own = {**garment.ending, limb: "bare" if ending == "liner" else ending}
                out[i] = replace(garment, ending=own)
            if ending == "liner":
                liners.append(Garment(LINER, limb=limb, fabric="knit", colors=(liner,)))
    return [*out, *liners]
