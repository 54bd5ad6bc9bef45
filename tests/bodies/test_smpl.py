"""SMPL-format files, written by the tests: read without executing, posed as ``smplx`` poses them, and fitted out."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path

import numpy as np
import pytest
from made_up import smpl_dict, write_chumpy, write_npz, write_pickle

from a3dgen.bodies import load_body
from a3dgen.bodies.export import export_body
from a3dgen.bodies.smpl_file import read_smpl
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import A3dgenError
from a3dgen.geometry.body import pose_body

smplx = pytest.importorskip("smplx")
torch = pytest.importorskip("torch")
TOLERANCE_M = 1e-5


@pytest.fixture(scope="module")
def model(body) -> dict:
    return smpl_dict(body, 6890)


@pytest.fixture(scope="module")
def pickled(model: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pickle(tmp_path_factory.mktemp("smpl") / "SMPL_NEUTRAL.pkl", model)


@pytest.fixture(autouse=True)
def own_transfers(transfers_of_made_up_models: Path) -> None: ...


def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(24, 3)) * 0.5, rng.normal(size=10)


@functools.lru_cache(maxsize=1)
def theirs_of(path: Path) -> smplx.SMPL:
    return smplx.SMPL(str(path), num_betas=10)


def reference(path: Path, pose: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and joints of the ``smplx`` package, m."""
    theirs = theirs_of(path)
    single = lambda a: torch.tensor(a[None], dtype=torch.float32)  # noqa: E731
    out = theirs(global_orient=single(pose[0]), body_pose=single(pose[1:].reshape(69)), betas=single(betas))
    return out.vertices[0].detach().numpy(), out.joints[0, :24].detach().numpy()


def largest_difference(config_path: Path, reference_path: Path) -> float:
    ours, worst = load_body(BodyConfig(model="smpl", path=str(config_path))), 0.0
    for seed in range(3):
        pose, betas = draw(seed)
        posed = pose_body(ours, pose, betas, np.zeros(3))
        vertices, joints = reference(reference_path, pose, betas)
        worst = max(
            worst, np.abs(posed.vertices(ours.mesh, betas) - vertices).max(), np.abs(posed.joints - joints).max()
        )
    return float(worst)


def test_6890_vertices_with_pose_blend_shapes_equal_smplx(model: dict, pickled: Path, tmp_path: Path) -> None:
    npz = write_npz(tmp_path / "SMPL_NEUTRAL.npz", model)
    assert np.abs(model["posedirs"]).max() > 0.01
    assert largest_difference(pickled, pickled) < TOLERANCE_M
    assert largest_difference(npz, pickled) < TOLERANCE_M


def test_chumpy_arrays_inside_a_model_are_read(model: dict, pickled: Path, tmp_path: Path) -> None:
    plain = read_smpl(pickled)
    chumpy = read_smpl(write_chumpy(tmp_path / "chumpy.pkl", model))
    np.testing.assert_array_equal(chumpy.shape_dirs, plain.shape_dirs)
    np.testing.assert_array_equal(chumpy.pose_dirs, plain.pose_dirs)


def test_what_smpl_lacks_is_transferred(pickled: Path) -> None:
    body = load_body(BodyConfig(model="smpl", path=str(pickled)))
    assert body.name == "smpl"
    assert body.smpl_betas
    assert set(body.shells) == {"tights", "skirt"}
    assert {"lips", "scalp"} <= set(body.masks)
    assert body.mesh.face_uv.shape == body.mesh.faces.shape
    assert set(np.unique(body.mesh.face_part)) == set(range(24))
    rows = np.zeros(44)
    np.add.at(rows, body.keypoints.row, body.keypoints.weight)
    np.testing.assert_allclose(rows, 1, atol=1e-6)


def test_the_exported_body_loads_in_smplx_and_poses_alike(body, tmp_path: Path) -> None:
    path = tmp_path / "open.pkl"
    export_body(body, path)
    pose, betas = draw(5)
    posed = pose_body(body, pose, betas, np.zeros(3))
    vertices, _ = reference(path, pose, betas)
    assert np.abs(posed.vertices(body.mesh, betas) - vertices).max() < 1e-4


class Evil:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("executed"),))


def damaged(model: dict, change: dict) -> dict:
    return {k: v for k, v in {**model, **change}.items() if v is not None}


BAD = {
    "no template": ({"v_template": None}, "v_template"),
    "23 joints": ({"kintree_table": np.zeros((2, 23), int)}, "joints|kintree"),
    "weights of other vertices": ({"weights": np.ones((100, 24)) / 24}, "weights"),
    "pose directions of other size": ({"posedirs": np.zeros((6890, 3, 93))}, "posedirs"),
    "shape directions of other vertices": ({"shapedirs": np.zeros((100, 3, 10))}, "shapedirs"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_body_model_is_one_clear_line(model: dict, tmp_path: Path, kind: str) -> None:
    change, words = BAD[kind]
    path = tmp_path / "bad.npz"
    write_npz(path, damaged(model, change))
    with pytest.raises(A3dgenError, match=words) as error:
        load_body(BodyConfig(model="smpl", path=str(path)))
    assert "\n" not in str(error.value)


def test_a_pickle_that_would_execute_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evil.pkl").write_bytes(pickle.dumps({"v_template": Evil()}))
    with pytest.raises(A3dgenError, match="not executed"):
        load_body(BodyConfig(model="smpl", path=str(tmp_path / "evil.pkl")))
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    ("config", "words"),
    [({"path": ""}, "path"), ({"path": "/nowhere/SMPL.pkl"}, "/nowhere"), ({"betas": 300}, "betas")],
)
def test_wrong_options_are_one_clear_line(pickled: Path, config: dict, words: str) -> None:
    with pytest.raises(A3dgenError, match=words):
        load_body(BodyConfig(**{"model": "smpl", "path": str(pickled), **config}))
