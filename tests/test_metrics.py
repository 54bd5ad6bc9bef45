from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from a3dgen.metrics import hip_centred, mpjpe, pa_mpjpe


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
