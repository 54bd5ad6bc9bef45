"""Settings of the stage ``background``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.registry import available
from a3dgen.segmenters import SEGMENTERS


@dataclass(frozen=True)
class PlateBars:
    """Limits of a plate; beyond them the person is rejected, with the reason.

    Attributes:
        crossing: most of another person that the hole may take, as measured; on known truth it takes up to twice that.
        structure: most structure beside the hole (mean grey steps a px) times the root of the hole's share of the
            photo: lines that would have to be invented.
        unexplained: most limb joints that are labelled hidden while nothing known hides them: something else does.
        ghost: most of the removed person's place in which a segmenter still sees somebody.
    """

    crossing: float = 0.005
    structure: float = 2.0
    unexplained: int = 2
    ghost: float = 0.25

    def __post_init__(self) -> None:
        for name in ("crossing", "structure", "unexplained", "ghost"):
            if getattr(self, name) < 0:
                raise ConfigError(f"background.bars.{name} is {getattr(self, name)}; it must not be negative")


@dataclass(frozen=True)
class Config:
    """How people are removed.

    Attributes:
        inpainter: ``exemplar`` (default), ``opencv`` or ``lama``.
        inpainter_path: the TorchScript file for ``lama``; ``telea`` or ``ns`` for ``opencv``.
        lines: first carry straight lines across the hole: rails, kerbs, horizons.
        fallback: inpainter used where the photo shows too little background to copy from; empty = reject.
        segmenter: who outlines people without a mask in the source, besides the fitted bodies: ``auto`` (mediapipe if
            its networks are here), ``given`` or ``none`` (nobody: the source's masks only), ``mediapipe`` (required),
            ``transformers``, or one of another package.
        segmenter_path: the local folder of weights for ``transformers``.
        refine: fit an estimated outline to the photo's colours.
        dilate: growth of the mask, share of the person's height in the image.
        dilate_fitted: the same where the mask is the fitted body, which wears no clothes.
        dilate_seen: the same where a segmenter has outlined the person: its outlines are rather too wide.
        keep_background: what the hole takes beyond the outline stays where its colours are those of the surroundings
            and not the person's.
        remove_shadow: also remove the shadow cast on the ground, where one is found.
        remove_held: also remove what is held in the hands: objects that the source outlines, and thin things (poles,
            bats, skis) that stand out.
        hand_reach: how far from the wrist a held object may be, share of the height.
        clearance: nothing stays in front of the person within this many px of a keypoint labelled visible.
        cloth_margin: how far clothing may stand off the fitted body, share of the height.
        studio_frames: frames of one fixed camera's recording whose median shows the empty studio; 0 = never use it.
        studio_least: fewer frames than this are not enough.
        clips: also videos show an empty studio, wherever their frames agree: plates of a fixed camera do not flicker.
        doubt: note how likely the filling is noticed (``render.max_doubt``), by filling once more at small size.
        seats: ``known`` (seated people need a mask of what they sit on, so that it stays) or ``any``.
        max_filled: reject people who would leave a larger share of the photo to be invented.
        bars: further limits of a plate; who exceeds one is rejected, with the reason.
    """

    inpainter: str = "exemplar"
    inpainter_path: str = ""
    lines: bool = True
    fallback: str = "opencv"
    segmenter: str = "auto"
    segmenter_path: str = ""
    refine: bool = True
    dilate: float = 0.035
    dilate_fitted: float = 0.05
    dilate_seen: float = 0.022
    keep_background: bool = True
    remove_shadow: bool = True
    remove_held: bool = True
    hand_reach: float = 0.07
    clearance: float = 8.0
    cloth_margin: float = 0.12
    studio_frames: int = 25
    studio_least: int = 9
    clips: bool = False
    doubt: bool = True
    seats: Literal["known", "any"] = "known"
    max_filled: float = 0.7
    bars: PlateBars = field(default_factory=PlateBars)

    def __post_init__(self) -> None:
        names = ("auto", "none", *available("segmenter", SEGMENTERS))
        if self.segmenter not in names:
            raise ConfigError(f"background.segmenter '{self.segmenter}'{nearest(self.segmenter, names)}")
        if not 0 <= self.studio_frames <= 500:
            raise ConfigError(f"background.studio_frames is {self.studio_frames}; it must be between 0 and 500")
        if self.studio_least < 3:
            raise ConfigError(f"background.studio_least is {self.studio_least}; it must be at least 3")
        for name in ("dilate", "dilate_fitted", "dilate_seen", "hand_reach", "cloth_margin"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise ConfigError(f"background.{name} is {getattr(self, name)}; it must be between 0 and 0.5")
