"""Gravity and ground of a photo: recovered from people who stand on it, whoever jumps, whatever the order and shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import OCCLUDED, VISIBLE, Persons
from a3dgen.core.stage import Context, Inputs
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.ground import HEIGHT, PITCH, SOLE, Stance, Support, estimate, gravity, stance
from a3dgen.fit.mixture import load_mixture
from a3dgen.fit.observation import Observation
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import COCO_ROWS, ROW
from a3dgen.stages import fit
from a3dgen.stages.ingest import with_company

TILT, CAMERA = np.radians(14.0), 2.1
DOWN = gravity(TILT, np.radians(2.0))
K = np.array([[900.0, 0, 400], [0, 900, 300], [0, 0, 1]])


def on_the_ground(x: float, z: float, above: float = 0.0) -> Stance:
    """Return somebody who stands upright at a place, soles on the ground or so far (m) above."""
    level = CAMERA - SOLE - above
    foot = np.array([x, (level - DOWN[0] * x - DOWN[2] * z) / DOWN[1], z])
    toes = np.array([0.2, -0.2 * DOWN[0] / DOWN[1], 0.0])
    return Stance(np.stack([foot, foot + toes, foot, foot + toes]), True, -DOWN, True)


def test_the_ground_of_people_at_different_distances_is_found():
    people = [on_the_ground(x, z) for x, z in ((-1.0, 3.0), (0.5, 5.0), (1.0, 8.0), (-2.0, 11.0))]
    found = estimate(people)
    assert np.degrees(np.arccos(found.down @ DOWN)) < 2.0
    assert abs(found.height - CAMERA) < 0.25
    assert found.pitch_sd < np.radians(4)
    more = estimate([*people, on_the_ground(0.0, 6.0, above=0.7)])  # somebody who jumps
    assert np.degrees(np.arccos(more.down @ found.down)) < 1.0
    turned = estimate(people[::-1])
    np.testing.assert_allclose(turned.down, found.down, atol=1e-3)


def test_nobody_says_nothing():
    found = estimate([])
    np.testing.assert_allclose(found.down, gravity(PITCH), atol=1e-6)
    assert found.height == pytest.approx(HEIGHT)
    assert found.pitch_sd > np.radians(8)


def test_gravity_points_down_and_away_where_the_camera_looks_down():
    assert gravity(0.3)[2] > 0.2
    assert gravity(0.3)[1] > 0.9
    assert gravity(0.0, 0.1)[0] < 0  # the camera rolled clockwise sees gravity turn to its left


def test_known_gravity_narrows_the_prior_across_gravity_only():
    wide = load_mixture()
    narrow = wide.in_known_gravity()
    for k in range(len(wide.weights)):
        assert np.trace(narrow.covariances[k][:3, :3]) < np.trace(wide.covariances[k][:3, :3]) - 0.01
        assert np.linalg.eigvalsh(narrow.covariances[k]).min() > 0
    np.testing.assert_array_equal(narrow.means, wide.means)


def standing(body, x: float, z: float, yaw: float, seed: int) -> dict:
    """Return a row of Persons: somebody who stands on the ground, seen by the tilted camera."""
    pose, betas = np.zeros((24, 3)), np.zeros(body.num_betas)
    upright = rotvec_to_matrix(np.array([np.pi, 0, 0])) @ rotvec_to_matrix(np.array([0, yaw, 0]))
    camera = rotvec_to_matrix(np.cross([0, 1.0, 0], DOWN) * np.arccos(DOWN[1]) / np.sin(np.arccos(DOWN[1])))
    pose[0] = matrix_to_rotvec(camera @ upright)
    pose[[16, 17], 2] = -1.1, 1.1
    free = pose_body(body, pose, betas, np.zeros(3)).keypoints
    low = free[[ROW[f"body_{s}_heel"] for s in ("left", "right")]] @ DOWN
    shift = np.array([x, 0, z])
    shift[1] = (CAMERA - SOLE - low.max() - DOWN[0] * x - DOWN[2] * z) / DOWN[1]
    pixels = project(free + shift, K) + np.random.default_rng(seed).normal(0, 1.5, (44, 2))
    keypoints, state = np.zeros((44, 3)), np.zeros(44, np.uint8)
    rows = list(COCO_ROWS)
    keypoints[rows] = np.column_stack([pixels, np.ones(44)])[rows]
    state[rows] = VISIBLE
    box = [*keypoints[rows, :2].min(0) - 10, *keypoints[rows, :2].max(0) + 10]
    return {"key": f"p{seed}", "subset": "COCO_val", "stem": "1", "image": "x.jpg", "image_size": (800, 600),
            "bbox": box, "keypoints": keypoints, "state": state, "K": K}  # fmt: skip


@pytest.fixture(scope="module")
def photo(body):
    places = ((-0.6, 4.0, 0.3), (0.4, 5.5, -0.5), (1.2, 7.5, 0.9))
    return [standing(body, *place, seed) for seed, place in enumerate(places)]


def run(persons: Persons, **settings):
    nowhere = Path("/nowhere")
    return fit.run(fit.Config(**settings), Inputs(persons), Context(0, BodyConfig(), nowhere, nowhere)).record


def test_a_photos_people_stand_upright_on_one_ground_in_whatever_shard(body, photo):
    rows = list(with_company(iter(photo)))
    together = run(Persons.from_rows(rows))
    assert len(together) == 3
    assert (together.down == together.down[0]).all()
    assert np.degrees(np.arccos(together.down[0] @ DOWN)) < 4.0
    for i, row in enumerate(rows):  # each in a shard of its own
        alone = run(Persons.from_rows([row]))
        for name in ("pose", "betas", "transl", "down", "camera_height"):
            assert np.array_equal(getattr(alone, name)[0], getattr(together, name)[i]), name
    before = run(Persons.from_rows(rows), ground="off")
    assert not before.down.any()
    leans = []
    for bodies in (together, before):
        found = zip(bodies.pose, bodies.betas, bodies.transl, strict=True)
        joints = [pose_body(body, *one).joints for one in found]
        towards = [s.axis @ -DOWN for s in (stance(j, np.zeros((44, 3)), (True, True)) for j in joints)]
        leans.append(np.degrees(np.arccos(np.clip(towards, -1, 1))).mean())
    assert leans[0] < 5.0
    assert leans[0] < leans[1]


def test_company_are_the_usable_labels_of_everybody_on_the_photo(photo):
    one, two, three = ({**p, "state": p["state"].copy()} for p in photo)
    one["state"][COCO_ROWS[0]] = OCCLUDED
    two["state"][COCO_ROWS[1]] = 0
    three["image"] = "y.jpg"
    dropped = {**photo[2], "key": "d", "dropped": "not this one"}
    got = list(with_company(iter([one, ("refused", "why"), two, dropped, three])))
    assert [len(g["company"]) if isinstance(g, dict) else g[0] for g in got] == [2, "refused", 2, 2, 1]
    assert got[0]["company"][0, COCO_ROWS[0], 3] == OCCLUDED
    assert not got[2]["company"][1, COCO_ROWS[1]].any()


def facing() -> np.ndarray:
    """Return the pose of somebody upright who faces the camera."""
    return np.array([[np.pi, 0, 0]] + [[0, 0, 0]] * 23, float)


def test_feet_below_the_ground_cost_more_than_lifted_ones(body):
    fitter = Fitter(body)
    seen = Observation(np.zeros((44, 2)), np.full(44, np.inf), K, 100.0)
    x = fitter.variables(facing(), np.zeros(body.num_betas), np.array([0, 0, 4.0]))
    heel = ROW["body_left_heel"]
    y = pose_body(body, x[:72].reshape(24, 3), x[72:-4], x[-4:-1]).keypoints[heel, 1]
    sd = np.full(44, np.inf)
    sd[heel] = 0.04

    def cost(level: float, touching: bool = True) -> float:
        held = Support(np.array([0, 1.0, 0]), level, sd if touching else np.full(44, np.inf))
        found = Observation(seen.pixels, seen.pixel_sd, K, 100.0, support=held)
        return fitter.solution(fitter.evidence(found), x, fitter.workspace()).cost

    free = cost(y, touching=False)
    assert cost(y) == pytest.approx(free, abs=1e-3)
    assert cost(y - 0.2) - free > 8.5
    assert 0.9 < cost(y + 0.5) - free < 1.2
