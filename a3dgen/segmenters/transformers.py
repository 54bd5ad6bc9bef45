"""Segmenters of the transformers library from a local folder of weights: panoptic networks and SAM 2.

``config.json`` says which: Mask2Former, MaskFormer and OneFormer outline everybody and all furniture at once; SAM 2 is
prompted by each person's box and keypoints. Nothing is downloaded; weights are safetensors only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.detectors.weights import TRANSFORMERS_FOLDER, local_path, silence
from a3dgen.segmenters import Asked, Segmenter, SegmenterConfig, Thing

OPTION = "background.segmenter_path"
PERSON = "person"
PANOPTIC = ("mask2former", "maskformer", "oneformer")
PROMPTED = ("sam2",)
LEAST_OVERLAP = 0.3
"""A segment is the person's of whom it covers so much, if nobody is covered more."""
POINTS = 8
"""Keypoints given to SAM 2: the surest ones."""


def create(config: SegmenterConfig) -> Segmenter:
    """Return the segmenter that the folder's ``config.json`` names.

    Raises:
        ConfigError: no such folder, a network of another kind, or weights that cannot be read.
        MissingDependency: without transformers.
    """
    folder = local_path(OPTION, config.weights, "folder", TRANSFORMERS_FOLDER)
    try:
        kind = str(json.loads((folder / "config.json").read_text("utf-8"))["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{OPTION}: '{folder}' has no config.json with a model_type ({error})") from None
    if kind in PANOPTIC:
        return PanopticSegmenter(folder, kind)
    if kind in PROMPTED:
        return PromptedSegmenter(folder)
    raise ConfigError(f"{OPTION}: '{folder}' holds a '{kind}'; use one of {', '.join((*PANOPTIC, *PROMPTED))}")


def _loaded(folder: Path, load: Callable[[Any], tuple[Any, Any]]) -> tuple[Any, Any]:
    """Return processor and model, or say in one line what is wrong with the folder."""
    try:
        import transformers
    except ImportError:
        raise MissingDependency("transformers", "segmenter transformers", "pip install 'a3dgen[vitpose]'") from None
    silence()
    try:
        processor, model = load(transformers)
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{OPTION} {folder}: cannot be loaded: {str(error).splitlines()[0]}") from None
    return processor, model.eval()


class PanopticSegmenter:
    """Mask2Former, MaskFormer or OneFormer with panoptic weights: the class ``person`` is people, the rest things."""

    def __init__(self, folder: Path, kind: str) -> None:
        self._oneformer = kind == "oneformer"

        def load(library: Any) -> tuple[Any, Any]:
            if self._oneformer:
                processor = library.OneFormerProcessor.from_pretrained(folder, local_files_only=True)
            else:
                plain = getattr(library, "Mask2FormerImageProcessorPil", None) or library.Mask2FormerImageProcessor
                processor = plain.from_pretrained(folder, local_files_only=True)
            model = library.AutoModelForUniversalSegmentation.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
            return processor, model

        self._processor, self._model = _loaded(folder, load)
        self._last: tuple[Any, list[Thing]] | None = None

    def people(self, rgb: UInt8[ndarray, "h w 3"], asked: Sequence[Asked]) -> list[Any]:
        """Return the segments of people, each given to whom it covers most; several pieces may be one person's."""
        out: list[Any] = [None] * len(asked)
        for segment in self._segments(rgb):
            if segment.name != PERSON:
                continue
            shares = [_overlap(segment.mask, a) for a in asked]
            best = int(np.argmax(shares)) if shares else -1
            if best < 0 or shares[best] < LEAST_OVERLAP:
                continue
            mine = segment.mask.astype(np.float32)
            out[best] = mine if out[best] is None else np.maximum(out[best], mine)
        return out

    def anybody(self, rgb: UInt8[ndarray, "h w 3"]) -> Bool[ndarray, "h w"]:
        """Return the union of all people."""
        parts = [s.mask for s in self._segments(rgb) if s.name == PERSON]
        return np.logical_or.reduce([np.zeros(rgb.shape[:2], bool), *parts])

    def things(self, rgb: UInt8[ndarray, "h w 3"]) -> list[Thing]:
        """Return all segments that are no people."""
        return [s for s in self._segments(rgb) if s.name != PERSON]

    def _segments(self, rgb: UInt8[ndarray, "h w 3"]) -> list[Thing]:
        if self._last is None or self._last[0] is not rgb:
            self._last = rgb, self._segmented(rgb)
        return self._last[1]

    def _segmented(self, rgb: UInt8[ndarray, "h w 3"]) -> list[Thing]:
        import torch

        extra = {"task_inputs": ["panoptic"]} if self._oneformer else {}
        inputs = self._processor(images=rgb, return_tensors="pt", **extra)
        with torch.inference_mode():
            outputs = self._model(**{k: v for k, v in inputs.items() if k != "pixel_mask"})
        found = self._processor.post_process_panoptic_segmentation(outputs, target_sizes=[rgb.shape[:2]])[0]
        labels, names = np.asarray(found["segmentation"]), self._model.config.id2label
        return [
            Thing(str(names.get(int(s["label_id"]), "")), labels == int(s["id"]))
            for s in found["segments_info"]
            if (labels == int(s["id"])).any()
        ]


class PromptedSegmenter:
    """SAM 2, prompted by each person's box and surest keypoints; it looks only where it is told to."""

    def __init__(self, folder: Path) -> None:
        def load(library: Any) -> tuple[Any, Any]:
            model = library.Sam2Model.from_pretrained(folder, local_files_only=True, use_safetensors=True)
            return None, model

        _, self._model = _loaded(folder, load)
        self._size = int(self._model.config.prompt_encoder_config.image_size)

    def people(self, rgb: UInt8[ndarray, "h w 3"], asked: Sequence[Asked]) -> list[Any]:
        """Return each person's probabilities."""
        import cv2
        import torch

        if not asked:
            return []
        height, width = rgb.shape[:2]
        pixels = _normalised(cv2.resize(rgb, (self._size, self._size), interpolation=cv2.INTER_LINEAR))
        scale = np.array([self._size / width, self._size / height])
        out: list[Any] = []
        with torch.inference_mode():
            embeddings = self._model.get_image_embeddings(torch.from_numpy(pixels)[None])
            for person in asked:
                box, points = person.box.reshape(2, 2) * scale, _prompts(person.keypoints) * scale
                prompt = {"input_boxes": torch.tensor(box.reshape(1, 1, 4), dtype=torch.float32)}
                if len(points):
                    prompt["input_points"] = torch.tensor(points[None, None], dtype=torch.float32)
                    prompt["input_labels"] = torch.ones((1, 1, len(points)), dtype=torch.int64)
                found = self._model(image_embeddings=embeddings, multimask_output=False, **prompt)
                logits = found.pred_masks.float().numpy().reshape(-1, *found.pred_masks.shape[-2:])[0]
                full = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
                out.append((1 / (1 + np.exp(-np.clip(full, -30, 30)))).astype(np.float32))
        return out

    def anybody(self, rgb: UInt8[ndarray, "h w 3"]) -> Bool[ndarray, "h w"]:
        """Return nothing: it looks only where it is told to."""
        return np.zeros(rgb.shape[:2], bool)

    def things(self, rgb: UInt8[ndarray, "h w 3"]) -> list[Thing]:
        """Return nothing: it knows no classes."""
        return []


_MEAN, _STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's, which SAM 2 is trained with."""


def _normalised(rgb: UInt8[ndarray, "s s 3"]) -> Float[ndarray, "3 s s"]:
    return np.ascontiguousarray(((rgb.astype(np.float32) / 255 - _MEAN) / _STD).transpose(2, 0, 1))


def _prompts(keypoints: Float[ndarray, "44 3"]) -> Float[ndarray, "n 2"]:
    """Return the surest keypoints, px."""
    order = np.argsort(-keypoints[:, 2], kind="stable")[:POINTS]
    return keypoints[[r for r in order if keypoints[r, 2] > 0], :2]


def _overlap(mask: Bool[ndarray, "h w"], asked: Asked) -> float:
    """Return how much of what is known of a person a segment covers."""
    return float((mask & asked.rough).sum() / max(int(asked.rough.sum()), 1))
