"""Settings of stage ``render``: how samples are drawn, and what must be seen of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.registry import available
from a3dgen.core.typed import DERIVED
from a3dgen.erasure.config import MODES, OVERLAY, Bars, Erasing
from a3dgen.lighting.likeness import LightBars
from a3dgen.renderers import TABLE


@dataclass(frozen=True)
class Config:
    """How samples are drawn.

    Attributes:
        mode: ``overlay`` (a drawn person over the plate), ``erase`` (the person of the photo, without the limb) or
            ``both``; docs/erase.md.
        modes: the same by source (``coco``, ``mpii``, ``h36m``, ``custom``), where it differs from ``mode``.
        erase: share of a source's samples that are erased in mode ``both``, where the photo admits it.
        erase_else: ``overlay`` or ``reject``: what happens in mode ``erase`` where the photo does not admit it.
        overlay_else: ``reject`` or ``erase``: what happens to overlay samples of people whose plate cannot be trusted;
            erased are those whose photo admits it.
        bars: of admission to erasure.
        blur_faces: make the person's own face unrecognisable where they are kept (set by ``privacy.blur_faces: self``).
        renderer: ``cpu`` (compiled loops, no driver needed), ``gl`` (OpenGL by EGL or OSMesa) or ``pyrender``.
        supersample: samples per pixel and axis, 1 to 3.
        format: ``jpg`` (JPEG sources keep their tables and chroma sampling) or ``png``.
        masks: write a PNG of the person's visible pixels.
        parts: write a PNG of part labels (0 none, else 1 + SMPL joint).
        shadow: darkness of the shadow on the ground, 0 = none, 1 = full.
        grain: give the person the grain of the photo.
        black: lift the person's blacks to the photo's.
        reject_invisible: reject samples whose stump cannot be seen in the finished picture.
        min_visible: smallest visible share of the segment that carries a stump, for ``reject_invisible``.
        min_told: smallest share of the removed limb's pixels at which the picture must differ from that of the intact
            twin, for ``reject_invisible``; 0 = do not compare.
        max_doubt: most of the plate's filling that may be expected to be noticed beside the drawn person, share of
            their longer side squared; infinite = any.
        light: how far a drawn person may be from the photo's brightness, colours and sharpness.
        clips: the frames of one person in a recording have one light, the mean of what some of them show.
    """

    mode: str = OVERLAY
    modes: dict[str, str] = field(default_factory=dict)
    erase: float = 0.5
    erase_else: Literal["overlay", "reject"] = "overlay"
    overlay_else: Literal["reject", "erase"] = "reject"
    bars: Bars = field(default_factory=Bars)
    blur_faces: bool = field(default=False, metadata=DERIVED)
    renderer: str = "cpu"
    supersample: int = 2
    format: str = "jpg"
    masks: bool = True
    parts: bool = False
    shadow: float = 0.85
    grain: bool = True
    black: bool = True
    reject_invisible: bool = True
    min_visible: float = 0.35
    min_told: float = 0.3
    max_doubt: float = 0.0145
    light: LightBars = field(default_factory=LightBars)
    clips: bool = False

    def __post_init__(self) -> None:
        for name, valid in (
            ("mode", MODES),
            ("renderer", tuple(available("renderer", TABLE))),
            ("format", ("jpg", "png")),
        ):
            if getattr(self, name) not in valid:
                hint = nearest(getattr(self, name), valid)
                raise ConfigError(f"render.{name} '{getattr(self, name)}' is unknown{hint}")
        if self.supersample not in (1, 2, 3):
            raise ConfigError(f"render.supersample is {self.supersample}; valid: 1, 2, 3")
        for name in ("shadow", "min_visible", "min_told"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"render.{name} is {getattr(self, name)}; it must be between 0 and 1")
        if not self.max_doubt >= 0:
            raise ConfigError(f"render.max_doubt is {self.max_doubt}; it must not be negative")
        self.erasing()

    def erasing(self) -> Erasing:
        """Return which samples are erased: what stage ``amputate`` plans by."""
        return Erasing(self.mode, self.modes, self.erase, self.erase_else, self.overlay_else, self.bars)
