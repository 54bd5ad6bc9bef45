"""How well the evidence pins each joint: the Laplace approximation at a minimum, compiled."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

from a3dgen.core.compiled import kernel
from a3dgen.fit.evidence import Evidence
from a3dgen.fit.kinematics import Workspace
from a3dgen.fit.lm import FLOOR, cholesky
from a3dgen.fit.simd import LANES, subtract_down


@kernel
def joint_rows(parents: ndarray, w: Workspace, out: ndarray) -> None:
    """Write the derivative of all joints' places by all variables, after ``evaluate`` with free betas.

    Args:
        out: (D, 72) f4: column 3 j + c is coordinate c of joint j, relative to the pelvis except for the pelvis itself.
    """
    d, nb = w.normal.shape[0], w.joint_betas.shape[2]
    out[:, :] = np.float32(0.0)
    for j in range(24):
        a = parents[j]
        while a >= 0:
            d0, d1, d2 = (
                w.joints[j, 0] - w.joints[a, 0], w.joints[j, 1] - w.joints[a, 1], w.joints[j, 2] - w.joints[a, 2]
            )  # fmt: skip
            for k in range(3):  # axis x lever
                e0, e1, e2 = w.axes[a, 0, k], w.axes[a, 1, k], w.axes[a, 2, k]
                row = out[3 * a + k]
                row[3 * j], row[3 * j + 1], row[3 * j + 2] = e1 * d2 - e2 * d1, e2 * d0 - e0 * d2, e0 * d1 - e1 * d0
            a = parents[a]
        for c in range(3):
            for b in range(nb):
                out[72 + b, 3 * j + c] = w.joint_betas[j, c, b] - (w.joint_betas[0, c, b] if j > 0 else 0.0)
            if j == 0:
                out[d - 4 + c, c] = np.float32(1.0)


@kernel
def laplace(ev: Evidence, parents: ndarray, x: ndarray, w: Workspace, joints: ndarray, sigma: ndarray) -> None:
    """Laplace approximation at a minimum, after ``evaluate`` there with free betas.

    Args:
        parents: (24,) joint tree.
        joints: (24, 3) is filled with the posed joints, camera frame, m.
        sigma: (24,) is filled with standard deviations (m): entry 0 of the pelvis in the camera frame, the others of
            the joints relative to the pelvis; inf where the normal matrix is singular.
    """
    d = x.shape[0]
    spread = np.empty((d, 72), np.float32)
    joint_rows(parents, w, spread)
    for a in range(d):
        free = ev.free[a]
        for b in range(a, d):
            w.factor[a, b] = w.normal[a, b] if free and ev.free[b] else np.float32(0.0)
        for b in range(d, d + LANES):
            w.factor[a, b] = np.float32(0.0)
        w.factor[a, a] = w.factor[a, a] + FLOOR if free else np.float32(1.0)
        if not free:
            spread[a, :] = np.float32(0.0)
    sound = cholesky(w.factor, d)
    variance = np.zeros(24)
    for k in range(d if sound else 0):  # U' y = derivative; the variance is y'y
        subtract_down(spread, k, 0, w.factor, 0, k, spread, 0, 0, k, 9)
        for j in range(24):
            for c in range(3 * j, 3 * j + 3):
                spread[k, c] /= w.factor[k, k]
                variance[j] += spread[k, c] * spread[k, c]
    for j in range(24):
        sigma[j] = np.sqrt(variance[j]) if sound else np.inf
        for c in range(3):
            joints[j, c] = w.joints[j, c] + x[d - 4 + c]
