"""People with crutches and canes: hands on handles, tips and soles on the ground, no joint moved without need."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import trimesh
from people import LOOK, amputee_of, fit_of
from scipy.spatial import cKDTree

from a3dgen.core.errors import Rejected
from a3dgen.devices import posture as posture_module
from a3dgen.devices import sitting
from a3dgen.devices.attach import attach
from a3dgen.devices.hands import closed_hands
from a3dgen.devices.person import Person, body_rows, elbow_flexion
from a3dgen.devices.posture import plant, pose_with_aids
from a3dgen.devices.sampling import DevicesConfig, Drawn
from a3dgen.devices.sitting import sit
from a3dgen.devices.trunk import Trunk
from a3dgen.fit.chain import Goals, solve
from a3dgen.geometry.body import rest_joints
from a3dgen.geometry.devices.chairs import wheels_of
from a3dgen.geometry.devices.grip import HANDLE_M, wrapped_hands
from a3dgen.geometry.devices.wheelchair import RIM_ASIDE_M, Seat
from a3dgen.geometry.skeleton import JOINT

CONFIG = DevicesConfig(use="balanced")


@pytest.fixture(scope="module")
def held(body):
    fit = fit_of(body, 40, 8, seed=2)
    posture, devices = pose_with_aids(CONFIG, body, fit, Drawn((), "crutches"))
    return fit, posture, devices


def test_hands_hold_and_tips_stand(held, body):
    fit, posture, devices = held
    amputee = amputee_of(body, fit | posture, devices=devices)
    up = np.array(devices[0].up)
    for a in attach(body, amputee, LOOK, devices).attached:
        parts = {p.name: p.vertices for p in a.parts}
        lowest = min(float((v @ up).min()) for v in parts.values())
        assert lowest == pytest.approx(np.array(a.device.tip) @ up, abs=1e-5)  # the ferrule stands on the tip's plane
        hand = amputee.vertices[body.mesh.weights.argmax(1) == JOINT[f"{a.device.side}_hand"]]
        near = np.linalg.norm(hand[:, None] - parts["grip"][None], axis=2).min()
        assert near < 0.003  # fingers touch the handle
        assert 15 < np.degrees(elbow_flexion(amputee.posed.joints, a.device.side)) < 30
    heights = [np.array(d.tip) @ up for d in devices]
    assert abs(heights[0] - heights[1]) < 1e-4


def test_axillary_crutches_stand_below_the_arms(body):
    fit = fit_of(body, 20, 12, seed=1)
    posture, devices = pose_with_aids(CONFIG, body, fit, Drawn((), "axillary"))
    assert [d.type for d in devices] == ["axillary_crutch"] * 2
    whole, up = amputee_of(body, fit | posture, devices=devices), np.array(devices[0].up)
    for a in attach(body, whole, LOOK, devices).attached:
        parts, side = {p.name: p for p in a.parts}, a.device.side
        solids = [trimesh.Trimesh(p.vertices, p.faces, process=False) for p in a.parts]
        assert all(s.is_watertight and s.volume > 0 for s in solids)
        shoulder, elbow = (whole.posed.joints[JOINT[f"{side}_{n}"]] for n in ("shoulder", "elbow"))
        top = float((parts["pad"].vertices @ up).max())
        assert 0.08 < shoulder @ up - top < 0.20
        out = shoulder - whole.posed.joints[JOINT["left_shoulder" if side == "right" else "right_shoulder"]]
        assert (elbow - parts["pad"].vertices.mean(0)) @ out > 0  # the arm is outside
        lowest = min(float((p.vertices @ up).min()) for p in a.parts)
        assert lowest == pytest.approx(np.array(a.device.tip) @ up, abs=1e-5)
        assert np.degrees(elbow_flexion(whole.posed.joints, side)) == pytest.approx(23, abs=0.1)


def test_who_has_no_room_below_the_arms_gets_forearm_crutches(body, monkeypatch):
    monkeypatch.setattr(posture_module, "_underarm_depth", lambda *a: 0.05)
    _, devices = pose_with_aids(CONFIG, body, fit_of(body, 20, 12, seed=1), Drawn((), "axillary"))
    assert [d.type for d in devices] == ["forearm_crutch"] * 2


def test_a_closed_hand_reaches_further_into_the_body_than_a_flat_one(body):
    """Fingers round a handle come out below the palm: they would lie in a thigh that the flat hand only touches."""
    person = Person.of(body, fit_of(body, 20, 12, seed=1))
    world, joints = person.kinematics()
    palm = -world[JOINT["left_hand"]][:, 1]
    flat = person.vertices(body_rows(body).arms["left"])
    side = np.array(np.meshgrid(np.linspace(-0.2, 0.2, 41), np.linspace(-0.2, 0.2, 41))).reshape(2, -1).T
    across = world[JOINT["left_hand"]][:, [0, 2]]
    wall = joints[JOINT["left_hand"]] + side @ across.T
    wall = wall + (((flat @ palm).max() + 0.002) - wall @ palm)[:, None] * palm
    trunk = Trunk(wall, np.broadcast_to(-palm, wall.shape), cKDTree(wall))
    hand = {k: trunk.arm_depth(person, "left", v) for k, v in (("flat", None), ("closed", closed_hands(body).offsets))}
    assert hand["flat"] == 0
    assert hand["closed"] > 0.002


def test_a_walker_is_held_by_both_hands_and_stands_on_its_feet(body):
    fit = fit_of(body, 40, 8, seed=2)
    posture, (device,) = pose_with_aids(CONFIG, body, fit, Drawn((), "walker"))
    amputee = amputee_of(body, fit | posture, devices=(device,))
    attached = attach(body, amputee, LOOK, [device]).attached[0]
    up, at = np.reshape(device.frame["turn"], (3, 3))[:, 1], np.array(device.frame["at"])
    for part in attached.parts:
        low = float(((part.vertices - at) @ up).min())
        assert low == pytest.approx(0, abs=1e-5) if part.name == "foot" else low > 0
    for side in ("left", "right"):
        hand = amputee.vertices[body.mesh.weights.argmax(1) == JOINT[f"{side}_hand"]]
        grips = np.concatenate([p.vertices for p in attached.parts if p.name == "grip"])
        assert cKDTree(grips).query(hand)[0].min() < 0.003
        assert 10 <= np.degrees(elbow_flexion(amputee.posed.joints, side)) <= 40
    person = Person.of(body, fit)
    assert (at - person.place) @ person.frame[:, 1] == pytest.approx(0, abs=1e-4)


def test_tips_stand_on_the_photos_ground(held, body):
    fit, _, devices = held
    person = Person.of(body, fit)
    for device in devices:
        assert (np.array(device.tip) - person.place) @ person.frame[:, 1] == pytest.approx(0, abs=1e-4)


def test_the_handle_lies_in_the_palm(body):
    """The middle of the handle is on the palm's side of the hand's joint, and no finger is in it."""
    grip = closed_hands(body)
    for side in ("left", "right"):
        assert grip.handle(side)[1] < -0.015
        rows = body.mesh.weights.argmax(1) == JOINT[f"{side}_hand"]
        local = (body.mesh.vertices + grip.of((side,)))[rows] - body.joints_template[JOINT[f"{side}_hand"]]
        away = np.linalg.norm((local - grip.handle(side))[:, :2], axis=1)
        assert away.min() > 0.0125


def test_fingers_and_thumb_close_round_the_handle(body):
    """Skin touches the handle on most of its circumference under each finger; the thumb comes from the other side."""
    grip = closed_hands(body)
    for side, sign in (("left", 1), ("right", -1)):
        local = body.mesh.vertices + grip.offsets - body.joints_template[JOINT[f"{side}_hand"]] - grip.handle(side)
        local = local * (sign, 1, 1)
        own = np.isin(body.mesh.weights.argmax(1), [JOINT[f"{side}_hand"], JOINT[f"{side}_wrist"]])
        near = own & (np.abs(np.linalg.norm(local[:, :2], axis=1) - HANDLE_M) < 0.003)
        turn = np.degrees(np.arctan2(local[:, 0], local[:, 1])) % 360  # 0 at the palm, on round the fingers
        for z, least in ((0.03, 180), (0.01, 120), (-0.01, 110), (-0.03, 65)):  # the little finger is short
            under = turn[near & (np.abs(local[:, 2] - z) < 0.01)]
            assert np.ptp(under[(under > 20) & (under < 300)]) > least
        thumb = own & (local[:, 0] < -0.012) & (local[:, 1] < 0.0) & (local[:, 2] > 0.015)
        assert thumb.sum() > 20


def test_only_what_must_move_moves(held):
    fit, posture, _ = held
    moved = posture["reposed"]
    assert not moved[[0, JOINT["spine1"], JOINT["neck"], JOINT["head"]]].any()
    assert moved[[JOINT["left_shoulder"], JOINT["right_elbow"]]].all()
    assert (posture["pose"][~moved] == fit["pose"][~moved]).all()


def test_feet_are_planted(body):
    person = Person.of(body, fit_of(body, 0, 20, seed=1))
    person.shift = person.shift + (0, 0.03, 0)
    plant(person)
    feet = np.isin(body.mesh.weights.argmax(1), [JOINT["left_ankle"], JOINT["left_foot"], JOINT["right_ankle"]])
    low = person.vertices(np.flatnonzero(feet))[:, 1].min()
    assert low == pytest.approx(0.016, abs=0.002)


def test_somebody_who_sits_gets_no_crutch(body):
    fit = fit_of(body, 0, 80)
    assert pose_with_aids(CONFIG, body, fit, Drawn((), "crutches")) == ({}, ())


def test_inverse_kinematics_reaches_what_can_be_reached(body):
    rest = rest_joints(body, np.zeros(body.num_betas))
    pose = np.zeros((24, 3))
    hand, names = JOINT["left_hand"], [JOINT[f"left_{n}"] for n in ("collar", "shoulder", "elbow", "wrist")]
    target = rest[JOINT["left_shoulder"]] + (0.15, -0.38, 0.12)
    out = solve(pose, rest, tuple(names), Goals().point(hand, np.zeros(3), target, 0.001), 0.05)
    from a3dgen.geometry.body import forward_kinematics
    from a3dgen.geometry.rotations import rotvec_to_matrix

    _, joints = forward_kinematics(rotvec_to_matrix(out), rest)
    assert np.linalg.norm(joints[hand] - target) < 1e-3
    others = np.setdiff1d(np.arange(24), names)
    assert (out[others] == 0).all()


def off_its_rim(body, amputee, chair, side):
    """How far the middle of the closed hand is from the hand rim's middle line, m."""
    wheel, k = wheels_of(Seat.of(chair.frame))[side], JOINT[f"{side}_hand"]
    turn, at = np.reshape(chair.frame["turn"], (3, 3)), np.array(chair.frame["at"])
    middle = amputee.posed.joints[k] + amputee.posed.rotations[k] @ closed_hands(body).handle(side)
    v = (middle - at) @ turn - wheel.hub - RIM_ASIDE_M * wheel.axle
    along = v @ wheel.axle
    return np.hypot(np.linalg.norm(v - along * wheel.axle) - wheel.drive.rim, along)


@pytest.mark.parametrize(("chair", "posture"), [("folding", "push"), ("racing", "rims")])
def test_hands_push_the_rims_of_chairs(body, chair, posture):
    fit = fit_of(body, 30, 40, seed=4)
    row, (device,) = sit(CONFIG, body, fit, Drawn((), "wheelchair", chair=chair, posture=posture))
    whole, up = amputee_of(body, fit | row, devices=(device,)), np.reshape(device.frame["turn"], (3, 3))[:, 1]
    joints = whole.posed.joints
    for side in ("left", "right"):
        assert off_its_rim(body, whole, device, side) < 0.0075
    ahead = np.reshape(device.frame["turn"], (3, 3))[:, 2]
    trunk = joints[JOINT["neck"]] - joints[0]
    lean = np.degrees(np.arctan2(trunk @ ahead, trunk @ up))
    assert 40 < lean < 65 if chair == "racing" else 0 < lean < 25
    if chair == "racing":  # the shins lie on the tray
        shins = whole.vertices[np.isin(body.mesh.weights.argmax(1), [JOINT["left_knee"], JOINT["right_knee"]])]
        local = (shins - device.frame["at"]) @ np.reshape(device.frame["turn"], (3, 3))
        (top, rear), (_, front) = device.frame["rear"], device.frame["front"]
        on = local[(local[:, 2] > rear + 0.05) & (local[:, 2] < front), 1]
        assert -0.03 < on.min() - top < 0


def test_who_swings_through_hangs_on_straight_arms(body):
    fit = fit_of(body, 40, 8, seed=2)
    posture, devices = pose_with_aids(CONFIG, body, fit, Drawn((), "crutches", posture="swing_through"))
    whole, up = amputee_of(body, fit | posture, devices=devices), np.array(devices[0].up)
    owner, ground = body.mesh.weights.argmax(1), np.array(devices[0].tip) @ up
    feet = np.isin(owner, [JOINT[f"{s}_{n}"] for s in ("left", "right") for n in ("ankle", "foot")])
    assert 0.03 < float((whole.vertices[feet] @ up).min()) - ground < 0.09
    trunk = whole.posed.joints[JOINT["neck"]] - whole.posed.joints[0]
    assert 10 < np.degrees(np.arccos(trunk @ up / np.linalg.norm(trunk))) < 21
    for side in ("left", "right"):
        assert np.degrees(elbow_flexion(whole.posed.joints, side)) < 10


def test_sitting_in_a_wheelchair(body):
    fit = fit_of(body, 30, 40, seed=4)
    posture, (chair,) = sit(CONFIG, body, fit, Drawn((), "wheelchair", posture="rims", turn=25.0))
    amputee = amputee_of(body, fit | posture, devices=(chair,))
    attached = attach(body, amputee, LOOK, [chair]).attached[0]
    turn, at = np.reshape(chair.frame["turn"], (3, 3)), np.array(chair.frame["at"])
    local = {}
    for part in attached.parts:
        solid = trimesh.Trimesh(part.vertices, part.faces, process=False)
        assert solid.is_watertight, part.name
        assert solid.volume > 0, part.name
        local.setdefault(part.name, []).append((part.vertices - at) @ turn)
    assert min(v[:, 1].min() for v in local["tyre"] + local["caster"]) == pytest.approx(0, abs=0.002)
    skin, owner = (amputee.vertices - at) @ turn, body.mesh.weights.argmax(1)
    for side in ("left", "right"):
        foot = np.isin(owner, [JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"]])
        assert skin[foot, 1].min() - chair.frame["foot"][0] == pytest.approx(0.022, abs=0.005)  # a sole between them
        hand = skin[owner == JOINT[f"{side}_hand"]]
        rim = np.concatenate(local["hand rim"])
        assert np.linalg.norm(hand[:, None] - rim[None], axis=2).min() < 0.005
        assert off_its_rim(body, amputee, chair, side) < 0.0075  # the rim runs through the closed hand, at the palm
    hips = skin[np.isin(owner, [JOINT["pelvis"], JOINT["left_hip"], JOINT["right_hip"]])]
    (rear, back), (front, ahead) = chair.frame["rear"], chair.frame["front"]
    on = hips[(hips[:, 2] > back) & (hips[:, 2] < ahead)]
    gap = on[:, 1] - np.interp(on[:, 2], (back, ahead), (rear, front))
    assert -0.03 < gap.min() < 0  # the cushion gives, and carries
    assert (posture["pose"][JOINT["head"]] == fit["pose"][JOINT["head"]]).all()


def test_hands_in_the_lap_lie_on_the_thighs(body):
    fit = fit_of(body, 30, 40, seed=4)
    lap, chair = sit(CONFIG, body, fit, Drawn((), "wheelchair", posture="lap"))
    whole = amputee_of(body, fit | lap, devices=chair)
    owner, up = body.mesh.weights.argmax(1), np.reshape(chair[0].frame["turn"], (3, 3))[:, 1]
    faces = body.mesh.faces[np.isin(owner[body.mesh.faces[:, 0]], [JOINT["left_hip"], JOINT["pelvis"]])]
    thigh = trimesh.Trimesh(whole.vertices, faces, process=False)
    hand = whole.vertices[np.isin(owner, [JOINT["left_wrist"], JOINT["left_hand"]])].astype(float)
    top, ray, _ = thigh.ray.intersects_location(hand + up, np.tile(-up, (len(hand), 1)), multiple_hits=False)
    over = (hand[ray] - top) @ up
    assert -0.008 < over.min() < 0.01  # they touch, and sink no deeper
    assert len(ray) > 100


def test_a_chair_is_widened_until_its_frame_is_clear_of_the_body(body):
    person = Person.of(body, fit_of(body, 0, 10, seed=4))
    sitting._bend(person)
    sitting._feet(person)
    seat, trunk = sitting._measure(person), Trunk.of(person)
    assert sitting._wide_enough(CONFIG, trunk, seat) == seat
    tight = dataclasses.replace(seat, width=seat.width - 0.065)
    wide = sitting._wide_enough(CONFIG, trunk, tight)
    assert tight.width < wide.width <= tight.width + 0.05
    with pytest.raises(Rejected, match="mm in the body"):
        sitting._wide_enough(CONFIG, trunk, dataclasses.replace(seat, width=seat.width - 0.2))


def test_other_bodies_close_their_hands_by_the_bend_deformer(body):
    other = closed_hands(dataclasses.replace(body, name="smpl"))
    assert (other.offsets == wrapped_hands(body).offsets).all()
    assert (other.centre == closed_hands(body).centre).all()
    assert not (other.offsets == closed_hands(body).offsets).all()
