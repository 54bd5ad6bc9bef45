"""Figures of limb absence from cross-validated answers: by kind of picture, and beside the bars of the project."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.learning.absence import KINDS
from a3dgen.learning.head import softmax
from a3dgen.recovery.examples import ABSENT, ERASED, PHOTO, TWIN, UNKNOWN
from a3dgen.recovery.limb_table import AS_IS, BORDER, COVERED, KIND, LimbTable
from a3dgen.recovery.training import Answers, auc, called_absent, end_error

LIMB_NAMES = ("right arm", "left arm", "left leg", "right leg")


def figures(table: LimbTable, answers: Answers) -> dict[str, object]:
    """Return counts and measures as plain JSON; every answer comes from heads that never saw the row's scene.

    ``auc`` and ``recall`` are over limbs that are absent or not (present, or not to be told); ``false_alarms`` is the
    share of the latter called absent, by a threshold set on other scenes.
    """
    called, score = called_absent(table, answers), _score(answers)
    known = (table.said != UNKNOWN) & (table.version == AS_IS)
    drawn, photo = known & ~table.real_scene, table.real & known & (table.kind == PHOTO)
    spoiled = np.isin(table.version, (BORDER, COVERED)) & (table.kind == PHOTO) & (table.said != UNKNOWN)
    groups = {
        "all": known,
        "synthetic people in synthetic scenes": drawn,
        "real scenes, drawn people": known & table.real_scene & ~table.real,
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
    found = known & called & (table.said == ABSENT)
    error = end_error(table, answers)[found]
    told["level_of_those_found"] = _share(answers.level[found] == table.level[found])
    told["end_median"], told["end_mean"] = _number(np.nanmedian(error)), _number(np.nanmean(error))
    told["real_people_flagged"] = _people_flagged(table, photo, called)
    told["prosthesis_auc"] = _number(auc(answers.worn[found], table.worn[found]))
    told["classes"] = {kind: _classes(table, answers, called, known & _of(table, kind)) for kind in KINDS}
    return told


def _score(answers: Answers) -> ndarray:
    return np.asarray(softmax(answers.logits)[:, 1])


def _of(table: LimbTable, kind: str) -> Bool[ndarray, "n"]:
    return np.isin(table.limb, [i for i, k in enumerate(KIND) if k == kind])


def _group(table: LimbTable, rows: ndarray, called: ndarray, score: ndarray) -> dict[str, object]:
    gone = table.said[rows] == ABSENT
    said = called[rows]
    return {
        "people": len(set(table.person[rows])), "absent": int(gone.sum()), "others": int((~gone).sum()),
        "auc": _number(auc(score[rows], gone)), "recall": _share(said[gone]), "false_alarms": _share(said[~gone]),
    }  # fmt: skip


def _classes(table: LimbTable, answers: Answers, called: ndarray, rows: ndarray) -> dict[str, float | None]:
    """Return accuracy and macro F1 of the four classes whole, and removed at three levels (the published head)."""
    truth = np.where(table.said[rows] == ABSENT, 1 + table.level[rows].astype(int), 0)
    said = np.where(called[rows], 1 + answers.level[rows], 0)
    scores = []
    for k in np.unique(truth):
        right = ((said == k) & (truth == k)).sum()
        scores.append(2 * right / ((said == k).sum() + (truth == k).sum()))
    return {"accuracy": _share(said == truth), "macro_f1": _number(float(np.mean(scores)))}


def _people_flagged(table: LimbTable, rows: ndarray, called: ndarray) -> float | None:
    """Return the share of people of whom some limb is called absent."""
    people = sorted(set(table.person[rows]))
    flagged = set(table.person[rows & called])
    return _share(np.array([p in flagged for p in people]))


def _share(hits: ndarray) -> float | None:
    return _number(float(np.mean(hits))) if len(hits) else None


def _number(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
