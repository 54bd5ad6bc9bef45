"""Joints labelled visible are not put behind the body where a body before it costs hardly more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.core.records import OCCLUDED, UNLABELLED, VISIBLE
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.labelled_visible import LIMB_ROWS, _hidden, _pulled, as_labelled, tells_visibility
from a3dgen.fit.observation import Fit, Observation, Solution
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.reach import visibility_reach
from a3dgen.geometry.skeleton import COCO_ROWS, JOINT, NUM_ROWS, ROW
from a3dgen.geometry.visibility import body_buffers, keypoint_states

K = np.array([[900.0, 0, 320], [0, 900, 320], [0, 0, 1]])
SIZE = 640, 640
FACING = np.array([(np.pi, 0, 0), *np.zeros((23, 3))])
TRUNK = [ROW[f"extra_{s}_{n}"] for s in ("left", "right") for n in ("hip", "shoulder")]
WRIST = ROW["extra_left_wrist"]


def _states(body, found: Solution) -> np.ndarray:
    posed = pose_body(body, found.pose, found.betas, found.transl)
    buffers = body_buffers(body.mesh, posed.vertices(body.mesh, found.betas), K, *SIZE)
    return keypoint_states(posed.keypoints, np.ones(NUM_ROWS, bool), buffers, visibility_reach(body))


@pytest.fixture(scope="module")
def behind(body):
    """A person who faces the camera, the left forearm over the belly, and a fit that puts it behind the back."""
    fitter = Fitter(body)
    pose = FACING.copy()
    pose[JOINT["right_shoulder"]] = (0, 0, 1.1)
    pose[JOINT["left_shoulder"]], pose[JOINT["left_elbow"]] = (0, -0.3, -1.1), (0, -1.5, -1)
    shape, at = np.zeros(body.num_betas), np.array([0.0, 0.1, 4.0])
    sd = np.full(44, np.inf)
    sd[list(COCO_ROWS)] = 3.0
    truth = pose_body(body, pose, shape, at)
    seen = Observation(project(truth.keypoints, K), sd, K, 380.0)
    points, point_sd = truth.keypoints.copy(), np.full(44, np.inf)
    points[WRIST, 2], point_sd[[WRIST, *TRUNK]] = points[ROW["extra_left_hip"], 2] + 0.2, 0.005
    held = fitter.fit(replace(seen, points=points, point_sd=point_sd))
    best = fitter.solution(fitter.evidence(seen), held.best.x, fitter.workspace())
    state = np.full(44, UNLABELLED, np.uint8)
    state[list(COCO_ROWS)] = VISIBLE
    return fitter, seen, Fit(best, (), 1), state


def test_a_forearm_that_is_seen_comes_before_the_trunk(body, behind) -> None:
    fitter, seen, fit, state = behind
    assert _states(body, fit.best)[WRIST] == OCCLUDED
    found = as_labelled(fitter, seen, fit, state, SIZE, 2.0)
    states = _states(body, found.best)
    assert (states[[r for r in LIMB_ROWS if state[r] == VISIBLE]] == VISIBLE).all()
    assert found.best.cost < fit.best.cost + 2.0
    assert found.alternatives[0] is fit.best


def test_a_forearm_labelled_hidden_stays_behind(behind) -> None:
    fitter, seen, fit, state = behind
    hidden = state.copy()
    hidden[WRIST] = OCCLUDED
    assert as_labelled(fitter, seen, fit, hidden, SIZE, 2.0) is fit


def test_a_joint_is_pulled_along_its_ray_before_what_hides_it_and_the_trunk_is_held(behind) -> None:
    fitter, seen, fit, state = behind
    hidden = _hidden(fitter, seen, fit.best, state, SIZE)
    assert hidden.rows == [WRIST]
    pulled = _pulled(fitter, seen, fit.best, hidden, [0])
    assert np.allclose(project(pulled.points[[WRIST]], K)[0], seen.pixels[WRIST])
    assert 0.02 < hidden.depth[0] - pulled.points[WRIST, 2] < 0.06
    assert set(np.flatnonzero(np.isfinite(pulled.point_sd))) >= {WRIST, *TRUNK}
    assert pulled.pixel_sd[WRIST] < seen.pixel_sd[WRIST]


def test_labels_that_are_dear_to_follow_are_taken_for_slips(body, behind) -> None:
    fitter, seen, fit, state = behind
    known = replace(seen, points=fit.best.joints[JOINT["left_wrist"]] + np.zeros((44, 3)), point_sd=np.full(44, np.inf))
    known.point_sd[WRIST] = 0.002  # a 3D joint says that it is behind
    best = fitter.solution(fitter.evidence(known), fit.best.x, fitter.workspace())
    found = as_labelled(fitter, known, Fit(best, (), 1), state, SIZE, 2.0)
    assert _states(body, found.best)[WRIST] == OCCLUDED


def test_a_hand_before_a_hip_that_is_seen_turns_aside(body, behind) -> None:
    fitter, seen, _, state = behind
    hip, truth = ROW["extra_left_hip"], pose_body(body, FACING, np.zeros(body.num_betas), np.array([0, 0.1, 4.0]))
    at = truth.keypoints[hip] - (-0.02, 0.12, 0.17)  # the wrist before the body, the hand somewhere below it
    pixels, points, point_sd = seen.pixels.copy(), np.zeros((44, 3)), np.full(44, np.inf)
    pixels[WRIST], points[WRIST], point_sd[WRIST] = project(at[None], K)[0], at, 0.01
    pixel_sd = seen.pixel_sd.copy()
    pixel_sd[ROW["extra_left_elbow"]] = np.inf
    labels = replace(seen, pixels=pixels, pixel_sd=pixel_sd)
    held = fitter.fit(replace(labels, points=points, point_sd=point_sd)).best
    covered = fitter.solution(fitter.evidence(labels), held.x, fitter.workspace())
    assert _states(body, covered)[hip] == OCCLUDED
    found = as_labelled(fitter, labels, Fit(covered, (), 1), state, SIZE, 2.0)
    assert _states(body, found.best)[hip] == VISIBLE


def test_sources_that_call_everything_visible_tell_nothing() -> None:
    state, company = np.full(44, VISIBLE, np.uint8), np.zeros((2, 44, 4))
    company[:, :, 3] = VISIBLE
    assert not tells_visibility(state, company)
    state[ROW["body_nose"]] = OCCLUDED  # a face turned away is told by every source
    assert not tells_visibility(state, company)
    company[1, ROW["extra_right_knee"], 3] = OCCLUDED
    assert tells_visibility(state, company)
