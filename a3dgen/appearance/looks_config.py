"""Settings of what people may look like."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from a3dgen.appearance.look import BOTTOMS, FOOTWEAR, KINDS, TOPS
from a3dgen.appearance.palette import palette
from a3dgen.core.errors import ConfigError, nearest

FABRICS = (
    "plain", "heather", "stripes", "pinstripes", "plaid", "denim", "knit", "camouflage", "floral", "sports",
)  # fmt: skip
ENDINGS = ("bare", "rolled", "covered", "pinned", "liner", "hanging")
HAIR_STYLES = (
    "bald", "balding", "buzz", "crop", "fade", "short", "receding", "fringe", "curly", "afro", "bob", "long", "bun",
    "ponytail",
)  # fmt: skip
HAIR_COLOURS = palette().hair
EYE_COLOURS = palette().eyes


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
        hands: how far fingers may be bent, drawn evenly: 0 flat as in SMPL's rest pose, 1 at rest, 2 nearly a fist.
        cover: prefer cuts of the clothes drawn that cover more of what the photo's person leaves behind.
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
    hands: tuple[float, ...] = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.1)
    cover: bool = True
    textures: str = ""
    texture_share: float = 0.5

    def __post_init__(self) -> None:
        _check("looks.garments", self.garments, KINDS)
        _check("looks.exclude_garments", self.exclude_garments, KINDS)
        _check("looks.fabrics", self.fabrics, FABRICS)
        _check("looks.hair_styles", self.hair_styles, HAIR_STYLES)
        _check("looks.hair_colours", self.hair_colours, HAIR_COLOURS)
        _check("looks.endings", self.endings, ENDINGS)
        if not self.hands or not all(0 <= curl <= 2 for curl in self.hands):
            raise ConfigError(f"looks.hands: {list(self.hands)} must be numbers from 0 (flat) to 2 (nearly a fist)")
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
