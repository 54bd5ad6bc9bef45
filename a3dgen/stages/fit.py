"""Stage ``fit``: a body for every person, from its keypoints, its 3D joints if there are any, and its camera."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.core.records import Bodies, Persons
from a3dgen.core.stage import Context, Inputs, Output, each
from a3dgen.fit.cloud_result import left_aside
from a3dgen.fit.config import Config
from a3dgen.fit.feet import with_feet_flat
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.inverted import fit_upright_or_inverted
from a3dgen.fit.labelled_visible import as_labelled, tells_visibility
from a3dgen.fit.merged import refuse_merged
from a3dgen.fit.multi_view import Member, carried, find_groups, together
from a3dgen.fit.observation import Anchor, Fit, Observation
from a3dgen.fit.observe import observe
from a3dgen.fit.swaps import face_seen, refuse_swapped
from a3dgen.stages.fit_fitters import get_fitter, start_from_outside
from a3dgen.stages.fit_fitters import user_files as user_files  # the engine asks the stage for it
from a3dgen.stages.fit_ground import Grounds
from a3dgen.stages.fit_legs import refuse_unseen_legs
from a3dgen.stages.fit_rows import ground_columns, reprojection_gate, row_of
from a3dgen.stages.fit_stumps import assumed, measure_stumps
from a3dgen.stages.fit_tracks import Fits, track_fits

VERSION = 15


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
        fitter_of = lambda known: get_fitter(config, context.body, known)  # noqa: E731
        fits = track_fits(config, persons, inputs.beside, fitter_of, lambda some, i: _known_shape(some, i, shapes))
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


def fit_row(
    config: Config,
    body: BodyConfig,
    persons: Persons,
    i: int,
    anchor: Anchor | None = None,
    fit: Fit | None = None,
    grounds: Grounds | None = None,
    find: Callable[[Fitter, Observation, ndarray | None], tuple[Observation, Fit]] = fit_upright_or_inverted,
) -> dict[str, Any]:
    """Fit one person and return its row of Bodies.

    Args:
        anchor: an outside prediction or the known shape of the subject.
        fit: the result, if another engine has found it already. grounds: of the photos; found here if None.
        find: what fits the labels, else.

    Raises:
        Rejected: if the labels cannot be used or the fit is bad.
    """
    grounds = grounds or _grounds(config, body, persons)
    seen = grounds.standing(i, replace(observe(config, persons, i), anchor=anchor))
    fitter = get_fitter(config, body, bool(persons.K_known[i]), gravity=seen.support is not None)
    if fit is None:
        start, labels = start_from_outside(config, fitter, persons, i, seen), replace(seen, cloud=None)
        labels, fit = find(fitter, labels, start)
        seen = replace(seen, inverted=labels.inverted)
    fit = _fit_checked(config, body, fitter, persons, i, seen, face_seen(persons.state[i]), fit)
    if fit.cloud is None:
        fit = with_feet_flat(fitter.body, seen, _as_labelled(config, fitter, persons, i, seen, fit))
    row = row_of(config, fitter, persons, i, seen, fit)
    refuse_unseen_legs(persons, i, fitter, fit.best)
    return {**row, **ground_columns(grounds.ground(i))}


def _as_labelled(config: Config, fitter: Fitter, persons: Persons, i: int, seen: Observation, fit: Fit) -> Fit:
    """Return the fit, held to visibility labels that tell something; frames fitted together stay as they are."""
    told = tells_visibility(persons.state[i], np.asarray(persons.company[i]).reshape(-1, 44, 4))
    if config.temporal == "on" or not config.visible or not told or (persons.joints3d[i, :, 3] > 0).any():
        return fit
    width, height = (int(v) for v in persons.image_size[i])
    return as_labelled(fitter, replace(seen, cloud=None), fit, persons.state[i], (width, height), config.visible)


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
    """Fit the labels, unless that is done, refuse those of two people and swapped ones, and add the point cloud."""
    start, labels = start_from_outside(config, fitter, persons, i, seen), replace(seen, cloud=None)
    if fit is None:
        fit = fitter.fit(labels, start)
    refuse_merged(fitter, labels, fit, persons.company[i])
    fit = refuse_swapped(fitter, labels, fit, face)
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
        reprojection_gate(config, fitter, seen, found)
    except Rejected as error:
        found = replace(fit, cloud=left_aside(f"with the point cloud, {error}"))
    if config.cloud == "require" and not (found.cloud and found.cloud.used):
        raise Rejected(found.cloud.remark if found.cloud else "no point cloud")
    return found
