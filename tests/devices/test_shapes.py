"""Device parts are closed, face outwards and come out the same each time; sockets cover the residual limb."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import trimesh
from people import LEVELS, LOOK, amputee_of, fit_of
from scipy.spatial import cKDTree

from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Garment
from a3dgen.devices.attach import attach
from a3dgen.devices.device import BLADES, DISTAL, LEGS, Device
from a3dgen.devices.lying import lay_down
from a3dgen.devices.person import Person
from a3dgen.geometry.devices.chairs import chair_of
from a3dgen.geometry.devices.hull import limb_hull, widened
from a3dgen.geometry.devices.legs import brim_line
from a3dgen.geometry.devices.sweep import arc, bezier, ring, sweep
from a3dgen.geometry.devices.walker import Frame, walker
from a3dgen.geometry.devices.wheelchair import Seat
from a3dgen.geometry.limbs import limb_coordinate
from a3dgen.geometry.skeleton import JOINT

X, Y, Z = np.eye(3)


def solid(part):
    return trimesh.Trimesh(part.vertices, part.faces, process=False)


def test_swept_shapes_are_closed_and_have_the_volume_of_their_section():
    rod = solid(sweep("rod", np.array([0 * X, X]), 0.02, corners=64))
    assert rod.is_watertight
    assert rod.volume == pytest.approx(np.pi * 0.02**2, rel=0.01)
    bar = solid(sweep("bar", bezier(0 * X, X, X + Y, n=60), 0.02, 0.01, power=6, corners=40, frame=Z))
    assert bar.is_watertight
    assert bar.volume > 0
    wheel = solid(ring("tyre", arc(0 * X, X, Y, 0.3, n=90), 0.01, Z, corners=32))
    assert wheel.is_watertight
    assert wheel.euler_number == 0
    assert wheel.volume == pytest.approx(2 * np.pi * 0.3 * np.pi * 0.01**2, rel=0.02)


@pytest.fixture(scope="module", params=["left_foot", "right_knee", "left_hand", "right_elbow"])
def worn(request, body):
    """Device, body and what is attached: on a bent leg of a made-up shape."""
    side, level = request.param.split("_")
    device = Device(LEVELS[level], side, request.param)
    amputee = amputee_of(body, fit_of(body, 30, 25, seed=3), request.param, 0.55)
    return device, amputee, attach(body, amputee, LOOK, [device]).attached[0]


def test_prostheses_are_closed_parts_of_positive_volume(worn, body):
    device, amputee, attached = worn
    for part in attached.parts:
        assert solid(part).is_watertight, part.name
        assert solid(part).volume > 0, part.name
    again = attach(body, amputee, LOOK, [device]).attached[0]
    assert all((a.vertices == b.vertices).all() for a, b in zip(attached.parts, again.parts, strict=True))
    for end in BLADES if device.type in LEGS else ("hook", "myoelectric"):
        other = attach(body, amputee, LOOK, [dataclasses.replace(device, end=end, sleeve=True)]).attached[0]
        assert all(solid(p).is_watertight and solid(p).volume > 0 for p in other.parts)
        assert not other.extra


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_bucket_holds_the_pelvis_and_its_leg_reaches_the_ankle(body, side):
    device = Device("hip_disarticulation", side, f"{side}_hip")
    amputee = amputee_of(body, fit_of(body, 30, 25, seed=3), device.region)
    attached = attach(body, amputee, LOOK, [device]).attached[0]
    assert all(solid(p).is_watertight and solid(p).volume > 0 for p in attached.parts)
    sign, owner = (1 if side == "left" else -1), amputee.mesh.weights.argmax(1)
    local = (amputee.vertices - amputee.posed.joints[0]) @ amputee.posed.rotations[0]
    own = np.isin(owner, [0, JOINT[f"{side}_hip"]]) & (sign * local[:, 0] > 0.03) & (local[:, 1] < 0.01)
    assert own.sum() > 100
    assert solid(attached.parts[0]).contains(amputee.vertices[own].astype(float)).all()
    ankle = amputee.posed.joints[JOINT[f"{side}_ankle"]]
    assert np.linalg.norm(attached.points["ankle"] - ankle) < 1e-9
    names = [p.name for p in attached.parts]
    assert {"socket", "hip joint", "thigh tube", "knee", "pylon", "foot"} <= set(names)


def test_a_doffed_prosthesis_lies_on_the_ground_hollow(worn, body):
    device, amputee, attached = worn
    if device.type not in LEGS:
        return
    turn = np.array([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]) @ np.diag([1, -1, -1])
    frame = {"turn": turn.ravel().tolist(), "at": [0.7, 1.1, 3.0]}
    lying = attach(body, amputee, LOOK, [dataclasses.replace(device, doffed=True, frame=frame)]).attached[0]
    everything = np.concatenate([*(p.vertices for p in lying.parts), *(i.vertices for i in lying.extra)])
    assert ((everything - frame["at"]) @ turn)[:, 1].min() == pytest.approx(0, abs=1e-5)
    socket, full = solid(lying.parts[0]), solid(attached.parts[0])
    assert socket.is_watertight
    assert 0 < socket.volume < 0.5 * full.volume
    assert lying.points == {}
    assert len(lying.parts) == len(attached.parts)


def test_a_prosthesis_under_trousers_is_inside_them(worn, body):
    """Rays across the socket's axis from points of its wall meet the trousers on every side."""
    device, amputee, _ = worn
    if device.type not in LEGS:
        return
    under = dataclasses.replace(device, cover="trousers")
    look = dataclasses.replace(LOOK, garments=(Garment("trousers", {"left_leg": 2.0, "right_leg": 2.0},
                                                       colors=((60, 80, 110),)),))  # fmt: skip
    at = attach(body, amputee, look, [under])
    made, items = at.attached[0], at.dressed(build_subject(body, amputee, look))
    cloth = [trimesh.Trimesh(i.vertices, i.faces, process=False) for i in items if i.material == "cloth"
             and i.double_sided]  # fmt: skip
    trousers, hull, wall = trimesh.util.concatenate(cloth), made.hull, made.parts[0].vertices
    wall = wall[(wall - made.points["brim"]) @ hull.axis > 0.03]
    t, _, r = hull.cylindrical(wall)
    middle = hull.origin + t[:, None] * hull.axis
    out = (wall - middle)[r > 0.01] / r[r > 0.01, None]
    assert len(out) > 100
    assert trousers.ray.intersects_any(wall[r > 0.01], out).all()


def test_a_doffed_prosthesis_leans_against_a_wheel(worn, body):
    device, amputee, _ = worn
    if device.type not in LEGS:
        return
    frame = {"turn": np.diag([1.0, -1, -1]).ravel().tolist(), "at": [0.7, 1.1, 3.0]}
    seat = Seat(0.42, (0.5, -0.1), (0.53, 0.3), (0.1, 0.4))
    chair = Device("wheelchair", colours=((9, 9, 9),), frame={**seat.facts(), **frame})
    person = Person.of(body, fit_of(body, 30, 25, seed=3))
    leaning = lay_down(person, dataclasses.replace(device, doffed=True), np.random.default_rng(5), [chair])
    assert len(leaning.frame["rests"]) == 2
    made, wheels = attach(body, amputee, LOOK, [leaning, chair]).attached
    turn = np.reshape(frame["turn"], (3, 3))
    own = [(v - frame["at"]) @ turn for v in (*(p.vertices for p in made.parts), *(i.vertices for i in made.extra))]
    everything, sign = np.concatenate(own), 1 if device.side == "left" else -1
    assert everything[:, 1].min() == pytest.approx(0, abs=1e-5)
    for part in wheels.parts:
        if part.name in ("tyre", "hand rim"):
            assert not solid(part).contains(np.concatenate([p.vertices for p in made.parts])).any()
    rims = cKDTree(np.concatenate([solid(p).sample(20000, seed=0) for p in wheels.parts
                                   if p.name in ("tyre", "hand rim")]))  # fmt: skip
    assert min(rims.query(solid(p).sample(20000, seed=0))[0].min() for p in made.parts) < 0.004
    assert own[0][:, 1].mean() > own[-1][:, 1].mean()  # the socket is above the foot
    assert sign * everything[:, 0].min() > 0 or sign * everything[:, 0].max() > 0


@pytest.mark.parametrize("make", ["active", "folding", "racing", "walker"])
def test_frames_are_closed_and_stand_on_the_ground(make):
    if make == "walker":
        parts, points = walker(Frame(0.5, 0.85), (40, 60, 160))
        feet = [p for p in parts if p.name == "foot"]
        assert len(feet) == 4
        assert points["left_grip"][1] == pytest.approx(0.85)
    else:
        seat = Seat(0.42, (0.5, -0.1), (0.53, 0.3), (0.1, 0.4), kind=make, armrests=make == "folding")
        parts, points = chair_of(seat, (40, 60, 160))
        feet = [p for p in parts if p.name in ("tyre", "caster")]
        assert len(feet) == (3 if make == "racing" else 4)
        assert ("armrest" in {p.name for p in parts}) == (make == "folding")
    assert all(solid(p).is_watertight and solid(p).volume > 0 for p in parts)
    assert max(abs(float(p.vertices[:, 1].min())) for p in feet) < 0.001
    left, right = (p for name, p in points.items() if name in ("left_tip", "right_tip", "left_hub", "right_hub"))
    assert left == pytest.approx(right * (-1, 1, 1))


def test_a_hook_and_a_cosmetic_hand_reach_about_as_far_as_the_hand(body):
    fit = fit_of(body, 30, 25, seed=3)
    whole = amputee_of(body, fit)
    hand = whole.vertices[body.mesh.weights.argmax(1) == JOINT["left_hand"]]
    amputee, reach = amputee_of(body, fit, "left_hand", 0.55), {}
    for end, name in (("hook", "heel"), ("hand", "toe")):
        attached = attach(body, amputee, LOOK, [Device("transradial", "left", "left_hand", end=end)]).attached[0]
        assert set(attached.points) == {"brim", "end", "ankle", name}
        reach[end] = np.linalg.norm(attached.points[name] - attached.points["ankle"])
    longest = np.linalg.norm(hand - whole.posed.joints[JOINT["left_wrist"]], axis=1).max()
    assert reach["hand"] == pytest.approx(longest, rel=0.1)
    assert 0.45 * longest < reach["hook"] < 0.8 * longest  # level with the thumb


def test_no_skin_below_the_brim_lies_outside_the_socket(worn, body):
    """Rays from the limb's axis through every vertex of the residual limb hit the socket further out."""
    device, amputee, attached = worn
    hull, outer = attached.hull, 1 if device.side == "left" else -1
    limb = limb_coordinate(body.mesh, body.joints_template, device.limb_name)
    coordinate = amputee.origin.apply(limb)
    skin = amputee.vertices[coordinate > (1.02 if device.type in DISTAL else 0.1)].astype(float)
    t, angle, r = hull.cylindrical(skin)
    brim = np.interp(angle, np.linspace(-np.pi, np.pi, 37), np.r_[(b := brim_line(hull, device.type, outer)), b[0]])
    below = (t > brim + 0.002) & (r > 1e-4) & (r < 0.2)
    assert below.sum() > 150
    origins = hull.origin + t[below, None] * hull.axis
    away = (skin[below] - origins) / r[below, None]
    assert (outermost(solid(attached.parts[0]), origins, away) > r[below]).all()
    loose = solid(attached.parts[0])  # the test can fail
    loose.vertices = loose.vertices - 0.012 * hull.x
    assert not (outermost(loose, origins, away) > r[below]).all()


def outermost(surface, origins, away):
    """How far out the last surface on each ray lies; the brim's cap may come before the wall."""
    place, ray, _ = surface.ray.intersects_location(origins, away, multiple_hits=True)
    out = np.zeros(len(origins))
    np.maximum.at(out, ray, np.linalg.norm(place - origins[ray], axis=1))
    return out


def test_a_hull_is_widened_until_no_vertex_is_outside():
    rng = np.random.default_rng(1)
    t, a = rng.uniform(0.05, 0.3, 3000), rng.uniform(-np.pi, np.pi, 3000)
    r = 0.05 + 0.012 * np.sign(np.sin(9 * a)) + 0.01 * np.sin(60 * t)
    skin = np.stack([r * np.cos(a), r * np.sin(a), t], 1)
    smooth = limb_hull(skin, np.zeros(3), Z, X, 0.05)
    inside = t <= smooth.levels[-1]
    assert (smooth.radius(t[inside], smooth.cylindrical(skin)[1][inside]) < r[inside]).any()
    wide = widened(smooth, skin)
    assert (wide.radius(t[inside], wide.cylindrical(skin)[1][inside]) >= r[inside]).all()


def test_a_prosthesis_reaches_the_ankle_or_wrist_of_the_photo(worn, body):
    device, amputee, attached = worn
    whole = amputee_of(body, {"pose": fit_of(body, 30, 25, seed=3)["pose"], "betas": amputee.betas,
                              "transl": np.array([0.0, -0.1, 3.4])})  # fmt: skip
    ankle = whole.posed.joints[JOINT[f"{device.side}_{'ankle' if device.type in LEGS else 'wrist'}"]]
    assert np.linalg.norm(attached.points["ankle"] - ankle) < 1e-9
