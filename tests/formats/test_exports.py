"""Each export is opened by the tool of its own field."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from a3dgen.core.errors import DataError
from a3dgen.core.registry import resolve
from a3dgen.formats.exports import EXPORTS, coco
from a3dgen.geometry.regions import RESIDUAL_ENDS


@pytest.fixture
def coco_json(written: Path, tmp_path: Path) -> Path:
    return coco.export(written, tmp_path / "coco.json")[0]


def test_coco_loads_and_evaluates_against_itself_to_one(coco_json: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(coco_json))
        people = truth.loadAnns(truth.getAnnIds())
        found = truth.loadRes(
            [{**{k: a[k] for k in ("image_id", "category_id", "keypoints")}, "score": 1.0} for a in people]
        )
        evaluation = COCOeval(truth, found, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(coco.SIGMAS)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)
    assert truth.annToMask(people[0]).all()


def test_coco_presence_and_visibility(coco_json: Path) -> None:
    content = json.loads(coco_json.read_text())
    person = content["annotations"][0]
    assert person["amputations"] == [{"region": "left_knee", "residual": 0.5}]
    names = content["categories"][0]["keypoints"]
    presence = dict(zip(names, person["presence"], strict=True))
    assert [n for n, p in presence.items() if p and n in RESIDUAL_ENDS] == ["above_left_knee"]
    assert presence["left_knee"] == presence["left_ankle"] == 0
    assert presence["right_knee"] == 1
    flags = np.array(person["keypoints"]).reshape(-1, 3)
    assert ((flags[:, 2] == 0) >= (np.array(person["presence"]) == 0)).all()
    assert (flags[flags[:, 2] == 0, :2] == 0).all()
    assert flags[names.index("above_left_knee"), 2] == 2
    intact = content["annotations"][2]
    assert intact["amputations"] == []
    assert sum(intact["presence"]) == 17


def test_webdataset_shards_hold_what_the_trainers_read(written: Path, tmp_path: Path) -> None:
    export = resolve("export", EXPORTS, "webdataset")
    paths = export(written, tmp_path / "one")
    again = export(written, tmp_path / "two")
    assert [p.read_bytes() for p in paths] == [p.read_bytes() for p in again]
    with tarfile.open(paths[0]) as archive:
        names = archive.getnames()
        assert len(names) == 60
        assert names[0].split(".", 1) == ["00000000", "jpg"]
        assert names[1].split(".", 1) == ["00000000", "data.pyd"]
        person = pickle.load(archive.extractfile(names[1]))[0]  # written by this test a moment ago
    assert person["keypoints_2d"].shape == (44, 3)
    assert person["keypoints_3d"].shape == (44, 4)
    assert person["scale"].shape == (2,)
    assert person["body_pose"].shape == (72,)
    assert person["has_betas"] == 0
    assert person["extra_info"]["fitting_loss"].ndim == 0
    data = np.load(written / "COCO_train/annotation/COCO_train.npz", allow_pickle=True)
    assert person["scale"][0] == pytest.approx(data["scale"][0, 0] / 200)


def test_spin_npz(written: Path, tmp_path: Path) -> None:
    export = resolve("export", EXPORTS, "spin")
    paths = {p.name: p for p in export(written, tmp_path)}
    assert set(paths) == {"COCO_train.npz", "COCO_val.npz", "H36M_S1.npz", "H36M_S11.npz", "MPII.npz"}
    data = np.load(paths["H36M_S1.npz"])
    assert data["part"].shape == (6, 24, 3)
    assert data["S"].shape == (6, 24, 4)
    assert data["openpose"].shape == (6, 25, 3)
    assert data["pose"].shape == (6, 72)
    assert (data["pose"].reshape(6, 24, 3)[0, [4, 7, 10]] == 0).all()
    source = np.load(written / "H36M/annotation/S1.npz")
    np.testing.assert_array_equal(data["part"][:, :19], source["gt_2d_kpts"][:, 0, 25:])
    np.testing.assert_array_equal(data["part"][:, 20], source["gt_2d_kpts"][:, 0, 16])
    assert (written / str(data["imgname"][0])).is_file()
    assert not data["has_smpl"].any()  # the open body's betas are not SMPL's


def test_coco_needs_to_know_which_tips_are_hidden(dataset: Path, tmp_path: Path) -> None:
    path = dataset / "dataset.json"
    path.write_text(json.dumps({"conventions": {"occluded_keypoints": "kept with confidence 1"}}))
    with pytest.raises(DataError, match=r"annotate\.occluded=mask"):
        resolve("export", EXPORTS, "coco")(dataset, tmp_path / "c.json")


def test_an_unknown_subset_is_named(written: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no subset"):
        coco.export(written, tmp_path / "x.json", ["LSP"])
