"""``a3dgen export mesh``: the posed, cut, dressed mesh of every sample of a build as a GLB with its textures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Look
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import DataError
from a3dgen.core.files import write_whole
from a3dgen.core.ownership import export_folder
from a3dgen.core.records import Bodies, Plans
from a3dgen.devices.attach import drawn_offsets
from a3dgen.devices.device import devices_from_json
from a3dgen.io.shards import read_shard
from a3dgen.renderers import Item, whole_texture

CAMERA_TO_GLTF = np.diag([1.0, -1.0, -1.0]).astype(np.float32)
"""OpenCV camera axes (y down, z forward) to glTF's (y up, z backward)."""


def export(
    build: Path, out: Path, config: BodyConfig, keys: list[str] | None = None, force: bool = False
) -> list[Path]:
    """Write ``out/<sample key with underscores>.glb`` for every planned sample, or for those named.

    Args:
        build: a build folder with ``fit`` and ``amputate`` done.
        config: the body model the build was made with.

    Raises:
        DataError: if the build holds no plans, or none of the named samples.
        ConfigError: if ``out`` holds other things and ``force`` is not set.
    """
    shards = sorted((build / "amputate").glob("*.h5"))
    if not shards:
        raise DataError(f"{build}: has no amputate/*.h5; give the path of a build folder such as build/demo")
    body, written = load_body(config), []
    with export_folder(out, "mesh export", force, complete=not keys) as target:
        for plan, fitted in _planned(build, shards):
            if keys and plan["key"] not in keys:
                continue
            look = Look.from_columns(plan)
            offsets = drawn_offsets(body, devices_from_json(plan["devices"]), look)
            items = build_subject(body, rebuild(body, BodyFit.of(fitted, plan), Cut.of(plan), offsets), look)
            written.append(target.take(f"{plan['key'].replace('/', '_')}.glb"))
            write_whole(written[-1], scene_of(items).export(file_type="glb"))
    if keys and not written:
        raise DataError(f"{build}: no sample is called {', '.join(keys)}")
    return written


def _planned(build: Path, shards: list[Path]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the plan of every sample with the fitted body of its person."""
    for path in shards:
        plans, bodies = read_shard(path)["Plans"], read_shard(build / "fit" / path.name)["Bodies"]
        if not isinstance(plans, Plans) or not isinstance(bodies, Bodies):
            raise DataError(f"{path}: is not a shard of this pipeline")
        at = bodies.index()
        for i, parent in enumerate(plans.parent):
            yield plans.row(i), bodies.row(at[parent])


def body_of(build: Path) -> BodyConfig:
    """Return the body model a build was made with, from its ``config.json``.

    Raises:
        DataError: if the file is missing or damaged.
    """
    path = build / "config.json"
    try:
        return BodyConfig(**json.loads(path.read_text())["body"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); give the path of a build folder such as build/demo"
        ) from None


def scene_of(items: list[Item]) -> trimesh.Scene:
    """Return the items as one scene, metres, glTF axes, in the camera's frame."""
    scene = trimesh.Scene()
    for number, item in enumerate(items):
        scene.add_geometry(_mesh(item), geom_name=f"{number}_{item.material}")
    return scene


def _mesh(item: Item) -> trimesh.Trimesh:
    """glTF has one texture coordinate a vertex: split vertices where the UV map has a seam."""
    corners = np.stack([item.faces.ravel(), item.face_uv.ravel()], 1)
    pairs, index = np.unique(corners, axis=0, return_inverse=True)
    material = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.fromarray(np.ascontiguousarray(whole_texture(item.texture)[..., :3])),
        doubleSided=item.double_sided, metallicFactor=0.0, roughnessFactor=0.8, name=item.material,
    )  # fmt: skip
    return trimesh.Trimesh(
        item.vertices[pairs[:, 0]] @ CAMERA_TO_GLTF,
        index.reshape(-1, 3),
        visual=trimesh.visual.TextureVisuals(uv=item.uv[pairs[:, 1]], material=material),
        process=False,
    )
