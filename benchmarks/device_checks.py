"""Checks of devices by means that the product does not use: rays cast by Embree, watertight solids by trimesh."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import trimesh
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.amputation.rebuild import Amputee
from a3dgen.core.records import AMPUTATED, OCCLUDED, VISIBLE
from a3dgen.devices.attach import Devices
from a3dgen.devices.device import DISTAL, HIP, is_prosthesis
from a3dgen.devices.place import Attached
from a3dgen.devices.seen import body_part, hidden_by
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import project
from a3dgen.geometry.devices.legs import brim_line
from a3dgen.geometry.limbs import limb_coordinate
from a3dgen.geometry.reach import Reach
from a3dgen.geometry.skeleton import JOINT
from a3dgen.geometry.visibility import Buffers, keypoint_states
from a3dgen.renderers import Item, flat_light, get_renderer
from benchmarks.device_flesh import Flesh

_HEM_M = 0.09
TIE_M = 1e-4
"""Surfaces nearer to one another than this may swap."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: K, px, and the picture's size."""

    K: ndarray
    width: int
    height: int


def bare_skin(amputee: Amputee) -> Item:
    """Return the skin alone as an item."""
    mesh, texture = amputee.mesh, np.full((2, 2, 4), 128, np.uint8)
    labels = (mesh.face_part + 1).astype(np.uint8)
    return Item(amputee.vertices, mesh.faces, mesh.uv, mesh.face_uv, labels, texture, "skin")


def nearest_hit(solid: trimesh.Trimesh, directions: ndarray) -> ndarray:
    """Return the least depth (m) at which rays from the camera meet a surface, inf where none does."""
    place, ray, _ = solid.ray.intersects_location(np.zeros_like(directions), directions, multiple_hits=True)
    out = np.full(len(directions), np.inf)
    np.minimum.at(out, ray, place[:, 2])
    return out


def solid_of(items: list[Item]) -> trimesh.Trimesh:
    """Return items as one mesh."""
    return trimesh.util.concatenate([trimesh.Trimesh(i.vertices, i.faces, process=False) for i in items])


@dataclass(frozen=True)
class View:
    """A person with devices as a camera sees them: skin, devices and keypoints (44, 3) in its frame, m."""

    skin: Item
    devices: list[Item]
    keypoints: ndarray
    present: ndarray
    camera: Camera

    @classmethod
    def of(cls, amputee: Amputee, devices: Devices, up: ndarray, degrees: float, side: int) -> View:
        """Return the view after the person turned about the vertical; all of them is in the picture (side, side) px."""
        turn = Rotation.from_rotvec(np.radians(degrees) * up).as_matrix()
        middle = amputee.vertices.astype(float).mean(0)

        def turned(points: ndarray) -> ndarray:
            return (points.astype(float) - middle) @ turn.T + middle

        skin, *items = (
            replace(i, vertices=turned(i.vertices).astype(np.float32))
            for i in (bare_skin(amputee), *(i for a in devices.attached for i in a.items()))
        )
        camera = camera_of(np.concatenate([i.vertices for i in (skin, *items)]), side)
        return cls(skin, items, turned(amputee.keypoints), amputee.present, camera)


def camera_of(points: ndarray, side: int) -> Camera:
    """A camera that sees all points in a square picture."""
    middle = (points.min(0) + points.max(0)) / 2
    half = 0.56 * float((points.max(0) - points.min(0))[:2].max())
    f = side / 2 * middle[2] / half
    K = np.array([[f, 0, side / 2 - f * middle[0] / middle[2]], [0, f, side / 2 - f * middle[1] / middle[2]],
                  [0, 0, 1.0]])  # fmt: skip
    return Camera(K, side, side)


def state_disagreements(view: View, reach: Reach) -> tuple[int, int, int]:
    """Return how many keypoints are there, how many of them devices hide, and how many have another state, or another
    ``hidden_by``, than rays say.

    A row is hidden by a device where a ray to it meets one before it and before the skin, and its state without the
    devices was 'visible'; all other rows keep the state that they have without devices.
    """
    item, drawn, camera, keypoints = view.skin, view.devices, view.camera, view.keypoints
    buffers, states, parts = [], [], []
    for items in ([item], [item, *drawn]):
        frame = get_renderer("cpu").render(items, camera.K, camera.width, camera.height, flat_light(), supersample=1)
        seen = Buffers(frame.depth, body_part(frame.part), camera.K, camera.width, camera.height)
        buffers.append(seen)
        parts.append(frame.part)
        states.append(keypoint_states(keypoints, view.present, seen, reach))
    by = hidden_by(states[1], keypoints, buffers[1], parts[1])
    pixel = np.rint(project(keypoints, camera.K))  # pictures are sampled at pixel centres
    way = np.concatenate([(pixel - camera.K[:2, 2]) / camera.K[[0, 1], [0, 1]], np.ones((len(pixel), 1))], 1)
    device, skin = nearest_hit(solid_of(drawn), way), nearest_hit(solid_of([item]), way)
    covered = (device < keypoints[:, 2]) & (device < skin) & (states[1] != AMPUTATED)
    expected = np.where((states[0] == VISIBLE) & covered, OCCLUDED, states[0])
    clear = np.abs(device - np.minimum(keypoints[:, 2], skin)) > TIE_M
    wrong = (states[1] != expected) | ((by == 3) != (covered & (states[1] == OCCLUDED)))
    inside = (states[1] != 4) & (states[1] != AMPUTATED)
    return int(inside.sum()), int((covered & inside).sum()), int((wrong & clear & inside).sum())


def open_parts(devices: Devices) -> int:
    """Return how many parts are not watertight, or turned inside out."""
    solids = [trimesh.Trimesh(p.vertices, p.faces, process=False) for a in devices.attached for p in a.parts]
    return sum(not s.is_watertight or s.volume <= 0 for s in solids)


def _hip_outside(attached: Attached, amputee: Amputee) -> tuple[int, int]:
    """As ``skin_outside`` for a bucket: the pelvis's skin on the side of the missing leg, by rays to either side."""
    down, side = -amputee.posed.rotations[0][:, 1], 1.0 if attached.device.side == "left" else -1.0
    owner = amputee.mesh.owner
    local = (amputee.vertices.astype(float) - amputee.posed.joints[0]) @ amputee.posed.rotations[0]
    pelvis = np.isin(owner, [0, JOINT[f"{attached.device.side}_hip"]])
    skin = amputee.vertices[pelvis & (side * local[:, 0] > 0.02) & (local[:, 1] < 0.01)].astype(float)
    socket = trimesh.Trimesh(attached.parts[0].vertices, attached.parts[0].faces, process=False)
    inside = Flesh(socket, np.zeros(len(socket.faces), np.int64), down).inside(skin)
    return len(skin), int((~inside).sum())


def skin_outside(attached: Attached, amputee: Amputee, body: BodyData) -> tuple[int, int]:
    """Return how many vertices of the residual limb lie below the brim of its socket, and how many of them outside:
    rays from the limb's axis through them meet the socket before them, or not at all."""
    device, hull = attached.device, attached.hull
    assert hull is not None  # a prosthesis
    if device.type == HIP:
        return _hip_outside(attached, amputee)
    assert is_prosthesis(device)
    coordinate = amputee.origin.apply(limb_coordinate(body.mesh, body.joints_template, device.limb_name))
    skin = amputee.vertices[coordinate > (1.02 if device.type in DISTAL else 0.1)].astype(float)
    t, angle, r = hull.cylindrical(skin)
    line = brim_line(hull, device.type, 1 if device.side == "left" else -1)
    brim = np.interp(angle, np.linspace(-np.pi, np.pi, len(line) + 1), np.r_[line, line[0]])
    below = (t > brim + 0.002) & (r > 1e-4) & (r < 0.2)
    origins = hull.origin + t[below, None] * hull.axis
    socket = trimesh.Trimesh(attached.parts[0].vertices, attached.parts[0].faces, process=False)
    place, ray, _ = socket.ray.intersects_location(origins, (skin[below] - origins) / r[below, None],
                                                   multiple_hits=True)  # fmt: skip
    wall = np.zeros(below.sum())
    np.maximum.at(wall, ray, np.linalg.norm(place - origins[ray], axis=1))  # the brim's cap may come before the wall
    return int(below.sum()), int((wall < r[below]).sum())


def outside_cloth(attached: Attached, dressed: list[Item]) -> tuple[int, int]:
    """Return how many points of a prosthesis under trousers were looked at, and how many are not inside them.

    From a point inside a leg of trousers every ray across the limb meets cloth. The foot and what is within
    ``_HEM_M`` of the ankle are left out: the shoe and the hem are there; so is the brim, where the liner begins.
    """
    cloth = solid_of([i for i in dressed if i.material == "cloth" and i.double_sided])
    points, ankle = attached.points, attached.points["ankle"]
    shin = points.get("joint", points["end"]) - ankle
    shin = shin / np.linalg.norm(shin)
    seen = missed = 0
    for part in attached.parts:
        if part.name in ("foot", "sleeve"):
            continue
        axis = attached.hull.axis if part.name == "socket" and attached.hull else shin
        own = part.vertices[(part.vertices - ankle) @ shin > _HEM_M]
        if part.name == "socket":
            own = own[(own - points["brim"]) @ axis > 0.03]
        across = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
        ways = Rotation.from_rotvec(np.outer(np.arange(8) * np.pi / 4, axis)).apply(across / np.linalg.norm(across))
        hit = [cloth.ray.intersects_any(own, np.tile(way, (len(own), 1))) for way in ways]
        seen += len(own)
        missed += int((~np.all(hit, axis=0)).sum()) if len(own) else 0
    return seen, missed
