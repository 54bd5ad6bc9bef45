"""Erasure on a drawn person: what stays, what goes, the twin's path, the labels, true reasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from single_cut import BARS, single

from a3dgen.amputation.rebuild import BodyFit
from a3dgen.core.rng import generator_for
from a3dgen.erasure.admission import Admission
from a3dgen.erasure.config import Bars, Erasing
from a3dgen.erasure.erase import Erasure, amputated, erase, restored
from a3dgen.erasure.graph_cut import cut_border
from a3dgen.erasure.licences import forbids_derivatives
from a3dgen.erasure.refit import LIMB_ROWS, refit
from a3dgen.erasure.silhouette import Silhouette
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import project
from a3dgen.removal.mask_ops import dilate

LIMBS = ("left_hand", "right_elbow", "left_foot", "right_knee")


@pytest.fixture(scope="module")
def erased(subject):
    """Region -> its erasure; all are admitted."""
    found = {n: erase(subject, single(n), BARS, generator_for(0, "erase", n)) for n in LIMBS}
    for name, result in found.items():
        assert isinstance(result, Erasure), f"{name}: {result}"
    return found


@pytest.mark.parametrize("name", LIMBS)
def test_only_hole_and_end_change(name, erased, subject) -> None:
    result = erased[name]
    shown = amputated(result)
    touched = dilate(result.hole.mask, 1.5) | dilate(shown.drawn, 2.0)
    changed = (shown.rgb != subject.rgb).any(-1)
    assert not (changed & ~touched).any()
    assert changed.sum() > 200


@pytest.mark.parametrize("name", LIMBS)
def test_it_is_nearer_the_truth_than_the_photo_and_leaves_nothing(name, erased, subject, stage) -> None:
    truth, without = stage.shoot(single(name))
    x0, y0, x1, y1 = subject.window
    truth, without = truth[y0:y1, x0:x1], without[y0:y1, x0:x1]
    shown = amputated(erased[name])
    limb = stage.scene.own[y0:y1, x0:x1] & ~without
    zone = dilate(limb, 6.0)
    error = [((p[zone].astype(float) - truth[zone]) ** 2).mean() for p in (shown.rgb, subject.rgb)]
    assert error[0] < 0.35 * error[1]
    seen = limb & (np.abs(truth.astype(int) - subject.rgb).max(-1) > 24)
    same = np.abs(shown.rgb.astype(int) - subject.rgb).max(-1) < 10
    assert (seen & same).sum() <= 0.02 * seen.sum()
    near = dilate(limb, 10.0)
    assert (shown.mask & without & near).sum() > 0.7 * ((shown.mask | without) & near).sum()
    assert (shown.mask & limb).sum() < 0.06 * limb.sum()


def test_the_end_lies_at_the_tip_of_the_labels(erased, subject) -> None:
    for name, result in erased.items():
        region = result.ends[0].limb.region
        tip = project(result.amputee.ends[region.end, :3][None], subject.K)[0]
        assert np.linalg.norm(tip - result.ends[0].frame.tip) < 0.02 * subject.height, name


@pytest.mark.parametrize("name", LIMBS)
def test_twins_share_the_filled_background_to_the_byte(name, erased) -> None:
    result = erased[name]
    amputee, twin = amputated(result), restored(result)
    drawn = dilate(amputee.drawn | twin.drawn, 1.5)
    background = result.hole.mask & ~drawn
    assert background.sum() > 10
    assert np.array_equal(amputee.rgb[background], twin.rgb[background])
    assert (twin.rgb[background] != result.subject.rgb[background]).any(-1).mean() > 0.5  # filled, not the photo
    assert np.abs(twin.rgb.astype(int) - result.subject.rgb)[result.subject.outline].mean() < 4  # and whole again
    assert np.array_equal(twin.mask, result.subject.mine)


def test_the_same_seed_gives_the_same_bytes(erased, subject, stage, body) -> None:
    from a3dgen.erasure.subject import prepare

    again = prepare(stage.scene, stage.fit, stage.K, body)
    for name in LIMBS[:2]:
        result = erase(again, single(name), BARS, generator_for(0, "erase", name))
        assert np.array_equal(amputated(result).rgb, amputated(erased[name]).rgb)
        assert np.array_equal(restored(result).rgb, restored(erased[name]).rgb)


def test_two_limbs_leave_at_once(subject) -> None:
    cut = single("left_hand")
    both = replace(cut, removed=cut.removed | single("right_knee").removed, residual=np.full(12, 0.55))
    result = erase(subject, both, BARS, generator_for(0, "erase", "two"))
    assert isinstance(result, Erasure), str(result)
    assert len(result.ends) == 2
    shown = amputated(result)
    for end in result.ends:
        core = end.limb.pixels & ~dilate(shown.drawn, 2.0)
        assert core.sum() > 30
        assert not (shown.mask & core).any()
        assert result.hole.mask[core].all()


@pytest.mark.parametrize(
    ("bars", "word"),
    [
        ({"iou": 0.99}, "mask and fit disagree"),
        ({"ring_px": 200.0}, "too small"),
        ({"spread": 0.01}, "larger than the limb"),
        ({"background": 1.0}, "background"),
    ],
)
def test_a_bar_refuses_and_says_so(bars, word, subject) -> None:
    found = erase(subject, single("left_hand"), Bars(**bars), generator_for(0, "erase", "x"))
    assert isinstance(found, Admission)
    assert not found
    assert word in str(found)


def test_a_fit_off_its_clicks_is_moved_onto_them_and_else_refused(stage, body) -> None:
    scene, height = stage.scene, 330.0
    off = scene.keypoints.copy()
    wrist = LIMB_ROWS["left_arm"][2]
    off[wrist] += (0.03 * height, 0)
    moved = refit(body, stage.fit, off, scene.state, stage.K, height)
    at = project(pose_body(body, moved.pose, moved.betas, moved.transl).keypoints, stage.K)
    assert np.linalg.norm(at[wrist] - off[wrist]) < 0.015 * height  # from 0.03
    others = [r for limb, rows in LIMB_ROWS.items() if limb != "left_arm" for r in rows]
    assert np.linalg.norm(at[others] - off[others], axis=1).max() < 0.004 * height
    from a3dgen.erasure.subject import prepare

    off[wrist] = scene.keypoints[wrist] + (0.5 * height, 0)
    far = prepare(replace(scene, keypoints=off), stage.fit, stage.K, body)
    found = erase(far, single("left_hand"), BARS, generator_for(0, "erase", "x"))
    assert "off its keypoints" in str(found)


def test_a_hand_that_clicks_do_not_tell_turns_into_the_outline(stage, body) -> None:
    bent = np.array(stage.fit.pose, float)
    bent[20, 2] += 0.7  # the left hand sticks out of the outline
    fit, outline = replace(stage.fit, pose=bent), stage.scene.own

    def outside(of: BodyFit) -> float:
        posed = pose_body(body, of.pose, of.betas, of.transl)
        x, y = np.rint(project(posed.vertices(body.mesh, of.betas)[_hand].astype(float), stage.K)).astype(int).T
        return float((~dilate(outline, 1.5)[y, x]).mean())

    _hand = np.flatnonzero(np.isin(body.mesh.weights.argmax(1), (20, 22)))
    known = refit(body, fit, stage.scene.keypoints, stage.scene.state, stage.K, 330.0, outline)
    clicks = refit(body, fit, stage.scene.keypoints, stage.scene.state, stage.K, 330.0)
    assert outside(clicks) > 0.3
    assert outside(known) < 0.3 * outside(clicks)
    assert np.abs(known.pose - stage.fit.pose)[[18, 19, 4, 5]].max() < 0.1


def test_the_outline_tells_where_a_limb_ends_when_a_click_slips(stage, body) -> None:
    knee, ankle = LIMB_ROWS["left_leg"][1:]
    slipped, height = stage.scene.keypoints.copy(), 330.0
    slipped[[knee, ankle]] += (0.02 * height, -0.03 * height)
    rim = Silhouette.of(body, stage.fit, stage.scene.own, np.zeros_like(stage.scene.own), height)

    def off(silhouette: Silhouette | None) -> float:
        found = refit(body, stage.fit, slipped, stage.scene.state, stage.K, height, stage.scene.own, silhouette)
        at = project(pose_body(body, found.pose, found.betas, found.transl).keypoints, stage.K)
        return float(np.linalg.norm(at[[knee, ankle]] - stage.scene.keypoints[[knee, ankle]], axis=1).max() / height)

    assert off(None) > 0.012
    assert off(rim) < 0.6 * off(None)  # the outline is wide trousers'


def test_refit_without_clicks_changes_nothing(stage, body) -> None:
    fit = BodyFit(stage.fit.pose, stage.fit.betas, stage.fit.transl)
    assert refit(body, fit, stage.scene.keypoints, np.zeros(44, np.uint8), stage.K, 330.0) is fit


def test_a_border_moves_to_where_the_colours_change() -> None:
    rng = np.random.default_rng(0)
    rgb = np.clip(rng.normal(0, 4, (60, 80, 3)) + [90, 60, 50], 0, 255)
    rgb[:, 40:] += [60, 80, 20]
    x = np.arange(80)[None].repeat(60, 0)
    found = cut_border(rgb.astype(np.uint8), x < 45, x >= 45, 8.0, 10.0)
    assert np.array_equal(found, x < 40)
    alike = np.clip(rng.normal(90, 4, (60, 80, 3)), 0, 255).astype(np.uint8)
    kept = cut_border(alike, x < 45, x >= 45, 8.0, 10.0)
    assert (kept != (x < 45)).mean() < 0.03


@pytest.mark.parametrize(
    ("name", "forbidden"),
    [
        ("Attribution-NonCommercial-NoDerivs License (http://creativecommons.org/licenses/by-nc-nd/2.0/)", True),
        ("Attribution-NoDerivs License (http://creativecommons.org/licenses/by-nd/2.0/)", True),
        ("Attribution-ShareAlike License (http://creativecommons.org/licenses/by-sa/2.0/)", False),
        ("Attribution License (http://creativecommons.org/licenses/by/2.0/)", False),
        ("", False),
    ],
)
def test_licences_that_forbid_derivatives(name, forbidden) -> None:
    assert forbids_derivatives(name) is forbidden


def test_shares_by_source() -> None:
    erasing = Erasing("both", {"h36m": "overlay", "mpii": "erase"}, 0.25)
    assert [erasing.share_of(k) for k in ("coco/x", "h36m/S1/x", "mpii/1")] == [0.25, 0.0, 1.0]
    assert erasing.anywhere
    assert not Erasing().anywhere


def test_a_turned_limb_is_refused_for_its_foreshortening(stage, body) -> None:
    from a3dgen.erasure.subject import prepare

    pose = stage.fit.pose.copy()
    pose[18] = Rotation.from_euler("y", -85, degrees=True).as_rotvec()  # the left forearm towards the camera
    fit = BodyFit(pose, stage.fit.betas, stage.fit.transl)
    keypoints = project(pose_body(body, pose, fit.betas, fit.transl).keypoints, stage.K)
    found = prepare(replace(stage.scene, keypoints=keypoints), fit, stage.K, body)
    result = erase(found, single("left_hand"), BARS, generator_for(0, "e", ""), strict=False)
    assert "foreshortened" in str(result if isinstance(result, Admission) else result.admission)
