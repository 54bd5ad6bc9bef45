"""Fitters and outside starts of stage ``fit``, kept within a process as long as the user's files stay the same."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.records import Persons
from a3dgen.core.user_paths import user_path
from a3dgen.fit.config import Config, cloud_options, solver_options
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.mixture import load_mixture
from a3dgen.fit.observation import Observation
from a3dgen.fit.prediction import Predictions, load_predictions
from a3dgen.stages.fit_tracks import NONE


def user_files(config: Config) -> list[Path]:
    """Return the user's files whose content the fits depend on."""
    lifter = config.lifter if config.temporal == "on" and config.lifter != NONE else ""
    return [user_path(name) for name in (config.prior, config.init, lifter) if name]


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
