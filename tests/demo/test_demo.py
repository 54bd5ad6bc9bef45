"""The demo's data: what is rendered, what is written down about it, and that the project's own readers take it."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a3dgen import demo
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import VISIBLE
from a3dgen.core.rng import generator_for
from a3dgen.demo import joint_angles as poses
from a3dgen.demo import labels, trace
from a3dgen.demo.people import draw_betas, draw_person_look, in_camera, stand
from a3dgen.demo.shoot import Job, motion_capture, person_key, photo_path, shoot
from a3dgen.demo.shots import CAMERAS, H36M, arrange, list_shots, studio_camera
from a3dgen.demo.trees import SUBJECTS, write_trees
from a3dgen.demo.truth import read_truth
from a3dgen.demo.viewpoint import Viewpoint, look_at
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project, undistort_points
from a3dgen.geometry.skeleton import H36M_RIGHT_FIRST_ROWS, JOINT
from a3dgen.io import images
from a3dgen.sources import open_source

SEED = 0
"""That of the configurations: the end-to-end test goes on with the same pictures."""


@pytest.fixture(scope="module")
def people_body() -> Any:
    return load_body(BodyConfig(betas=demo.BETAS))


@pytest.fixture(scope="module")
def built(first_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos (COCO train, COCO val, MPII) with one person each."""
    return Path(shutil.copytree(first_people, tmp_path_factory.mktemp("demo") / "out"))


def _read(root: Path, name: str) -> list[Any]:
    source, config = open_source(name, {"root": str(root / "raw" / name)})
    return list(source.read(config))


def test_everybody_is_read_and_labelled_within_the_noise(built: Path) -> None:
    truth = read_truth(built / "truth")
    found = {f["key"]: f for name in ("coco", "mpii", "h36m") for f in _read(built, name)}
    assert len(found) == 3
    assert set(found) == set(truth)
    assert {f["subset"] for f in found.values()} == {"COCO_train", "COCO_val", "MPII"}
    errors = []
    for key, row in found.items():
        known = row["state"] > 0
        assert known.sum() >= 8
        pixels = project(truth[key].keypoints[None], truth[key].K[None])[0]
        errors.append((row["keypoints"][:, :2] - pixels)[known])
        mask = images.read_mask(truth[key].mask)
        assert mask.shape == tuple(row["image_size"])[::-1]
        assert mask.mean() > 0.02
        seen = known & (row["state"] == VISIBLE)
        inside = [mask[round(y), round(x)] for x, y in pixels[seen]]
        assert np.mean(inside) > 0.75
    spread = np.concatenate(errors).std()
    assert 2.2 < spread < 3.8, "labels carry 3 px of noise"


def test_second_build_does_nothing(built: Path) -> None:
    out = built
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    facts = demo.build(demo.Config(people=3), out / "raw", out / "truth", SEED, BodyConfig())
    assert not facts["made"]
    assert demo.is_made(demo.Config(people=3), out / "raw", out / "truth", SEED)
    assert not demo.is_made(demo.Config(people=4), out / "raw", out / "truth", SEED)
    assert {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()} == stamps
    assert not list(out.rglob("*.tmp"))


def test_photos_do_not_depend_on_order_and_finished_ones_are_kept(built: Path, tmp_path: Path) -> None:
    out = built
    (out / "truth" / demo.SIDECAR).unlink()
    shots = list(list_shots(3))
    job = Job(tmp_path / "raw", tmp_path / "truth", SEED, 3.0, BodyConfig(betas=demo.BETAS), "other")
    shoot(shots[2], job)
    path = photo_path(shots[2])
    assert (tmp_path / "raw" / path).read_bytes() == (out / "raw" / path).read_bytes()
    stamp = (out / "raw" / path).stat().st_mtime_ns
    facts = demo.build(demo.Config(people=3), out / "raw", out / "truth", SEED, BodyConfig())
    assert facts["made"]
    assert (out / "raw" / path).stat().st_mtime_ns == stamp, "interrupted builds go on where they stopped"


def test_studio_frames_go_through_a_lens(tmp_path: Path) -> None:
    shot = next(s for s in list_shots(24) if s.source == H36M)
    job = Job(tmp_path / "raw", tmp_path / "truth", SEED, 0.0, BodyConfig(betas=demo.BETAS), "x")
    facts = shoot(shot, job)
    write_trees(tmp_path / "raw", [(shot, facts)], SEED)
    (row,) = _read(tmp_path, "h36m")
    truth = facts["people"][0]["truth"]
    assert row["key"] == truth["key"] == person_key(shot, 0)
    keypoints, K = np.array(truth["keypoints"]), np.array(truth["K"])
    known = row["joints3d"][:, 3] > 0
    np.testing.assert_allclose(row["joints3d"][known, :3], keypoints[known], atol=1e-9)
    pixels = project(keypoints[None], K[None])[0]
    straight = undistort_points(np.ascontiguousarray(row["keypoints"][:, :2]), row["K"], row["dist"])
    np.testing.assert_allclose(straight[known], pixels[known], atol=0.02)
    assert np.abs(row["keypoints"][known, :2] - pixels[known]).max() > 0.1
    photo = images.read_rgb(tmp_path / "raw" / photo_path(shot))
    assert photo.shape[:2] == tuple(row["image_size"])[::-1]
    mask = images.read_mask(tmp_path / "truth" / truth["mask"])
    assert mask.sum() > 3000
    cameras = json.loads((tmp_path / "raw/h36m/annotation_body3d/cameras.json").read_text())
    assert len(cameras) == 4 * len(SUBJECTS)
    view = studio_camera(SEED, shot.subject, 0)
    R, T = (np.array(cameras[f"{shot.subject}_54138969"][n]) for n in "RT")
    assert np.linalg.det(R) == pytest.approx(1)
    assert T[2, 0] == pytest.approx(view.centre[1]), "Human3.6M's world has Z up"


def test_cameras_of_an_instant_share_one_motion_capture() -> None:
    """Its error is that of the instant: between two cameras the joints differ by a rigid motion and nothing else."""
    shots = [s for s in list_shots(24) if s.source == H36M]
    one, two = next((a, b) for a, b in pairwise(shots) if a.key == b.key)
    points = np.random.default_rng(0).normal(0, 0.4, (44, 3))
    job = Job(Path("raw"), Path("truth"), SEED, 3.0, BodyConfig(betas=demo.BETAS), "x")
    measured, true = [], []
    for shot in (one, two):
        view = studio_camera(SEED, shot.subject, CAMERAS.index(shot.camera))
        there = (points - view.centre) @ view.rotation.T
        measured.append(np.array(motion_capture(shot, there, view, job)["S"]) @ view.rotation + view.centre)
        true.append(points[list(H36M_RIGHT_FIRST_ROWS)])
    np.testing.assert_allclose(measured[0], measured[1], atol=1e-9)
    assert 0.006 < (measured[0] - true[0]).std() < 0.02


def test_list_of_pictures() -> None:
    few, many = list(list_shots(24)), list(list_shots(500))
    assert sum(s.people for s in few) == 24
    assert sum(s.people for s in many) == 500
    assert many[: len(few)] == few
    assert len({s.name for s in many}) == len(many)
    keys = [person_key(s, i) for s in many for i in range(s.people)]
    assert len(set(keys)) == 500
    assert len({photo_path(s) for s in many}) == len(many)
    assert {s.subject for s in few if s.source == H36M} == set(SUBJECTS)
    moments = [s.key for s in few if s.source == H36M]
    assert len(moments) > len(set(moments)), "some moments are seen by several cameras"
    assert [sum(s.people for s in list_shots(n)) for n in (1, 4, 5, 7)] == [1, 4, 5, 7]


def test_config_and_truth_complain_clearly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        demo.Config(people=0)
    with pytest.raises(ConfigError, match="noise_px"):
        demo.Config(noise_px=-1.0)
    with pytest.raises(DataError, match="demo"):
        read_truth(tmp_path)


@pytest.mark.parametrize("family", poses.FAMILIES)
def test_poses_stand_on_the_ground(family: str, people_body: Any) -> None:
    rng = generator_for(SEED, "test", family)
    for _ in range(4):
        pose = poses.draw_pose(rng, family)
        betas = draw_betas(rng, demo.BETAS)
        person = stand(people_body, pose, betas, draw_person_look(rng), (0.3, 4.0), 0.4)
        posed = pose_body(people_body, person.pose, betas, person.place)
        vertices = posed.vertices(people_body.mesh, betas)
        assert 0 < vertices[:, 1].min() < 0.1
        assert np.allclose(posed.joints[0, [0, 2]], (0.3, 4.0), atol=0.05)
        heads = posed.joints[JOINT["head"], 1] > posed.joints[JOINT["pelvis"], 1]
        assert heads, "nobody is upside down"
        assert (person.seat is not None) == (family == "sit")
        if person.seat is not None:
            assert 0.25 < person.seat[1] < 0.7


def test_camera_frame_agrees_with_the_world(people_body: Any) -> None:
    rng = generator_for(SEED, "test", "camera")
    betas = draw_betas(rng, demo.BETAS)
    person = stand(people_body, poses.draw_pose(rng, "walk"), betas, draw_person_look(rng), (0.5, 5.0), 0.9)
    centre = np.array([0.2, 1.5, -0.3])
    rotation = look_at(centre, np.array([0.4, 0.9, 5.0]), 0.05)
    view = Viewpoint(np.eye(3), 10, 10, rotation, centre, np.zeros(5))
    assert np.linalg.det(rotation) == pytest.approx(1)
    pose, transl = in_camera(person, rotation, centre, people_body)
    world = pose_body(people_body, person.pose, betas, person.place).joints
    camera = pose_body(people_body, pose, betas, transl).joints
    np.testing.assert_allclose(camera, view.to_camera(world), atol=1e-9)
    assert (camera[:, 2] > 3).all()
    assert camera[JOINT["head"], 1] < camera[JOINT["pelvis"], 1], "y points down"


def test_everyone_fits_into_the_scene(people_body: Any) -> None:
    for shot in (s for s in list_shots(24) if s.source != H36M and s.people > 1):
        scene, people, view = arrange(people_body, shot, SEED)
        for person in people:
            z = view.to_camera(person.place[None])[0, 2]
            assert 1.5 < z < 12
            if scene.world.room is not None:
                assert person.place[2] < scene.world.room[3] - 0.3


def test_cast_gives_exact_depth_and_shadow() -> None:
    light = {"key_dir": np.array([0.0, 1.0, 0.0]), "key": np.ones(3), "upper": np.ones(3), "lower": np.zeros(3)}
    ground = (15, 0.5, 0.5, 0.5, 0)
    box = trace.solid(trace.BOX, (0.0, 1.0, 4.0), (0.5, 0.05, 0.5), 15, (1.0, 0.0, 0.0))
    centre = np.array([0.0, 1.5, 0.0])
    rotation = look_at(centre, np.array([0.0, 0.0, 4.0]))
    K = np.array([[60.0, 0, 39.5], [0, 60, 29.5], [0, 0, 1]])
    view = Viewpoint(K, 80, 60, rotation, centre, np.zeros(5))
    direct, other, depth = trace.cast(trace.World(ground=ground, solids=[box], **light), rotation, centre, K, 80, 60)
    under, beside = view.to_camera(np.array([[0.0, 0, 4.2], [1.5, 0, 4.0]]))
    for point in (under, beside):
        x, y = (K @ point)[:2] / point[2]
        assert depth[round(y), round(x)] == pytest.approx(point[2], rel=0.06)
    at = [tuple(np.round((K @ p)[1::-1] / p[2]).astype(int)) for p in (under, beside)]
    assert direct[at[0]].max() == 0
    assert direct[at[1]].min() > 0.3
    assert (other[5] > 0).all(), "the sky is bright"
    assert depth[0, 0] == trace.FAR


def test_labels_know_what_is_hidden() -> None:
    K = np.array([[100.0, 0, 50], [0, 100, 50], [0, 0, 1]])
    keypoints = np.zeros((44, 3))
    keypoints[:] = (0, 0, 3)
    keypoints[0] = (9, 9, 3)
    near, wall = np.full((100, 100), 2.98), np.full((100, 100), 1.0)
    assert labels.seen(keypoints, K, near)[0] == labels.MISSING
    assert (labels.seen(keypoints, K, near)[1:] == labels.SEEN).all()
    assert (labels.seen(keypoints, K, wall)[1:] == labels.HIDDEN).all()
    rng = np.random.default_rng(0)
    flags = np.array([labels.SEEN, labels.MISSING, labels.HIDDEN] * 40)
    xy, v = labels.clicks(rng, np.full((120, 2), 50.0), flags, 2.0, (100, 100))
    assert (v[::3] == labels.SEEN).all()
    assert (v[1::3] == labels.MISSING).all()
    assert 0.1 < (v[2::3] == labels.MISSING).mean() < 0.5
    assert (xy[v == 0] == 0).all()


def test_drawn_masks_are_almost_right() -> None:
    y, x = np.mgrid[:200, :160]
    mask = np.hypot(x - 80, y - 100) < 50
    drawn = labels.drawn_mask(np.random.default_rng(0), mask)
    overlap = (mask & drawn).sum() / (mask | drawn).sum()
    assert 0.88 < overlap < 0.995
    (outline,) = labels.polygons(drawn)
    assert 8 < len(outline) // 2 < 120
    left, top, width, height = labels.box(mask)
    assert (left, top, width, height) == (31, 51, 99, 99)
