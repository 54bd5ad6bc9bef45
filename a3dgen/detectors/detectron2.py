"""Keypoint R-CNN in process, where detectron2 is installed; its result files are read by ``given``."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import MissingDependency
from a3dgen.detectors import DetectorConfig, Person
from a3dgen.detectors.given import make_person
from a3dgen.detectors.keypoint_rows import peak_confidence
from a3dgen.detectors.weights import CONFIG_OPTION, harmless_copy, local_path


class Detectron2Detector:
    """A detectron2 model with a keypoint head: ``config`` is its YAML file, ``weights`` its .pkl or .pth.

    Written to detectron2's documentation (``DefaultPredictor``, "Model Output Format"); run with version 0.7.2 and a
    Keypoint R-CNN of random weights (a ``slow`` test), and with a stand-in of that interface in the default tests.

    Raises:
        ConfigError: if a file is not there.
        MissingDependency: if detectron2 is not installed.
    """

    def __init__(self, config: DetectorConfig) -> None:
        try:
            from detectron2.config import get_cfg
            from detectron2.engine import DefaultPredictor
        except ImportError:
            raise MissingDependency(
                "detectron2",
                "detector detectron2",
                "pip install 'git+https://github.com/facebookresearch/detectron2' (or detect elsewhere and give "
                "coco_instances_results.json to --keypoints)",
            ) from None
        settings = local_path(CONFIG_OPTION, config.config, "file", "detectron2's YAML file of the network")
        weights = local_path("--weights", config.weights, "file", "its weights (.pkl, .pth)")
        cfg = get_cfg()
        cfg.merge_from_file(str(settings), allow_unsafe=False)  # else a tag in the YAML may run anything
        cfg.MODEL.DEVICE = "cpu"
        cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = max(0.5, config.min_score)
        with harmless_copy("--weights", weights) as copy:
            cfg.MODEL.WEIGHTS = str(copy)
            self._predict = DefaultPredictor(cfg)

    def detect(self, rgb: UInt8[ndarray, "h w 3"], name: str = "") -> list[Person]:
        """Find everybody; the best first."""
        found = self._predict(np.ascontiguousarray(rgb[..., ::-1]))["instances"].to("cpu")
        masks = found.pred_masks.numpy() if found.has("pred_masks") else [None] * len(found)
        people = [
            make_person(_points(k), float(s), np.asarray(b, np.float64), m)
            for k, s, b, m in zip(
                found.pred_keypoints.numpy(), found.scores.numpy(), found.pred_boxes.tensor.numpy(), masks, strict=True
            )
        ]
        return sorted(people, key=lambda p: -p.score)


def _points(found: ndarray) -> Float[ndarray, "n 3"]:
    """Return x, y (px, pixel centres whole numbers, half a pixel less than detectron2's) and confidence 0..1."""
    points = np.asarray(found, np.float64).copy()
    points[:, :2] -= 0.5
    points[:, 2] = peak_confidence(points[:, 2])
    return points
