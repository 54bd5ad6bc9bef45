"""People in photos without annotations. A detector turns pixels into boxes, keypoints on the 44 rows, and masks.

Confidences leave a detector as its network gives them; ``calibration`` turns them into what the fitter expects.
A new detector is one file and one line in ``DETECTORS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.registry import resolve
from a3dgen.geometry.boxes import Square


@dataclass(frozen=True)
class Person:
    """One detected person.

    Attributes:
        box: x0, y0, x1, y1 px.
        keypoints: px, px, confidence 0..1 on the 44 rows; zero where the detector has no such point. A point may lie
            off the image.
        score: how sure the detector is of the person, 0..1.
        mask: outline, or None if the detector gives none.
        track: the same person over the frames of a recording, as a file of detections names them; empty if unknown.
        square: of the picture, that BlazePose looked at the person in; None of other detectors.
    """

    box: Float[ndarray, "4"]
    keypoints: Float[ndarray, "44 3"]
    score: float
    mask: Bool[ndarray, "h w"] | None = None
    track: str = ""
    square: Square | None = None


@runtime_checkable
class Detector(Protocol):
    """Finds people. ``name`` is the photo's path below its folder: only detectors that look results up need it."""

    def detect(self, rgb: UInt8[ndarray, "h w 3"], name: str = "") -> list[Person]: ...


@dataclass(frozen=True)
class DetectorConfig:
    """Which detector, and what it needs.

    Attributes:
        name: an entry of ``DETECTORS``.
        weights: the pose network: local folder or file, whatever the detector reads.
        person_weights: the same of the network that finds boxes; empty = mediapipe's boxes where that is possible.
        keypoints: file or folder of finished detections, for ``given``.
        config: configuration file of the pose network, where the detector needs one (mmpose, detectron2).
        min_score: people below this score are left out.
        keypoints_map: names of the keypoints in ``keypoints``, in its order, where it gives none.
    """

    name: str = "mediapipe"
    weights: str = ""
    person_weights: str = ""
    keypoints: str = ""
    config: str = ""
    min_score: float = 0.2
    keypoints_map: tuple[str, ...] = ()


DETECTORS: dict[str, str] = {
    "mediapipe": "a3dgen.detectors.mediapipe:MediapipeDetector",
    "given": "a3dgen.detectors.given:GivenDetector",
    "vitpose": "a3dgen.detectors.vitpose:VitPoseDetector",
    "rtmlib": "a3dgen.detectors.rtmlib:RtmlibDetector",
    "detectron2": "a3dgen.detectors.detectron2:Detectron2Detector",
    "mmpose": "a3dgen.detectors.mmpose:MmposeDetector",
}
"""Name -> class, made from a DetectorConfig."""


def get_detector(config: DetectorConfig) -> Detector:
    """Make a detector.

    Raises:
        ConfigError: for an unknown name, or weights that are not there.
        MissingDependency: if its package is not installed.
    """
    return resolve("detector", DETECTORS, config.name)(config)
