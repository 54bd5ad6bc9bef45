"""One person's look as typed values: skin, hair, garments, light; JSON text only in the columns of Plans."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from a3dgen.core.errors import DataError
from a3dgen.core.records import canonical
from a3dgen.lighting.light import LightAdjust

TOPS = ("tshirt", "longsleeve", "tanktop")
BOTTOMS = ("trousers", "shorts", "skirt")
FOOTWEAR = ("shoes", "bare_feet")
KINDS = (*TOPS, *BOTTOMS, *FOOTWEAR)
LINER, TEXTURE = "liner", "texture"

_CLOTH = ("fabric", "colors", "seed")
_WRITTEN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(TOPS, ("lengths", "neck", "tucked", "fit", "ending", *_CLOTH)),
    **dict.fromkeys(BOTTOMS, ("lengths", "fit", "cut", "ending", *_CLOTH)),
    **dict.fromkeys(FOOTWEAR, ("height", *_CLOTH)),
    LINER: ("limb", *_CLOTH),
    TEXTURE: ("file",),
}
"""Kind of garment -> fields that it has."""

RGB = tuple[int, int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Hair:
    """Hair, and what of the face goes with it.

    Attributes:
        style: one of ``HAIR_STYLES``. colour: one of ``HAIR_COLOURS``. length: factor of the style's strands.
        age: years, of the skin. eyes: one of ``EYE_COLOURS``. brows, stubble: 0 none to 1 dense.
    """

    style: str = "short"
    colour: str = "brown"
    length: float = 1.0
    age: int = 30
    eyes: str = "brown"
    brows: float = 0.8
    stubble: float = 0.0


@dataclass(frozen=True)
class Garment:
    """One garment as it was drawn; fields that its kind does not have keep their defaults and are not written.

    Attributes:
        kind: one of ``KINDS``, ``liner`` (a sock on a residual limb) or ``texture`` (a whole person's painted texture).
        lengths: limb name -> limb coordinate where the sleeve or leg ends: 1 at elbow and knee, 2 at wrist and ankle.
        neck: ``crew``, ``v`` or ``wide``. tucked: into the waistband. fit: 0 close to the body to 1 loose.
        cut: of trousers and shorts, ``tapered``, ``straight``, ``wide`` or ``jogger``.
        height: of a shoe, ``low`` or ``boot``.
        ending: limb name -> what the cloth does over a residual limb, one of ``ENDINGS``.
        limb: of a liner. file: of a texture.
        fabric: one of ``FABRICS``. colors: sRGB, ground first. seed: of the weave's variation.
    """

    kind: str
    lengths: Mapping[str, float] = field(default_factory=dict)
    neck: str = "crew"
    tucked: bool = False
    fit: float = 0.5
    cut: str = "straight"
    height: str = "low"
    ending: Mapping[str, str] = field(default_factory=dict)
    limb: str = ""
    file: str = ""
    fabric: str = "plain"
    colors: tuple[RGB, ...] = ()
    seed: int = 0

    def facts(self) -> dict[str, Any]:
        """Return the fields that the garment's kind has, as plain JSON values; no ``ending`` where it is empty."""
        values = {name: getattr(self, name) for name in ("kind", *_WRITTEN.get(self.kind, ()))}
        return {name: value for name, value in values.items() if name != "ending" or value}

    @classmethod
    def from_facts(cls, facts: Any) -> Garment:
        """Return the garment of one JSON object.

        Raises:
            DataError: if it is no object, or has a key that no garment has.
        """
        garment = _construct(cls, facts, "garments")
        return dataclasses.replace(garment, lengths={limb: float(at) for limb, at in garment.lengths.items()})


@dataclass(frozen=True)
class Look:
    """Everything about a person's appearance that one sample draws at random.

    Attributes:
        skin: Monk Skin Tone scale, 1 (lightest) to 10.
        seed: of the textures.
        hands: how far the fingers are bent, see ``geometry.hands``: 0 flat as SMPL's, 1 at rest.
    """

    skin: int
    hair: Hair
    garments: tuple[Garment, ...]
    light: LightAdjust
    seed: int
    hands: float = 0.0

    def columns(self) -> dict[str, object]:
        """Return the columns of Plans; equal looks give equal bytes."""
        return {
            "skin": self.skin,
            "hair": canonical(dataclasses.asdict(self.hair)),
            "garments": garments_to_json(self.garments),
            "light": canonical(dataclasses.asdict(self.light)),
            "look_seed": self.seed,
            "hands": self.hands,
        }

    @classmethod
    def from_columns(cls, plan: Mapping[str, Any]) -> Look:
        """Return the look of one row of Plans.

        Raises:
            DataError: if a column is no JSON, or says what no look can be.
        """
        return cls(
            int(plan["skin"]),
            _construct(Hair, _parse(plan.get("hair", ""), "hair", {}), "hair"),
            garments_from_json(plan["garments"]),
            _construct(LightAdjust, _parse(plan.get("light", ""), "light", {}), "light"),
            int(plan["look_seed"]),
            round(float(plan.get("hands", 0.0)), 3),
        )


def garments_to_json(garments: tuple[Garment, ...]) -> str:
    """Return the column ``garments`` of Plans."""
    return canonical([garment.facts() for garment in garments])


def garments_from_json(text: object) -> tuple[Garment, ...]:
    """Return the garments of the column ``garments`` of Plans; an empty text is nobody's clothes.

    Raises:
        DataError: if it is no JSON list of garments.
    """
    facts = _parse(text, "garments", [])
    if not isinstance(facts, list):
        raise DataError(f"garments: wanted a JSON list, found {type(facts).__name__}")
    return tuple(Garment.from_facts(entry) for entry in facts)


def _parse(text: object, column: str, empty: Any) -> Any:
    try:
        return json.loads(str(text)) if str(text) else empty
    except ValueError as error:
        raise DataError(f"{column}: not JSON ({error}): {str(text)[:60]!r}") from None


def _construct(kind: type[T], facts: Any, column: str) -> T:
    names = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if not isinstance(facts, dict) or not set(facts) <= names or ("kind" in names and "kind" not in facts):
        raise DataError(f"{column}: {str(facts)[:80]} is none; it has the keys {', '.join(sorted(names))}")
    if "colors" in facts:
        facts = facts | {"colors": tuple(tuple(colour) for colour in facts["colors"])}
    floats = {f.name for f in dataclasses.fields(kind) if f.type == "float"}  # type: ignore[arg-type]
    try:
        return kind(**{name: float(value) if name in floats else value for name, value in facts.items()})
    except (TypeError, ValueError) as error:
        raise DataError(f"{column}: {str(facts)[:80]}: {error}") from None
