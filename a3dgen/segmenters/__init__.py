"""Outlines of people in photos: a segmenter gets pixels and what is known of people, and says which pixels are theirs.

``get_segmenter(config)`` makes one. A new segmenter is one file and one line in ``SEGMENTERS``; other packages add
theirs by the entry point group ``a3dgen.segmenters``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.registry import resolve


@dataclass(frozen=True)
class Asked:
    """A person whose pixels are asked for.

    Attributes:
        box: x0, y0, x1, y1 px. keypoints: (44, 3) px, px, confidence; 0 where unknown.
        rough: pixels that are probably theirs (fitted body, thick lines between keypoints).
        mask: the source's own outline, or None.
    """

    box: Float[ndarray, "4"]
    keypoints: Float[ndarray, "44 3"]
    rough: Bool[ndarray, "h w"]
    mask: Any = None


@dataclass(frozen=True)
class Thing:
    """Something that is no person: its class (``chair``, ``grass``; empty if unknown) and its pixels."""

    name: str
    mask: Bool[ndarray, "h w"]


@runtime_checkable
class Segmenter(Protocol):
    """Says whose pixels are whose in one photo."""

    def people(self, rgb: UInt8[ndarray, "h w 3"], asked: Sequence[Asked]) -> list[Any]:
        """Return each person's probability (h, w) f4 in every pixel, None where nothing is seen of them."""

    def anybody(self, rgb: UInt8[ndarray, "h w 3"]) -> Bool[ndarray, "h w"]:
        """Return where people are seen at all, asked for or not; all false if the segmenter looks only where told."""

    def things(self, rgb: UInt8[ndarray, "h w 3"]) -> list[Thing]:
        """Return what else it knows by class; none if it knows people only."""


@dataclass(frozen=True)
class SegmenterConfig:
    """Which segmenter, and what it needs.

    Attributes:
        name: an entry of ``SEGMENTERS``, or of another package. weights: local folder of a network, where it needs one.
    """

    name: str = "mediapipe"
    weights: str = ""


SEGMENTERS: dict[str, str] = {
    "given": "a3dgen.segmenters.given:GivenSegmenter",
    "mediapipe": "a3dgen.segmenters.mediapipe:MediapipeSegmenter",
    "transformers": "a3dgen.segmenters.transformers:create",
}
"""Name -> class or function, called with a SegmenterConfig."""


def get_segmenter(config: SegmenterConfig) -> Segmenter:
    """Make a segmenter.

    Raises:
        ConfigError: for an unknown name, or weights that are not there.
        MissingDependency: if its package is not installed.
    """
    factory: Callable[[SegmenterConfig], Segmenter] = resolve("segmenter", SEGMENTERS, config.name)
    return factory(config)
