"""Boxes of people, for pose networks that need them: a local RT-DETR or D-FINE, or mediapipe's people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.detectors import DetectorConfig, Person
from a3dgen.detectors.weights import TRANSFORMERS_FOLDER, local_path, silence

Boxes = list[tuple[ndarray, float, Any]]
"""(box x0, y0, x1, y1 px; score; mask or None) of every person."""
BOX_SCORE = 0.4
PERSON = "person"


def person_boxes(config: DetectorConfig) -> Callable[[UInt8[ndarray, "h w 3"]], Boxes]:
    """Return what finds boxes: the network in ``person_weights``, else mediapipe."""
    if config.person_weights:
        return TransformersBoxes(local_path("--person-weights", config.person_weights, "folder", TRANSFORMERS_FOLDER))
    from a3dgen.detectors.mediapipe import MediapipeDetector

    finder = MediapipeDetector(replace(config, name="mediapipe"))

    def boxes(rgb: UInt8[ndarray, "h w 3"]) -> Boxes:
        return [(p.box, p.score, p.mask) for p in finder.detect(rgb)]

    return boxes


class TransformersBoxes:
    """An object detector of the transformers library (RT-DETR, D-FINE, DETR ...), from a local folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        try:
            from transformers import AutoImageProcessor, AutoModelForObjectDetection
        except ImportError:
            raise MissingDependency("transformers", "--person-weights", "pip install 'transformers>=5'") from None
        silence()
        try:
            processor = AutoImageProcessor.from_pretrained(self._folder, local_files_only=True)
            model = AutoModelForObjectDetection.from_pretrained(
                self._folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--person-weights {self._folder}: cannot be loaded: {str(error).splitlines()[0]}"
            ) from None
        return processor, model.eval()

    def __call__(self, rgb: UInt8[ndarray, "h w 3"]) -> Boxes:
        import torch

        processor, model = self._parts
        with torch.inference_mode():
            outputs = model(**processor(images=rgb, return_tensors="pt"))
        found = processor.post_process_object_detection(outputs, threshold=BOX_SCORE, target_sizes=[rgb.shape[:2]])[0]
        names = model.config.id2label
        out: Boxes = []
        for box, label, score in zip(found["boxes"], found["labels"], found["scores"], strict=True):
            if str(names.get(int(label), "")).lower() == PERSON:
                out.append((_clipped(box.numpy().astype(np.float64), rgb), float(score), None))
        return out


def _clipped(box: Float[ndarray, "4"], rgb: UInt8[ndarray, "h w 3"]) -> Float[ndarray, "4"]:
    h, w = rgb.shape[:2]
    return np.clip(box, 0, [w, h, w, h])


def to_person(keypoints: Float[ndarray, "44 3"], box: ndarray, score: float, mask: Any) -> Person:
    """Return a person whose score is that of the box times the mean confidence of the points."""
    sure = keypoints[keypoints[:, 2] > 0, 2]
    return Person(np.asarray(box, np.float64), keypoints, float(np.clip(score, 0, 1) * (len(sure) > 0)), mask)
