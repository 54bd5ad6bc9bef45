"""A body that the reader of the report turns in three dimensions: trimesh's scene page, opened on demand, offline.

The page, which brings its own JavaScript, is taken from the installed trimesh and kept once in a report; every person
adds a compressed GLB of the fitted, cut body. Sizes count: a report is one file that people send each other.

trimesh is imported where it is used: it takes a second, and most builds have their report already.
"""

from __future__ import annotations

import base64
import gzip
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.devices.attach import hand_offsets
from a3dgen.devices.device import devices_from_json
from a3dgen.geometry.body import BodyData, pose_body

PLACE = "GLB-IN-BASE64"
"""Stands in the page for the model."""
SKIN, CAP = (0.48, 0.43, 0.38, 1.0), (0.75, 0.16, 0.12, 1.0)
CELL, STEP = 0.008, 1 / 1024
"""m: vertices in one cell become one (faces, hands and feet are finer than a view needs), and are rounded to the step:
together a model takes half of the bytes."""
PACKING = 4
"""zlib level: 6 takes three times as long for 0.8 % less."""
_CAMERA_TO_GLTF = np.diag([1.0, -1.0, -1.0])
_FIELD = (35.0, 45.0)
"""degrees across and down."""


def page() -> str:
    """Return trimesh's scene page with ``PLACE`` for the model, gzip in base64."""
    import trimesh
    from trimesh.viewer.notebook import scene_to_html

    scene = _scene([trimesh.Trimesh(np.eye(3), [[0, 1, 2]], process=False)])
    model = base64.b64encode(scene.export(file_type="glb")).decode()
    html = scene_to_html(scene)
    if html.count(model) != 1:
        raise AssertionError("trimesh's scene page no longer holds its model as base64")
    return _packed(html.replace(model, PLACE).encode())


def turnable(body: BodyData, fitted: dict[str, Any], plan: dict[str, Any] | None) -> str:
    """Return a person's body as a GLB, gzip in base64: metres, upright as in the photo, its middle at 0.

    Args:
        body: the body model. fitted: the person's row of Bodies. plan: the sample whose cuts are made, or None.
    """
    if plan is None:
        posed = pose_body(body, fitted["pose"], fitted["betas"], fitted["transl"])
        vertices, faces, caps = posed.vertices(body.mesh, fitted["betas"]), body.mesh.faces, np.zeros(0, int)
    else:
        offsets = hand_offsets(body, devices_from_json(plan["devices"]))
        cut = rebuild(body, BodyFit.of(fitted, plan), Cut.of(plan), offsets)
        vertices, faces, caps = cut.vertices, cut.mesh.faces, np.asarray(cut.cap_faces)
    cap = np.zeros(len(faces), bool)
    cap[caps] = True
    upright = vertices @ _CAMERA_TO_GLTF
    seen = upright[np.unique(faces)]
    upright = upright - (seen.min(0) + seen.max(0)) / 2  # the viewer's light shines on the origin
    parts = [_part(upright, faces[~cap], SKIN)]
    if cap.any():
        parts.append(_part(upright, faces[cap], CAP))
    return _packed(_scene(parts).export(file_type="glb"))


def _part(vertices: Float[ndarray, "v 3"], faces: Int[ndarray, "f 3"], colour: tuple[float, ...]) -> Any:
    """Return a mesh of trimesh's with few vertices."""
    import trimesh

    used, faces = np.unique(faces, return_inverse=True)
    cells = np.floor(vertices[used] / CELL).astype(np.int64)
    cells -= cells.min(0)
    span = cells.max(0) + 1
    number, of = np.unique((cells[:, 0] * span[1] + cells[:, 1]) * span[2] + cells[:, 2], return_inverse=True)
    middle = np.zeros((len(number), 3))
    np.add.at(middle, of.ravel(), vertices[used])
    middle /= np.bincount(of.ravel())[:, None]
    faces = of.ravel()[faces.reshape(-1, 3)]
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(1)]
    material = trimesh.visual.material.PBRMaterial(
        baseColorFactor=colour, metallicFactor=0.0, roughnessFactor=0.9, doubleSided=True
    )
    visual = trimesh.visual.TextureVisuals(material=material)
    return trimesh.Trimesh(np.round(middle / STEP) * STEP, faces, visual=visual, process=False)


def _scene(parts: list[Any]) -> Any:
    """Return the parts seen from the camera's side; the viewer needs a camera and turns about the middle."""
    import trimesh

    scene = trimesh.Scene()
    for number, part in enumerate(parts):  # trimesh would make up names, others at every call
        scene.add_geometry(part, node_name=f"part{number}", geom_name=f"part{number}")
    scene.camera = trimesh.scene.Camera(name="camera", fov=_FIELD)
    scene.set_camera(angles=(0.0, 0.0, 0.0), fov=_FIELD)
    return scene


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, PACKING, mtime=0)).decode()
