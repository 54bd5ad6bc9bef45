"""Looks: skin, hair, clothes and light adjustments of one person, drawn once and written into Plans.

A draw consumes the same random numbers whatever is amputated, so that an intact twin drawn from the same
generator state differs only in what happens to cloth over a stump.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from numpy.random import Generator

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.records import canonical
from a3dgen.geometry.regions import LIMBS, REGIONS

TOPS = ("tshirt", "longsleeve", "tanktop")
BOTTOMS = ("trousers", "shorts", "skirt")
FOOTWEAR = ("shoes", "bare_feet")
KINDS = (*TOPS, *BOTTOMS, *FOOTWEAR)
FABRICS = (
    "plain", "heather", "stripes", "pinstripes", "plaid", "denim", "knit", "camouflage", "floral", "sports",
)  # fmt: skip
ENDINGS = ("bare", "rolled", "covered", "pinned", "liner", "hanging")
HAIR_STYLES = (
    "bald", "balding", "buzz", "crop", "fade", "short", "receding", "fringe", "curly", "afro", "bob", "long", "bun",
    "ponytail",
)  # fmt: skip
HAIR_COLOURS = {
    "black": (20, 16, 14), "dark_brown": (38, 26, 19), "brown": (66, 44, 29), "light_brown": (104, 72, 44),
    "blond": (156, 127, 88), "light_blond": (206, 183, 144), "red": (118, 62, 35), "grey": (142, 140, 136),
    "white": (205, 203, 198),
}  # fmt: skip
EYE_COLOURS = {
    "dark_brown": (48, 28, 16), "brown": (78, 48, 24), "hazel": (104, 80, 40), "green": (82, 98, 66),
    "blue": (76, 108, 138), "grey": (110, 120, 126),
}  # fmt: skip
LIMB_NAMES = ("left_arm", "right_arm", "left_leg", "right_leg")

_CLOTH_COLOURS = (
    (240, 239, 236), (24, 24, 27), (150, 152, 156), (26, 38, 82), (164, 28, 34), (40, 96, 62), (226, 188, 60),
    (92, 52, 116), (196, 100, 44), (140, 184, 216), (226, 164, 170), (112, 110, 70), (64, 30, 36), (28, 98, 108),
    (240, 239, 236), (24, 24, 27), (222, 214, 196), (196, 200, 206),  # named twice is drawn twice as often
)  # fmt: skip
_TROUSER_COLOURS = ((24, 24, 28), (24, 24, 28), (70, 66, 60), (188, 168, 134), (58, 62, 44), (122, 126, 132),
                    (26, 32, 56), (104, 80, 60), (222, 216, 204), (206, 206, 206))  # fmt: skip
_DENIM_COLOURS = ((56, 78, 122), (30, 38, 62), (138, 162, 192), (34, 34, 38))
_SHOE_COLOURS = ((28, 26, 26), (238, 237, 234), (92, 58, 36), (120, 40, 36), (44, 54, 82), (190, 190, 188))
_CONTRAST = 0.14  # least difference in luminance between a pattern's first two colours: prints are made to be seen
_CAMOUFLAGE = (((92, 98, 62), (48, 54, 36), (122, 106, 76)), ((128, 124, 112), (74, 74, 70), (168, 160, 140)))
_LINER_COLOURS = ((226, 222, 212), (196, 190, 180), (206, 172, 146), (70, 70, 74))

_LENGTHS: dict[str, tuple[float, ...]] = {
    "tshirt": (0.4, 0.5, 0.6, 0.7), "longsleeve": (1.86, 1.92), "tanktop": (-0.15,), "trousers": (1.86, 1.94),
    "shorts": (0.5, 0.7, 0.9), "skirt": (0.5, 0.75, 1.0, 1.25),
}  # fmt: skip
"""Limb coordinates where sleeves and legs end: 1 at elbow and knee, 2 at wrist and ankle."""

_FABRIC_WEIGHTS: dict[str, dict[str, float]] = {
    "top": {"plain": 4, "heather": 3, "stripes": 2, "plaid": 2, "knit": 1.2, "camouflage": 0.5, "floral": 1,
            "sports": 1.5, "denim": 0.5, "pinstripes": 0.6},
    "trousers": {"denim": 4, "plain": 3, "heather": 1.5, "pinstripes": 0.5, "camouflage": 0.6, "sports": 0.7,
                 "plaid": 0.4, "knit": 0.3, "stripes": 0.1, "floral": 0.1},
    "skirt": {"plain": 3, "floral": 2.5, "denim": 1.5, "plaid": 1.5, "stripes": 0.7, "heather": 0.5,
              "pinstripes": 0.5, "knit": 0.4, "sports": 0.2, "camouflage": 0.1},
    "shoes": {"plain": 1.0},
}  # fmt: skip


@dataclass(frozen=True)
class LooksConfig:
    """What people may look like. Every list is what is allowed; draws among the allowed are balanced or weighted.

    Attributes:
        skin: Monk Skin Tone scale tones, 1 (lightest) to 10, drawn evenly.
        garments: kinds of garment that may be worn.
        exclude_garments: kinds taken out of ``garments``.
        fabrics: fabrics of tops and bottoms.
        hair_styles: hair styles.
        hair_colours: hair colours; draws follow the skin tone. If none of the likely ones is allowed, any allowed.
        endings: weight of what cloth does that would reach beyond a stump: ``bare`` (shortened so that the stump
            shows), ``rolled`` (the same with a cuff), ``covered`` (closed tightly over it), ``pinned`` (folded and
            flattened just past it), ``liner`` (a sock on the stump), ``hanging`` (an empty sleeve or leg).
        textures: folder of PNGs, each a whole person (skin and painted clothes), used beside the procedural looks; in
            the body's UV layout, or in SMPL's if the folder holds ``smpl_uv.obj`` and the body is SMPL.
        texture_share: share of people who wear one of ``textures``, if there are any.
    """

    skin: tuple[int, ...] = tuple(range(1, 11))
    garments: tuple[str, ...] = KINDS
    exclude_garments: tuple[str, ...] = ()
    fabrics: tuple[str, ...] = FABRICS
    hair_styles: tuple[str, ...] = HAIR_STYLES
    hair_colours: tuple[str, ...] = tuple(HAIR_COLOURS)
    endings: Mapping[str, float] = field(
        default_factory=lambda: {
            "bare": 0.32, "rolled": 0.18, "covered": 0.2, "pinned": 0.14, "liner": 0.13, "hanging": 0.03,
        }
    )  # fmt: skip
    textures: str = ""
    texture_share: float = 0.5

    def __post_init__(self) -> None:
        _check("looks.garments", self.garments, KINDS)
        _check("looks.exclude_garments", self.exclude_garments, KINDS)
        _check("looks.fabrics", self.fabrics, FABRICS)
        _check("looks.hair_styles", self.hair_styles, HAIR_STYLES)
        _check("looks.hair_colours", self.hair_colours, HAIR_COLOURS)
        _check("looks.endings", self.endings, ENDINGS)
        if not self.skin or not set(self.skin) <= set(range(1, 11)):
            raise ConfigError(f"looks.skin: {list(self.skin)} must be Monk tones from 1 to 10")
        for name, group in (("a top", TOPS), ("a bottom", BOTTOMS), ("shoes or bare_feet", FOOTWEAR)):
            if not self.worn(group):
                raise ConfigError(f"looks.garments: nothing left for {name}; allow one of {', '.join(group)}")
        if not any(w > 0 for w in self.endings.values()) or any(w < 0 for w in self.endings.values()):
            raise ConfigError("looks.endings: weights must be >= 0 and one of them positive")

    def worn(self, group: Iterable[str]) -> list[str]:
        """Return the garments of ``group`` that are allowed."""
        return [k for k in group if k in self.garments and k not in self.exclude_garments]


def _check(where: str, names: Iterable[str], valid: Iterable[str]) -> None:
    names = list(names)
    if not names and where not in ("looks.exclude_garments",):
        raise ConfigError(f"{where}: the list is empty; allow at least one of {', '.join(sorted(valid))}")
    for name in names:
        if name not in valid:
            raise ConfigError(f"{where}: unknown '{name}'{nearest(name, valid)}")


def draw_look(
    rng: Generator,
    config: LooksConfig,
    removed: Bool[ndarray, "12"],
    residual: Float[ndarray, "12"],
    textures: Sequence[str] = (),
) -> dict[str, object]:
    """Draw everything about a person's appearance.

    Args:
        rng: generator of this person and variant; twins pass generators in the same state.
        config: what is allowed.
        removed: amputated regions (most proximal only).
        residual: place of the stump tips along their segments.
        textures: file names in ``config.textures`` in sorted order, for whole-person textures.

    Returns:
        Columns of Plans: ``skin`` (Monk tone), ``hair``, ``garments``, ``light`` (canonical JSON), ``look_seed``.
        ``removed`` and ``residual`` change nothing but the ``ending`` entries and liners inside ``garments``.
    """
    tone = int(rng.choice(np.asarray(config.skin)))
    masculine = bool(rng.random() < 0.5)
    hair = _draw_hair(rng, config, tone, masculine)
    garments = _draw_garments(rng, config, masculine)
    fates = [float(u) for u in rng.random(len(LIMB_NAMES))]
    liner = list(_LINER_COLOURS[rng.integers(len(_LINER_COLOURS))])
    light = {
        "azimuth": round(float(rng.normal(0, 6)), 1),
        "gain": round(float(np.exp(rng.normal(0, 0.05))), 3),
        "key": round(float(np.exp(rng.normal(0.05, 0.12))), 3),
    }
    seed = int(rng.integers(2**32))
    painted = rng.random(2)
    if textures and painted[0] < config.texture_share:
        garments = [{"kind": "texture", "file": f"{config.textures}/{textures[int(painted[1] * len(textures))]}"}]
    else:
        _end_over_stumps(garments, config, tips(removed, residual), fates, liner)
    return {
        "skin": tone,
        "hair": canonical(hair),
        "garments": canonical(garments),
        "light": canonical(light),
        "look_seed": seed,
    }


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


def _draw_hair(rng: Generator, config: LooksConfig, tone: int, masculine: bool) -> dict[str, object]:
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
    return {
        "age": age,
        "brows": round(float(rng.uniform(0.65, 1.0)) if masculine else float(rng.uniform(0.4, 0.85)), 1),
        "colour": colour,
        "eyes": _pick(rng, _allowed(eyes, EYE_COLOURS)),
        "length": float(rng.choice([0.6, 0.8, 1.0])),
        "stubble": stubble,
        "style": style,
    }


def _draw_garments(rng: Generator, config: LooksConfig, masculine: bool) -> list[dict[str, object]]:
    top = _pick(rng, _allowed({"tshirt": 4, "longsleeve": 3.5, "tanktop": 0.8 if masculine else 1.6},
                              config.worn(TOPS)))  # fmt: skip
    bottom = _pick(rng, _allowed({"trousers": 5, "shorts": 2.2, "skirt": 0.0 if masculine else 1.8},
                                 config.worn(BOTTOMS)))  # fmt: skip
    feet = _pick(rng, _allowed({"shoes": 6, "bare_feet": 1}, config.worn(FOOTWEAR)))
    sleeve, leg = (_LENGTHS[k][int(rng.integers(len(_LENGTHS[k])))] for k in (top, bottom))
    neck = str(rng.choice(["crew", "crew", "v", "wide"]))
    tucked = bool(rng.random() < (0.5 if bottom == "skirt" else 0.15))
    fits = [float(f) for f in rng.choice([0.1, 0.6], 2)]
    return [
        {"kind": top, "lengths": _sides("arm", sleeve), "neck": neck, "tucked": tucked, "fit": fits[0],
         **_draw_fabric(rng, config, "top")},
        {"kind": bottom, "lengths": _sides("leg", leg), "fit": fits[1],
         **_draw_fabric(rng, config, "skirt" if bottom == "skirt" else "trousers")},
        {"kind": feet, "height": str(rng.choice(["low", "low", "boot"])), **_draw_fabric(rng, config, "shoes")},
    ]  # fmt: skip


def _sides(limb: str, length: float) -> dict[str, float]:
    return {f"{side}_{limb}": length for side in ("left", "right")}


def _draw_fabric(rng: Generator, config: LooksConfig, where: str) -> dict[str, object]:
    allowed = FABRICS if where == "shoes" else config.fabrics
    weights = _FABRIC_WEIGHTS[where]
    fabric = _pick(rng, weights if where == "shoes" else _allowed(weights, allowed))
    table = {"trousers": _TROUSER_COLOURS, "shoes": _SHOE_COLOURS}.get(where, _CLOTH_COLOURS)
    order = rng.permutation(len(_CLOTH_COLOURS))
    first = table[int(rng.integers(len(table)))]
    variant = int(rng.integers(4))
    others = list(dict.fromkeys(_CLOTH_COLOURS[i] for i in order if _CLOTH_COLOURS[i] != first))
    others.sort(key=lambda c: abs(_luminance(c) - _luminance(first)) < _CONTRAST)  # a stable sort keeps the drawn order
    colours = [first, *others[:2]]
    if fabric == "denim":
        colours = [_DENIM_COLOURS[variant]]
    elif fabric == "camouflage":
        colours = list(_CAMOUFLAGE[variant % 2])
    seed = int(rng.integers(4))  # few seeds, lengths and fits, so that meshes and patterns are pooled
    return {"fabric": fabric, "colors": [list(c) for c in colours], "seed": seed}


def _luminance(colour: Sequence[int]) -> float:
    return sum(w * (c / 255) ** 2.2 for w, c in zip((0.2126, 0.7152, 0.0722), colour, strict=True))


def _end_over_stumps(
    garments: list[dict], config: LooksConfig, stumps: Mapping[str, float], fates: Sequence[float], liner: list[int]
) -> None:
    """Write what happens where cloth would pass a stump; skirts and short sleeves that end above it need nothing."""
    names = [n for n in ENDINGS if config.endings.get(n, 0) > 0]
    cumulative = np.cumsum([config.endings[n] for n in names])
    for limb, tip in stumps.items():
        fate = names[int(np.searchsorted(cumulative, fates[LIMB_NAMES.index(limb)] * cumulative[-1], side="right"))]
        for garment in list(garments):
            length = garment.get("lengths", {}).get(limb)
            if length is None or garment["kind"] == "skirt":
                continue
            ending = fate
            if tip < 0.3 and ending in ("bare", "rolled", "liner"):  # nothing to show below a shoulder or hip
                ending = "covered"
            if length > tip - 0.12:
                garment.setdefault("ending", {})[limb] = "bare" if ending == "liner" else ending
            if ending == "liner":
                garments.append({"kind": "liner", "limb": limb, "fabric": "knit", "colors": [liner], "seed": 0})
