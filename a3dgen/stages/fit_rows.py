"""What stage ``fit`` writes of one fit: a row of Bodies, refused where the fit is bad."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.core.records import Persons
from a3dgen.fit.checks import Gate, check_fit
from a3dgen.fit.config import Config
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.ground import Ground
from a3dgen.fit.observation import Fit, Observation
from a3dgen.fit.observe import reprojection
from a3dgen.geometry.regions import NUM_REGIONS


def row_of(config: Config, fitter: Fitter, persons: Persons, i: int, seen: Observation, fit: Fit) -> dict[str, Any]:
    """Return the row of Bodies of a fit in the camera of ``seen``.

    Raises:
        Rejected: if the fit is bad.
    """
    best = fit.best
    errors = reprojection_gate(config, fitter, seen, fit)
    K = seen.K.copy()
    K[[0, 1], [0, 1]] *= best.focal_scale
    return {
        "key": persons.key[i], "pose": best.pose, "betas": best.betas, "transl": best.transl, "K": K,
        "reproj_px": float(errors.mean()) if len(errors) else 0.0, "cost": best.cost, "sigma": best.sigma,
        **_alternatives(fit, fitter.body.num_betas), **_cloud_columns(fit),
    }  # fmt: skip


def reprojection_gate(config: Config, fitter: Fitter, seen: Observation, fit: Fit) -> ndarray:
    """Return the reprojection error (px) of every keypoint used.

    Raises:
        Rejected: if the fit is bad.
    """
    best = fit.best
    errors = reprojection(fitter, seen, best)
    share = float(errors.mean() / seen.size) if len(errors) else 0.0
    gate = Gate(config.max_reprojection, config.max_prior, config.max_beta)
    check_fit(gate, share, fitter.prior_energy(seen, best), best.betas, best.joints)
    return errors


def _cloud_columns(fit: Fit) -> dict[str, Any]:
    cloud = fit.cloud
    if cloud is None:
        return {}
    if not cloud.used:
        return {"_remark": cloud.remark}
    stump_fit, stump_sd = np.full((2, NUM_REGIONS), np.nan)
    for region, residual, sd in cloud.stumps:
        stump_fit[region], stump_sd[region] = residual, sd
    return {
        "cloud_points": len(cloud.points), "cloud_mm": 1000 * cloud.median, "cloud_inliers": cloud.inliers,
        "stump_fit": stump_fit, "stump_sd": stump_sd,
    }  # fmt: skip


def _alternatives(fit: Fit, betas: int) -> dict[str, ndarray]:
    out = {
        "alt_pose": np.zeros((3, 24, 3)), "alt_betas": np.zeros((3, betas)), "alt_transl": np.zeros((3, 3)),
        "alt_cost": np.full(3, np.inf),
    }  # fmt: skip
    for n, other in enumerate(fit.alternatives):
        out["alt_pose"][n], out["alt_betas"][n] = other.pose, other.betas
        out["alt_transl"][n], out["alt_cost"][n] = other.transl, other.cost
    return out


def ground_columns(ground: Ground | None) -> dict[str, Any]:
    """Return the columns of Bodies that say where the ground of the photo is; none where it is not known."""
    if ground is None:
        return {}
    return {"down": ground.down, "down_sd": ground.pitch_sd, "camera_height": ground.height}
