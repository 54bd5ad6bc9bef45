"""SMPL files of other sizes, the cache of transfers, and keypoints from the user's regressor files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from made_up import smpl_dict, write_pickle
from test_smpl import TOLERANCE_M, largest_difference

from a3dgen.bodies import load_body, smpl
from a3dgen.bodies.smpl_file import read_smpl
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import DataError
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.skeleton import ROW


@pytest.fixture(scope="module")
def small(body) -> dict:
    return smpl_dict(body, 7500, key="other")  # smplx itself needs more than 6787


@pytest.fixture(autouse=True)
def own_transfers(transfers_of_made_up_models: Path) -> None: ...


@pytest.fixture(scope="module")
def pickled(small: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pickle(tmp_path_factory.mktemp("other") / "m.pkl", small)


def test_another_vertex_count_equals_smplx(pickled: Path) -> None:
    pytest.importorskip("smplx")
    assert largest_difference(pickled, pickled) < TOLERANCE_M


def test_a_transfer_is_cached_and_a_damaged_one_made_again(
    pickled: Path, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = read_smpl(pickled)
    made = smpl.transferred(arrays)
    assert made.distance_mm < 5
    shutil.copytree(own_home, tmp_path / "home", symlinks=True)
    monkeypatch.setenv("A3DGEN_HOME", str(tmp_path / "home"))
    calls = []
    monkeypatch.setattr(smpl, "make_transfer", lambda body, arrays: calls.append(body) or made)
    smpl.transferred(arrays)
    assert not calls
    for path in (tmp_path / "home" / "bodies").glob("transfer-*.npz"):
        path.write_bytes(path.read_bytes()[:3000])
    for _ in range(2):
        again = smpl.transferred(arrays)
        np.testing.assert_array_equal(again.uv, made.uv)
        np.testing.assert_array_equal(again.face_uv, made.face_uv)
    assert len(calls) == 1


@pytest.mark.slow
def test_a_transfer_is_the_same_every_time(pickled: Path, body: BodyData) -> None:
    arrays = read_smpl(pickled)
    one, two = smpl.make_transfer(body, arrays), smpl.make_transfer(body, arrays)
    np.testing.assert_array_equal(one.uv, two.uv)
    np.testing.assert_array_equal(one.face_uv, two.face_uv)
    for name in one.masks:
        np.testing.assert_array_equal(one.masks[name], two.masks[name])


def test_regressor_files_give_the_extra_keypoints(pickled: Path, tmp_path: Path) -> None:
    model = Path(shutil.copy(pickled, tmp_path / "m.pkl"))
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
