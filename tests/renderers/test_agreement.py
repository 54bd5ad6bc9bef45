"""Masks and labels against independent ray casts; the renderers against one another; dressed bodies without holes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes
from scipy.spatial.transform import Rotation

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Look
from a3dgen.geometry.camera import project
from a3dgen.geometry.raster import rasterize
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.geometry.skeleton import ROW_JOINT
from a3dgen.renderers import Item, flat_light, get_renderer

K = np.array([[520.0, 0, 130.7], [0, 515.0, 170.2], [0, 0, 1]])
W, H = 256, 340
LOOK = {
    "skin": 6,
    "hair": json.dumps({"age": 30, "brows": 0.8, "colour": "brown", "eyes": "brown", "length": 0.6, "stubble": 0.0,
                        "style": "short"}),
    "garments": json.dumps([
        {"colors": [[30, 92, 100], [96, 140, 172], [150, 34, 36]], "fabric": "plain", "fit": 0.0, "kind": "tshirt",
         "lengths": {"left_arm": 0.7, "right_arm": 0.7}, "neck": "v", "seed": 0, "tucked": False},
        {"colors": [[46, 46, 52]], "fabric": "denim", "fit": 0.5, "kind": "shorts",
         "lengths": {"left_leg": 0.8, "right_leg": 0.8}, "seed": 2},
    ]),
    "light": "{}", "look_seed": 5,
}  # fmt: skip


def amputee_of(body, region: str | None, yaw: float):
    pose = np.zeros((24, 3))
    pose[16], pose[17], pose[18] = [0, 0, -0.9], [0, 0, 0.9], [0, -0.7, 0]
    pose[0] = (Rotation.from_euler("x", np.pi) * Rotation.from_euler("y", yaw)).as_rotvec()
    removed, residual = np.zeros(12, bool), np.ones(12)
    if region:
        removed[REGION_NAMES.index(region)] = True
        residual[REGION_NAMES.index(region)] = 0.6
    transl = np.array([0.0, 0.3, 3.0])
    amputee = rebuild(body, BodyFit(pose, np.zeros(body.num_betas), transl), Cut(removed, residual))
    return amputee, Look.from_columns(LOOK)


def bare_item(amputee) -> Item:
    mesh = amputee.mesh
    texture = np.full((4, 4, 4), 128, np.uint8)
    labels = (mesh.face_part + 1).astype(np.uint8)
    return Item(amputee.vertices, mesh.faces, mesh.uv, mesh.face_uv, labels, texture, "skin", amputee.scar)


def cast_rays(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Face hit first by the ray through every pixel's centre, -1 for none; by Embree."""
    trimesh = pytest.importorskip("trimesh")
    pytest.importorskip("embreex")
    from trimesh.ray.ray_pyembree import RayMeshIntersector

    y, x = np.mgrid[:H, :W]
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones_like(x)], -1).reshape(-1, 3)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    hit = RayMeshIntersector(mesh, scale_to_box=False).intersects_first(np.zeros_like(rays), rays)
    return hit.reshape(H, W)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


@pytest.mark.parametrize("renderer", ["gl", "cpu"])
@pytest.mark.parametrize(("region", "yaw"), [(None, 0.3), ("left_knee", -0.5), ("right_hand", 2.6)])
def test_mask_and_labels_agree_with_a_ray_cast(body, renderer: str, region: str | None, yaw: float) -> None:
    amputee, _ = amputee_of(body, region, yaw)
    frame = get_renderer(renderer).render([bare_item(amputee)], K, W, H, flat_light())
    hit = cast_rays(amputee.vertices.astype(float), amputee.mesh.faces)
    assert iou(frame.part > 0, hit >= 0) >= 0.995
    want = np.where(hit >= 0, amputee.mesh.face_part[hit] + 1, 0)
    assert (frame.part == want)[(frame.part > 0) | (hit >= 0)].mean() >= 0.99
    depth, owner = rasterize(amputee.vertices, amputee.mesh.faces, K, W, H)
    assert iou(frame.part > 0, owner >= 0) >= 0.995
    both = (frame.part > 0) & (owner >= 0)
    assert np.median(np.abs(frame.depth[both] - depth[both])) < 1e-4


@pytest.mark.parametrize(("region", "yaw"), [(None, 0.3), ("left_knee", -0.5), ("right_elbow", 0.0)])
def test_dressed_bodies_have_no_holes_and_keep_their_joints_inside(body, region: str | None, yaw: float) -> None:
    amputee, look = amputee_of(body, region, yaw)
    items = build_subject(body, amputee, look)
    frame = get_renderer("cpu").render(items, K, W, H, flat_light())
    mask = frame.part > 0
    bare = get_renderer("cpu").render([bare_item(amputee)], K, W, H, flat_light()).part > 0
    uncovered = bare & ~mask
    assert uncovered.sum() <= 3, "the dressed body must cover the bare one"
    assert (binary_fill_holes(mask) & ~mask & binary_fill_holes(bare)).sum() <= max(
        (binary_fill_holes(bare) & ~bare).sum(), 3
    )
    joints = [r for r in ROW_JOINT if amputee.present[r]]
    x, y = np.rint(project(amputee.keypoints[joints], K)).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < W) & (y < H)
    assert mask[y[inside], x[inside]].all()
    assert (frame.rgba[..., 3][mask] > 0).all()


def test_opengl_and_compiled_loops_draw_the_same_picture(body) -> None:
    amputee, look = amputee_of(body, "left_foot", 0.4)
    items = build_subject(body, amputee, look)
    light = flat_light(0.4)
    a, b = (get_renderer(n).render(items, K, W, H, light) for n in ("gl", "cpu"))
    grey = [np.clip(f.rgba, 0, 1) ** (1 / 2.2) * 255 for f in (a, b)]
    assert (np.abs(grey[0] - grey[1]).max(-1) <= 2).mean() >= 0.999
    assert (a.part == b.part).mean() >= 0.9995
