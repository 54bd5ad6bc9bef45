"""A body model as one .npz file of plain arrays, without pickled objects."""

from __future__ import annotations

import fcntl
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.core.files import write_whole
from a3dgen.geometry.body import BodyData, KeypointBlends
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.io.npz import read

LAYOUT = 1
"""Version of the file's layout."""


def _mesh_arrays(prefix: str, mesh: SkinnedMesh) -> dict[str, np.ndarray]:
    values = {f.name: getattr(mesh, f.name) for f in fields(mesh)}
    return {f"{prefix}/{k}": v for k, v in values.items() if v is not None}


def body_arrays(body: BodyData) -> dict[str, np.ndarray]:
    """Return every array of a body by name, e.g. ``mesh/vertices``, ``shells/tights/weights``."""
    out = {
        "name": np.array(body.name),
        "smpl_betas": np.array(body.smpl_betas),
        "joints_template": body.joints_template,
        "joint_dirs": body.joint_dirs,
        **_mesh_arrays("mesh", body.mesh),
    }
    for name, shell in body.shells.items():
        out |= _mesh_arrays(f"shells/{name}", shell)
    out |= {f"keypoints/{f.name}": getattr(body.keypoints, f.name) for f in fields(body.keypoints)}
    return out | {f"masks/{name}": mask for name, mask in body.masks.items()}


def save_body(path: Path, body: BodyData) -> None:
    """Write a body atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, layout=np.array(LAYOUT), **body_arrays(body))
    write_atomically(path, buffer.getvalue())


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its destination and move it there, so that no reader sees half of it."""
    write_whole(path, content)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read all arrays of an .npz file made by this package; ``DataError`` if it is damaged."""
    try:
        return read(path, folders=True)
    except DataError as error:
        raise DataError(f"{path}: not one of a3dgen's own files ({error}); delete it, it is made again") from error


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let only one process at a time make ``path``: holds a lock on ``<path>.lock`` (released if it dies)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def load_body_file(path: Path) -> BodyData:
    """Read a body written by ``save_body``.

    Raises:
        DataError: if the file is not one, or of another layout.
    """
    arrays = read_arrays(path)
    if int(arrays.get("layout", -1)) != LAYOUT:
        raise DataError(f"{path}: baked body of another version; delete it, it is made again")
    return body_of(arrays)


def body_of(arrays: dict[str, np.ndarray]) -> BodyData:
    """Return the body whose arrays these are; undoes ``body_arrays``."""

    def group(prefix: str) -> dict[str, np.ndarray]:
        return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

    shells = group("shells/")
    return BodyData(
        name=str(arrays["name"]),
        smpl_betas=bool(arrays["smpl_betas"]),
        joints_template=arrays["joints_template"],
        joint_dirs=arrays["joint_dirs"],
        mesh=SkinnedMesh(**group("mesh/")),
        keypoints=KeypointBlends(**group("keypoints/")),
        shells={
            name: SkinnedMesh(**group(f"shells/{name}/")) for name in dict.fromkeys(k.split("/")[0] for k in shells)
        },
        masks=group("masks/"),
    )
