"""The open body: baked once from anny, then read from ``$A3DGEN_HOME``."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import numpy as np

from a3dgen.bodies.archive import exclusive, load_body_file, save_body
from a3dgen.bodies.bake import AGES, MAX_BETAS, bake
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError, nearest
from a3dgen.core.home import home
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.mesh import SkinnedMesh

RECIPE = 3
"""Counts changes of the recipe; a file baked by another one is not read."""
BETAS = (10, 16, 32)


def baked_path(ages: str) -> Path:
    """Return where the baked body lies; its name holds recipe and anny version."""
    version = importlib.metadata.version("anny")
    return home() / "bodies" / f"anny24-{ages}-r{RECIPE}-anny{version}.npz"


def load(config: BodyConfig) -> BodyData:
    """Return the open body, baking it first if needed (under a minute, once).

    Raises:
        ConfigError: for unknown ages or numbers of betas.
    """
    if config.ages not in AGES:
        raise ConfigError(f"body.ages '{config.ages}' is unknown{nearest(config.ages, AGES)}")
    if config.betas not in BETAS:
        raise ConfigError(f"body.betas is {config.betas}; the open body has 10, 16 or 32")
    path = baked_path(config.ages)
    if not path.exists():
        bake_once(config.ages)
    try:
        return with_betas(load_body_file(path), config.betas)
    except DataError:
        bake_once(config.ages, again=True)
        return with_betas(load_body_file(path), config.betas)


def bake_once(ages: str, again: bool = False) -> Path:
    """Bake the body into the cache unless it is there; processes that need it at once wait for the first.

    Args:
        ages: key of ``AGES``. again: bake even if it is there.

    Returns:
        The baked file.
    """
    path = baked_path(ages)
    with exclusive(path):
        if again or not path.exists():
            save_body(path, bake(home() / "anny", ages))
    return path


def with_betas(body: BodyData, count: int) -> BodyData:
    """Return the body with its first ``count`` shape coefficients only."""
    assert count <= MAX_BETAS

    def cut(mesh: SkinnedMesh) -> SkinnedMesh:
        return replace(mesh, shape_dirs=np.ascontiguousarray(mesh.shape_dirs[..., :count]))

    return replace(
        body,
        mesh=cut(body.mesh),
        shells={name: cut(shell) for name, shell in body.shells.items()},
        joint_dirs=np.ascontiguousarray(body.joint_dirs[..., :count]),
        keypoints=replace(body.keypoints, dirs=np.ascontiguousarray(body.keypoints.dirs[..., :count])),
    )
