"""SMPL files of other sizes, the cache of transfers, and keypoints from the user's regressor files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_up import smpl_dict, write_pickle
from test_smpl import TOLERANCE_M, largest_difference

from a3dgen.bodies import load_body, smpl
from a3dgen.bodies.config import BodyConfig
from a3dgen.bodies.smpl_file import read_smpl
from a3dgen.errors import DataError
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.skeleton import ROW


@pytest.fixture(scope="module")
def small(body) -> dict:
    return smpl_dict(body, 7500, key="other")  # smplx itself needs more than 6787


@pytest.fixture(autouse=True)
def own_transfers(transfers_of_made_up_models: Path) -> None: ...


def test_another_vertex_count_equals_smplx(small: dict, tmp_path: Path) -> None:
    pytest.importorskip("smplx")
    path = write_pickle(tmp_path / "m.pkl", small)
    assert largest_difference(path, path) < TOLERANCE_M


def test_a_transfer_is_cached_and_a_damaged_one_made_again(small: dict, tmp_path: Path) -> None:
    arrays = read_smpl(write_pickle(tmp_path / "m.pkl", small))
    made = smpl.transferred(arrays)
    assert made.distance_mm < 5
    newest = max((smpl.anny24.home() / "bodies").glob("transfer-*.npz"), key=lambda p: p.stat().st_mtime)
    newest.write_bytes(newest.read_bytes()[:3000])
    again = smpl.transferred(arrays)
    np.testing.assert_array_equal(again.uv, made.uv)
    np.testing.assert_array_equal(again.face_uv, made.face_uv)


def test_regressor_files_give_the_extra_keypoints(small: dict, tmp_path: Path) -> None:
    model = write_pickle(tmp_path / "m.pkl", small)
    h36m = np.zeros((17, 7500))
    h36m[np.arange(17), 50 + 100 * np.arange(17)] = 1
    np.save(tmp_path / "J_regressor_h36m.npy", h36m)  # found beside the model
    found = load_body(BodyConfig("smpl", str(model)))
    rest = pose_body(found, np.zeros((24, 3)), np.zeros(10), np.zeros(3)).keypoints
    for row, vertex in (("spine_h36m", 750), ("neck_lsp", 850), ("jaw_h36m", 950), ("head_h36m", 1050)):
        np.testing.assert_allclose(rest[ROW[f"extra_{row}"]], found.mesh.vertices[vertex], atol=1e-6)
    regressor = np.zeros((9, 7500))
    regressor[np.arange(9), 100 * np.arange(9)] = 1
    np.save(tmp_path / "extra.npy", regressor)
    config = BodyConfig("smpl", str(model), regressor_extra=str(tmp_path / "extra.npy"))
    found = load_body(config)
    rest = pose_body(found, np.zeros((24, 3)), np.zeros(10), np.zeros(3)).keypoints
    np.testing.assert_allclose(rest[ROW["extra_jaw_h36m"]], found.mesh.vertices[700], atol=1e-6)
    np.save(tmp_path / "extra.npy", regressor[:, :-1])
    load_body.cache_clear()
    with pytest.raises(DataError, match="regressor of shape"):
        load_body(config)
