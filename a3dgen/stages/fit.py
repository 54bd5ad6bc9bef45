"""Stage ``fit``: a body for every person, from its keypoints, its 3D joints if there are any, and its camera."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.errors import ConfigError, Rejected
from a3dgen.fit.checks import FACE_ROWS, Gate, check_fit, check_labels, faces_away
from a3dgen.fit.fitter import Anchor, Fit, FitOptions, Fitter, Observation, Solution
from a3dgen.fit.mixture import load_mixture
from a3dgen.fit.noise import pixel_sd, point_sd
from a3dgen.fit.prediction import Predictions, load_predictions
from a3dgen.geometry.body import forward_kinematics, pose_body, rest_joints
from a3dgen.geometry.camera import project, undistort_points
from a3dgen.geometry.regions import absent_rows
from a3dgen.geometry.rotations import rotvec_to_matrix
from a3dgen.geometry.skeleton import ANATOMICAL, JOINT, NUM_ROWS, ROW_FLIP
from a3dgen.records import OCCLUDED, VISIBLE, Bodies, Persons
from a3dgen.rng import generator_for
from a3dgen.stages import BodyConfig, Context, Inputs, Output, each

VERSION = 1


@dataclass(frozen=True)
class Config:
    """How people are fitted, and what counts as a fit.

    Attributes:
        engine: ``numba`` (compiled, one person at a time, the same bytes every time) or ``torch`` (whole shards at
            once; equal to tolerance).
        device: of the torch engine, ``cpu`` or ``cuda``.
        init: npz of predicted poses to start from besides the headings (see ``fit.prediction``); empty = none.
        starts: headings that are tried, of 12.
        max_iterations: trial steps of a full solve.
        tolerance: relative gain of a step at which a person has converged.
        flips: whether limbs are also tried reflected in depth.
        margin: minima that cost at most this much more (natural-log units) than the best are kept as alternatives.
        robust: Geman-McClure scale, in standard deviations of the label noise.
        prior: file of a pose prior made by ``a3dgen fit-prior``; empty = the shipped one.
        prior_weight: factor of the pose prior.
        noise: standard deviation of a label, as a share of the person's size (longer side of the box).
        min_noise_px: least such standard deviation, px.
        occluded: factor of it for a keypoint labelled as occluded.
        noise_3d: standard deviation (m) of 3D joints that are defined as the body's own are.
        focal_sd: standard deviation of the logarithm of an unknown focal length about its guess; 0 keeps the guess.
        min_points: least number of distinct anatomical points on the image.
        min_size_px: least size of a person.
        max_reprojection: a fit is refused above this mean reprojection error (share of the person's size).
        max_prior: and above this prior energy (natural-log units).
        max_beta: and above this shape coefficient (standard deviations).
    """

    engine: str = "numba"
    device: str = "cpu"
    init: str = ""
    starts: int = 6
    max_iterations: int = 20
    tolerance: float = 1e-3
    flips: bool = True
    margin: float = 4.0
    robust: float = 8.0
    prior: str = ""
    prior_weight: float = 1.0
    noise: float = 0.01
    min_noise_px: float = 2.0
    occluded: float = 2.0
    noise_3d: float = 0.006
    focal_sd: float = 0.0
    min_points: int = 6
    min_size_px: float = 20.0
    max_reprojection: float = 0.05
    max_prior: float = 100.0
    max_beta: float = 5.0


def run(config: Config, inputs: Inputs, context: Context) -> Output:
    """Fit every person on its own; the result depends on that person and the configuration only.

    Raises:
        ConfigError: for settings out of range.
        DataError: if the pose prior cannot be read.
    """
    _check(config)
    body = load_body(context.body)
    index = inputs.persons.index()
    batch = fit_batch(config, context.body, inputs.persons) if config.engine == "torch" else {}

    def work(key: str) -> dict[str, Any]:
        return fit_row(config, context.body, inputs.persons, index[key], fit=batch.get(key))

    return each(inputs.persons.key.tolist(), work, Bodies, B=body.num_betas)


def fit_batch(config: Config, body: BodyConfig, persons: Persons) -> dict[str, Fit]:
    """Fit all people whose labels can be used at once, with the torch engine; key -> result."""
    from a3dgen.fit.torch_engine import TorchFitter

    out: dict[str, Fit] = {}
    for known in (True, False):
        keys, seen = [], []
        for i in np.flatnonzero(persons.K_known == known):
            try:
                seen.append(observe(config, persons, int(i)))
            except Rejected:
                continue  # fit_row finds the same reason again and reports it
            keys.append(str(persons.key[i]))
        if keys:
            found = TorchFitter(get_fitter(config, body, known), config.device).fit(seen)
            out.update(zip(keys, found, strict=True))
    return out


@functools.lru_cache(maxsize=2)
def _predictions(path: str) -> Predictions:
    return load_predictions(path)


def start_from_outside(config: Config, fitter: Fitter, persons: Persons, i: int, seen: Observation) -> ndarray | None:
    """Return the predicted pose of a person as a start (1, D), or None if there is none."""
    if not config.init:
        return None
    predictions = _predictions(config.init)
    row = predictions.find(str(persons.image[i]), persons.bbox[i])
    if row is None:
        return None
    pose = predictions.root_in_image(row, seen.K, persons.bbox[i])
    betas = predictions.betas[row] if fitter.body.smpl_betas else np.zeros(0)
    return fitter.placed(seen, pose, betas)[None]


def _check(config: Config) -> None:
    for name in ("noise", "min_noise_px", "robust", "max_reprojection", "occluded", "noise_3d"):
        if not getattr(config, name) > 0:
            raise ConfigError(f"fit.{name}: must be above 0, found {getattr(config, name)}")
    if not 1 <= config.starts <= 12:
        raise ConfigError(f"fit.starts: 1 to 12 headings can be tried, found {config.starts}")
    if config.engine not in ("numba", "torch"):
        raise ConfigError(f"fit.engine: numba or torch, found '{config.engine}'")
    if config.engine == "torch" and config.init:
        raise ConfigError("fit.init: only the numba engine starts from a file; set fit.engine: numba")
    if config.max_iterations < 1:
        raise ConfigError(f"fit.max_iterations: at least 1, found {config.max_iterations}")


@functools.lru_cache(maxsize=4)
def get_fitter(config: Config, body: BodyConfig, known_camera: bool = True) -> Fitter:
    """Return the fitter of a configuration; one per process."""
    options = FitOptions(
        starts=config.starts,
        steps=config.max_iterations,
        tolerance=config.tolerance,
        flip_steps=5 if config.flips else 0,
        margin=config.margin,
        robust=config.robust,
        prior_weight=config.prior_weight,
        focal_sd=0.0 if known_camera else config.focal_sd,
    )
    return Fitter(load_body(body), load_mixture(config.prior) if config.prior else None, options)


def usable_rows(persons: Persons, i: int) -> Bool[ndarray, "44"]:
    """Return the rows of a person that are labelled, on the image and of limbs the person has."""
    state = persons.state[i]
    labelled = ((state == OCCLUDED) | (state == VISIBLE)) & ~(persons.keypoints[i, :, 2] <= 0)
    return labelled & ~absent_rows(persons.present_removed[i])


def person_size(bbox: Float[ndarray, "4"], pixels: Float[ndarray, "n 2"]) -> float:
    """Return the longer side (px) of a person's box, or of its keypoints' where that is larger or there is no box."""
    sides = [0.0, *(np.ptp(pixels, axis=0) if len(pixels) else ())]
    if np.isfinite(bbox).all():
        sides += [bbox[2] - bbox[0], bbox[3] - bbox[1]]
    return float(max(sides))


def observe(config: Config, persons: Persons, i: int) -> Observation:
    """Return what is known of one person, in the camera without lens distortion.

    Raises:
        Rejected: if the labels cannot be used.
    """
    if persons.dropped[i]:
        raise Rejected(persons.dropped[i])
    keypoints, K = persons.keypoints[i], persons.K[i]
    used = usable_rows(persons, i)
    size = person_size(persons.bbox[i], keypoints[used, :2])
    points = persons.joints3d[i]
    seen3d = (points[:, 3] > 0) & ~absent_rows(persons.present_removed[i])
    check_labels(
        keypoints, used, 0 if seen3d.sum() >= config.min_points else config.min_points, size, config.min_size_px
    )
    if not (np.isfinite(K).all() and K[0, 0] > 0 and K[1, 1] > 0):
        raise Rejected("the camera is not finite or has no focal length")
    if not np.isfinite(points[seen3d]).all():
        raise Rejected("a 3D joint is not finite")
    pixels = np.zeros((44, 2))
    pixels[used] = undistort_points(keypoints[used, :2], K, persons.dist[i])
    noise = max(config.noise * size, config.min_noise_px)
    return Observation(
        pixels=pixels,
        pixel_sd=pixel_sd(noise, keypoints[:, 2], persons.state[i], used, config.occluded),
        K=K,
        size=size,
        points=points[:, :3],
        point_sd=point_sd(config.noise_3d, points[:, 3], seen3d),
    )


def fit_row(
    config: Config, body: BodyConfig, persons: Persons, i: int, anchor: Anchor | None = None, fit: Fit | None = None
) -> dict[str, Any]:
    """Fit one person and return its row of Bodies.

    Args:
        anchor: an outside prediction or the known shape of the subject.
        fit: the result, if another engine has found it already.

    Raises:
        Rejected: if the labels cannot be used or the fit is bad.
    """
    fitter = get_fitter(config, body, bool(persons.K_known[i]))
    seen = observe(config, persons, i)
    if anchor is not None:
        seen = replace(seen, anchor=anchor)
    if fit is None:
        fit = fitter.fit(seen, start_from_outside(config, fitter, persons, i, seen))
    best = fit.best
    errors = reprojection(fitter, seen, best)
    share = float(errors.mean() / seen.size) if len(errors) else 0.0
    prior = fitter.prior_energy(seen, best)
    visible_face = (persons.state[i][FACE_ROWS] == VISIBLE).sum() >= 2
    refuse_swapped(fitter, seen, fit, bool(visible_face))
    gate = Gate(config.max_reprojection, config.max_prior, config.max_beta)
    check_fit(gate, share, prior, best.betas, best.joints)
    K = seen.K.copy()
    K[[0, 1], [0, 1]] *= best.focal_scale
    return {
        "key": persons.key[i], "pose": best.pose, "betas": best.betas, "transl": best.transl, "K": K,
        "reproj_px": float(errors.mean()) if len(errors) else 0.0, "cost": best.cost, "sigma": best.sigma,
        **_alternatives(fit, fitter.body.num_betas),
    }  # fmt: skip


def reprojection(fitter: Fitter, seen: Observation, found: Solution) -> Float[ndarray, " n"]:
    """Return the reprojection error (px) of every keypoint that was used."""
    used = np.isfinite(seen.pixel_sd)
    posed = pose_body(fitter.body, found.pose, found.betas, found.transl)
    K = seen.K.copy()
    K[[0, 1], [0, 1]] *= found.focal_scale
    return np.linalg.norm(project(posed.keypoints[used], K) - seen.pixels[used], axis=1)


SWAP_GAIN = 9.0
"""Labels are taken for swapped if swapping them back costs this much less (natural-log units)."""
SUSPECT_COST = 20.0
"""Cheaper fits than this are not asked whether their labels are swapped."""
_SWAPS = {
    "labels": np.arange(NUM_ROWS),
    "arms": np.array([r for r in range(NUM_ROWS) if ANATOMICAL[r].split("_")[-1] in ("shoulder", "elbow", "wrist")]),
    "legs": np.array(
        [r for r in range(NUM_ROWS) if ANATOMICAL[r].split("_")[-1] in ("hip", "knee", "ankle", "toe", "heel")]
    ),
}


def refuse_swapped(fitter: Fitter, seen: Observation, fit: Fit, visible_face: bool) -> None:
    """Refuse a person whose left and right labels look swapped, all of them or those of the arms or the legs.

    One view of a person and the same view with all labels swapped are explained equally well, facing the camera and
    facing away; then only a face that is labelled visible tells them apart.

    Raises:
        Rejected: with both costs.
    """
    cost = fit.best.cost
    if visible_face and _looks_away(fitter, fit.best):
        other = fitter.fit(_swapped(seen, _SWAPS["labels"])).best
        if other.cost < cost + SWAP_GAIN and not _looks_away(fitter, other):
            raise Rejected("left and right labels look swapped: the face is labelled visible, but the fit looks away")
    if cost < SUSPECT_COST:
        return
    for name, rows in _SWAPS.items():
        other_cost = fitter.fit(_swapped(seen, rows), quick=True).best.cost
        if cost - other_cost > SWAP_GAIN:
            raise Rejected(f"left and right {name} look swapped: cost {cost:.0f} as labelled, {other_cost:.0f} if not")


def _swapped(seen: Observation, rows: ndarray) -> Observation:
    order = np.arange(NUM_ROWS)
    order[rows] = ROW_FLIP[rows]
    return replace(
        seen, pixels=seen.pixels[order], pixel_sd=seen.pixel_sd[order], points=seen.points[order],
        point_sd=seen.point_sd[order],
    )  # fmt: skip


def _looks_away(fitter: Fitter, found: Solution) -> bool:
    rest = rest_joints(fitter.body, found.betas)
    world, _ = forward_kinematics(rotvec_to_matrix(found.pose), rest)
    return faces_away(world[JOINT["head"]], found.joints)


def _alternatives(fit: Fit, betas: int) -> dict[str, ndarray]:
    out = {
        "alt_pose": np.zeros((3, 24, 3)), "alt_betas": np.zeros((3, betas)), "alt_transl": np.zeros((3, 3)),
        "alt_cost": np.full(3, np.inf),
    }  # fmt: skip
    for n, other in enumerate(fit.alternatives):
        out["alt_pose"][n], out["alt_betas"][n] = other.pose, other.betas
        out["alt_transl"][n], out["alt_cost"][n] = other.transl, other.cost
    return out


def subject_shape(
    config: Config, body: BodyConfig, persons: Persons, seed: int, subject: str, frames: int = 64
) -> Float[ndarray, " b"]:
    """Return the betas of one subject: their median over fits of at most ``frames`` of the subject's frames.

    The frames are drawn by ``generator_for(seed, "shape", subject)``. Fits given this shape through
    ``Anchor(betas=..., betas_sd=0.05)`` are then independent of each other.

    Raises:
        Rejected: if none of the frames can be fitted.
    """
    rows = np.flatnonzero(persons.subject == subject)
    if len(rows) > frames:
        rows = np.sort(generator_for(seed, "shape", subject).choice(rows, frames, replace=False))
    found = []
    for i in rows:
        try:
            found.append(fit_row(config, body, persons, int(i))["betas"])
        except Rejected:
            continue  # a bad frame says nothing about the shape; fitting that frame itself reports it
    if not found:
        raise Rejected(f"none of {len(rows)} frames of subject '{subject}' can be fitted")
    return np.median(found, axis=0)
