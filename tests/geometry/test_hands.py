"""Hands at rest: fingers bend without stretching, side by side, the same on both sides; the arm stays where it is."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.devices.attach import hand_offsets
from a3dgen.devices.device import Device
from a3dgen.devices.hands import closed_hands
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.hands import relaxed_hands
from a3dgen.geometry.skeleton import JOINT


def hand_frame(body: BodyData, curl: float, side: str = "left") -> tuple[np.ndarray, np.ndarray]:
    """Return rest vertices from the hand's joint, as on a left hand, flat and bent."""
    mirror = np.array([1.0 if side == "left" else -1.0, 1, 1])
    flat = body.mesh.vertices.astype(np.float64)
    joint = body.joints_template[JOINT[f"{side}_hand"]]
    return (flat - joint) * mirror, (flat + relaxed_hands(body, curl) - joint) * mirror


def test_flat_hands_are_the_models_own(body: BodyData) -> None:
    assert not relaxed_hands(body, 0.0).any()


@pytest.mark.parametrize("curl", [0.5, 1.0, 1.3])
def test_only_fingers_and_thumbs_move(body: BodyData, curl: float) -> None:
    offsets = relaxed_hands(body, curl)
    owner = body.mesh.weights.argmax(1)
    hands = np.isin(owner, [JOINT[f"{s}_{j}"] for s in ("left", "right") for j in ("hand", "wrist")])
    assert not offsets[~hands].any()
    flat, _ = hand_frame(body, curl)
    wrist = hands & (flat[:, 0] < -0.09) & (flat[:, 0] > -0.3)
    assert wrist.sum() > 10
    assert np.abs(offsets[wrist]).max() < 1e-3
    assert np.abs(offsets).max() > 0.02 * curl


@pytest.mark.parametrize("side", ["left", "right"])
def test_fingers_bend_towards_the_palm_and_come_together(body: BodyData, side: str) -> None:
    flat, bent = hand_frame(body, 1.0, side)
    tips = [np.flatnonzero((flat[:, 0] > 0.03) & (np.abs(flat[:, 2] - z) < 0.012)) for z in (0.047, 0.007, -0.024)]
    tips = [t[np.argsort(flat[t, 0])[-10:]] for t in tips]
    before, after = (np.array([p[t].mean(0) for t in tips]) for p in (flat, bent))
    assert (after[:, 1] < before[:, 1] - 0.02).all()  # the palm looks down
    assert (after[:, 0] < before[:, 0]).all()
    assert np.ptp(after[:, 2]) < 0.75 * np.ptp(before[:, 2])
    thumb = np.argsort(np.where(np.abs(flat[:, 0]) < 0.03, flat[:, 2], -1))[-10:]
    assert bent[thumb, 2].mean() < flat[thumb, 2].mean() - 0.01


def test_skin_does_not_stretch_or_fold_over(body: BodyData) -> None:
    flat, bent = hand_frame(body, 1.0)
    moved = np.linalg.norm(bent - flat, axis=1) > 1e-4
    faces = body.mesh.faces[moved[body.mesh.faces].all(1)]
    length = [np.linalg.norm(p[faces[:, 1]] - p[faces[:, 0]], axis=1) for p in (flat, bent)]
    ratio = length[1] / length[0]
    assert 0.9 < np.median(ratio) < 1.1
    assert np.percentile(ratio, 95) < 1.18
    assert np.percentile(ratio, 99) < 1.35
    area = [np.linalg.norm(np.cross(p[faces[:, 1]] - p[faces[:, 0]], p[faces[:, 2]] - p[faces[:, 0]]), axis=1)
            for p in (flat, bent)]  # fmt: skip
    assert 0.85 < area[1].sum() / area[0].sum() < 1.15


def test_both_hands_are_mirror_images(body: BodyData) -> None:
    reach = []
    for side in ("left", "right"):
        flat, bent = hand_frame(body, 0.8, side)
        hand = (flat[:, 0] > 0.01) & (np.abs(flat[:, 1]) < 0.2)
        reach.append(np.concatenate([bent[hand].min(0), bent[hand].max(0)]))
    assert reach[0] == pytest.approx(reach[1], abs=2e-3)


def test_a_hand_that_holds_something_closes_and_the_other_rests(body: BodyData) -> None:
    cane = Device(type="cane", side="left")
    offsets = hand_offsets(body, [cane], 1.0)
    left = body.mesh.vertices[:, 0] > 0
    assert offsets is not None
    assert np.allclose(offsets[left], closed_hands(body).offsets[left], atol=1e-6)
    assert np.array_equal(offsets[~left], relaxed_hands(body, 1.0)[~left])
    assert hand_offsets(body, []) is None
