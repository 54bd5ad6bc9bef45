"""One contract for every segmenter; panoptic networks and SAM 2 for real, from tiny random weights the test saves."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from a3dgen.core.errors import ConfigError
from a3dgen.detectors import networks
from a3dgen.geometry.skeleton import NUM_ROWS, ROW
from a3dgen.segmenters import SEGMENTERS, Asked, Segmenter, SegmenterConfig, Thing, get_segmenter
from a3dgen.segmenters.mediapipe import upright_square
from a3dgen.segmenters.transformers import PanopticSegmenter

transformers = pytest.importorskip("transformers")
H, W = 60, 80


def _box(y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
    out = np.zeros((H, W), bool)
    out[y0:y1, x0:x1] = True
    return out


def _asked(rough: np.ndarray, mask: np.ndarray | None = None) -> Asked:
    rows, cols = np.flatnonzero(rough.any(1)), np.flatnonzero(rough.any(0))
    keypoints = np.zeros((NUM_ROWS, 3))
    for name, share in (("shoulder", 0.2), ("hip", 0.5), ("ankle", 1.0)):
        for side in ("left", "right"):
            keypoints[ROW[f"extra_{side}_{name}"]] = cols.mean(), rows[0] + share * np.ptp(rows), 1
    return Asked(np.array([cols[0], rows[0], cols[-1] + 1, rows[-1] + 1.0]), keypoints, rough, mask)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    import torch

    torch.manual_seed(0)
    top = tmp_path_factory.mktemp("weights")
    swin = transformers.SwinConfig(
        image_size=32, embed_dim=4, depths=[1, 1, 1, 1], num_heads=[1, 1, 1, 1], window_size=2,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.Mask2FormerConfig(
        backbone_config=swin, feature_size=32, mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=8,
        encoder_layers=1, decoder_layers=2, num_attention_heads=2, dim_feedforward=8, num_queries=5,
        id2label={0: "person", 1: "chair", 2: "grass"},
    )  # fmt: skip
    transformers.Mask2FormerForUniversalSegmentation(config).save_pretrained(top / "panoptic")
    processor = transformers.Mask2FormerImageProcessorPil(size={"height": 64, "width": 64}, num_labels=3)
    processor.save_pretrained(top / "panoptic")
    stages = {"blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64]}
    hiera = transformers.Sam2HieraDetConfig(
        hidden_size=8, image_size=[64, 64], num_attention_heads=1, num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[2, 2, 2, 2], global_attention_blocks=[3],
        window_positional_embedding_background_size=[2, 2], **stages,
    )  # fmt: skip
    vision = transformers.Sam2VisionConfig(
        backbone_config=hiera, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=32,
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )  # fmt: skip
    decoder = {"hidden_size": 32, "mlp_dim": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
               "iou_head_hidden_dim": 8, "iou_head_depth": 2}  # fmt: skip
    prompts = {"hidden_size": 32, "image_size": 64, "patch_size": 16}
    sam = transformers.Sam2Config(
        vision_config=vision.to_dict(), prompt_encoder_config=prompts, mask_decoder_config=decoder
    )
    transformers.Sam2Model(sam).save_pretrained(top / "sam2")
    return {"transformers": str(top / "panoptic"), "sam2": str(top / "sam2")}


@pytest.mark.parametrize("name", [*SEGMENTERS, "sam2"])
def test_every_segmenter_keeps_the_contract(name: str, weights: dict[str, str]) -> None:
    if name == "mediapipe" and not networks.available():
        pytest.skip("the networks of mediapipe are not here")
    known = "transformers" if name == "sam2" else name
    segmenter = get_segmenter(SegmenterConfig(known, weights.get(name, "")))
    assert isinstance(segmenter, Segmenter)
    rgb = np.random.default_rng(0).integers(0, 255, (H, W, 3)).astype(np.uint8)
    before, rough = rgb.copy(), _box(5, 55, 20, 40)
    asked = [_asked(rough, rough), _asked(_box(5, 55, 50, 70))]
    found = segmenter.people(rgb, asked)
    assert len(found) == 2
    for mask in found:
        assert mask is None or (
            mask.shape == (H, W) and mask.dtype == np.float32 and 0 <= mask.min() <= mask.max() <= 1
        )
    assert segmenter.people(rgb, []) == []
    assert segmenter.anybody(rgb).shape == (H, W)
    assert segmenter.anybody(rgb).dtype == bool
    assert all(isinstance(t, Thing) and t.mask.shape == (H, W) and t.name != "person" for t in segmenter.things(rgb))
    np.testing.assert_array_equal(rgb, before)
    if name == "given":
        np.testing.assert_array_equal(found[0] > 0.5, rough)
        assert found[1] is None
    if name == "sam2":
        assert all(m is not None for m in found), "SAM 2 answers every prompt"
        assert np.abs(found[0] - found[1]).max() > 0, "and looks at the prompt"


def test_segments_of_a_panoptic_network_go_to_whom_they_cover() -> None:
    one, two, bag, chair = _box(5, 55, 10, 25), _box(5, 55, 40, 55), _box(20, 30, 70, 78), _box(40, 60, 8, 30)
    labels = np.select([one, two, bag, chair], [1, 2, 3, 4], 0)
    infos = [{"id": 1, "label_id": 0}, {"id": 2, "label_id": 0}, {"id": 3, "label_id": 0}, {"id": 4, "label_id": 1}]
    segmenter = object.__new__(PanopticSegmenter)
    segmenter._last, segmenter._oneformer = None, False
    segmenter._model = _Model()
    segmenter._processor = _Processor({"segmentation": labels, "segments_info": infos})
    rgb = np.zeros((H, W, 3), np.uint8)
    found = segmenter.people(rgb, [_asked(_box(5, 55, 42, 53)), _asked(_box(5, 55, 12, 23))])
    np.testing.assert_array_equal(found[0] > 0.5, two)
    np.testing.assert_array_equal(found[1] > 0.5, one)
    np.testing.assert_array_equal(segmenter.anybody(rgb), one | two | bag)
    assert [(t.name, int(t.mask.sum())) for t in segmenter.things(rgb)] == [("chair", int((labels == 4).sum()))]
    assert segmenter._model.calls == 1, "one look a photo"


class _Model:
    config = SimpleNamespace(id2label={0: "person", 1: "chair"})
    calls = 0

    def __call__(self, **inputs: object) -> None:
        self.calls += 1


class _Processor:
    def __init__(self, found: dict[str, object]) -> None:
        self.found = found

    def __call__(self, **given: object) -> dict[str, object]:
        return {}

    def post_process_panoptic_segmentation(self, outputs: object, target_sizes: list[object]) -> list[object]:
        assert target_sizes == [(H, W)]
        return [self.found]


def test_the_network_is_shown_people_upright() -> None:
    keypoints = _asked(_box(5, 55, 20, 40)).keypoints
    square = upright_square(keypoints, 1.2)
    assert square is not None
    assert square.centre == pytest.approx((30.0, 29.5 + 0.5), abs=1)
    assert square.size == pytest.approx(2 * 1.2 * 24.5, rel=0.05)
    assert square.angle == pytest.approx(0, abs=1e-6)
    lying = keypoints.copy()
    lying[:, :2] = keypoints[:, 1::-1]  # head to the left
    turned = upright_square(lying, 1.2)
    assert turned is not None
    assert abs(np.sin(turned.angle)) == pytest.approx(1)
    keypoints[[ROW["extra_left_hip"], ROW["extra_right_hip"]]] = 0
    assert upright_square(keypoints, 1.2) is None


def test_weights_that_are_none_of_these_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"segmenter_path: no folder"):
        get_segmenter(SegmenterConfig("transformers", str(tmp_path / "none")))
    with pytest.raises(ConfigError, match=r"no config\.json"):
        get_segmenter(SegmenterConfig("transformers", str(tmp_path)))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ConfigError, match="'bert'; use one of mask2former"):
        get_segmenter(SegmenterConfig("transformers", str(tmp_path)))
    (tmp_path / "config.json").write_text('{"model_type": "mask2former"}')
    with pytest.raises(ConfigError, match="cannot be loaded"):
        get_segmenter(SegmenterConfig("transformers", str(tmp_path)))
