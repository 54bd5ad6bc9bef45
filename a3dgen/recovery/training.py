"""Training of limb absence on tables of limb features: folds by scene, temperature, threshold, and honest figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.optimize import minimize_scalar
from scipy.stats import rankdata

from a3dgen.core.rng import generator_for
from a3dgen.learning.absence import KINDS, AbsenceModel
from a3dgen.learning.head import Head, Targets, Training, softmax, train_head
from a3dgen.learning.limb_features import blocks
from a3dgen.recovery.examples import ABSENT, PHOTO, PRESENT, UNKNOWN
from a3dgen.recovery.limb_table import AS_IS, BORDER, COVERED, LimbTable

FALSE_ALARMS = 0.05
"""Share of limbs that are not absent and may be called so, of each group of ``held_groups``."""
LEAST_LIMBS = 20
"""Smaller groups hold nothing."""


@dataclass(frozen=True)
class Answers:
    """What heads that never saw a row's scene say of it, for the rows of a table.

    Attributes:
        logits: (n, 3). levels: (n, 3) scores of absent at each level. end: (n, 2) less the root, extents of the torso.
        worn: (n,) score. fold: (n,) which heads were asked.
    """

    logits: Float[ndarray, "n 3"]
    levels: Float[ndarray, "n 3"]
    end: Float[ndarray, "n 2"]
    worn: Float[ndarray, "n"]
    fold: ndarray

    @property
    def level(self) -> ndarray:
        return np.asarray(self.levels.argmax(1))


@dataclass(frozen=True)
class Fitted:
    """A model, with the answers of cross-validation that its calibration comes from."""

    model: AbsenceModel
    answers: Answers


def folds_of(table: LimbTable, seed: int, folds: int) -> ndarray:
    """Return the fold of each row. Scenes are whole: whoever shares a picture or is one subject stays together.

    Scenes of photographs are dealt out evenly among the folds, and so are those of the demo.
    """
    fold: dict[str, int] = {}
    for real in (True, False):
        scenes = sorted(set(table.scene[table.real_scene == real]))
        order = generator_for(seed, "folds", str(real)).permutation(len(scenes))
        fold |= {scenes[k]: int(i % folds) for i, k in enumerate(order)}
    return np.array([fold[s] for s in table.scene])


def cross_validate(table: LimbTable, how: Training, seed: int, folds: int) -> Answers:
    """Return every row's answers from heads trained without its fold."""
    n = len(table)
    fold = folds_of(table, seed, folds)
    answers = Answers(np.zeros((n, 3)), np.zeros((n, 3)), np.zeros((n, 2)), np.zeros(n), fold)
    for kind in KINDS:
        rows = table.rows_of(kind)
        features, targets = getattr(table, kind), table.targets(rows, how.real)
        for f in range(folds):
            out = np.flatnonzero(fold[rows] == f)
            if not len(out):
                continue
            head = _train(kind, features, targets, fold[rows] != f, how)
            said = head.answers(features[out])
            answers.logits[rows[out]] = said["said"]
            answers.levels[rows[out]] = said["level"]
            answers.end[rows[out]] = said["end"]
            answers.worn[rows[out]] = said["worn"][:, 0]
    return answers


def fit_model(table: LimbTable, how: Training, seed: int, folds: int) -> Fitted:
    """Train on all rows; temperature and threshold come from cross-validation, so from people apart."""
    answers = cross_validate(table, how, seed, folds)
    heads, temperature, threshold, end_sd = {}, {}, {}, {}
    for kind in KINDS:
        rows = table.rows_of(kind)
        heads[kind] = _train(kind, getattr(table, kind), table.targets(rows, how.real), np.ones(len(rows), bool), how)
        known = rows[(table.said[rows] != UNKNOWN) & (table.version[rows] == AS_IS)]
        temperature[kind] = _temperature(answers.logits[known], table.said[known])
        threshold[kind] = _held(table, rows, answers, temperature[kind])
        off = answers.end - table.targets(np.arange(len(table))).end
        end_sd[kind] = float(np.nan_to_num(np.nanmedian(np.abs(off[rows])), nan=0.3) / 0.6745)
    return Fitted(AbsenceModel(heads, temperature, threshold, end_sd), answers)


def _train(kind: str, features: ndarray, targets: Targets, chosen: Bool[ndarray, "n"], how: Training) -> Head:
    used = np.flatnonzero(chosen & (targets.weight > 0))
    return train_head(features[used], targets.take(used), how, np.array(blocks(kind)))


def _temperature(logits: Float[ndarray, "n 3"], said: ndarray) -> float:
    """Return the temperature of the best likelihood, 0.02 to 2."""

    def loss(log_t: float) -> float:
        chance = softmax(logits / np.exp(log_t))[np.arange(len(said)), said]
        return float(-np.log(np.maximum(chance, 1e-9)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.02), np.log(2)), method="bounded").x))


def threshold_of(chance: Float[ndarray, "n"], groups: list[Bool[ndarray, "n"]]) -> float:
    """Return the probability of absence that at most ``FALSE_ALARMS`` of limbs like those of every group exceed.

    It is the conformal quantile: of n limbs that many exceed it on which another one would with that chance at most.

    Args:
        chance: of absence. groups: limbs that are not absent; those of fewer than ``LEAST_LIMBS`` do not count.
    """
    tops = [_conformal(chance[g]) for g in groups if g.sum() >= LEAST_LIMBS]
    return max(tops, default=0.5)


def _conformal(chance: Float[ndarray, "n"]) -> float:
    rank = int(np.ceil((len(chance) + 1) * (1 - FALSE_ALARMS)))
    return float(np.nextafter(np.sort(chance)[min(rank, len(chance)) - 1], np.inf))


def held_groups(table: LimbTable, rows: ndarray) -> list[Bool[ndarray, "n"]]:
    """Return the limbs among which false alarms are held down, for some rows: limbs that are seen to be there; all of
    real intact people; all of intact people who are cut by the border or of whom a limb is covered."""
    other, photo = ~np.isin(table.said[rows], (ABSENT, UNKNOWN)), table.kind[rows] == PHOTO
    as_is = (table.version[rows] == AS_IS) & table.first_seen()[rows]
    spoiled = np.isin(table.version[rows], (BORDER, COVERED))
    return [as_is & (table.said[rows] == PRESENT), as_is & photo & table.real[rows] & other, spoiled & photo & other]


def _held(table: LimbTable, rows: ndarray, answers: Answers, temperature: float) -> float:
    return threshold_of(softmax(answers.logits[rows] / temperature)[:, 1], held_groups(table, rows))


def auc(score: Float[ndarray, "n"], positive: Bool[ndarray, "n"]) -> float:
    """Return the area under the ROC curve (Mann-Whitney), NaN without both classes."""
    good, bad = int(positive.sum()), int((~positive).sum())
    if not good or not bad:
        return float("nan")
    return float((rankdata(score)[positive].sum() - good * (good + 1) / 2) / (good * bad))


def called_absent(table: LimbTable, answers: Answers) -> Bool[ndarray, "n"]:
    """Return which limbs are called absent, each by a threshold and temperature from other folds than its own."""
    out = np.zeros(len(table), bool)
    for kind in KINDS:
        rows = table.rows_of(kind)
        usable = (table.said[rows] != UNKNOWN) & (table.version[rows] == AS_IS)
        for f in np.unique(answers.fold[rows]):
            others = rows[usable & (answers.fold[rows] != f)]
            own = rows[answers.fold[rows] == f]
            warmth = _temperature(answers.logits[others], table.said[others])
            least = _held(table, rows[answers.fold[rows] != f], answers, warmth)
            out[own] = softmax(answers.logits[own] / warmth)[:, 1] >= least
    return out


def end_error(table: LimbTable, answers: Answers) -> Float[ndarray, "n"]:
    """Return the distance of the residual end, of the person's extent in the picture; NaN where there is none."""
    off = np.linalg.norm(answers.end * table.torso[:, None] - (table.end - table.root), axis=1)
    return np.asarray(off / table.height)
