"""Samples regions, residual lengths and stump shapes from a configuration and a random generator."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator
from scipy.special import ndtr, ndtri

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.package_files import data_folder
from a3dgen.geometry.regions import LIMBS, NUM_REGIONS, REGIONS, Region, find_region, label

WEIGHT_PRESETS = {
    "uniform": "uniform",
    "clinical": "clinical_major_v0",
    "clinical_major_v0": "clinical_major_v0",
    "inclusivevidpose": "inclusivevidpose_single_site",
}
"""Name of ``regions`` -> preset of ``configs/clinical_levels.json``."""
LENGTH_PRESETS = ("clinical", "short", "medium", "long")
_RANGE = re.compile(r"\s*(\d*\.?\d+)\s*(?:\.\.\s*(\d*\.?\d+)\s*)?")
SHORTEST = 0.2
"""Shorter stumps are not made: a shorter thigh or upper arm has no room for a rounded end."""
SHORTER_STEPS = 6
"""Residuals tried between the drawn one and the shortest in range, where the drawn one cannot be seen."""


@functools.cache
def clinical_levels() -> dict[str, Any]:
    """Return ``configs/clinical_levels.json``: region weights and stump lengths with their sources."""
    return json.loads((data_folder("configs") / "clinical_levels.json").read_text("utf-8"))


@dataclass(frozen=True)
class PlanConfig:
    """What is amputated.

    Attributes:
        regions: ``uniform``; ``clinical`` (= ``clinical_major_v0`` of ``configs/clinical_levels.json``, an engineering
            proposal, see there); ``inclusivevidpose`` (shares in that dataset); or a list of AJAHR names
            (``left_knee``) and clinical names (``left_transtibial``, ``right_hip_disarticulation``), drawn evenly. A
            clinical name fixes whether the cut goes through the segment or the joint.
        weights: weight by name, instead of even or preset weights; names as in ``regions``.
        residual: where the stump's tip lies along its segment: ``clinical`` (normal distributions by level), ``short``,
            ``medium`` or ``long`` (ranges by level; all with their sources in ``configs/clinical_levels.json``), or a
            number or range for all levels such as ``0.3..0.6``; 1 is at the joint.
        disarticulation: share of cuts at the joint where the name leaves it open; below 0 = the clinical share of each
            level (2 to 10 %). Not used where ``residual`` is a number or range.
        geometry: ``residual`` (a real stump) or ``collapse`` (A3D's joint collapse, always at the joint).
        per_person: amputee variants of each person; 0 makes intact samples only.
        twins: ``each`` variant gets an intact twin with the same looks; ``shared``: all variants of a person have the
            same looks and share one intact twin; ``none``: no intact samples.
        multi_limb: probability that a further limb is amputated too, up to ``max_limbs`` limbs.
        max_limbs: 1 to 4.
        exponent: range of the cap's superellipse exponent.
        cap_height: range of the cap's height over the ring's radius.
        taper: range of how much the stump narrows towards its end.
    """

    regions: str | tuple[str, ...] = "uniform"
    weights: dict[str, float] = field(default_factory=dict)
    residual: str | float = "clinical"
    disarticulation: float = -1.0
    geometry: Literal["residual", "collapse"] = "residual"
    per_person: int = 2
    twins: Literal["each", "shared", "none"] = "each"
    multi_limb: float = 0.1
    max_limbs: int = 2
    exponent: tuple[float, float] = (2.0, 2.2)
    cap_height: tuple[float, float] = (0.75, 0.85)
    taper: tuple[float, float] = (0.10, 0.16)

    def __post_init__(self) -> None:
        at_joint = parse_range(self.residual) == (1.0, 1.0)
        if at_joint and any(c.through for c in choices(self)):
            raise ConfigError("residual: 1 is at the joint, but 'regions' asks for a cut through a segment")
        choices(self)
        if self.per_person < 0:
            raise ConfigError("per_person must not be negative")
        if self.per_person == 0 and self.twins == "none":
            raise ConfigError("per_person: 0 with twins: none makes no samples at all")
        if not 0 <= self.multi_limb <= 1:
            raise ConfigError("multi_limb is a probability, 0 to 1")
        if not 1 <= self.max_limbs <= len(LIMBS):
            raise ConfigError(f"max_limbs must be 1 to {len(LIMBS)}")
        if self.disarticulation > 1:
            raise ConfigError("disarticulation is a share, 0 to 1 (or below 0 for the clinical one)")
        for name, least, most in (("exponent", 1.5, 4.0), ("cap_height", 0.3, 1.2), ("taper", 0.0, 0.4)):
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise ConfigError(f"{name}: a range of two numbers between {least:g} and {most:g}, the smaller first")


@dataclass(frozen=True)
class Choice:
    """One entry of the region distribution; ``through`` as in ``regions.find_region``; ``weight`` adds up to 1."""

    region: Region
    through: bool | None
    weight: float


def choices(config: PlanConfig) -> tuple[Choice, ...]:
    """Return the region distribution.

    Raises:
        ConfigError: for unknown names, or if no region is left.
    """
    given = [config.regions] if isinstance(config.regions, str) else list(config.regions)
    names = [part.strip() for entry in given for part in entry.split(",") if part.strip()]
    if config.weights:
        found = {name: float(w) for name, w in config.weights.items()}
    elif len(names) == 1 and names[0] in WEIGHT_PRESETS:
        preset = clinical_levels()["presets"][WEIGHT_PRESETS[names[0]]]["weights"]
        found = {r.name: float(preset[r.index]) for r in REGIONS}
    else:
        found = dict.fromkeys(names, 1.0)
    if any(not math.isfinite(w) or w < 0 for w in found.values()):
        raise ConfigError("weights must be numbers of at least 0")
    total = sum(found.values())
    if not total > 0:
        raise ConfigError(
            f"regions: nothing to amputate; name some of: {', '.join(r.name for r in REGIONS)}, or uniform"
        )
    return tuple(Choice(*_find(n), w / total) for n, w in found.items() if w > 0)


def _find(name: str) -> tuple[Region, bool | None]:
    try:
        return find_region(name)
    except ConfigError as error:
        slug = name.lower()
        if nearest(slug, WEIGHT_PRESETS).startswith("; did"):
            raise ConfigError(f"unknown regions '{name}'{nearest(slug, WEIGHT_PRESETS)}") from error
        raise


def parse_range(value: str | float) -> tuple[float, float] | None:
    """Return (low, high) of a number or ``low..high``, None for a preset's name.

    Raises:
        ConfigError: for anything else.
    """
    if isinstance(value, str) and value in LENGTH_PRESETS:
        return None
    match = _RANGE.fullmatch(str(value))
    low = float(match[1]) if match else math.nan
    high = float(match[2]) if match and match[2] else low
    if not SHORTEST <= low <= high <= 1:
        raise ConfigError(
            f"residual '{value}': give {', '.join(LENGTH_PRESETS)}, a number or a range such as 0.3..0.6, "
            f"between {SHORTEST:g} and 1"
        )
    return low, high


def _level(region: Region) -> dict[str, Any]:
    return clinical_levels()["residual_lengths"]["levels"][region.name.split("_")[1]]


def residual_range(config: PlanConfig, region: Region) -> tuple[float, float]:
    """Return the shortest and the longest residual of stumps through the region's segment."""
    explicit = parse_range(config.residual)
    if explicit:
        return explicit
    low, high = _level(region)["range" if config.residual == "clinical" else str(config.residual)]
    return float(low), float(high)


def draw_residual(rng: Generator, config: PlanConfig, region: Region, through: bool | None) -> float:
    """Draw where the tip lies. Takes two numbers from ``rng`` whatever happens."""
    at_joint, place = rng.random(2)
    if not region.cuttable or through is False or config.geometry == "collapse":
        return 1.0
    explicit = parse_range(config.residual)
    low, high = residual_range(config, region)
    if explicit:
        value = low + place * (high - low)
        return float(min(value, 0.95)) if through else float(value)
    share = _level(region)["disarticulation"] if config.disarticulation < 0 else config.disarticulation
    if through is None and at_joint < share:
        return 1.0
    if config.residual != "clinical":
        return float(low + place * (high - low))
    mean, spread = _level(region)["clinical"]
    below, above = ndtr((low - mean) / spread), ndtr((high - mean) / spread)
    return float(np.clip(mean + spread * ndtri(below + place * (above - below)), low, high))


def draw_stump(rng: Generator, config: PlanConfig) -> Float[ndarray, "12 3"]:
    """Draw exponent, cap height and taper of every region's stump (whether or not it is cut)."""
    low, high = np.array([config.exponent, config.cap_height, config.taper]).T
    return (low + rng.random((NUM_REGIONS, 3)) * (high - low)).astype(np.float32)


@dataclass(frozen=True)
class Amputation:
    """What one sample loses: region -> residual; and why earlier draws were not possible."""

    residual: dict[int, float]
    skipped: tuple[str, ...]


def draw_amputation(
    rng: Generator,
    config: PlanConfig,
    why_not: Callable[[int, float], str],
    taken: Collection[int] = (),
    longer: bool = False,
) -> Amputation:
    """Draw the regions of one sample, at most one a limb, among those that can be removed.

    Args:
        rng: generator of this sample only.
        config: what is allowed.
        why_not: says of (region, residual) why it cannot be removed, or "".
        taken: regions that are absent already; nothing more is removed from their limbs.
        longer: where no shorter residual is possible either, try longer ones.

    Regions come in a weighted random order; the first that is possible is taken, and further ones with probability
    ``multi_limb`` each. Where the drawn residual is not possible, the longest shorter one in range that is possible
    is taken instead.
    """
    options = choices(config)
    order = np.argsort(rng.exponential(size=len(options)) / np.array([c.weight for c in options]), kind="stable")
    drawn = [draw_residual(rng, config, c.region, c.through) for c in options]
    more = rng.random(len(LIMBS)) < config.multi_limb
    wanted = min(config.max_limbs, 1 + int(np.argmin(np.append(more, False))))
    busy = {_limb(r) for r in taken}
    residual: dict[int, float] = {}
    skipped: list[str] = []
    for i in order:
        choice = options[i]
        if len(residual) == wanted:
            break
        if _limb(choice.region.index) in busy:
            continue
        value, reason = _possible(config, choice, drawn[i], why_not, longer)
        if value is None:
            skipped.append(f"{choice.region.name}: {reason}")
            continue
        residual[choice.region.index] = value
        busy.add(_limb(choice.region.index))
    return Amputation(dict(sorted(residual.items())), tuple(skipped))


def _limb(region: int) -> int:
    return next(i for i, limb in enumerate(LIMBS) if region in limb)


def _possible(
    config: PlanConfig, choice: Choice, drawn: float, why_not: Callable[[int, float], str], longer: bool
) -> tuple[float | None, str]:
    reason = why_not(choice.region.index, drawn)
    if not reason:
        return drawn, ""
    if not choice.region.cuttable or choice.through is False or config.geometry == "collapse":
        return None, reason
    low, high = residual_range(config, choice.region)
    if longer:  # the same lengths for all samples of a person: what is known of one need not be asked for another
        steps = np.linspace(low, high, SHORTER_STEPS + 1)
        tried = [*steps[steps < drawn][::-1], *steps[steps > drawn]]
    else:
        steps = np.linspace(min(drawn, high), low, SHORTER_STEPS + 1)
        tried = list(steps[steps < drawn])
    for value in tried:
        if not why_not(choice.region.index, float(value)):
            return float(value), ""
    return None, reason


def sample_key(person: str, removed: ndarray, variant: int) -> str:
    """Return ``<person>/amp_<region>_v<n>`` or ``<person>/full_v<n>``."""
    kind = "full" if not removed.any() else f"amp_{label(removed)}"
    return f"{person}/{kind}_v{variant}"
