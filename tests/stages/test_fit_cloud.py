"""The fit stage with point clouds: columns, remarks, require, stumps in review.csv; SMPLify-3D's data and results."""

from __future__ import annotations

import json
import pickle
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a3dgen.amputation.rebuild import DEFAULT_STUMP, RESIDUAL, BodyFit, Cut, rebuild
from a3dgen.commands import smplify3d
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import VISIBLE, Bodies, Persons
from a3dgen.core.stage import Context, Inputs
from a3dgen.engine.review_table import _found, _residual
from a3dgen.fit.stump_length import stump_length
from a3dgen.geometry.camera import project
from a3dgen.geometry.raster import rasterize
from a3dgen.geometry.regions import REGION_NAMES, REGIONS
from a3dgen.geometry.skeleton import COCO_ROWS
from a3dgen.stages import fit
from tests.fit.test_cloud import seen_by_depth
from tests.fit.test_fitter import K, person

FOOT = REGION_NAMES.index("left_foot")


def rows_of(body, seeds, clouds):
    """Persons with COCO's labels and these clouds; and what is posed."""
    rows, truth = [], []
    for seed, cloud in zip(seeds, clouds, strict=True):
        _, betas, _, posed = person(body, seed=seed)
        keypoints, state = np.zeros((44, 3)), np.zeros(44, np.uint8)
        pixels = project(posed.keypoints, K) + np.random.default_rng(seed).normal(0, 2, (44, 2))
        keypoints[list(COCO_ROWS)] = np.column_stack([pixels, np.ones(44)])[list(COCO_ROWS)]
        state[list(COCO_ROWS)] = VISIBLE
        box = [*pixels.min(0) - 20, *pixels.max(0) + 20]
        rows.append({
            "key": f"p{seed}", "subset": "COCO_val", "stem": "x", "image": "x.jpg", "image_size": (640, 480),
            "bbox": box, "keypoints": keypoints, "state": state, "K": K, "K_known": True,
            "cloud": cloud(seen_by_depth(body, posed, betas)),
        })  # fmt: skip
        truth.append((posed, betas))
    return Persons.from_rows(rows), truth


def run(persons, tmp_path=Path("/nowhere"), **settings):
    return fit.run(fit.Config(**settings), Inputs(persons), Context(0, BodyConfig(), tmp_path, tmp_path))


def test_the_stage_uses_clouds_when_told_to_and_says_when_not(body):
    persons, _ = rows_of(body, [3, 2], [lambda c: c, lambda c: c[:3]])
    off, on = run(persons), run(persons, cloud="on")
    nothing = np.empty(2, object)
    nothing[:] = [np.zeros((0, 3), np.float32)] * 2
    bare = run(replace(persons, cloud=nothing))
    for name in ("pose", "betas", "transl", "cost", "sigma"):
        np.testing.assert_array_equal(getattr(off.record, name), getattr(bare.record, name))
    assert off.record.cloud_points.tolist() == [0, 0]
    assert on.record.cloud_points[0] > 200
    assert 0 < on.record.cloud_mm[0] < 30
    assert on.record.cloud_inliers[0] > 0.9
    assert np.isnan(on.record.stump_fit).all()
    assert (
        np.linalg.norm(on.record.transl[0] - [0.1, 0, 4.5])
        < 0.06
        < np.linalg.norm(off.record.transl[0] - [0.1, 0, 4.5])
    )
    np.testing.assert_array_equal(on.record.pose[1], off.record.pose[1])
    assert on.outcome.status.tolist() == ["ok", "ok"]
    assert on.outcome.reason.tolist() == ["", "the point cloud has 3 finite points, 20 needed; fitted without it"]
    need = run(persons, cloud="require")
    assert need.outcome.status.tolist() == ["ok", "rejected"]
    with pytest.raises(ConfigError, match="cloud_min_points"):
        fit.Config(cloud_min_points=2)


def test_an_unknown_focal_length_agrees_with_the_cloud(body):
    persons, _ = rows_of(body, [2], [lambda c: c])
    guess = K.copy()
    guess[[0, 1], [0, 1]] *= 1.12
    found = run(replace(persons, K=guess[None], K_known=np.array([False])), cloud="on").record
    assert found.cloud_points[0] > 0
    assert found.K[0, 0, 0] == pytest.approx(K[0, 0], rel=0.05)
    assert np.linalg.norm(found.transl[0] - [0.1, 0, 4.5]) < 0.1


@pytest.mark.parametrize("true", [0.35, 0.7])
def test_a_stump_is_as_long_as_the_cloud_shows(body, true):
    pose, betas, transl, posed = person(body, seed=2)
    removed, shape = np.arange(12) == FOOT, np.tile(DEFAULT_STUMP, (12, 1))
    body_fit = BodyFit(pose, betas, transl)

    def cut(residual):
        made = rebuild(body, body_fit, Cut(removed, np.where(removed, residual, 1.0), RESIDUAL, shape))
        return made.vertices, made.mesh.faces

    vertices, faces = cut(true)
    depth, face = rasterize(vertices.astype(np.float64), faces, K, 640, 480)
    rows, columns = np.nonzero(face >= 0)
    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(len(rows), 300, replace=False))
    rays = np.linalg.solve(K, np.stack([columns[chosen], rows[chosen], np.ones(300)])).T
    cloud = rays * depth[rows[chosen], columns[chosen]][:, None] * (1 + 0.003 * rng.standard_normal((300, 1)))
    start, end = posed.joints[list(REGIONS[FOOT].segment)]
    found = stump_length(cut, start, end, cloud, 0.015, np.zeros(3))
    assert found is not None
    assert abs(found.residual - true) * np.linalg.norm(end - start) < 0.04
    assert 0.005 < found.sd < 0.3
    assert stump_length(cut, start + 2, end + 2, cloud, 0.015, np.zeros(3)) is None


def test_the_stage_measures_stumps_and_the_review_proposes_them(body):
    persons, _ = rows_of(body, [2], [lambda c: c])
    removed = (np.arange(12) == FOOT)[None]
    found = run(replace(persons, present_removed=removed), cloud="on").record
    assert np.isfinite(found.stump_fit[0]).sum() <= 1  # of the foot alone, if at all
    off = run(replace(persons, present_removed=removed), cloud="on", cloud_stump=False).record
    assert np.isnan(off.stump_fit).all()
    said = {"present_residual": np.ones(12), "keypoints": np.ones((44, 3))}
    assert _residual(said, FOOT, {FOOT: (0.437, 0.05)}) == "0.44"
    assert _residual(said, FOOT, {}) == "1"
    assert _residual({"present_residual": np.full(12, 0.5)}, FOOT, {FOOT: (0.437, 0.05)}) == "0.5"
    assert "left_foot stump 0.44 +- 0.05 in the point cloud" in _found(said, {FOOT: (0.437, 0.05)})


def published_data(folder, body, truth, persons):
    people, labels = [], {"camera": "camera_1"}
    for i, (posed, betas) in enumerate(truth):
        keypoints = persons.keypoints[i][list(COCO_ROWS)]
        labels[str(100 + i)] = np.column_stack([keypoints[:, :2], np.full(17, 0.9), np.ones(17)]).tolist()
        box = persons.bbox[i]
        people.append({
            "sequence": "basketball1", "time": "1913", "tracking_id": str(100 + i), "pose3d": np.zeros((15, 3)),
            "bbox2d_xywh": [int(box[0]), int(box[1]), int(box[2] - box[0]), int(box[3] - box[1])],
            "human_points": seen_by_depth(body, posed, betas), "img_file": "1.jpeg",
        })  # fmt: skip
    (folder / "data.pkl").write_bytes(pickle.dumps(people))
    (folder / "2d_keypoints.json").write_text(json.dumps(labels))
    (folder / "camera_calibration").mkdir()
    (folder / "camera_calibration" / "camera_1.json").write_text(json.dumps({"intrinsic": K.tolist()}))
    (folder / "demo.yaml").write_text(
        "dataset: {name: demo}\nSMPLify3D: {joint_confidence: 0.6, dot_product_threshold: 0}\n"
    )
    return people, labels


def test_smplify3d_writes_the_published_files(body, tmp_path, capsys):
    persons, truth = rows_of(body, [3, 2], [lambda c: c] * 2)
    people, _ = published_data(tmp_path, body, truth, persons)
    people.append({"sequence": "basketball1"})
    (tmp_path / "data.pkl").write_bytes(pickle.dumps(people))
    options = Namespace(data=str(tmp_path), config=str(tmp_path / "demo.yaml"), out=None, smpl=None, quiet=False)
    assert smplify3d.run(options) == 0
    assert "2 people fitted in 1 images, 1 rejected" in capsys.readouterr().out
    file = json.loads((tmp_path / "smpl_1913.json").read_text())
    assert list(file) == ["info", "image", "annotations"]
    assert list(file["info"])[:4] == ["sequence", "date_created", "skeleton2d", "camera_intrinsics"]
    assert "not SMPL's" in file["info"]["body_model"]
    assert file["image"]["image_id"] == 1913
    assert file["image"]["file_name"] == "1.jpeg"
    for i, (posed, _) in enumerate(truth):
        one = file["annotations"][str(100 + i)]
        assert list(one) == ["idx", "bbox", "keypoints", "hmr", "reprojection_error", "chamfer_distance"]
        assert [len(one["hmr"][k]) for k in ("body_pose", "betas", "global_orient", "global_t", "joints3d")] == [
            69, 10, 3, 3, 24,
        ]  # fmt: skip
        assert np.shape(one["keypoints"]) == (17, 5)
        assert np.linalg.norm(np.array(one["hmr"]["joints3d"])[0] - posed.joints[0]) < 0.05
        assert 0 < one["chamfer_distance"] < 0.2
        assert one["reprojection_error"] < 10


def test_smplify3d_says_what_is_wrong(tmp_path):
    config = tmp_path / "demo.yaml"
    run_it = lambda: smplify3d.run(  # noqa: E731
        Namespace(data=str(tmp_path), config=str(config), out=None, smpl=None, quiet=True)
    )
    config.write_text("dataset: {name: SLOPER4D}\nSMPLify3D: {}\n")
    with pytest.raises(ConfigError, match="'SLOPER4D'; demo and HumanM3 are read"):
        run_it()
    config.write_text("dataset: {name: demo}\nSMPLify3D: {}\n")
    with pytest.raises(ConfigError, match="no file"):
        run_it()

    class Evil:
        def __reduce__(self):
            return print, ("executed",)

    (tmp_path / "data.pkl").write_bytes(pickle.dumps([Evil()]))
    with pytest.raises(DataError, match="not executed"):
        run_it()


def test_bodies_have_room_for_clouds():
    columns = Bodies.columns()
    assert columns["stump_fit"].shape == (12,)
    assert np.isnan(columns["stump_fit"].fill)
    assert columns["cloud_points"].fill == 0
