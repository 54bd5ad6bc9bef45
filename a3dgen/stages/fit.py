"""Stage ``fit``: a body for every person, from its keypoints, its 3D joints if there are any, and its camera."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.core.records import Bodies, Persons
from a3dgen.core.stage import Context, Inputs, Output, each
from a3dgen.core.user_paths import user_path
from a3dgen.fit.checks import Gate, check_fit
from a3dgen.fit.cloud_result import left_aside
from a3dgen.fit.config import Config, cloud_options, solver_options
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.ground import Ground
from a3dgen.fit.inverted import fit_upright_or_inverted
from a3dgen.fit.mixture import load_mixture
from a3dgen.fit.multi_view import Member, carried, find_groups, together
from a3dgen.fit.observation import Anchor, Fit, Observation
from a3dgen.fit.observe import observe, reprojection
from a3dgen.fit.prediction import Predictions, load_predictions
from a3dgen.fit.swaps import face_seen, refuse_swapped
from a3dgen.geometry.regions import NUM_REGIONS
from a3dgen.stages.fit_ground import Grounds
from a3dgen.stages.fit_legs import refuse_unseen_legs
from a3dgen.stages.fit_stumps import assumed, measure_stumps
from a3dgen.stages.fit_tracks import NONE, Fits, track_fits

VERSION = 9


def user_files(config: Config) -> list[Path]:
    """Return the user's files whose content the fits depend on."""
    lifter = config.lifter if config.temporal == "on" and config.lifter != NONE else ""
    return [user_path(name) for name in (config.prior, config.init, lifter) if name]


def run(config: Config, inputs: Inputs, context: Context) -> Output:
    """Fit every person on its own, except that cameras of one instant share one body, and that frames of a recording
    are fitted together where the configuration says so.

    The result depends on that person (or instant, or clip), the shape of its subject and the configuration only.

    Raises:
        DataError: if the pose prior cannot be read.
    """
    body, persons = load_body(context.body), inputs.persons
    index = persons.index()
    shapes = {} if inputs.shapes is None else dict(zip(inputs.shapes.key, inputs.shapes.betas, strict=True))
    grounds = _grounds(config, context.body, persons)
    anchors = {i: _known_shape(persons, i, shapes) for i in range(len(persons))}
    groups, fits = find_groups(config, persons), _none
    if config.temporal == "on":
        fitter_of = lambda i: get_fitter(config, context.body, bool(persons.K_known[i]))  # noqa: E731
        fits = track_fits(config, persons, fitter_of, groups, anchors)
    shared = _shared_fits(config, context.body, persons, anchors, groups, fits)
    alone = [i for i in range(len(persons)) if i not in shared]
    batch = fit_batch(config, context.body, persons, alone, anchors, grounds) if config.engine == "torch" else {}

    def work(key: str) -> dict[str, Any]:
        i = index[key]
        if i in shared:
            return shared[i]()
        return fit_row(config, context.body, persons, i, anchors[i], batch.get(i) or fits(i), grounds)

    return each(persons.key.tolist(), work, Bodies, B=body.num_betas)


def _grounds(config: Config, body: BodyConfig, persons: Persons) -> Grounds:
    """Return the grounds of the persons' photos; frames of a recording are fitted together without."""
    settings = config if config.temporal == "off" else replace(config, ground="off")
    return Grounds(settings, persons, lambda known: get_fitter(config, body, known, gravity=True))


def _none(row: int) -> Fit | None:
    """No row is fitted together with others."""
    return None


def shape(config: Config, context: Context, subject: str, persons: Persons) -> dict[str, Any] | None:
    """Return the row of ``Shapes`` of one subject: the median betas of fits of some of its frames, each on its own.

    Args:
        persons: the frames, drawn by the build. Those that cannot be fitted say nothing about the shape.

    Returns:
        None if none of them can be fitted.
    """
    body = load_body(context.body)
    index = persons.index()
    found = each(
        persons.key.tolist(), lambda k: fit_row(config, context.body, persons, index[k]), Bodies, B=body.num_betas
    ).record
    if not len(found):
        return None
    return {"key": subject, "betas": np.median(found.betas, axis=0), "frames": len(found)}


def _known_shape(persons: Persons, i: int, shapes: dict[str, ndarray]) -> Anchor | None:
    """Return the shape of a person's subject, which is then held, if it is known."""
    betas = shapes.get(str(persons.subject[i])) if (persons.joints3d[i, :, 3] > 0).any() else None
    return None if betas is None else Anchor(betas=betas, betas_sd=0.0)


def _shared_fits(
    config: Config,
    body: BodyConfig,
    persons: Persons,
    anchors: dict[int, Anchor | None],
    groups: list[list[Member]],
    fits: Fits,
) -> dict[int, Callable[[], dict[str, Any]]]:
    """Return, for every row that shares its instant with other cameras, what makes its row of Bodies."""
    out: dict[int, Callable[[], dict[str, Any]]] = {}
    for group in groups:
        fitter = get_fitter(config, body, True)
        face = face_seen(persons.state[group[0].row])
        seen = replace(together(group), anchor=anchors[group[0].row])
        make = functools.partial(_fit_checked, config, body, fitter, persons, group[0].row, seen, face)
        fit = functools.cache(functools.partial(_with, make, fits, group[0].row))
        for member in group:
            out[member.row] = functools.partial(_member_row, config, fitter, persons, member, fit)
    return out


def _with(make: Callable[[Fit | None], Fit], fits: Fits, row: int) -> Fit:
    return make(fits(row))


def _member_row(
    config: Config, fitter: Fitter, persons: Persons, member: Member, fit: Callable[[], Fit]
) -> dict[str, Any]:
    return row_of(config, fitter, persons, member.row, member.seen, carried(fit(), member, fitter))


def fit_batch(
    config: Config,
    body: BodyConfig,
    persons: Persons,
    rows: list[int],
    anchors: dict[int, Anchor | None],
    grounds: Grounds,
) -> dict[int, Fit]:
    """Fit all people whose labels can be used at once, with the torch engine; row -> result."""
    from a3dgen.fit.torch_engine import TorchFitter

    kinds: dict[tuple[bool, bool], dict[int, Observation]] = {}
    for i in rows:
        try:
            seen = grounds.standing(i, replace(observe(config, persons, i), anchor=anchors[i]))
        except Rejected:
            continue  # fit_row finds the same reason again and reports it
        kinds.setdefault((bool(persons.K_known[i]), seen.support is not None), {})[i] = seen
    out: dict[int, Fit] = {}
    for (known, gravity), some in kinds.items():
        fitter = get_fitter(config, body, known, gravity=gravity)
        found = TorchFitter(fitter, config.device).fit(list(some.values()))
        out.update(zip(some, found, strict=True))
    return out


def _stamps(config: Config) -> tuple[tuple[int, int], ...]:
    """Return what tells one version of the user's files from another, within this process."""
    stats = [path.stat() for path in user_files(config) if path.is_file()]
    return tuple((s.st_mtime_ns, s.st_size) for s in stats)


@functools.lru_cache(maxsize=2)
def _predictions(path: Path, stamps: tuple[tuple[int, int], ...]) -> Predictions:
    return load_predictions(path)


def start_from_outside(config: Config, fitter: Fitter, persons: Persons, i: int, seen: Observation) -> ndarray | None:
    """Return the predicted pose of a person as a start (1, D), or None if there is none."""
    if not config.init:
        return None
    predictions = _predictions(user_path(config.init), _stamps(config))
    row = predictions.find(str(persons.image[i]), persons.bbox[i])
    if row is None:
        return None
    pose = predictions.root_in_image(row, seen.K, persons.bbox[i])
    betas = predictions.betas[row] if fitter.body.smpl_betas else np.zeros(0)
    if seen.anchor is not None and seen.anchor.betas is not None:
        betas = seen.anchor.betas
    return fitter.placed(seen, pose, betas)[None]


def get_fitter(
    config: Config, body: BodyConfig, known_camera: bool = True, cloud: bool = False, gravity: bool = False
) -> Fitter:
    """Return the fitter of a configuration; one per process, as long as its prior's file stays the same.

    Args:
        known_camera: the focal length is known. cloud: for point clouds. gravity: the direction of gravity is known.
    """
    cloud = cloud and not known_camera and config.focal_sd == 0
    return _fitter(config, body, (known_camera, cloud, gravity), _stamps(config))


@functools.lru_cache(maxsize=8)
def _fitter(
    config: Config, body: BodyConfig, kind: tuple[bool, bool, bool], stamps: tuple[tuple[int, int], ...]
) -> Fitter:
    known_camera, cloud, gravity = kind
    prior = load_mixture(user_path(config.prior)) if config.prior else load_mixture()
    prior = prior.in_known_gravity() if gravity else prior
    return Fitter(load_body(body), prior, solver_options(config, known_camera, cloud), cloud_options(config))


def fit_row(
    config: Config,
    body: BodyConfig,
    persons: Persons,
    i: int,
    anchor: Anchor | None = None,
    fit: Fit | None = None,
    grounds: Grounds | None = None,
) -> dict[str, Any]:
    """Fit one person and return its row of Bodies.

    Args:
        anchor: an outside prediction or the known shape of the subject.
        fit: the result, if another engine has found it already. grounds: of the photos; found here if None.

    Raises:
        Rejected: if the labels cannot be used or the fit is bad.
    """
    grounds = grounds or _grounds(config, body, persons)
    seen = grounds.standing(i, replace(observe(config, persons, i), anchor=anchor))
    fitter = get_fitter(config, body, bool(persons.K_known[i]), gravity=seen.support is not None)
    if fit is None:
        start, labels = start_from_outside(config, fitter, persons, i, seen), replace(seen, cloud=None)
        labels, fit = fit_upright_or_inverted(fitter, labels, start)
        seen = replace(seen, inverted=labels.inverted)
    fit = _fit_checked(config, body, fitter, persons, i, seen, face_seen(persons.state[i]), fit)
    row = row_of(config, fitter, persons, i, seen, fit)
    refuse_unseen_legs(persons, i, fitter, fit.best)
    return {**row, **_ground_columns(grounds.ground(i))}


def _ground_columns(ground: Ground | None) -> dict[str, Any]:
    if ground is None:
        return {}
    return {"down": ground.down, "down_sd": ground.pitch_sd, "camera_height": ground.height}


def _fit_checked(
    config: Config,
    body: BodyConfig,
    fitter: Fitter,
    persons: Persons,
    i: int,
    seen: Observation,
    face: bool | None,
    fit: Fit | None = None,
) -> Fit:
    """Fit the labels, unless that is done, refuse swapped ones, and add the point cloud."""
    start, labels = start_from_outside(config, fitter, persons, i, seen), replace(seen, cloud=None)
    if fit is None:
        fit = fitter.fit(labels, start)
    refuse_swapped(fitter, labels, fit, face)
    if seen.cloud is None:
        return fit
    gravity = seen.support is not None
    return _with_cloud(config, get_fitter(config, body, bool(persons.K_known[i]), True, gravity), seen, fit, start)


def _with_cloud(config: Config, fitter: Fitter, seen: Observation, fit: Fit, start: ndarray | None) -> Fit:
    """Return the fit with the person's point cloud, or the one without where the cloud cannot be used.

    Raises:
        Rejected: if it has to be used.
    """
    seen = assumed(seen) if config.cloud_stump else seen
    found = fitter.clouds.fit(seen, fit, start)
    if config.cloud_stump:
        found = measure_stumps(fitter, seen, found)
    try:
        _gate(config, fitter, seen, found)
    except Rejected as error:
        found = replace(fit, cloud=left_aside(f"with the point cloud, {error}"))
    if config.cloud == "require" and not (found.cloud and found.cloud.used):
        raise Rejected(found.cloud.remark if found.cloud else "no point cloud")
    return found


def row_of(config: Config, fitter: Fitter, persons: Persons, i: int, seen: Observation, fit: Fit) -> dict[str, Any]:
    """Return the row of Bodies of a fit in the camera of ``seen``.

    Raises:
        Rejected: if the fit is bad.
    """
    best = fit.best
    errors = _gate(config, fitter, seen, fit)
    K = seen.K.copy()
    K[[0, 1], [0, 1]] *= best.focal_scale
    return {
        "key": persons.key[i], "pose": best.pose, "betas": best.betas, "transl": best.transl, "K": K,
        "reproj_px": float(errors.mean()) if len(errors) else 0.0, "cost": best.cost, "sigma": best.sigma,
        **_alternatives(fit, fitter.body.num_betas), **_cloud_columns(fit),
    }  # fmt: skip


def _gate(config: Config, fitter: Fitter, seen: Observation, fit: Fit) -> ndarray:
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
