"""Handstands and the like: gravity is taken the other way where the labels are explained better so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from a3dgen.fit.fitter import Fitter
from a3dgen.fit.inverted import fit_upright_or_inverted, shoulders_below_hips
from a3dgen.fit.observation import Observation
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.camera import project
from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix
from a3dgen.geometry.skeleton import JOINT

K = np.array([[900.0, 0, 320], [0, 900, 240], [0, 0, 1]])


@pytest.fixture(scope="module")
def fitter(body: BodyData) -> Fitter:
    return Fitter(body)


def seen_from(body: BodyData, pose: np.ndarray, seed: int) -> tuple[Observation, np.ndarray]:
    """Return noisy clicks of the 25 body rows of a posed body 4.5 m away, and its true joints from the pelvis on."""
    posed = pose_body(body, pose, np.zeros(body.num_betas), np.array([0, 0, 4.5]))
    pixels = project(posed.keypoints, K) + np.random.default_rng(seed).normal(0, 2, (44, 2))
    sd = np.full(44, np.inf)
    sd[:25] = 4
    return Observation(pixels, sd, K, float(np.ptp(pixels[:25], 0).max())), posed.joints - posed.joints[0]


def handstand(yaw: float) -> np.ndarray:
    pose = np.zeros((24, 3))
    pose[JOINT["left_shoulder"]], pose[JOINT["right_shoulder"]] = [0, 0, 1.2], [0, 0, -1.2]
    pose[JOINT["left_hip"]], pose[JOINT["left_knee"]] = [-0.25, 0, 0.15], [0.3, 0, 0]
    over = rotvec_to_matrix(np.array([0, 0, np.pi])) @ rotvec_to_matrix(np.array([np.pi, 0, 0]))
    pose[0] = matrix_to_rotvec(over @ rotvec_to_matrix(np.array([0, yaw, 0])))
    return pose


def bent_forwards() -> np.ndarray:
    """Hands to the floor: the shoulders are below the hips, the feet below everything."""
    pose = np.zeros((24, 3))
    for joint in ("spine1", "spine2", "spine3"):
        pose[JOINT[joint]] = [0.4, 0, 0]
    tilt = 1.6
    for side in ("left", "right"):
        pose[JOINT[f"{side}_hip"]] = [-tilt, 0, 0]
    pose[JOINT["left_shoulder"]], pose[JOINT["right_shoulder"]] = [0, -1.2, 0], [0, 1.2, 0]
    pose[0] = matrix_to_rotvec(
        rotvec_to_matrix(np.array([np.pi, 0, 0]))
        @ rotvec_to_matrix(np.array([0, 0.9, 0]))
        @ rotvec_to_matrix(np.array([tilt, 0, 0]))
    )
    return pose


@pytest.mark.parametrize("yaw", [0.4, 2.6])
def test_a_handstand_is_fitted(body: BodyData, fitter: Fitter, yaw: float) -> None:
    seen, truth = seen_from(body, handstand(yaw), 1)
    assert shoulders_below_hips(seen)
    said, fit = fit_upright_or_inverted(fitter, seen)
    assert said.inverted
    joints = fit.best.joints - fit.best.joints[0]
    assert np.linalg.norm(joints - truth, axis=1).mean() < 0.14
    assert joints[JOINT["head"], 1] > 0.3  # below the pelvis: y looks down
    assert fitter.prior_energy(said, fit.best) < 60


def test_who_bends_forwards_stays_on_their_feet(body: BodyData, fitter: Fitter) -> None:
    seen, truth = seen_from(body, bent_forwards(), 2)
    assert shoulders_below_hips(seen)
    said, fit = fit_upright_or_inverted(fitter, seen)
    assert not said.inverted
    assert np.linalg.norm(fit.best.joints - fit.best.joints[0] - truth, axis=1).mean() < 0.15


def test_people_on_their_feet_are_fitted_once(body: BodyData, fitter: Fitter) -> None:
    pose = np.zeros((24, 3))
    pose[0] = [np.pi, 0, 0]
    seen, _ = seen_from(body, pose, 3)
    assert not shoulders_below_hips(seen)
    said, fit = fit_upright_or_inverted(fitter, seen)
    assert not said.inverted
    assert fit.best.x.tobytes() == fitter.fit(seen).best.x.tobytes()
    hidden = seen.pixel_sd.copy()
    hidden[[9, 12]] = np.inf  # nobody marked the hips
    assert not shoulders_below_hips(replace(seen, pixel_sd=hidden))
