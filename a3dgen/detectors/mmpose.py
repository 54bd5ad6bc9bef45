"""mmpose's inferencer in process, where it is installed; its prediction files are read by ``given``."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.core.errors import MissingDependency
from a3dgen.core.trust import warn_of_code
from a3dgen.detectors import DetectorConfig, Person
from a3dgen.detectors.boxes import person_boxes, to_person
from a3dgen.detectors.given import make_person
from a3dgen.detectors.weights import CONFIG_OPTION, harmless_copy, local_path


class MmposeDetector:
    """A top-down mmpose 1.x model: ``config`` is its Python file, ``weights`` its .pth; boxes as for ViTPose.

    Written to mmpose's documentation (``init_model``, ``inference_topdown``, ``PoseDataSample``) and tested with a
    stand-in of that interface; it has not been run with the package itself.

    Raises:
        ConfigError: if a file is not there.
        MissingDependency: if mmpose is not installed.
    """

    def __init__(self, config: DetectorConfig) -> None:
        try:
            from mmpose.apis import inference_topdown, init_model
        except ImportError:
            raise MissingDependency(
                "mmpose",
                "detector mmpose",
                "pip install -U openmim && mim install mmengine mmcv mmpose (or detect elsewhere and give its "
                "prediction files to --keypoints)",
            ) from None
        settings = local_path(CONFIG_OPTION, config.config, "file", "mmpose's Python file of the network")
        weights = local_path("--weights", config.weights, "file", "its weights (.pth)")
        self._infer = inference_topdown
        warn_of_code(CONFIG_OPTION, str(settings), "a Python file")
        with harmless_copy("--weights", weights) as copy:
            self._model = init_model(str(settings), str(copy), device="cpu")
        self._boxes = person_boxes(config)
        self._min_score = config.min_score

    def detect(self, rgb: UInt8[ndarray, "h w 3"], name: str = "") -> list[Person]:
        """Find everybody; the best first."""
        boxes = [b for b in self._boxes(rgb) if b[1] >= self._min_score]
        if not boxes:
            return []
        found = self._infer(self._model, np.ascontiguousarray(rgb[..., ::-1]), np.array([b for b, _, _ in boxes]))
        people = []
        for sample, (box, score, mask) in zip(found, boxes, strict=True):
            instances = sample.pred_instances
            points = np.column_stack([instances.keypoints[0], instances.keypoint_scores[0]]).astype(np.float64)
            people.append(to_person(make_person(points, score, None).keypoints, box, score, mask))
        return sorted(people, key=lambda p: -p.score)
