"""The real detectron2, where it is installed: a Keypoint R-CNN of random weights through the adapter."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.detectors import DetectorConfig, get_detector


@pytest.mark.slow
def test_a_keypoint_rcnn_of_random_weights(tmp_path) -> None:
    pytest.importorskip("detectron2", reason="docs/photos.md says how it is installed")
    import torch
    from detectron2 import model_zoo
    from detectron2.config import get_cfg
    from detectron2.modeling import build_model

    torch.manual_seed(0)
    cfg = get_cfg()
    cfg.merge_from_file(model_zoo.get_config_file("COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.yaml"))
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.MODEL.RESNETS.NORM = "GN"  # frozen statistics of random weights would overflow
    cfg.INPUT.MIN_SIZE_TEST, cfg.TEST.DETECTIONS_PER_IMAGE, cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 128, 5, 20
    torch.save({"model": build_model(cfg).state_dict()}, tmp_path / "model.pth")
    (tmp_path / "model.yaml").write_text(cfg.dump())
    files = {"weights": str(tmp_path / "model.pth"), "config": str(tmp_path / "model.yaml")}
    detector = get_detector(DetectorConfig("detectron2", min_score=0.0, **files))
    rgb = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    assert detector.detect(rgb) == []  # nobody is surer than a half
    detector._predict.model.roi_heads.box_predictor.test_score_thresh = 0.0
    people = detector.detect(rgb)
    assert 1 <= len(people) <= 5
    assert [p.score for p in people] == sorted((p.score for p in people), reverse=True)
    for person in people:
        there = person.keypoints[:, 2] > 0
        assert there.sum() == 17
        assert (person.keypoints[there, :2] >= -1).all()
        assert (person.keypoints[there, :2] <= (160, 120)).all()
