"""The way of the one public converter: every vertex of every frame, then a dense regressor. With torch, for comparison.

SMPL's forward pass (Loper et al. 2015, eq. 2-9), with DMPLs added to the shape directions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy import ndarray


class FullMesh:
    """Regresses joints from the posed mesh, in batches."""

    def __init__(self, model: dict[str, ndarray], regressor: ndarray, dtype: torch.dtype, soft: bool = True) -> None:
        def made(array: ndarray) -> torch.Tensor:
            return torch.tensor(np.asarray(array, np.float64), dtype=dtype)

        self.made = made
        self.template, self.weights = made(model["v_template"]), made(model["weights"])
        dirs = np.concatenate([model["shapedirs"], model["eigvec"]], 2) if soft else model["shapedirs"]
        self.dirs, self.regressor = made(dirs), made(regressor)
        self.pose = made(model["posedirs"].reshape(-1, model["posedirs"].shape[2]).T.copy())
        self.joints = made(model["J_regressor"])
        self.parents = [-1, *model["kintree_table"][0, 1:].astype(int).tolist()]

    def __call__(self, poses: ndarray, trans: ndarray, betas: ndarray, soft: ndarray, batch: int = 2048) -> ndarray:
        """Return the regressed joints (N, J, 3), m."""
        parts = [
            self._batch(*(self.made(x[a : a + batch]) for x in (poses, trans, soft)), self.made(betas))
            for a in range(0, len(poses), batch)
        ]
        return torch.cat(parts).numpy()

    def _batch(self, poses: torch.Tensor, trans: torch.Tensor, soft: torch.Tensor, betas: torch.Tensor) -> torch.Tensor:
        n, count = len(poses), len(self.parents)
        coefficients = torch.cat([betas.expand(n, -1), soft], 1)
        shaped = self.template + torch.einsum("vcb,nb->nvc", self.dirs[:, :, : coefficients.shape[1]], coefficients)
        rest = torch.einsum("kv,nvc->nkc", self.joints, shaped)
        turns = _rotations(poses.view(n, count, 3))
        feature = (turns[:, 1:] - torch.eye(3, dtype=turns.dtype)).reshape(n, -1)
        posed = shaped + (feature @ self.pose).view(n, -1, 3)
        world, place = [turns[:, 0]], [rest[:, 0]]
        for k in range(1, count):
            p = self.parents[k]
            place.append(place[p] + (world[p] @ (rest[:, k] - rest[:, p])[..., None])[..., 0])
            world.append(world[p] @ turns[:, k])
        g, q = torch.stack(world, 1), torch.stack(place, 1)
        shift = q - (g @ rest[..., None])[..., 0]
        blended = (self.weights @ torch.cat([g, shift[..., None]], -1).view(n, count, 12)).view(n, -1, 3, 4)
        vertices = (blended[..., :3] @ posed[..., None])[..., 0] + blended[..., 3] + trans[:, None]
        return torch.einsum("jv,nvc->njc", self.regressor, vertices)


def _rotations(rotvec: torch.Tensor) -> torch.Tensor:
    angle = rotvec.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    x, y, z = (rotvec / angle).unbind(-1)
    o = torch.zeros_like(x)
    k = torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*rotvec.shape, 3)
    s, c = angle.sin()[..., None], angle.cos()[..., None]
    return torch.eye(3, dtype=rotvec.dtype) + s * k + (1 - c) * (k @ k)
