"""``a3dgen body sheet``: every region at every length and in both geometries on one picture, to be looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.amputation.rebuild import COLLAPSE, DEFAULT_STUMP, RESIDUAL, Amputee, BodyFit, Cut, rebuild
from a3dgen.appearance.look import Hair
from a3dgen.appearance.texture import pool
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS, Region
from a3dgen.geometry.skeleton import JOINT
from a3dgen.io.images import write_image
from a3dgen.renderers import Item, Light, get_renderer

TILE = 240
"""Side of one picture, px."""
LENGTHS = (0.25, 0.5, 0.75, 1.0)
_DISTANCE = 2.0
_BACKGROUND = np.array([0.12, 0.125, 0.135], np.float32)
_SPAN = {"hand": 0.36, "elbow": 0.42, "shoulder": 0.5, "foot": 0.5, "knee": 0.56, "hip": 0.62}
"""Width of what is shown, m."""


_SHAVEN = Hair("bald", "black", eyes="brown", brows=0.5, stubble=0.0, age=30)


@dataclass(frozen=True)
class _View:
    """From where a stump is seen: degrees about the body's upright axis, on the left side, and from above."""

    name: str
    yaw: float
    pitch: float


_FRONT, _SIDE = _View("front", -15.0, -8.0), _View("side", -78.0, -8.0)
_BACK, _END = _View("back", 160.0, -8.0), _View("end", -60.0, 30.0)


def write_sheet(config: BodyConfig, path: str | Path) -> None:
    """Draw all 12 regions, one a row: stumps of four lengths, then the joint collapse, each from the front and side.

    Shoulders and hips, which have one length, are also shown from the back and towards the scar.

    Args:
        config: the body.
        path: PNG or JPEG to write.
    """
    body = load_body(config)
    rows = []
    for region in REGIONS:
        tiles = [_tile(body, region, *shown) for shown in _columns(region)]
        rows.append(np.concatenate(tiles, axis=1))
    write_image(path, np.concatenate(rows))


def _columns(region: Region) -> Iterator[tuple[str, float, _View]]:
    if region.cuttable:
        for length in LENGTHS:
            yield RESIDUAL, length, _FRONT
            yield RESIDUAL, length, _SIDE
    else:
        for view in (_FRONT, _SIDE, _BACK, _END):
            yield RESIDUAL, 1.0, view
        for yaw in (-45.0, -115.0, 30.0, 120.0):
            yield RESIDUAL, 1.0, _View(f"{yaw:g} deg", yaw, 0.0)
    yield COLLAPSE, 1.0, _FRONT
    yield COLLAPSE, 1.0, _SIDE


def _pose(region: Region, view: _View) -> Float[ndarray, "24 3"]:
    pose = np.zeros((24, 3))
    yaw = view.yaw if region.side == "left" else -view.yaw
    tilt = Rotation.from_euler("x", 180 + view.pitch, degrees=True)
    pose[0] = (tilt * Rotation.from_euler("y", yaw, degrees=True)).as_rotvec()
    lowered = 0.9 if region.limb == "arm" else 0.2  # hands out of the way of the legs
    pose[JOINT["left_shoulder"], 2], pose[JOINT["right_shoulder"], 2] = -lowered, lowered
    return pose


def _tile(body: BodyData, region: Region, geometry: str, residual: float, view: _View) -> UInt8[ndarray, "h w 3"]:
    removed = np.zeros(NUM_REGIONS, bool)
    removed[region.index] = True
    pose, betas = _pose(region, view), np.zeros(body.num_betas)
    joints = pose_body(body, pose, betas, np.zeros(3)).joints
    start, end = joints[list(region.segment)]
    middle = start + (residual if region.cuttable else 1.0) * 0.8 * (end - start)
    amputee = rebuild(
        body,
        BodyFit(pose, betas, np.array([0, 0, _DISTANCE]) - middle),
        Cut(
            removed,
            np.where(removed, residual, 1).astype(np.float32),
            geometry,
            np.tile(np.float32(DEFAULT_STUMP), (NUM_REGIONS, 1)),
        ),
    )
    focal = TILE * _DISTANCE / _SPAN[region.name.split("_")[1]]
    K = np.array([[focal, 0, (TILE - 1) / 2], [0, focal, (TILE - 1) / 2], [0, 0, 1]])
    item = skin_item(body, amputee, region.index)
    frame = get_renderer("cpu").render([item], K, TILE, TILE, _studio(), supersample=3)
    linear = frame.rgba[..., :3] + (1 - frame.rgba[..., 3:]) * _BACKGROUND
    picture = np.round(255 * np.clip(linear, 0, 1) ** (1 / 2.2)).astype(np.uint8)
    words = f"{region.clinical(residual)} {residual:g}" if geometry == RESIDUAL else f"{region.name} collapsed"
    cv2.putText(picture, words, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.34, (235, 235, 235), 1, cv2.LINE_AA)
    cv2.putText(picture, view.name, (4, TILE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.34, (200, 200, 200), 1, cv2.LINE_AA)
    return picture


def _studio() -> Light:
    """One soft key from the upper left and an even fill."""
    harmonics = np.zeros((9, 3))
    harmonics[0] = 0.34 / 0.282095
    key = np.array([-0.55, -0.6, -0.58])
    return Light(harmonics, key / np.linalg.norm(key), np.array([0.72, 0.70, 0.67]))


def skin_item(body: BodyData, amputee: Amputee, seed: int) -> Item:
    """Return the undressed, hairless amputee; the skin tone goes round with ``seed``."""
    mesh = amputee.mesh
    shown = ~mesh.hidden
    uv = pool.body_maps(body).uv
    return Item(
        vertices=amputee.vertices,
        faces=mesh.faces[shown],
        uv=np.concatenate([uv, amputee.stump_uv[len(uv) :]]).astype(np.float32),
        face_uv=mesh.face_uv[shown],
        labels=(mesh.face_part[shown] + 1).astype(np.uint8),
        texture=pool.skin(body, 2 + seed % 7, _SHAVEN, 0),
        material="skin",
        scar=amputee.scar,
    )
