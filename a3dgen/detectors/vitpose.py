"""ViTPose from a local folder of weights, through the transformers library."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.detectors import DetectorConfig, Person
from a3dgen.detectors.boxes import person_boxes, to_person
from a3dgen.detectors.keypoint_rows import to_rows
from a3dgen.detectors.weights import TRANSFORMERS_FOLDER, local_path, silence
from a3dgen.geometry.keypoint_names import WHOLEBODY_ROWS
from a3dgen.geometry.skeleton import COCO_ROWS


class VitPoseDetector:
    """ViTPose (17 COCO points; WholeBody weights give feet too) on boxes from ``person_weights`` or mediapipe.

    Raises:
        ConfigError: if the weights are not there or cannot be loaded.
        MissingDependency: if transformers is not installed.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self._folder = local_path("--weights", config.weights, "folder", TRANSFORMERS_FOLDER)
        self._boxes = person_boxes(config)
        self._min_score = config.min_score

    @cached_property
    def _parts(self) -> tuple[Any, Any]:
        try:
            from transformers import VitPoseForPoseEstimation

            processor_class = _processor_class()
        except ImportError:
            raise MissingDependency("transformers", "detector vitpose", "pip install 'transformers>=5' scipy") from None
        silence()
        try:
            model = VitPoseForPoseEstimation.from_pretrained(self._folder, local_files_only=True, use_safetensors=True)
            if (self._folder / "preprocessor_config.json").is_file():
                processor = processor_class.from_pretrained(self._folder, local_files_only=True)
            else:
                height, width = model.config.backbone_config.image_size
                processor = processor_class(size={"height": height, "width": width})
        except (OSError, ValueError) as error:
            raise ConfigError(f"--weights {self._folder}: cannot be loaded: {str(error).splitlines()[0]}") from None
        return processor, model.eval()

    def detect(self, rgb: UInt8[ndarray, "h w 3"], name: str = "") -> list[Person]:
        """Find everybody; the best first."""
        import torch

        boxes = [b for b in self._boxes(rgb) if b[1] >= self._min_score and (b[0][2:] - b[0][:2] > 8).all()]
        if not boxes:
            return []
        processor, model = self._parts
        # COCO boxes: corner, width, height
        given = np.array([[*b[:2], *(b[2:] - b[:2])] for b, _, _ in boxes], np.float32)
        inputs = processor(rgb, boxes=[given], return_tensors="pt")
        extra = {}
        if getattr(model.config.backbone_config, "num_experts", 1) > 1:
            extra["dataset_index"] = torch.zeros(len(boxes), dtype=torch.long)  # ViTPose++: 0 is COCO
        with torch.inference_mode():
            outputs = model(**inputs, **extra)
        poses = processor.post_process_pose_estimation(outputs, boxes=[given])[0]
        people = []
        for pose, (box, score, mask) in zip(poses, boxes, strict=True):
            points = np.column_stack([pose["keypoints"].numpy(), pose["scores"].numpy()]).astype(np.float64)
            full = np.zeros((model.config.num_labels or len(points), 3))
            full = full if len(full) >= 17 else np.zeros((17, 3))
            full[pose["labels"].numpy()] = points
            rows = WHOLEBODY_ROWS if len(full) >= len(WHOLEBODY_ROWS) else COCO_ROWS
            people.append(to_person(to_rows(full, rows), box, score, mask))
        return sorted(people, key=lambda p: -p.score)


def _processor_class() -> Any:
    """Return the image processor that needs no torchvision."""
    import transformers

    return getattr(transformers, "VitPoseImageProcessorPil", None) or transformers.VitPoseImageProcessor
