"""``fit.temporal``: frames of a recording fitted together, whatever else lies in the shard; off changes nothing."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.core.records import OCCLUDED, UNLABELLED, VISIBLE, Persons
from a3dgen.core.stage import Context, Inputs
from a3dgen.learning.lifter_train import Training, _Network
from a3dgen.stages import fit, fit_tracks
from a3dgen.stages.fit_fitters import get_fitter
from a3dgen.stages.fit_tracks import Instant, cut
from benchmarks.uplift import make_clips

FRAMES = 6
FACE = np.isin(np.arange(44), [0, 15, 16, 17, 18])
"""Seen from behind too, so that nobody's face may be said to be visible."""


@pytest.fixture(scope="module")
def people(body):
    """Two people in six frames, in turn, and one who is in no recording."""
    clips, rows = make_clips(body, 2, first=3000), []
    for t in range(FRAMES):
        rows += [row(clip, t, f"walk/{n}") for n, clip in enumerate(clips)]
    return Persons.from_rows([*rows, row(clips[0], 40, "")])


def row(clip, t, track):
    seen = clip.seen[t]
    there = np.isfinite(seen.pixel_sd)
    keypoints = np.concatenate([seen.pixels, there[:, None]], 1) * there[:, None]
    box = [*seen.pixels[there].min(0), *seen.pixels[there].max(0)]
    return {
        "key": f"{track or 'alone'}/{t}", "subset": "CUSTOM/x", "stem": str(t), "image": "x.jpg",
        "image_size": (1000, 1000), "bbox": box, "keypoints": keypoints, "K": seen.K,
        "state": np.where(there, np.where(FACE, OCCLUDED, VISIBLE), UNLABELLED), "track": track, "seconds": t / 25,
        "clip": "walk/0" if track else "",
    }  # fmt: skip


def run(persons, **settings):
    return fit.run(fit.Config(**settings), Inputs(persons), Context(0, BodyConfig(), Path("/none"), Path("/none")))


@pytest.fixture(scope="module")
def found(people):
    return run(people, temporal="on")


def test_together_is_steadier_and_the_shape_is_one(people, found):
    alone = run(people)
    assert len(found.record) == len(alone.record) == 2 * FRAMES + 1
    for n in range(2):
        rows = np.arange(n, 2 * FRAMES, 2)
        shake = [np.abs(np.diff(b.pose[rows, 1:], n=2, axis=0)).mean() for b in (found.record, alone.record)]
        assert shake[0] < 0.5 * shake[1]
        assert found.record.betas[rows].std(0).max() < 0.1
    assert found.record.pose[-1].tobytes() == alone.record.pose[-1].tobytes(), "who is in no recording is fitted alone"


def test_order_and_company_in_the_shard_change_no_byte(people, found):
    mixed = np.random.default_rng(0).permutation(2 * FRAMES)
    other = run(people.take(mixed), temporal="on").record
    for name in ("pose", "betas", "transl", "sigma", "alt_cost"):
        assert getattr(other, name).tobytes() == getattr(found.record, name)[mixed].tobytes()


def test_pieces_of_a_long_recording_meet_without_a_jump(body):
    (clip,), length = make_clips(body, 1, first=3000), 6
    rows = [row(clip, t, "walk/0") | {"clip": f"walk/{t // length}"} for t in range(2 * length)]
    config = fit.Config(temporal="on", lifter="none")
    fitter = get_fitter(config, BodyConfig(), False)
    fits = fit_tracks.track_fits(config, Persons.from_rows(rows), None, lambda _: fitter, lambda *_: None)
    made = np.stack([fits(t).best.joints for t in range(2 * length)])
    gap = (made - made[:, :1]) - (clip.joints - clip.joints[:, :1])[: 2 * length]
    shake = np.linalg.norm(np.diff(gap, n=2, axis=0), axis=2).mean(1)
    inside = np.delete(shake, [length - 2, length - 1])
    assert shake[length - 2 : length].mean() < inside.mean()
    assert shake[length - 2 : length].max() < inside.max()


def test_without_torch_and_weights_frames_are_still_fitted_together(people, found, monkeypatch):
    rows = people.take(np.arange(0, 2 * FRAMES, 2))
    monkeypatch.setitem(sys.modules, "torch", None)
    with_lifter = run(rows, temporal="on").record
    assert with_lifter.pose.tobytes() == found.record.pose[0 : 2 * FRAMES : 2].tobytes(), "the lifter needs no torch"
    monkeypatch.setattr(fit_tracks, "DEFAULT_WEIGHTS", Path("/none/lifter.npz"))
    assert fit_tracks.find_lifter(fit.Config(temporal="on")) is None
    without = run(rows, temporal="on").record
    assert without.pose.tobytes() == run(rows, temporal="on", lifter="none").record.pose.tobytes()
    assert np.abs(np.diff(without.betas, axis=0)).max() < 0.1
    with pytest.raises(MissingDependency, match=r"a3dgen\[torch\]"):
        _Network(load_body(BodyConfig()), Training())


def test_off_is_what_it_was_without_tracks(people):
    rows = np.arange(4)
    plain = Persons.from_rows(
        [{k: v for k, v in people.row(i).items() if k not in ("track", "seconds", "clip")} for i in range(4)]
    )
    a, b = run(people.take(rows)).record, run(plain).record
    assert a.pose.tobytes() == b.pose.tobytes()
    assert a.sigma.tobytes() == b.sigma.tobytes()


def test_a_frame_that_cannot_be_used_says_why_and_the_others_are_fitted(people):
    rows = people.take(np.arange(0, 2 * FRAMES, 2))
    state = rows.state.copy()
    state[2] = UNLABELLED
    result = run(replace(rows, state=state), temporal="on")
    assert result.outcome.status.tolist() == ["ok", "ok", "rejected", "ok", "ok", "ok"]
    assert "0 " in result.outcome.reason[2]


def test_tracks_are_cut_where_nobody_was_seen():
    made = lambda times: [Instant(i, float(t), lambda: None) for i, t in enumerate(times)]  # noqa: E731
    assert [[p.row for p in piece] for piece in cut(made([0, 0.1, 0.2, 5, 5.1, 5.2, 5.3]))] == [[0, 1, 2], [3, 4, 5, 6]]
    assert list(cut(made([0, 0.1]))) == []
    assert list(cut(made([0, 2, 4, 6]))) == []


def test_engine_and_starts_that_do_not_go_together():
    with pytest.raises(ConfigError, match="needs the numba engine"):
        fit.Config(temporal="on", engine="torch")
