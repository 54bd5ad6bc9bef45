"""When a limb is erased from the photo, and the bars of admission: what the photo must show for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from a3dgen.core.errors import ConfigError, nearest

OVERLAY, ERASE, BOTH = "overlay", "erase", "both"
MODES = (OVERLAY, ERASE, BOTH)
REJECT = "reject"


@dataclass(frozen=True)
class Bars:
    """Admission to erasure. Shares are 0..1; H is the person's height in the photo. Each bar's cost: docs/erase.md.

    Attributes:
        iou: least overlap of the person's outline and the drawn fit.
        clicks: most distance of the keypoints that say where the limb ends from the fit, after registration, H.
        visible: least share of the limb to erase that the photo shows.
        recall: least share of the drawn limb inside the outline.
        behind: most of the limb with the person's own body behind it.
        covered: most of the limb under other people or things in front.
        flat: least cosine of the foreshortening at the cut.
        ring_px: least width of the limb at the cut, px.
        narrow, wide: width at the cut, as a share of the fit's.
        free: least share of both edges about the cut that border on background.
        contact: most of the limb's rim that touches other parts of the person.
        joined: most of the rim on which both touch off the drawn body: a skirt spans them.
        background: least share of the hole's rim that is background.
        neighbours: most of the hole's rim that is other people: their gear and sleeves are in no mask.
        spread: most of the hole, in areas of the limb.
        colour_step: most of the colour change at the cut (a hem), Lab units.
        rim_gradient: most structure (mean grey steps a px) on the hole's rim, above which no filling is believed.
        doubt: most of the hole where its filling and the plate show something else.
        seat: most that somebody whom only a detector outlined may sit (0 stands, 1 sits), for legs: it takes chairs in.
        gain: least contrast of limb and background over the background's own variation, dB.
        score: least admission score, see ``erasure.score``: all measures weighed together.
        torso: whether shoulders and hips may be erased: no end is drawn there, and flaps of cloth are left.
    """

    iou: float = 0.45
    clicks: float = 0.025
    visible: float = 0.4
    recall: float = 0.65
    behind: float = 0.04
    covered: float = 0.06
    flat: float = 0.62
    ring_px: float = 7.0
    narrow: float = 0.6
    wide: float = 1.7
    free: float = 0.49
    contact: float = 0.2
    joined: float = 0.02
    background: float = 0.4
    neighbours: float = 0.12
    spread: float = 7.0
    colour_step: float = 60.0
    rim_gradient: float = 14.0
    seat: float = 1.2
    doubt: float = 0.2
    gain: float = 0.0
    score: float = 0.7
    torso: bool = False

    def __post_init__(self) -> None:
        for name in (
            "iou",
            "clicks",
            "visible",
            "recall",
            "behind",
            "covered",
            "flat",
            "free",
            "contact",
            "joined",
            "doubt",
            "background",
            "neighbours",
            "score",
        ):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"bars.{name} is {getattr(self, name)}; it must be between 0 and 1")
        if not 0 < self.narrow < self.wide:
            raise ConfigError(f"bars.narrow is {self.narrow}, bars.wide {self.wide}; narrow must be the smaller one")


@dataclass(frozen=True)
class Erasing:
    """Which samples keep the photo's person, with the limb erased.

    Attributes:
        mode: ``overlay`` (a drawn person over the plate), ``erase`` (the person of the photo, without the limb) or
            ``both``.
        modes: the same by source (``coco``, ``mpii``, ``h36m``, ``custom``: the beginning of its people's keys), where
            it differs from ``mode``.
        share: of a source's samples that are erased in mode ``both``, where the photo admits it.
        otherwise: ``overlay`` or ``reject``: what happens to the others in mode ``erase``.
        instead: ``reject`` or ``erase``: what happens to overlay samples whose plate cannot be trusted.
        bars: of admission.
    """

    mode: str = OVERLAY
    modes: Mapping[str, str] = field(default_factory=dict)
    share: float = 0.5
    otherwise: Literal["overlay", "reject"] = "overlay"
    instead: Literal["reject", "erase"] = "reject"
    bars: Bars = field(default_factory=Bars)

    def __post_init__(self) -> None:
        for name in (self.mode, *self.modes.values()):
            if name not in MODES:
                raise ConfigError(f"render.mode '{name}' is unknown{nearest(name, MODES)}")
        if not 0 <= self.share <= 1:
            raise ConfigError(f"render.erase is {self.share}; it is a share, 0 to 1")

    def mode_of(self, key: str) -> str:
        """Return the mode of the source that a person's key belongs to."""
        return self.modes.get(key.partition("/")[0], self.mode)

    def share_of(self, key: str) -> float:
        """Return the share of a person's samples that are to be erased."""
        return {OVERLAY: 0.0, ERASE: 1.0, BOTH: self.share}[self.mode_of(key)]

    def keeps(self, key: str) -> bool:
        """Return whether the photo of a person of this key may be kept."""
        return self.instead == ERASE or self.share_of(key) > 0

    @property
    def anywhere(self) -> bool:
        """Whether anybody's photo may be kept."""
        return self.instead == ERASE or any(m != OVERLAY for m in (self.mode, *self.modes.values()))
