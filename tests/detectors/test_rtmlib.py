"""rtmlib for real, on tiny random ONNX networks that the test writes; skipped where the packages are missing."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.core.errors import ConfigError
from a3dgen.detectors import DetectorConfig, get_detector
from a3dgen.geometry.skeleton import COCO_FOOT_ROWS, COCO_ROWS

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("rtmlib")

WIDTH, HEIGHT = 48, 64


def network(path, inputs, outputs):
    """Write a network that looks at its picture and answers with constants: name -> array of ``outputs``."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "mean"], ["nothing"]),
    ]
    constants, answers = [], []
    for name, array in outputs.items():
        constants.append(numpy_helper.from_array(array.astype(np.float32), f"{name}_constant"))
        nodes.append(helper.make_node("Add", [f"{name}_constant", "nothing"], [name]))
        answers.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, inputs)
    graph = helper.make_graph(nodes, "tiny", [image], answers, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return str(path)


def simcc(path, points):
    """A SimCC network that sees ``points`` points at random places; returns its path and the places."""
    rng = np.random.default_rng(0)
    at = np.column_stack([rng.integers(0, 2 * WIDTH, points), rng.integers(0, 2 * HEIGHT, points)])
    x, y = (rng.uniform(0, 0.3, (1, points, 2 * side)) for side in (WIDTH, HEIGHT))
    x[0, np.arange(points), at[:, 0]] = 0.9
    y[0, np.arange(points), at[:, 1]] = 0.8
    return network(path, [1, 3, HEIGHT, WIDTH], {"simcc_x": x, "simcc_y": y}), at / 2


@pytest.mark.parametrize("points", [17, 26, 133])
def test_points_lie_where_the_network_puts_them_in_the_box(tmp_path, monkeypatch, points):
    box = np.array([40.0, 30, 100, 110])
    monkeypatch.setattr("a3dgen.detectors.rtmlib.person_boxes", lambda config: lambda rgb: [(box, 0.9, None)])
    weights, at = simcc(tmp_path / "pose.onnx", points)
    (person,) = get_detector(DetectorConfig("rtmlib", weights=weights)).detect(np.zeros((150, 200, 3), np.uint8))
    # the box, a quarter larger and widened to the network's shape, is the network's picture
    side = 1.25 * max(60 / WIDTH, 80 / HEIGHT)
    wanted = np.array([70, 70]) + (at - [WIDTH / 2, HEIGHT / 2]) * side
    rows = list(COCO_ROWS)
    np.testing.assert_allclose(person.keypoints[rows, :2], wanted[:17], atol=1.5)
    assert (person.keypoints[rows, 2] > 0.5).all()
    feet = person.keypoints[list(COCO_FOOT_ROWS)]
    assert (feet[:, 2] > 0).all() == (points > 17)
    if points == 26:
        np.testing.assert_allclose(feet[:, :2], wanted[[20, 22, 24, 21, 23, 25]], atol=1.5)


@pytest.mark.parametrize("nms", [True, False])
def test_boxes_of_people_come_from_yolox(tmp_path, nms):
    weights, _ = simcc(tmp_path / "pose.onnx", 17)
    if nms:
        found = np.array([[[8.0, 4, 40, 60, 0.9], [0, 0, 9, 9, 0.1]]])
    else:  # 8x8, 4x4 and 2x2 cells of 85 numbers: a person in the first cell, a car in the last
        found = np.full((1, 84, 85), -9.0)
        found[0, :, 4:] = 0
        found[0, 0, :6] = [3, 4, np.log(4), np.log(7), 1, 0.9]
        found[0, -1, :8] = [0, 0, 0, 0, 1, 0, 0, 0.9]
    boxes = network(tmp_path / "yolox.onnx", [1, 3, 64, 64], {"dets": found})
    detector = get_detector(DetectorConfig("rtmlib", weights=weights, person_weights=boxes))
    (person,) = detector.detect(np.zeros((128, 128, 3), np.uint8))
    np.testing.assert_allclose(person.box, [16, 8, 80, 120], atol=1)


def test_a_file_that_is_no_network_is_one_line(tmp_path):
    (tmp_path / "pose.onnx").write_bytes(b"hello")
    with pytest.raises(ConfigError, match=r"pose\.onnx: cannot be loaded"):
        get_detector(DetectorConfig("rtmlib", weights=str(tmp_path / "pose.onnx")))
