"""ViTPose for real, from randomly initialised weights that the test saves."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.core.errors import ConfigError
from a3dgen.detectors import DetectorConfig, Person, get_detector
from a3dgen.geometry.skeleton import COCO_ROWS

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    import torch
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    torch.manual_seed(0)
    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        out_indices=[1],
    )  # fmt: skip
    model = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17))
    folder = tmp_path_factory.mktemp("vitpose")
    model.save_pretrained(folder)
    return folder


def test_random_weights_give_a_pose_in_every_box(weights, monkeypatch):
    boxes = [(np.array([10.0, 20, 110, 220]), 0.9, None), (np.array([150.0, 30, 250, 230]), 0.8, None)]
    monkeypatch.setattr("a3dgen.detectors.vitpose.person_boxes", lambda config: lambda rgb: boxes)
    detector = get_detector(DetectorConfig("vitpose", weights=str(weights)))
    rgb = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    people = detector.detect(rgb)
    assert len(people) == 2
    for person, (box, _, _) in zip(people, boxes, strict=True):
        assert isinstance(person, Person)
        points = person.keypoints[list(COCO_ROWS)]
        known = points[:, 2] > 0
        assert (points[known, 2] <= 1).all()
        size = (box[2:] - box[:2]).max()
        away = np.abs(points[known, :2] - (box[:2] + box[2:]) / 2).max(1)
        assert np.median(away) < size  # the refinement of a peak that is none may lead anywhere
        assert not person.keypoints[[r for r in range(44) if r not in COCO_ROWS]].any()


def test_weights_must_be_there(tmp_path):
    with pytest.raises(ConfigError, match="--weights: no folder"):
        get_detector(DetectorConfig("vitpose", weights=str(tmp_path / "none")))


def test_a_folder_without_weights_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "a3dgen.detectors.vitpose.person_boxes", lambda config: lambda rgb: [(np.array([0.0, 0, 50, 50]), 1.0, None)]
    )
    detector = get_detector(DetectorConfig("vitpose", weights=str(tmp_path)))
    with pytest.raises(ConfigError, match="cannot be loaded"):
        detector.detect(np.zeros((60, 60, 3), np.uint8))


def tiny_rt_detr(folder):
    from transformers import RTDetrConfig, RTDetrForObjectDetection, RTDetrImageProcessor, RTDetrResNetConfig

    backbone = RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = RTDetrConfig(
        backbone_config=backbone, encoder_in_channels=[8, 8, 8], encoder_hidden_dim=16, d_model=16, num_queries=20,
        encoder_ffn_dim=16, decoder_ffn_dim=16, decoder_layers=1, decoder_attention_heads=2, encoder_attention_heads=2,
        decoder_in_channels=[16, 16, 16], id2label={0: "person", 1: "chair"}, label2id={"person": 0, "chair": 1},
    )  # fmt: skip
    RTDetrForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


def tiny_d_fine(folder):
    from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config, RTDetrImageProcessor

    backbone = HGNetV2Config(
        stem_channels=[3, 8, 8], stage_in_channels=[8, 8, 8, 8], stage_mid_channels=[8, 8, 8, 8],
        stage_out_channels=[8, 8, 8, 8], stage_num_blocks=[1, 1, 1, 1], stage_numb_of_layers=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], embedding_size=8, out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = DFineConfig(
        backbone_config=backbone, encoder_in_channels=[8, 8, 8], encoder_hidden_dim=16, d_model=16, num_queries=20,
        encoder_ffn_dim=16, decoder_ffn_dim=16, decoder_layers=2, decoder_attention_heads=2, encoder_attention_heads=2,
        decoder_in_channels=[16, 16, 16], decoder_n_points=[1, 1, 1], id2label={0: "person"},
        label2id={"person": 0},
    )  # fmt: skip
    DFineForObjectDetection(config).save_pretrained(folder)
    RTDetrImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


@pytest.mark.parametrize("make", [tiny_rt_detr, pytest.param(tiny_d_fine, marks=pytest.mark.slow)])
def test_people_come_from_a_local_person_detector(make, weights, tmp_path, monkeypatch):
    import torch

    torch.manual_seed(0)
    make(tmp_path)
    monkeypatch.setattr("a3dgen.detectors.boxes.BOX_SCORE", 0.0)
    detector = get_detector(DetectorConfig("vitpose", str(weights), str(tmp_path), min_score=0.0))
    rgb = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    people = detector.detect(rgb)
    assert 0 < len(people) <= 20
    boxes = np.array([p.box for p in people])
    assert (boxes >= 0).all()
    assert (boxes <= [640, 480, 640, 480]).all()
    assert all(0 <= p.score <= 1 for p in people)
