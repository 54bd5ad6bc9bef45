from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from a3dgen.analysis.metrics import classification, hallucination_rate, hip_centred, licc, mpjpe, pa_mpjpe


def test_a_shift_is_an_error_for_mpjpe_and_none_for_pa() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(4, 14, 3))
    turned = 1.3 * Rotation.from_rotvec([0.3, -0.7, 0.2]).apply(true.reshape(-1, 3)).reshape(true.shape) + (1, 2, 3)
    np.testing.assert_allclose(mpjpe(true + (0.03, 0, 0.04), true), 0.05)
    np.testing.assert_allclose(pa_mpjpe(turned, true), 0, atol=1e-12)


def test_a_mirror_image_is_not_aligned_away() -> None:
    true = np.random.default_rng(1).normal(size=(1, 14, 3))
    assert pa_mpjpe(true * (-1, 1, 1), true)[0] > 0.1


def test_absent_joints_do_not_count() -> None:
    true = np.random.default_rng(2).normal(size=(1, 14, 3))
    predicted, present = true.copy(), np.ones((1, 14), bool)
    predicted[0, 5] += 9
    present[0, 5] = False
    assert mpjpe(predicted, true, present)[0] == 0
    assert pa_mpjpe(predicted, true, present)[0] < 1e-12
    assert np.isnan(mpjpe(predicted, true, np.zeros((1, 14), bool))[0])


def test_hip_centred() -> None:
    joints = np.random.default_rng(3).normal(size=(2, 24, 3))
    assert np.abs(hip_centred(joints)[:, [1, 2]].mean(1)).max() < 1e-12


NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "above_left_elbow", "above_right_elbow", "below_left_elbow", "below_right_elbow",
    "above_left_knee", "above_right_knee", "below_left_knee", "below_right_knee",
)  # fmt: skip


def test_hallucination_rate_counts_confident_predictions_of_absent_joints() -> None:
    confidence = np.array([[0.9, 0.2, 0.6], [0.5, 0.1, 0.1]])
    absent = np.array([[True, True, False], [True, False, True]])
    assert hallucination_rate(confidence, absent) == 0.5
    assert np.isnan(hallucination_rate(confidence, np.zeros_like(absent)))


def test_licc_by_hand() -> None:
    scores, present = np.zeros((1, 25)), np.zeros((1, 25), bool)
    index = NAMES.index
    scores[0, index("below_left_elbow")], present[0, index("below_left_elbow")] = 0.8, True
    scores[0, index("left_wrist")] = 0.3
    assert licc(scores, present, NAMES) == 1.0
    scores[0, index("left_wrist")] = 0.9
    assert licc(scores, present, NAMES) == 0.0
    scores[0, index("right_ankle")], present[0, index("right_ankle")] = 0.7, True
    assert licc(scores, present, NAMES) == 0.5
    present[0, index("nose")] = True
    assert licc(scores, present, NAMES) == 0.5


def test_classification_by_hand() -> None:
    true, predicted = np.zeros((4, 12), bool), np.zeros((4, 12), bool)
    true[:2, 3], predicted[1:3, 3] = True, True
    result = classification(predicted, true)
    assert result["precision"][3] == result["recall"][3] == result["f1"][3] == 0.5
    assert np.isnan(result["recall"][0])
