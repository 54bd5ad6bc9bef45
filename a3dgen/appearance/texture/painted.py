"""The user's own whole-person textures: a PNG a person, in the body's UV layout or in SMPL's."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray

from a3dgen.appearance.texture.atlas import build_atlas
from a3dgen.appearance.texture.colour import monk_albedo
from a3dgen.core.errors import DataError
from a3dgen.core.user_paths import user_path
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.skeleton import JOINT
from a3dgen.io.images import open_picture
from a3dgen.lighting.srgb import LUMINANCE, to_linear

SMPL_UV = "smpl_uv.obj"
"""If a folder of textures holds this file (from the SMPL site), its textures are in SMPL's UV layout."""
MAX_SIZE = 2048
_LUMINANCE = LUMINANCE.astype(np.float32)


def layout_note(folder: str, model: str) -> str:
    """Return one line if textures are used on an SMPL body whose UV layout is not known; else nothing.

    Args:
        folder: ``looks.textures``, or empty. model: ``body.model``.
    """
    if not folder or model != "smpl" or (user_path(folder) / SMPL_UV).exists():
        return ""
    return (
        f"looks.textures '{folder}' holds no {SMPL_UV}: its pictures are read in the open body's UV layout; if they "
        f"are in SMPL's, put {SMPL_UV} from the SMPL site (Downloads, UV map in OBJ format) beside them"
    )


def read_painted(path: str, body: BodyData) -> UInt8[ndarray, "h w 4"]:
    """Return a texture in the body's UV layout, sRGB with level height in alpha.

    Raises:
        DataError: if the image or the layout beside it cannot be read, or the layout is not this body's.
    """
    file = user_path(path)
    try:
        with open_picture(file) as picture:
            image = np.asarray(picture.convert("RGB"))[..., ::-1]
    except DataError as error:
        raise DataError(f"{error}; remove it from looks.textures") from None
    scale = MAX_SIZE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    layout = file.parent / SMPL_UV
    if layout.exists():
        image = _relaid(image, *read_uv(layout), body, layout)
    out = np.full((*image.shape[:2], 4), 128, np.uint8)
    out[..., :3] = image[..., ::-1]
    return out


def painted_tone(texture: UInt8[ndarray, "h w 4"], body: BodyData) -> int:
    """Return the Monk tone 1..10 that a person's painted face comes nearest to in luminance.

    Args:
        texture: from ``read_painted``.
    """
    mesh = body.mesh
    hidden = sum((body.masks[n] for n in ("scalp", "brows", "lips", "eyes", "beard") if n in body.masks), np.zeros(1))
    bare = (np.broadcast_to(hidden, len(mesh.vertices)) < 0.1)[mesh.faces].all(1)
    front = mesh.vertices[mesh.faces, 2].mean(1)
    face = (mesh.face_part == JOINT["head"]) & ~mesh.hidden & bare
    face &= front > np.median(front[face])
    u, v = mesh.uv[mesh.face_uv[face]].mean(1).T
    height, width = texture.shape[:2]
    x, y = np.clip(u * width, 0, width - 1).astype(int), np.clip((1 - v) * height, 0, height - 1).astype(int)
    luminance = float(np.median(to_linear(texture[y, x, :3]) @ _LUMINANCE))
    tones = np.array([monk_albedo(t) @ _LUMINANCE for t in range(1, 11)])
    return 1 + int(np.abs(np.log(tones) - np.log(max(luminance, 1e-4))).argmin())


def read_uv(path: Path) -> tuple[Float[ndarray, "t 2"], Integer[ndarray, "f 3"], Integer[ndarray, "f 3"]]:
    """Return texture coordinates, faces and face_uv of a triangulated Wavefront file.

    Raises:
        DataError: if the file is none.
    """
    uv, faces, rows = [], [], []
    try:
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] == ["vt"]:
                uv.append([float(w) for w in words[1:3]])
            elif words[:1] == ["f"]:
                corners = [w.split("/") for w in words[1:4]]
                faces.append([int(c[0]) - 1 for c in corners])
                rows.append([int(c[1]) - 1 for c in corners])
        return np.array(uv, np.float32).reshape(-1, 2), np.array(faces).reshape(-1, 3), np.array(rows).reshape(-1, 3)
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}: not a triangulated OBJ file with texture coordinates ({error})") from error


def _relaid(
    image: UInt8[ndarray, "h w 3"],
    uv: Float[ndarray, "t 2"],
    faces: Integer[ndarray, "f 3"],
    rows: Integer[ndarray, "f 3"],
    body: BodyData,
    layout: Path,
) -> UInt8[ndarray, "s s 3"]:
    """Carry an image over from one UV layout of the same faces to the body's own."""
    mesh = body.mesh
    if faces.shape != mesh.faces.shape or not np.array_equal(faces, mesh.faces):
        raise DataError(f"{layout}: its faces are not those of the body '{body.name}'; set body.model to smpl")
    atlas = build_atlas(mesh, 1024)
    place = atlas.bake(rows, uv) * np.array([image.shape[1], image.shape[0]], np.float32)
    x, y = place[:, :1] - 0.5, image.shape[0] - place[:, 1:] - 0.5
    texels = np.zeros((len(place), 3), np.uint8)
    for start in range(0, len(place), 30_000):  # cv2.remap takes at most 32,767 rows
        part = slice(start, start + 30_000)
        texels[part] = cv2.remap(image, x[part], y[part], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
    return atlas.image(texels)
