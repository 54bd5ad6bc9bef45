"""SMPLify-3D (G. Dumont, 2024) for comparison: ICP, then Adam with a chamfer loss in three stages.

Weights and schedule are the published configuration's (rate 0.01; 20 iterations of shape, 50 of pose and shape, 20 of
translation; shape prior 17.5, pose prior 3, point cloud 600 and 1500, angle deviation 135, each squared in the loss;
sigma 100 and 50 px). Two of its known bugs are left out in its favour: all 17 keypoints count, and padding is masked.
Its body is the same open model, its pose prior the shipped mixture, its start the 2D fit moved to the cloud.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from a3dgen.geometry.body import BodyData
from a3dgen.geometry.skeleton import COCO_ROWS, JOINT, PARENTS
from benchmarks.cloud_scenes import CENTRE, FOCAL, Target
from benchmarks.smplify import MeshBody, Smplify, rodrigues

RATE, STAGES = 0.01, (20, 50, 20)
VERTICES, SAMPLED = 6890, 2000
"""Vertices of SMPL that the original poses at every step, and those of which the chamfer distance is taken."""
SHAPE, POSE, ANGLE, CLOUD, DEVIATION, LAST_CLOUD = 17.5, 3.0, 1.0, 600.0, 135.0, 1500.0
SIGMA = (100.0, 100.0, 50.0)
HINGES = (("left_elbow", 1, 1), ("right_elbow", 1, -1), ("left_knee", 0, -1), ("right_knee", 0, -1))
HIPS = slice(11, 13)


class Smplify3d:
    """The fitting loop for one batch."""

    def __init__(self, body: BodyData) -> None:
        self.mesh, self.prior = MeshBody(body), Smplify(body)
        rng = np.random.default_rng(0)
        self.vertices = torch.tensor(np.sort(rng.choice(len(body.mesh.vertices), VERTICES, replace=False)))
        self.sampled = torch.arange(0, VERTICES, VERTICES // SAMPLED)[:SAMPLED]
        k = body.keypoints
        self.row, self.joint = torch.tensor(np.asarray(k.row)).long(), torch.tensor(np.asarray(k.joint)).long()
        as_tensor = lambda a: torch.tensor(np.asarray(a), dtype=torch.float32)  # noqa: E731
        self.offset, self.dirs, self.weight = as_tensor(k.offset), as_tensor(k.dirs), as_tensor(k.weight)

    def posed(self, pose: torch.Tensor, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return vertices (N, 6890, 3) and the 44 keypoints (N, 44, 3), m, without translation."""
        m, pick = self.mesh, self.vertices
        shaped = m.vertices[pick] + torch.einsum("vcb,nb->nvc", m.dirs[pick], betas)
        rest = m.joints + torch.einsum("jcb,nb->njc", m.joint_dirs, betas)
        local = rodrigues(pose)
        world, joints = [local[:, 0]], [rest[:, 0]]
        for j in range(1, 24):
            p = PARENTS[j]
            joints.append(joints[p] + (world[p] @ (rest[:, j] - rest[:, p])[..., None])[..., 0])
            world.append(world[p] @ local[:, j])
        turns, places = torch.stack(world, 1), torch.stack(joints, 1)
        shift = places - (turns @ rest[..., None])[..., 0]
        transforms = torch.cat([turns, shift[..., None]], -1).reshape(len(pose), 24, 12)
        blended = (m.weights[pick] @ transforms).reshape(len(pose), -1, 3, 4)
        vertices = (blended[..., :3] @ shaped[..., None])[..., 0] + blended[..., 3]
        offset = self.offset + torch.einsum("pcb,nb->npc", self.dirs, betas)
        term = (turns[:, self.joint] @ offset[..., None])[..., 0] + self.weight[:, None] * places[:, self.joint]
        return vertices, torch.zeros(len(pose), 44, 3).index_add(1, self.row, term)

    def fit(self, people: list[Target], clouds: list[np.ndarray], starts: list[np.ndarray]) -> list[np.ndarray]:
        """Return the variables of every person after the three stages."""
        make = lambda a: torch.tensor(np.array(a), dtype=torch.float32)  # noqa: E731
        pose = make([x[:72].reshape(24, 3) for x in starts])
        betas, transl = make([x[72:-4] for x in starts]), make([x[-4:-1] for x in starts])
        most = max(map(len, clouds))
        points = make([np.pad(c, ((0, most - len(c)), (0, 0))) for c in clouds])
        given = torch.tensor([[i < len(c) for i in range(most)] for c in clouds])
        pixels = make([p.seen.pixels[list(COCO_ROWS)] for p in people])
        first = make([Rotation.from_rotvec(p[1:].numpy()).as_quat() for p in pose])
        for stage, count in enumerate(STAGES):
            free = ((betas,), (pose, betas), (transl,))[stage]
            for part in (pose, betas, transl):
                part.requires_grad_(any(part is f for f in free))
            adam = torch.optim.Adam(free, RATE, betas=(0.9, 0.999))
            for _ in range(count):
                adam.zero_grad()
                self._loss(stage, pose, betas, transl, pixels, points, given, first).backward()
                adam.step()
        rows = zip(pose.detach().numpy(), betas.detach().numpy(), transl.detach().numpy(), strict=True)
        return [np.concatenate([p.ravel(), b, t, [0.0]]).astype(np.float64) for p, b, t in rows]

    def _loss(self, stage, pose, betas, transl, pixels, points, given, first) -> torch.Tensor:
        vertices, keypoints = self.posed(pose, betas)
        vertices, keypoints = vertices + transl[:, None], (keypoints + transl[:, None])[:, list(COCO_ROWS)]
        shown = keypoints[..., :2] / keypoints[..., 2:] * FOCAL + CENTRE
        if stage < 2:  # the original moves the hips onto the hips while the translation is held
            shown = shown + (pixels[:, HIPS].mean(1) - shown[:, HIPS].mean(1))[:, None]
        square, scale = (shown - pixels) ** 2, SIGMA[stage] ** 2
        total = (scale * square / (scale + square)).sum()
        if stage < 2:
            total = total + SHAPE**2 * (betas**2).sum()
        if stage == 1:
            d = pose[:, 1:].reshape(len(pose), 1, 69) - self.prior.means
            energy = 0.5 * torch.einsum("nki,kij,nkj->nk", d, self.prior.precisions, d) + self.prior.energies
            total = total + POSE**2 * energy.min(1).values.sum()
            total = total + DEVIATION**2 * (1 - (_quaternion(pose[:, 1:]) * first).sum(-1) ** 2).abs().sum()
            for name, axis, sign in HINGES:
                total = total + ANGLE**2 * torch.exp(sign * pose[:, JOINT[name], axis]).pow(2).sum()
        if stage > 0:
            weight = CLOUD if stage == 1 else LAST_CLOUD
            total = total + weight**2 * _chamfer(vertices[:, self.sampled], points, given).sum()
        return total


def _quaternion(v: torch.Tensor) -> torch.Tensor:
    angle = v.norm(dim=-1, keepdim=True).clamp(min=1e-8)
    return torch.cat([v / angle * torch.sin(angle / 2), torch.cos(angle / 2)], -1)


def _chamfer(vertices: torch.Tensor, points: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """Mean squared distance both ways (N,)."""
    square = torch.cdist(vertices, points) ** 2
    square = square.masked_fill(~given[:, None], 1e9)
    return square.min(2).values.mean(1) + (square.min(1).values * given).sum(1) / given.sum(1)
