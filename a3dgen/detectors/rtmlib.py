"""RTMPose, ViTPose and others as local ONNX files, through rtmlib."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.core.user_paths import user_path
from a3dgen.detectors import DetectorConfig, Person
from a3dgen.detectors.boxes import Boxes, person_boxes, to_person
from a3dgen.detectors.given import make_person
from a3dgen.detectors.weights import local_path

ONNX_FILE = "a local ONNX file"


def _session(onnxruntime: Any, path: Path) -> Any:
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has its own errors, outside any hierarchy
        raise ConfigError(f"{path}: cannot be loaded as ONNX: {str(error).splitlines()[0]}") from None


def input_size(session: Any, usual: tuple[int, int]) -> tuple[int, int]:
    """Return (width, height) px of a network's input picture, ``usual`` if any will do."""
    shape = session.get_inputs()[0].shape
    return (shape[3], shape[2]) if all(isinstance(v, int) for v in shape[2:]) else usual


class RtmlibDetector:
    """A top-down pose network of rtmlib (``weights``, SimCC ONNX) on boxes from a YOLOX ONNX or mediapipe.

    rtmlib pulls opencv-python over opencv-python-headless: install it with ``pip install --no-deps rtmlib``.

    Raises:
        ConfigError: if a file is not there.
        MissingDependency: if rtmlib or onnxruntime is not installed.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self._config = config
        self._weights = local_path("--weights", config.weights, "file", ONNX_FILE)
        if config.person_weights:
            local_path("--person-weights", config.person_weights, "file", ONNX_FILE)
        self._networks  # noqa: B018  a missing package is reported before any photo is read

    @cached_property
    def _networks(self) -> tuple[Any, Any]:
        try:
            import onnxruntime
            from rtmlib import YOLOX, RTMPose
        except ImportError:
            raise MissingDependency(
                "rtmlib", "detector rtmlib", "pip install onnxruntime tqdm && pip install --no-deps rtmlib"
            ) from None
        pose = RTMPose(str(self._weights), input_size(_session(onnxruntime, self._weights), (192, 256)))
        if not self._config.person_weights:
            return pose, person_boxes(self._config)
        path = user_path(self._config.person_weights)
        session = _session(onnxruntime, path)
        yolox = YOLOX(str(path), input_size(session, (640, 640))[::-1])
        # of a detector of many things rtmlib gives the boxes of all of them, unless asked for their classes
        classes = session.get_outputs()[0].shape[-1]
        if isinstance(classes, int) and classes > 6:
            yolox.det_mode = yolox.mode = "multiclass"

        def boxes(rgb: UInt8[ndarray, "h w 3"]) -> Boxes:
            found = yolox(np.ascontiguousarray(rgb[..., ::-1]))
            if isinstance(found, tuple):
                found = np.asarray(found[0]).reshape(-1, 4)[np.asarray(found[1], int).ravel() == 0]
            return [(box, 1.0, None) for box in np.asarray(found, np.float64).reshape(-1, 4)]

        return pose, boxes

    def detect(self, rgb: UInt8[ndarray, "h w 3"], name: str = "") -> list[Person]:
        """Find everybody; the best first."""
        pose, boxes = self._networks
        people = []
        for box, score, mask in boxes(rgb):
            if score < self._config.min_score:
                continue
            points, scores = pose(np.ascontiguousarray(rgb[..., ::-1]), bboxes=[box])
            keypoints = np.column_stack([np.asarray(points)[0], np.asarray(scores)[0]]).astype(np.float64)
            people.append(to_person(make_person(keypoints, score, None).keypoints, box, score, mask))
        return sorted(people, key=lambda p: -p.score)
