"""Settings of the stage ``background``."""

from __future__ import annotations

from dataclasses import dataclass

from a3dgen.core.errors import ConfigError


@dataclass(frozen=True)
class Config:
    """How people are removed.

    Attributes:
        inpainter: ``exemplar`` (default), ``opencv`` or ``lama``.
        inpainter_path: the TorchScript file for ``lama``; ``telea`` or ``ns`` for ``opencv``.
        fallback: inpainter used where the photo shows too little background to copy from; empty = reject.
        segmenter: who outlines a person without a mask in the source, besides the fitted body: ``auto`` (mediapipe
            if it is installed), ``mediapipe`` (required) or ``none``.
        refine: fit an estimated outline to the photo's colours.
        dilate: growth of the mask, share of the person's height in the image.
        dilate_fitted: the same where the mask is the fitted body, which wears no clothes.
        remove_shadow: also remove the shadow cast on the ground, where one is found.
        remove_held: also remove what is held in the hands: objects that the source outlines, and thin things (poles,
            bats, skis) that stand out.
        hand_reach: how far from the wrist a held object may be, share of the height.
        clearance: nothing stays in front of the person within this many px of a keypoint labelled visible.
        cloth_margin: how far clothing may stand off the fitted body, share of the height.
        studio_frames: frames of one fixed camera's recording whose median shows the empty studio; 0 = never use it.
        studio_least: fewer frames than this are not enough.
        clips: also videos show an empty studio, wherever their frames agree: plates of a fixed camera do not flicker.
        max_filled: reject people who would leave a larger share of the photo to be invented.
    """

    inpainter: str = "exemplar"
    inpainter_path: str = ""
    fallback: str = "opencv"
    segmenter: str = "auto"
    refine: bool = True
    dilate: float = 0.035
    dilate_fitted: float = 0.05
    remove_shadow: bool = True
    remove_held: bool = True
    hand_reach: float = 0.07
    clearance: float = 8.0
    cloth_margin: float = 0.035
    studio_frames: int = 25
    studio_least: int = 9
    clips: bool = False
    max_filled: float = 0.7

    def __post_init__(self) -> None:
        if self.segmenter not in ("auto", "mediapipe", "none"):
            raise ConfigError(f"background.segmenter '{self.segmenter}': use auto, mediapipe or none")
        if not 0 <= self.studio_frames <= 500:
            raise ConfigError(f"background.studio_frames is {self.studio_frames}; it must be between 0 and 500")
        if self.studio_least < 3:
            raise ConfigError(f"background.studio_least is {self.studio_least}; it must be at least 3")
        for name in ("dilate", "dilate_fitted", "hand_reach", "cloth_margin"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise ConfigError(f"background.{name} is {getattr(self, name)}; it must be between 0 and 0.5")
