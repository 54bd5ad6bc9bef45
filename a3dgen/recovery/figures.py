"""Figures of limb absence from cross-validated answers: by kind of picture, and beside the bars of the project."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.learning.absence import KINDS
from a3dgen.recovery.examples import ABSENT, ERASED, PHOTO, PRESENT, TWIN, UNKNOWN, UNSURE
from a3dgen.recovery.limb_table import AS_IS, BORDER, COVERED, KIND, LimbTable
from a3dgen.recovery.training import FALSE_ALARMS, Answers, auc, called_absent, end_error

STEPS = np.linspace(-0.6, 0.6, 25)
"""Numbers that are tried to be added to the score of each level of the four classes."""
ROUNDS = 3
LIMB_NAMES = ("right arm", "left arm", "left leg", "right leg")


def figures(table: LimbTable, answers: Answers) -> dict[str, object]:
    """Return counts and measures as plain JSON; every answer comes from heads that never saw the row's scene.

    ``auc``, ``recall_at_5`` (at 5 % false alarms within the group) and ``false_alarms`` are over limbs of which the
    picture shows whether they are there; ``recall`` and ``false_alarms`` are by the model's rule with thresholds set on
    other scenes; ``unsure_called`` is the share of limbs of which nothing can be told that are called absent. Limbs
    with a worn prosthesis have a group of their own.
    """
    called, score = called_absent(table, answers), _score(answers)
    known = (table.said != UNKNOWN) & (table.version == AS_IS) & table.first_seen()
    bare = known & ~((table.said == ABSENT) & table.worn.astype(bool))
    drawn, photo = bare & ~table.real_scene, table.real & known & (table.kind == PHOTO)
    spoiled = np.isin(table.version, (BORDER, COVERED)) & (table.kind == PHOTO) & (table.said != UNKNOWN)
    groups = {
        "all": bare,
        "synthetic people in synthetic scenes": drawn,
        "real scenes, drawn people": bare & table.real_scene & ~table.real,
        "a prosthesis worn, or limbs present": known
        & (table.worn.astype(bool) | (table.said == PRESENT))
        & ~table.real,
        "real people, untouched photos": photo,
        "real people, a limb erased": known & table.real & (table.kind == ERASED),
        "real people, erased and filled again (twins)": known & table.real & (table.kind == TWIN),
        "intact, cut by the border or covered": spoiled & ~(table.said == ABSENT),
    }
    told: dict[str, object] = {
        "pictures": int((known & (table.limb == 0)).sum()),
        "people": len(set(table.person[known])),
        "scenes": len(set(table.scene[known])),
    }
    told["groups"] = {name: _group(table, rows, called, score) for name, rows in groups.items() if rows.any()}
    told["limbs"] = {name: _group(table, known & (table.limb == i), called, score) for i, name in enumerate(LIMB_NAMES)}
    found = bare & called & (table.said == ABSENT)
    error = end_error(table, answers)[found]
    told["level_of_those_found"] = _share(answers.level[found] == table.level[found])
    told["end_median"], told["end_mean"] = _number(np.nanmedian(error)), _number(np.nanmean(error))
    told["real_people_flagged"] = _people_flagged(table, photo, called)
    told["prosthesis_auc"] = _number(auc(answers.worn[found], table.worn[found]))
    seen = bare & (table.said != UNSURE)
    told["classes"] = {kind: _classes(table, answers, seen & _of(table, kind)) for kind in KINDS}
    erased = seen & table.real & (table.kind == ERASED) & (table.said == ABSENT)
    whole = seen & table.real & (table.said == PRESENT)
    told["erased_recall_beside_all_real"] = _recall_beside(table, score, erased, whole)
    return told


def _score(answers: Answers) -> ndarray:
    """Return how much likelier absent is than present, for limbs that are one of the two."""
    return np.asarray(answers.logits[:, 1] - answers.logits[:, 0])


def _of(table: LimbTable, kind: str) -> Bool[ndarray, "n"]:
    return np.isin(table.limb, [i for i, k in enumerate(KIND) if k == kind])


def _group(table: LimbTable, rows: ndarray, called: ndarray, score: ndarray) -> dict[str, object]:
    told = rows & (table.said != UNSURE)
    gone, said, hidden = table.said[told] == ABSENT, called[told], rows & (table.said == UNSURE)
    both = _group_scores(score[told], table.limb[told], gone)
    return {
        "people": len(set(table.person[rows])), "absent": int(gone.sum()), "present": int((~gone).sum()),
        "unsure": int(hidden.sum()), "auc": _number(auc(both, gone)), "recall_at_5": _recall_at(both, gone),
        "recall": _share(said[gone]), "false_alarms": _share(said[~gone]), "unsure_called": _share(called[hidden]),
        "called_of_all_not_absent": _share(called[rows & (table.said != ABSENT)]),
    }  # fmt: skip


def _group_scores(score: ndarray, limb: ndarray, gone: Bool[ndarray, "n"]) -> ndarray:
    """Return scores of arms and legs on one scale: each less its kind's score at 5 % false alarms."""
    out = score.copy()
    for kind in KINDS:
        own = np.isin(limb, [i for i, k in enumerate(KIND) if k == kind])
        if (own & ~gone).any():
            out[own] -= np.quantile(score[own & ~gone], 1 - FALSE_ALARMS)
    return out


def _recall_at(score: ndarray, gone: Bool[ndarray, "n"]) -> float | None:
    if gone.all() or not gone.any():
        return None
    return _share(score[gone] > np.quantile(score[~gone], 1 - FALSE_ALARMS))


def _classes(table: LimbTable, answers: Answers, rows: ndarray) -> dict[str, float | None]:
    """Return accuracy and macro F1 of the four classes whole, and removed at three levels (the published head).

    The likeliest class counts, once each level is given what was best for the sum of both measures in other folds.
    """
    rows = np.flatnonzero(rows)
    truth = np.where(table.said[rows] == ABSENT, 1 + table.level[rows].astype(int), 0)
    levels, fold = answers.levels[rows], answers.fold[rows]
    scores, said = np.column_stack([1 - levels.sum(1), levels]), np.zeros(len(rows), int)
    for f in np.unique(fold):
        others = fold != f if (fold != f).any() else fold == f
        added = _best_added(scores[others], truth[others])
        said[fold == f] = (scores[fold == f] + added).argmax(1)
    return {"accuracy": _share(said == truth), "macro_f1": _number(macro_f1(truth, said))}


def _best_added(scores: ndarray, truth: ndarray) -> ndarray:
    """Return what to add to the (n, 4) scores of the classes for the best accuracy and macro F1, level by level."""
    added = np.zeros(4)
    for _ in range(ROUNDS):
        for k in (1, 2, 3):
            tried = np.tile(added, (len(STEPS), 1))
            tried[:, k] = STEPS
            said = [(scores + one).argmax(1) for one in tried]
            added = tried[int(np.argmax([np.mean(s == truth) + macro_f1(truth, s) for s in said]))]
    return added


def macro_f1(truth: ndarray, said: ndarray) -> float:
    """Return the mean over the true classes of the harmonic mean of precision and recall."""
    scores = []
    for k in np.unique(truth):
        right = ((said == k) & (truth == k)).sum()
        scores.append(2 * right / ((said == k).sum() + (truth == k).sum()))
    return float(np.mean(scores)) if scores else 0.0


def _recall_beside(table: LimbTable, score: ndarray, gone: ndarray, whole: ndarray) -> float | None:
    """Return the share of ``gone`` above the scores that 5 % of ``whole`` exceed, arms and legs apart."""
    found = []
    for kind in KINDS:
        own = _of(table, kind)
        if (whole & own).any():
            found.append(score[gone & own] > np.quantile(score[whole & own], 1 - FALSE_ALARMS))
    return _share(np.concatenate(found)) if found else None


def _people_flagged(table: LimbTable, rows: ndarray, called: ndarray) -> float | None:
    """Return the share of people of whom some limb is called absent."""
    people = sorted(set(table.person[rows]))
    flagged = set(table.person[rows & called])
    return _share(np.array([p in flagged for p in people]))


def _share(hits: ndarray) -> float | None:
    return _number(float(np.mean(hits))) if len(hits) else None


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
