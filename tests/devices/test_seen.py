"""What hides what: states of keypoints under devices against an independent ray caster; masks and prosthetic points."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from people import LOOK, amputee_of, fit_of

from a3dgen.core.records import AMPUTATED, OCCLUDED, VISIBLE
from a3dgen.devices.attach import Devices, attach
from a3dgen.devices.device import AID_POINTS, DOFFED, GRIPPED, NOTHING_WORN, UNDER_CLOTH, WORN, Device
from a3dgen.devices.place import Attached
from a3dgen.devices.posture import pose_with_aids
from a3dgen.devices.record import device_columns
from a3dgen.devices.sampling import DevicesConfig, Drawn
from a3dgen.devices.seen import MIN_PIXELS, Seen, body_part, device_ids, hidden_by, limb_status, seen_of
from a3dgen.devices.sitting import sit
from a3dgen.geometry.camera import project
from a3dgen.geometry.reach import visibility_reach
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.geometry.skeleton import JOINT
from a3dgen.geometry.visibility import Buffers, keypoint_states
from a3dgen.renderers import flat_light, get_renderer

W, H = 420, 520
K = np.array([[480.0, 0, W / 2], [0, 480.0, H / 2], [0, 0, 1]])

PEOPLE = ((0, "left_foot"), (80, "right_knee"), (-110, "left_knee"), (230, "right_foot"), (90, "left_foot"))


def draw(items):
    return get_renderer("cpu").render(items, K, W, H, flat_light(), supersample=1)


def bare(amputee):
    """The skin alone as an item."""
    from a3dgen.renderers import Item

    mesh = amputee.mesh
    texture = np.full((2, 2, 4), 128, np.uint8)
    return Item(amputee.vertices, mesh.faces, mesh.uv, mesh.face_uv, (mesh.face_part + 1).astype(np.uint8), texture,
                "skin")  # fmt: skip


def buffers(frame):
    return Buffers(frame.depth, body_part(frame.part), K, W, H)


@pytest.fixture(scope="module")
def scenes(body):
    """Skin and devices of five people, drawn together: (amputee, devices, frame)."""
    out = []
    for seed, (yaw, region) in enumerate(PEOPLE):
        fit = fit_of(body, yaw, 12, seed)
        take, aid = (sit, "wheelchair") if seed % 2 else (pose_with_aids, "crutches")
        posture, aids = take(DevicesConfig(use="balanced"), body, fit, Drawn((), aid))
        side, level = region.split("_")
        worn = Device({"foot": "transtibial", "knee": "transfemoral"}[level], side, region)
        amputee = amputee_of(body, fit | posture, region, 0.55, aids)
        devices = attach(body, amputee, LOOK, [worn, *aids])
        items = [bare(amputee)] + [i for a in devices.attached for i in a.items()]
        out.append((amputee, devices, draw(items)))
    return out


def test_states_agree_with_a_ray_caster(scenes, body):
    """A row is hidden by devices exactly where a ray to it meets one before it, and its state without them was
    'visible'."""
    reach, rows, hidden, wrong = visibility_reach(body), 0, 0, 0
    for amputee, devices, frame in scenes:
        alone = draw([bare(amputee)])
        free = keypoint_states(amputee.keypoints, amputee.present, buffers(alone), reach)
        state = keypoint_states(amputee.keypoints, amputee.present, buffers(frame), reach)
        by = hidden_by(state, amputee.keypoints, buffers(frame), frame.part)
        items = [i for a in devices.attached for i in a.items()]
        solid = trimesh.util.concatenate([trimesh.Trimesh(i.vertices, i.faces, process=False) for i in items])
        pixel = np.rint(project(amputee.keypoints, K))  # the picture is sampled at pixel centres
        way = np.concatenate([(pixel - K[:2, 2]) / K[0, 0], np.ones((44, 1))], 1)
        place, ray, _ = solid.ray.intersects_location(np.zeros((44, 3)), way, multiple_hits=True)
        nearest = np.full(44, np.inf)
        np.minimum.at(nearest, ray, place[:, 2])
        skin = trimesh.Trimesh(amputee.vertices, amputee.mesh.faces, process=False)
        place, ray, _ = skin.ray.intersects_location(np.zeros((44, 3)), way, multiple_hits=True)
        surface = np.full(44, np.inf)
        np.minimum.at(surface, ray, place[:, 2])
        covered = (nearest < amputee.keypoints[:, 2]) & (nearest < surface) & (state != AMPUTATED)
        rows += int((state != AMPUTATED).sum())
        hidden += int(covered.sum())
        expected = np.where((free == VISIBLE) & covered, OCCLUDED, free)
        clear = np.abs(nearest - np.minimum(amputee.keypoints[:, 2], surface)) > 1e-4  # no tie
        wrong += int(((state != expected) & clear).sum())
        wrong += int((((by == 3) != (covered & (state == OCCLUDED))) & clear).sum())
    assert rows > 150
    assert hidden >= 4
    assert wrong == 0


def test_devices_have_their_own_pixels_and_only_those(scenes):
    for amputee, devices, frame in scenes:
        ids = device_ids(frame.part)
        assert set(np.unique(ids)) - {0} == set(range(1, len(devices.attached) + 1))
        assert not ((body_part(frame.part) > 0) & (ids > 0)).any()
        state = np.full(44, VISIBLE)
        columns = device_columns(devices, amputee, state, buffers(frame), frame.part, frame.part, 0.35)
        limb = devices.attached[0].device.limb
        assert columns["prosthesis"][limb] in (WORN, UNDER_CLOTH)
        shown = columns["prosthetic_state"].reshape(4, 6)
        assert (np.delete(shown, limb, 0) == AMPUTATED).all()
        assert (shown[limb] != AMPUTATED).sum() in (5, 6)


def test_a_prosthesis_that_does_not_show_counts_as_covered(scenes):
    _, devices, frame = scenes[0]
    seen = seen_of(devices.attached[0], device_ids(frame.part), K)
    assert seen.silhouette >= seen.visible > 0
    assert seen.enough(0.35)
    nothing = seen_of(devices.attached[0], np.zeros((H, W), np.uint8), K)
    assert nothing.silhouette == seen.silhouette
    assert not nothing.enough(0.35)


def test_a_doffed_prosthesis_counts_as_such_where_it_shows():
    off = Attached(Device("transtibial", "left", "left_foot", doffed=True), 64, (), {})
    for pixels, status in ((MIN_PIXELS, DOFFED), (MIN_PIXELS - 1, NOTHING_WORN)):
        found = limb_status(np.isin(REGION_NAMES, ["left_foot"]), Devices((off,)), [Seen(400, pixels)], 0.35)
        assert found.tolist() == [0, 0, status, 0]


def test_dressed_people_have_all_of_their_devices(scenes):
    for amputee, devices, _ in scenes:
        labels = [set(np.unique(i.labels)) for i in devices.dressed([bare(amputee)])]
        assert {a.label for a in devices.attached} <= set().union(*labels)


def test_points_of_aids_lie_on_the_side_that_holds_them(scenes):
    for amputee, devices, _ in scenes:
        points, joints = devices.aid_points(), amputee.posed.joints
        for a in devices.attached:
            if a.device.type in GRIPPED:
                grip = points[AID_POINTS.index(f"{a.device.side}_grip")]
                assert grip[3] == 1
                assert np.linalg.norm(grip[:3] - joints[JOINT[f"{a.device.side}_hand"]]) < 0.08


def test_no_device_changes_nothing(scenes):
    amputee = scenes[0][0]
    items = [bare(amputee)]
    assert Devices().dressed(items) == items
