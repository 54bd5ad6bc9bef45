"""Device parts are closed, face outwards and come out the same each time; sockets cover the residual limb."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from people import LEVELS, LOOK, amputee_of, fit_of

from a3dgen.devices.attach import attach
from a3dgen.devices.device import DISTAL, LEGS, Device
from a3dgen.geometry.devices.hull import limb_hull, widened
from a3dgen.geometry.devices.legs import brim_line
from a3dgen.geometry.devices.sweep import arc, bezier, ring, sweep
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
    other = "blade" if device.side + "_" + device.region.split("_")[1] in ("left_foot", "right_knee") else "hook"
    blade = attach(body, amputee, LOOK, [Device(device.type, device.side, device.region, end=other)]).attached[0]
    assert all(solid(p).is_watertight for p in blade.parts)
    assert not blade.extra


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
