"""The same objective and search as the compiled engine, in torch: large batches on a CPU or a CUDA device.

Every person keeps an own damping and leaves the batch when converged. Results equal the compiled engine's to the
tolerance of the solver, not bit by bit; on CUDA they may also vary from run to run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from a3dgen.core.errors import MissingDependency
from a3dgen.fit.evidence import CONTACT_ROBUST, MIN_Z, NEAR, NEAR_COST, Evidence, PriorArrays
from a3dgen.fit.fitter import Fitter
from a3dgen.fit.lm import EASE, FIRST_DAMPING, FLOOR, LEAST_DAMPING, MOST_DAMPING, SETTLE, TIGHTEN
from a3dgen.fit.model import FitModel
from a3dgen.fit.observation import Fit, Observation
from a3dgen.fit.search import FLIPS, MIN_FLIP, ROUGH, SAME, Search, reflect, rougher
from a3dgen.geometry.skeleton import IS_BELOW, NUM_ROWS, PARENTS

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingDependency("torch", "fit.engine 'torch'", "pip install 'a3dgen[torch]'") from error

CHUNK = 1024
"""People (times starts) in one batch; bounds the memory to about 0.5 GB."""


@dataclass(frozen=True)
class Batch:
    """Evidence of N people as tensors; the fields of ``residuals.Evidence`` with a leading N."""

    pixels: Tensor
    pixel_weight: Tensor
    camera: Tensor
    points: Tensor
    point_weight: Tensor
    robust: Tensor
    down: Tensor
    anchor: Tensor
    anchor_weight: Tensor
    free: Tensor
    prior_weight: Tensor
    ground: Tensor
    contact_weight: Tensor

    def take(self, rows: Tensor) -> Batch:
        """Return the people with these numbers."""
        return Batch(**{k: v[rows] for k, v in self.__dict__.items()})


class TorchObjective:
    """Cost and Gauss-Newton normal equations of a batch; see ``fit.residuals`` for the terms."""

    def __init__(
        self, model: FitModel, prior: PriorArrays, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        make = self.tensor
        self.joints, self.joint_dirs = make(model.joints), make(model.joint_dirs)
        row = np.repeat(np.arange(NUM_ROWS), np.diff(model.start))
        self.joint = torch.tensor(model.joint, device=self.device)
        self.weight, self.offset, self.dirs = make(model.weight), make(model.offset), make(model.dirs)
        pick = (row[None] == np.arange(NUM_ROWS)[:, None]).astype(float)
        moved = pick[:, None] * IS_BELOW[None][:, :, model.joint]
        self.pick, self.moved = make(pick), make(moved)
        self.share = make((moved * model.weight).sum(2))
        self.below = make(IS_BELOW.astype(float))
        self.parents = torch.tensor(np.maximum(PARENTS, 0), device=self.device)
        self.means, self.precisions, self.energies = make(prior.means), make(prior.precisions), make(prior.energies)
        self.lower, self.upper, self.stiffness = make(prior.lower), make(prior.upper), prior.stiffness
        self.betas = model.joint_dirs.shape[2]

    def tensor(self, array: np.ndarray) -> Tensor:
        """Return an array on the engine's device, in its precision."""
        return torch.tensor(np.asarray(array, np.float64), dtype=self.dtype, device=self.device)

    def batch(self, evidence: Sequence[Evidence]) -> Batch:
        """Stack the evidence of several people."""
        fields = {
            k: self.tensor(np.stack([np.asarray(getattr(e, k), float) for e in evidence]))
            for k in Batch.__dataclass_fields__
        }
        return Batch(**{**fields, "free": fields["free"] > 0})

    def evaluate(self, x: Tensor, e: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Return cost (N,), normal matrices (N, D, D) and gradients (N, D)."""
        local, left, points, jacobian = self._points(x)
        cost, normal, gradient = self._prior(x, e, local[:, 0], left[:, 0])
        gap = x - e.anchor
        cost = cost + 0.5 * (e.anchor_weight * gap**2).sum(1) + NEAR_COST * (x[:, -2] < NEAR)
        gradient = gradient + e.anchor_weight * gap
        normal = normal + torch.diag_embed(e.anchor_weight)
        focal = e.camera[:, None, :2] * x[:, -1].exp()[:, None, None]
        z = points[..., 2:].clamp_min(MIN_Z)
        u = points[..., :2] / z
        scale = focal * e.pixel_weight[..., None]
        miss = (focal * u + e.camera[:, None, 2:] - e.pixels) * e.pixel_weight[..., None]
        rows = (jacobian[:, :, :2] - u[..., None] * jacobian[:, :, 2:]) * (scale / z)[..., None]
        rows = torch.cat([rows[..., :-1], (u * scale)[..., None]], -1)
        parts = [self._robust(miss, rows, e.robust)]
        miss3 = (points - e.points) * e.point_weight[..., None]
        parts.append(self._robust(miss3, jacobian * e.point_weight[..., None, None], e.robust))
        parts.append(self._contact(points, jacobian, e))
        for c, n, g in parts:
            cost, normal, gradient = cost + c, normal + n, gradient + g
        return cost, normal, gradient

    def _contact(self, points: Tensor, jacobian: Tensor, e: Batch) -> tuple[Tensor, Tensor, Tensor]:
        down = e.ground[:, None, :3]
        miss = ((points * down).sum(-1) - e.ground[:, 3:]) * e.contact_weight
        rows = (jacobian * down[..., None]).sum(2) * e.contact_weight[..., None]
        scale = torch.where(miss > 0, e.robust[:, None], torch.full_like(miss, CONTACT_ROBUST))
        ratio = scale**2 / (scale**2 + miss**2)
        weighted = rows * (ratio**2)[..., None]
        cost = 0.5 * (miss**2 * ratio).sum(1)
        return cost, weighted.transpose(1, 2) @ rows, (weighted * miss[..., None]).sum(1)

    def _robust(self, miss: Tensor, rows: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        square, c2 = (miss**2).sum(-1), (scale**2)[:, None]
        ratio = c2 / (c2 + square)
        weighted = rows * (ratio**2)[..., None, None]
        n, d = len(rows), rows.shape[-1]
        flat, flat_weighted = rows.reshape(n, -1, d), weighted.reshape(n, -1, d)
        gradient = (flat_weighted * miss.reshape(n, -1, 1)).sum(1)
        return 0.5 * (square * ratio).sum(1), flat_weighted.transpose(1, 2) @ flat, gradient

    def _points(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return local rotations and left Jacobians (N, 24, 3, 3), keypoints (N, 44, 3) m in the camera frame and
        their derivatives (N, 44, 3, D)."""
        n, betas = len(x), x[:, 72 : 72 + self.betas]
        local, left = _exponential(x[:, :72].reshape(n, 24, 3))
        rest = self.joints + torch.einsum("jcb,nb->njc", self.joint_dirs, betas)
        world, joints = [local[:, 0]], [rest[:, 0]]
        for j in range(1, 24):
            p = PARENTS[j]
            joints.append(joints[p] + (world[p] @ (rest[:, j] - rest[:, p])[..., None])[..., 0])
            world.append(world[p] @ local[:, j])
        rotations, posed = torch.stack(world, 1), torch.stack(joints, 1)
        above = rotations[:, self.parents].clone()
        above[:, 0] = torch.eye(3, dtype=x.dtype, device=x.device)
        offset = self.offset + torch.einsum("pcb,nb->npc", self.dirs, betas)
        turned = rotations[:, self.joint]
        terms = (turned @ offset[..., None])[..., 0] + self.weight[:, None] * posed[:, self.joint]
        points = torch.einsum("kp,npc->nkc", self.pick, terms) + x[:, None, -4:-1]
        lever = torch.einsum("kap,npc->nkac", self.moved, terms) - self.share[..., None] * posed[:, None]
        axes = (above @ left).transpose(-1, -2)  # (N, 24, 3 variables, 3)
        by_pose = torch.linalg.cross(axes[:, None], lever[:, :, :, None].expand(-1, -1, -1, 3, -1), dim=-1)
        step = self.joint_dirs - self.joint_dirs[self.parents]
        step[0] = self.joint_dirs[0]
        by_betas = torch.einsum("aj,nacb->njcb", self.below, above @ step)
        pairs = turned @ self.dirs + self.weight[:, None, None] * by_betas[:, self.joint]
        shape = torch.einsum("kp,npcb->nkcb", self.pick, pairs)
        pose = by_pose.reshape(n, NUM_ROWS, 72, 3).transpose(-1, -2)
        eye = torch.eye(3, dtype=x.dtype, device=x.device).expand(n, NUM_ROWS, 3, 3)
        return local, left, points, torch.cat([pose, shape, eye, torch.zeros_like(eye[..., :1])], -1)

    def _prior(self, x: Tensor, e: Batch, root: Tensor, left: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n, d = x.shape
        gravity = (root.transpose(1, 2) @ e.down[..., None])[..., 0]
        feature = torch.cat([gravity, x[:, 3:72]], 1)
        delta = feature[:, None] - self.means
        pull = torch.einsum("kij,nkj->nki", self.precisions, delta)
        energy, k = (0.5 * (pull * delta).sum(-1) + self.energies).min(1)
        chain = torch.zeros(n, 72, 72, dtype=x.dtype, device=x.device)  # d feature / d pose
        chain[:, :3, :3] = root.transpose(1, 2) @ _skew(e.down) @ left
        chain[:, range(3, 72), range(3, 72)] = 1
        weight = e.prior_weight[:, None]
        normal = torch.zeros(n, d, d, dtype=x.dtype, device=x.device)
        gradient = torch.zeros(n, d, dtype=x.dtype, device=x.device)
        normal[:, :72, :72] = weight[..., None] * (chain.transpose(1, 2) @ self.precisions[k] @ chain)
        chosen = pull[torch.arange(n, device=x.device), k]
        gradient[:, :72] = weight * (chain.transpose(1, 2) @ chosen[..., None])[..., 0]
        excess = torch.relu(x[:, 3:72] - self.upper) - torch.relu(self.lower - x[:, 3:72])
        gradient[:, 3:72] += self.stiffness * excess
        normal[:, range(3, 72), range(3, 72)] += self.stiffness * (excess != 0)
        return weight[:, 0] * energy + 0.5 * self.stiffness * (excess**2).sum(1), normal, gradient

    def minimise(self, x: Tensor, e: Batch, steps: int, tolerance: float) -> tuple[Tensor, Tensor]:
        """Levenberg-Marquardt from x (N, D); return the improved variables and their costs (N,)."""
        out, costs = x.clone(), torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
        active = torch.arange(len(x), device=x.device)
        cost, normal, gradient = self.evaluate(x, e)
        damping = torch.full_like(cost, FIRST_DAMPING)
        for iteration in range(steps):
            step, sound = _damped_step(normal, gradient, e.free, damping)
            new, new_normal, new_gradient = self.evaluate(x + step, e)
            better = sound & (new < cost)
            gain = (cost - new) / (cost + 1e-9)
            x = torch.where(better[:, None], x + step, x)
            normal = torch.where(better[:, None, None], new_normal, normal)
            gradient = torch.where(better[:, None], new_gradient, gradient)
            cost = torch.where(better, new, cost)
            damping = torch.where(better, (damping * EASE).clamp_min(LEAST_DAMPING), damping * TIGHTEN)
            out[active], costs[active] = x, cost
            going = ~(better & (gain < tolerance)) if iteration >= SETTLE else torch.ones_like(better)
            going &= damping <= MOST_DAMPING
            if not going.any():
                break
            if not going.all():
                active, x, cost, damping = active[going], x[going], cost[going], damping[going]
                normal, gradient, e = normal[going], gradient[going], e.take(going)
        return out, costs


def _damped_step(normal: Tensor, gradient: Tensor, free: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    both = free[:, :, None] & free[:, None]
    system = torch.where(both, normal, torch.zeros_like(normal))
    diagonal = torch.diagonal(system, dim1=1, dim2=2)
    diagonal += damping[:, None] * diagonal + float(FLOOR)
    diagonal += (~free).to(system.dtype)
    factor, info = torch.linalg.cholesky_ex(system)
    sound = info == 0
    factor = torch.where(
        sound[:, None, None], factor, torch.eye(system.shape[1], dtype=system.dtype, device=system.device)
    )
    step = -torch.cholesky_solve((gradient * free)[..., None], factor)[..., 0]
    return torch.where(free, step, torch.zeros_like(step)), sound


def _skew(v: Tensor) -> Tensor:
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*v.shape[:-1], 3, 3)


def _exponential(v: Tensor) -> tuple[Tensor, Tensor]:
    """Return exp([v]) and the left Jacobian, (..., 3, 3)."""
    square = (v * v).sum(-1)[..., None, None]
    angle = square.clamp_min(1e-12).sqrt()
    small = square < 1e-6
    a = torch.where(small, 1 - square / 6, angle.sin() / angle)
    b = torch.where(small, 0.5 - square / 24, (1 - angle.cos()) / square.clamp_min(1e-12))
    c = torch.where(small, 1 / 6 - square / 120, (1 - a) / square.clamp_min(1e-12))
    skew, eye = _skew(v), torch.eye(3, dtype=v.dtype, device=v.device)
    twice = skew @ skew
    return eye + a * skew + b * twice, eye + b * skew + c * twice


class TorchFitter:
    """Fits many people at once, with the settings and the result type of a ``Fitter``."""

    def __init__(self, fitter: Fitter, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.fitter = fitter
        self.objective = TorchObjective(fitter.model, fitter.prior, device, dtype)

    @torch.no_grad()
    def fit(self, seen: Sequence[Observation]) -> list[Fit]:
        """Fit people; the same search as ``Fitter.fit``, step by step for all of them together."""
        own, how = self.fitter, self.fitter.settings
        searches = [Search(own.model, own.prior, own.evidence(s), how, own.workspace()) for s in seen]
        placed = [
            (n, x) for n, s in enumerate(searches) for x in s.placed(own.starts_for(seen[n]), float(seen[n].size))
        ]
        wide = [rougher(s.ev, s.ev.robust * how.wide) for s in searches]
        rough = self._solve([x for _, x in placed], [wide[n] for n, _ in placed], how.rough_steps, ROUGH)
        full: list[int] = []
        for n in range(len(seen)):
            own_starts = [i for i in range(len(placed)) if placed[i][0] == n]
            full += sorted(own_starts, key=lambda i: rough[i][1])[: how.kept]
        self._keep(searches, [placed[i][0] for i in full], [rough[i][0] for i in full])
        if how.flip_steps:
            held = [rougher(s.ev, s.ev.robust) for s in searches]
            for joint, child in FLIPS:
                self._flip(searches, held, int(joint), int(child))
        return [own.collect(s) for s in searches]

    def _flip(self, searches: list[Search], held: list[Evidence], joint: int, child: int) -> None:
        who, starts = [], []
        for n, s in enumerate(searches):
            x = np.empty_like(s.variables[s.best])
            if reflect(s.model, s.variables[s.best], joint, child, x, s.w) >= MIN_FLIP:
                who.append(n)
                starts.append(x)
        if not who:
            return
        found = self._solve(starts, [held[n] for n in who], self.fitter.settings.flip_steps, ROUGH)
        good = []
        for n, (x, cost) in zip(who, found, strict=True):
            s = searches[n]
            limit = s.costs[s.best] + s.how.margin
            if cost < limit and np.abs(x - s.variables[s.best])[:72].max() > SAME:
                good.append((n, x))
        self._keep(searches, [n for n, _ in good], [x for _, x in good])

    def _keep(self, searches: list[Search], who: list[int], starts: list[np.ndarray]) -> None:
        how = self.fitter.settings
        found = self._solve(starts, [searches[n].ev for n in who], how.steps, how.tolerance)
        for n, (x, cost) in zip(who, found, strict=True):
            searches[n].add(x, cost)

    def _solve(
        self, starts: Sequence[np.ndarray], evidence: Sequence[Evidence], steps: int, tolerance: float
    ) -> list[tuple[np.ndarray, float]]:
        out: list[tuple[np.ndarray, float]] = []
        for i in range(0, len(starts), CHUNK):
            x = self.objective.tensor(np.stack(starts[i : i + CHUNK]))
            x, cost = self.objective.minimise(x, self.objective.batch(evidence[i : i + CHUNK]), steps, tolerance)
            out += list(zip(x.double().cpu().numpy(), cost.double().cpu().tolist(), strict=True))
        return out
