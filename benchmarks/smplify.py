"""A published-style SMPLify for comparison: Adam, the full mesh at every step, 100 + 100 iterations.

Follows the fitting loop of SPIN (Kolotouros et al., ICCV 2019, after Bogo et al., ECCV 2016) in its weights and
schedule: first root and camera translation, then pose and shape as well, with Geman-McClure on the pixels, a mixture
pose prior, a penalty on bent-back hinges and a shape prior. Its body is the same open model, its pose prior the
shipped mixture, its start the likeliest of the fitter's own headings.
"""

from __future__ import annotations

import time

import numpy as np
import torch

from a3dgen.fit.fitter import Fitter
from a3dgen.fit.initial import place
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.skeleton import JOINT, LANDMARK_ROWS, PARENTS
from benchmarks.synthetic import CENTRE, ROWS, SyntheticPeople, errors

BATCH = 64
ITERATIONS = (100, 100)
RATE = 1e-2
ROBUST = 100.0
POSE_WEIGHT, SHAPE_WEIGHT, ANGLE_WEIGHT = 4.78**2, 5.0**2, 15.2**2
HINGES = [("left_elbow", 1, 1.0), ("right_elbow", 1, -1.0), ("left_knee", 0, -1.0), ("right_knee", 0, -1.0)]
NEAREST = 12


def landmark_weights(body: BodyData) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each landmark row, the numbers (L, 12) and weights of nearby vertices whose mean it is."""
    k = body.keypoints
    ids, weights = [], []
    for row in LANDMARK_ROWS:
        pairs = k.row == row
        place_at_rest = (k.offset[pairs] + k.weight[pairs, None] * body.joints_template[k.joint[pairs]]).sum(0)
        near = np.argsort(np.linalg.norm(body.mesh.vertices - place_at_rest, axis=1))[:NEAREST]
        a = np.vstack([body.mesh.vertices[near].T, np.ones(NEAREST)])
        ids.append(near)
        weights.append(np.linalg.lstsq(a, np.append(place_at_rest, 1), rcond=None)[0])
    return np.array(ids), np.array(weights)


class MeshBody:
    """Linear blend skinning of the whole mesh in torch; joints from the chain, landmarks from vertices."""

    def __init__(self, body: BodyData) -> None:
        as_tensor = lambda a: torch.tensor(np.asarray(a), dtype=torch.float32)  # noqa: E731
        self.vertices, self.dirs = as_tensor(body.mesh.vertices), as_tensor(body.mesh.shape_dirs[..., :10])
        self.weights = as_tensor(body.mesh.weights)
        self.joints, self.joint_dirs = as_tensor(body.joints_template), as_tensor(body.joint_dirs[..., :10])
        ids, weights = landmark_weights(body)
        self.ids, self.landmark = torch.tensor(ids), as_tensor(weights)
        rows = np.arange(ROWS)
        self.is_landmark = torch.tensor(np.isin(rows, LANDMARK_ROWS))
        self.order = torch.tensor([LANDMARK_ROWS.index(r) if r in LANDMARK_ROWS else 0 for r in rows])
        k = body.keypoints
        self.row_joint = torch.tensor([int(k.joint[k.row == r][k.weight[k.row == r].argmax()]) for r in rows])

    def __call__(self, pose: torch.Tensor, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keypoints (N, 25, 3) and joints (N, 24, 3), m, from pose (N, 24, 3) and betas (N, 10)."""
        shaped = self.vertices + torch.einsum("vcb,nb->nvc", self.dirs, betas)
        rest = self.joints + torch.einsum("jcb,nb->njc", self.joint_dirs, betas)
        local = rodrigues(pose)
        world, joints = [local[:, 0]], [rest[:, 0]]
        for j in range(1, 24):
            p = PARENTS[j]
            joints.append(joints[p] + (world[p] @ (rest[:, j] - rest[:, p])[..., None])[..., 0])
            world.append(world[p] @ local[:, j])
        rotations, posed = torch.stack(world, 1), torch.stack(joints, 1)
        shift = posed - (rotations @ rest[..., None])[..., 0]
        transforms = torch.cat([rotations, shift[..., None]], -1).reshape(len(pose), 24, 12)
        blended = (self.weights @ transforms).reshape(len(pose), -1, 3, 4)
        vertices = (blended[..., :3] @ shaped[..., None])[..., 0] + blended[..., 3]
        landmarks = torch.einsum("nlkc,lk->nlc", vertices[:, self.ids], self.landmark)
        points = torch.where(self.is_landmark[:, None], landmarks[:, self.order], posed[:, self.row_joint])
        return points, posed


def rodrigues(v: torch.Tensor) -> torch.Tensor:
    """Return rotation matrices (..., 3, 3) of rotation vectors."""
    angle = (v * v).sum(-1, keepdim=True).add(1e-12).sqrt()
    x, y, z = (v / angle).unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*v.shape[:-1], 3, 3)
    s, c = angle.sin()[..., None], angle.cos()[..., None]
    return torch.eye(3) + s * skew + (1 - c) * (skew @ skew)


class Smplify:
    """The fitting loop for one batch."""

    def __init__(self, body: BodyData) -> None:
        self.fitter = Fitter(body)
        self.mesh = MeshBody(body)
        prior = self.fitter.prior
        self.means, self.precisions = torch.tensor(prior.means[:, 3:]), torch.tensor(np.ascontiguousarray(
            np.linalg.inv(np.linalg.inv(prior.precisions.astype(np.float64))[:, 3:, 3:]), np.float32))  # fmt: skip
        self.energies = torch.tensor(prior.energies)

    def start(self, scene: SyntheticPeople, rows: range) -> list[torch.Tensor]:
        """Return pose, betas and translation of the likeliest heading of each person."""
        from benchmarks.synthetic import observe

        starts, pose, transl = self.fitter.starts, [], []
        for i in rows:
            seen = observe(scene, i)
            cost, shift = np.empty(len(starts.points)), np.empty((len(starts.points), 3))
            place(starts, self.fitter.evidence(seen), seen.size, cost, shift)
            best = int(cost.argmin())
            pose.append(starts.variables[best, :72].reshape(24, 3))
            transl.append(shift[best])
        make = lambda a: torch.tensor(np.array(a), dtype=torch.float32)  # noqa: E731
        return [make(pose), torch.zeros(len(rows), 10), make(transl)]

    def loss(self, parts: list[torch.Tensor], target: tuple[torch.Tensor, ...], priors: bool) -> torch.Tensor:
        """Return the sum of SMPLify's terms over the batch."""
        pose, betas, transl = parts
        pixels, given, focal = target
        points = self.mesh(pose, betas)[0] + transl[:, None]
        gap = points[..., :2] / points[..., 2:].clamp_min(0.1) * focal[:, None, None] + CENTRE - pixels
        square = gap**2
        total = (given[..., None] * ROBUST**2 * square / (ROBUST**2 + square)).sum()
        if priors:
            d = pose[:, 1:].reshape(len(pose), 1, 69) - self.means
            energy = 0.5 * torch.einsum("nki,kij,nkj->nk", d, self.precisions, d) + self.energies
            total = total + POSE_WEIGHT * energy.min(1).values.sum() + SHAPE_WEIGHT * (betas**2).sum()
            for name, axis, sign in HINGES:
                total = total + ANGLE_WEIGHT * torch.exp(sign * pose[:, JOINT[name], axis]).pow(2).sum()
        return total

    def fit(self, scene: SyntheticPeople, rows: range) -> tuple[np.ndarray, np.ndarray]:
        """Return joints (N, 24, 3) m and pixels (N, 25, 2) of a batch."""
        pose, betas, transl = self.start(scene, rows)
        make = lambda a: torch.tensor(np.asarray(a)[list(rows)], dtype=torch.float32)  # noqa: E731
        target = (make(scene.pixels), make(scene.given), make(scene.focal_estimate))
        root, below = pose[:, :1].clone(), pose[:, 1:].clone()
        for free, count, priors in (
            ((root, transl), ITERATIONS[0], False),
            ((root, below, betas, transl), ITERATIONS[1], True),
        ):
            for part in free:
                part.requires_grad_(True)
            adam = torch.optim.Adam(free, lr=RATE, betas=(0.9, 0.999))
            for _ in range(count):
                adam.zero_grad()
                self.loss([torch.cat([root, below], 1), betas, transl], target, priors).backward()
                adam.step()
        with torch.no_grad():
            points, joints = self.mesh(torch.cat([root, below], 1), betas)
            points, joints = points + transl[:, None], joints + transl[:, None]
            pixels = points[..., :2] / points[..., 2:] * target[2][:, None, None] + CENTRE
        return joints.double().numpy(), pixels.double().numpy()


def measure_smplify(body: BodyData, scene: SyntheticPeople, people: int = BATCH, threads: int = 2) -> dict[str, float]:
    """Fit one batch and return its mean errors and its people per second (start included)."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        method = Smplify(body)
        start = time.perf_counter()
        joints, pixels = method.fit(scene, range(people))
        seconds = time.perf_counter() - start
    finally:
        torch.set_num_threads(before)
    part = SyntheticPeople(**{k: v[:people] for k, v in scene.__dict__.items()})
    means = {k: round(float(v.mean()), 2) for k, v in errors(part, joints, pixels).items()}
    return means | {"persons_per_s": round(people / seconds, 3)}
