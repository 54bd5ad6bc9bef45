"""detectron2 and mmpose through stand-ins that have the interface their documentation describes."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from a3dgen.core.errors import ConfigError
from a3dgen.detectors import DetectorConfig, get_detector
from a3dgen.geometry.skeleton import COCO_ROWS

RGB = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
POINTS = np.column_stack([np.arange(17) + 10.5, np.arange(17) + 20.5])


class Tensor:
    def __init__(self, array):
        self._array = np.asarray(array, np.float32)

    def numpy(self):
        return self._array


class Instances:
    """``detectron2.structures.Instances`` as far as results are read."""

    def __init__(self):
        peaks = np.linspace(0.02, 1.3, 17)
        self.pred_keypoints = Tensor(np.stack([np.column_stack([POINTS + s, peaks]) for s in (0, 5)]))
        self.scores = Tensor([0.7, 0.9])
        self.pred_boxes = SimpleNamespace(tensor=Tensor([[5, 6, 30, 40], [9, 9, 40, 50]]))

    def to(self, device):
        assert device == "cpu"
        return self

    def has(self, name):
        return hasattr(self, name)

    def __len__(self):
        return 2


def module(monkeypatch, name, **content):
    made = ModuleType(name)
    made.__dict__.update(content)
    monkeypatch.setitem(sys.modules, name, made)


@pytest.fixture
def files(tmp_path):
    (tmp_path / "model.yaml").write_text("x")
    torch.save({"state_dict": {"layer.weight": torch.ones(2)}}, tmp_path / "model.pth")
    return {"config": str(tmp_path / "model.yaml"), "weights": str(tmp_path / "model.pth")}


def test_detectron2(monkeypatch, files):
    seen = {}

    class Predictor:
        def __init__(self, cfg):
            seen["cfg"] = cfg
            seen["weights"] = torch.load(cfg.MODEL.WEIGHTS, weights_only=False)

        def __call__(self, image):
            seen["image"] = image
            return {"instances": Instances()}

    heads = SimpleNamespace(SCORE_THRESH_TEST=0.05)
    model = SimpleNamespace(WEIGHTS="", DEVICE="cuda", ROI_HEADS=heads)
    cfg = SimpleNamespace(
        MODEL=model, merge_from_file=lambda path, allow_unsafe: seen.update(path=path, safe=not allow_unsafe)
    )
    module(monkeypatch, "detectron2")
    module(monkeypatch, "detectron2.config", get_cfg=lambda: cfg)
    module(monkeypatch, "detectron2.engine", DefaultPredictor=Predictor)
    best, other = get_detector(DetectorConfig("detectron2", **files)).detect(RGB)
    assert (best.score, other.score) == (pytest.approx(0.9), pytest.approx(0.7))
    np.testing.assert_array_equal(seen["image"], RGB[..., ::-1])
    assert (seen["path"], seen["safe"], cfg.MODEL.DEVICE) == (files["config"], True, "cpu")
    assert seen["weights"]["state_dict"]["layer.weight"].tolist() == [1, 1]
    np.testing.assert_allclose(other.keypoints[list(COCO_ROWS), :2], POINTS - 0.5)
    np.testing.assert_allclose(other.box, [5, 6, 30, 40])
    confidence = other.keypoints[list(COCO_ROWS), 2]
    assert (np.diff(confidence) >= 0).all()
    assert confidence.max() <= 1


def test_mmpose(monkeypatch, files):
    seen = {}

    def inference_topdown(model, img, bboxes=None, bbox_format="xyxy"):
        seen.update(img=img, bboxes=bboxes, bbox_format=bbox_format)
        return [
            SimpleNamespace(
                pred_instances=SimpleNamespace(keypoints=POINTS[None] + b[0], keypoint_scores=np.full((1, 17), 0.6))
            )
            for b in bboxes
        ]

    def init_model(config, checkpoint=None, device="cuda:0"):
        seen.update(config=config, weights=torch.load(checkpoint, weights_only=False), device=device)
        return object()

    module(monkeypatch, "mmpose")
    module(monkeypatch, "mmpose.apis", inference_topdown=inference_topdown, init_model=init_model)
    boxes = [(np.array([0.0, 0, 40, 50]), 0.5, None), (np.array([3.0, 0, 40, 50]), 0.8, None)]
    monkeypatch.setattr("a3dgen.detectors.mmpose.person_boxes", lambda config: lambda rgb: boxes)
    best, other = get_detector(DetectorConfig("mmpose", **files)).detect(RGB)
    assert (best.score, other.score) == (0.8, 0.5)
    np.testing.assert_allclose(best.keypoints[list(COCO_ROWS), :2], POINTS + 3)
    np.testing.assert_array_equal(seen["img"], RGB[..., ::-1])
    assert (seen["config"], seen["device"]) == (files["config"], "cpu")
    assert seen["weights"]["state_dict"]["layer.weight"].tolist() == [1, 1]
    assert (seen["bboxes"].shape, seen["bbox_format"]) == ((2, 4), "xyxy")


@pytest.mark.parametrize("name", ["detectron2", "mmpose"])
def test_files_must_be_there(monkeypatch, files, name):
    module(monkeypatch, "detectron2")
    module(monkeypatch, "detectron2.config", get_cfg=None)
    module(monkeypatch, "detectron2.engine", DefaultPredictor=None)
    module(monkeypatch, "mmpose")
    module(monkeypatch, "mmpose.apis", inference_topdown=None, init_model=None)
    with pytest.raises(ConfigError, match="--weights: no file"):
        get_detector(DetectorConfig(name, config=files["config"], weights="/nowhere"))
