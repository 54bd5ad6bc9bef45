"""Folds, thresholds and figures of limb absence; what is said of limbs from keypoint states; residual lengths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from a3dgen.core.records import OCCLUDED, OUTSIDE, UNLABELLED, VISIBLE
from a3dgen.core.rng import generator_for
from a3dgen.geometry.skeleton import ROW
from a3dgen.learning.head import Training
from a3dgen.learning.limb_features import ARM, LEG, width
from a3dgen.recovery.examples import ABSENT, PRESENT, UNKNOWN, UNSURE, limb_states
from a3dgen.recovery.figures import figures
from a3dgen.recovery.limb_table import LimbTable, joined, load_table, save_table
from a3dgen.recovery.person import USUAL, residual_of
from a3dgen.recovery.training import FALSE_ALARMS, LEAST_LIMBS, auc, called_absent, fit_model, folds_of, threshold_of


def _table(people=60, seed=0, signal=2.0):
    """Two pictures a person; 80 features of absent limbs are larger by ``signal``: the head sees what many share."""
    rng = generator_for(seed, "table", "")
    limb = np.tile(np.arange(4, dtype=np.uint8), 2 * people)
    n = len(limb)
    said = np.where(rng.random(n) < 0.15, ABSENT, PRESENT).astype(np.uint8)
    level = rng.integers(0, 3, n).astype(np.uint8)
    features = {}
    for kind, limbs in ((ARM, (0, 1)), (LEG, (2, 3))):
        rows = np.isin(limb, limbs)
        x = rng.normal(0, 1, (rows.sum(), width(kind)))
        x[:, :80] += signal * (said[rows] == ABSENT)[:, None]
        features[kind] = x.astype(np.float16)
    root = np.full((n, 2), 100.0, np.float32)
    end = np.where((said == ABSENT)[:, None], root + 20, np.nan).astype(np.float32)
    person = np.repeat([f"p{i}" for i in range(people)], 8)
    flat = np.full(n, 100.0, np.float32)
    return LimbTable(
        **features, limb=limb, version=np.zeros(n, np.uint8), said=said, level=level, worn=np.zeros(n, bool), end=end,
        root=root, size=flat, torso=flat, height=flat, real=np.zeros(n, bool), real_scene=np.zeros(n, bool),
        person=person, scene=np.array([f"s{p}" for p in person]), kind=np.full(n, "overlay"), source=np.full(n, "x"),
    )  # fmt: skip


def test_a_scene_is_in_one_fold_and_folds_are_alike():
    fold, table = folds_of(_table(), 0, 5), _table()
    assert all(len(set(fold[table.scene == s])) == 1 for s in set(table.scene))
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= 8


def test_an_untouched_photo_counts_once_however_many_builds_show_it():
    table = _table(people=4)
    photo = replace(table, kind=np.full(len(table), "photo"))
    both = joined([photo, photo, table])
    assert both.first_seen().sum() == 4 * 4 + len(table)  # each limb of a person, and every row that is no photo
    assert both.first_seen()[: len(table)].sum() == 4 * 4


def test_what_can_be_learned_is_found_and_false_alarms_are_held():
    table = _table()
    fitted = fit_model(table, Training(), 0, 5)
    told = figures(table, fitted.answers)["groups"]["all"]
    assert told["auc"] > 0.95
    assert told["recall"] > 0.8
    assert told["false_alarms"] < 2.5 * FALSE_ALARMS


def test_nothing_is_found_where_there_is_nothing_to_learn():
    """A leak between folds would show here: people repeat, their labels do not say anything."""
    table = _table(signal=0.0)
    fitted = fit_model(table, Training(), 0, 5)
    gone = table.said == ABSENT
    assert abs(auc(fitted.answers.logits[:, 1] - fitted.answers.logits[:, 0], gone) - 0.5) < 0.12
    assert called_absent(table, fitted.answers)[~gone].mean() < 0.12


def test_the_threshold_leaves_the_share_of_false_alarms():
    chance = generator_for(1, "scores", "").random(4000)
    groups = [np.arange(4000) < 2000, np.arange(4000) % 2 == 0, np.arange(4000) < LEAST_LIMBS - 1]
    least = threshold_of(chance, groups)
    shares = [(chance[g] > least).mean() for g in groups[:2]]
    assert abs(max(shares) - FALSE_ALARMS) < 0.002


def test_tables_come_back_from_their_files(tmp_path):
    table = _table(4)
    save_table(tmp_path / "a" / "t.npz", table)
    back = joined([load_table(tmp_path / "a" / "t.npz"), table])
    assert len(back) == 2 * len(table)
    assert np.array_equal(back.arm[: len(table.arm)], table.arm)


def test_limbs_are_there_unsure_or_unknown_by_their_ends():
    states = np.full(44, UNLABELLED, np.uint8)
    states[ROW["extra_right_wrist"]] = VISIBLE
    states[ROW["extra_left_wrist"]] = OCCLUDED
    states[ROW["body_left_ankle"]] = OUTSIDE
    assert limb_states(states).tolist() == [PRESENT, UNSURE, UNSURE, UNKNOWN]


def test_a_residual_length_follows_what_is_seen_and_falls_back_where_nothing_can_be():
    start, joint = np.array([100.0, 100.0]), np.array([100.0, 200.0])
    at, sd = residual_of(start, joint, np.array([110.0, 140.0]), 2.0)
    assert abs(at - 0.4) < 0.02
    assert sd < 0.03
    at, sd = residual_of(start, joint, np.array([110.0, 140.0]), 60.0)
    assert 0.5 < at < USUAL
    assert residual_of(start, start + 1, np.array([300.0, 0.0]), 2.0)[0] == USUAL
