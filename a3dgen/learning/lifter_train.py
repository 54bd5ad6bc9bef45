"""Trains the lifter, in torch on one CPU thread: seeded, resumable, the same weights every time on one machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError, MissingDependency
from a3dgen.core.files import whole_file
from a3dgen.core.rng import generator_for
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.skeleton import NUM_JOINTS, PARENTS
from a3dgen.io.npz import read
from a3dgen.learning.lifter import BLOCKS, NORM_FLOOR, NUMBERS, REST, SPREAD, Lifter, layer_shapes, numbers_of
from a3dgen.learning.lifter_data import Clips, Poses, Windows, make_clips, make_windows


@dataclass(frozen=True)
class Training:
    """How the lifter is trained.

    Attributes:
        steps: of the optimiser. batch: windows a step. width: channels.
        rate: of learning, at its highest; it rises over ``warm`` steps, falls as a cosine that would end at step
            ``horizon``, and besides to 0 over the last ``cooldown`` steps. decay: of weights.
        chunks: of 250 clips in memory. refresh: steps after which the oldest chunk is replaced by new motion.
        amputees: share of windows of people who lack a limb. seed: of everything.
        average: share of the running mean of weights that a step keeps; that mean is what is saved.
        rotations: how they are written, "6d" or "axis-angle"; "none": places of joints alone are learnt.
        body_layer: the loss counts the joints that rotations and betas make, too.
    """

    steps: int = 2200
    batch: int = 256
    width: int = 256
    rate: float = 1.5e-3
    warm: int = 200
    horizon: int = 3500
    cooldown: int = 300
    decay: float = 0.01
    chunks: int = 4
    refresh: int = 100
    amputees: float = 0.3
    seed: int = 0
    average: float = 0.998
    rotations: str = "6d"
    body_layer: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "width", "chunks", "refresh"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: at least 1, found {getattr(self, name)}")
        if self.rotations not in NUMBERS:
            raise ConfigError(f"rotations: one of {', '.join(NUMBERS)}, found {self.rotations}")
        if not 0 <= self.amputees <= 1:
            raise ConfigError(f"amputees: a share from 0 to 1, found {self.amputees}")


@dataclass
class Progress:
    """Means since the last report: steps done, joints (mm), rotations (degrees; NaN where they are not learnt)."""

    step: int
    joints_mm: float
    degrees: float


def train(
    body: BodyData,
    poses: Poses,
    how: Training,
    state: Path,
    told: Callable[[Progress], None] = lambda _: None,
    every: int = 100,
) -> Lifter:
    """Train a lifter; what was done is kept in ``state`` every ``every`` steps, and gone on from there.

    Args:
        body: whose 25 points are seen. poses: draws clips.
        state: npz, kept until the caller removes it. told: called with every report.

    Raises:
        MissingDependency: without torch.
        DataError: if ``state`` is of another training or damaged.
    """
    network = _Network(body, how)
    step = network.resume(state) if state.exists() else 0
    pool = _Pool(body, poses, how)
    sums = np.zeros(3)
    while step < how.steps:
        rng = generator_for(how.seed, "lifter windows", str(step))
        sums += (*network.step(make_windows(pool.at(step), rng, how.batch, how.amputees), step), 1)
        step += 1
        if step % every == 0 or step == how.steps:
            network.keep(state, step)
            told(Progress(step, 1000 * sums[0] / sums[2], float(np.degrees(sums[1] / sums[2]))))
            sums[:] = 0
    return Lifter({name: w.astype(np.float16).astype(np.float32) for name, w in network.mean().items()})


class _Pool:
    """The clips in memory at a step: a sliding row of chunks."""

    def __init__(self, body: BodyData, poses: Poses, how: Training) -> None:
        self.body, self.poses, self.how = body, poses, how
        self.made: dict[int, Clips] = {}

    def at(self, step: int) -> list[Clips]:
        first = step // self.how.refresh
        wanted = range(first, first + self.how.chunks)
        self.made = {n: clips for n, clips in self.made.items() if n in wanted}
        for n in wanted:
            if n not in self.made:
                self.made[n] = make_clips(self.body, self.poses, self.how.seed, n)
        return [self.made[n] for n in wanted]


class _Network:
    """The weights in torch, their optimiser and their running mean."""

    def __init__(self, body: BodyData, how: Training) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingDependency("torch", "a3dgen fit-lifter", "pip install 'a3dgen[torch]'") from error
        self.torch, self.how = torch, how
        torch.set_num_threads(1)
        self.betas, self.numbers = min(10, body.num_betas), NUMBERS[how.rotations]
        tensor = lambda a: torch.tensor(np.asarray(a), dtype=torch.float32)  # noqa: E731
        self.rest = tensor(body.joints_template), tensor(body.joint_dirs[..., : self.betas])
        self.rest_joints = {REST: body.joints_template.astype(np.float32)} if how.rotations == "none" else {}
        rng = generator_for(how.seed, "lifter weights")
        self.weights = {name: tensor(_first(rng, name, shape)).requires_grad_() for name, shape in
                        layer_shapes(how.width, self.betas, self.numbers).items()}  # fmt: skip
        self.average = {name: w.detach().clone() for name, w in self.weights.items()}
        self.optimiser = torch.optim.AdamW(list(self.weights.values()), how.rate, weight_decay=how.decay, eps=1e-7)

    def step(self, seen: Windows, step: int) -> tuple[float, float]:
        """Take one step; return the mean error of joints (m) and of rotations (rad)."""
        torch, how = self.torch, self.how
        fall = 0.5 * (1 + np.cos(np.pi * min(1.0, step / how.horizon)))
        for group in self.optimiser.param_groups:
            ends = min((step + 1) / how.warm, 1.0, (how.steps - step) / how.cooldown)
            group["lr"] = how.rate * ends * max(0.01, fall)
        loss, joints, angle = self.loss(seen)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.weights.values()), 1.0)
        self.optimiser.step()
        kept = min(how.average, (step + 1) / (step + 20))
        with torch.no_grad():
            for name, w in self.weights.items():
                self.average[name].mul_(kept).add_(w, alpha=1 - kept)
        return joints, angle

    def loss(self, seen: Windows) -> tuple[Any, float, float]:
        """4 x joints (m; with the body layer) + angle (rad) + 0.1 x likelihood of the angle's spread + 0.01 x betas
        squared; without rotations, of joints alone."""
        torch = self.torch
        out = self.forward(torch.from_numpy(seen.inputs))
        true, betas = torch.from_numpy(seen.rotations), torch.from_numpy(seen.betas)
        rotation = self.numbers * NUM_JOINTS
        said = out[:, :rotation].reshape(-1, NUM_JOINTS, self.numbers)
        spread, guess = out[:, rotation : rotation + SPREAD].clamp(-6, 1), out[:, rotation + SPREAD :]
        if self.rest_joints:
            gap = (said - self.joints(true, betas)).norm(dim=-1)
            loss = 4 * gap.mean() + 0.1 * _likelihood(gap, spread) + 0.01 * (guess - betas).pow(2).mean()
            return loss, float(gap.detach().mean()), float("nan")
        turned = self.matrices(said)
        chord = (turned - true).flatten(-2).norm(dim=-1) / 8**0.5
        angle = 2 * torch.asin(chord.clamp(max=0.9999))
        gap = (self.joints(turned, guess) - self.joints(true, betas)).norm(dim=-1)
        loss = (
            4 * self.how.body_layer * gap.mean()
            + angle.mean()
            + 0.1 * _likelihood(angle, spread)
            + 0.01 * (guess - betas).pow(2).mean()
        )
        return loss, float(gap.detach().mean()), float(angle.detach().mean())

    def forward(self, x: Any) -> Any:
        """As ``lifter.forward``, in torch."""
        torch, w = self.torch, self.weights

        def linear(x: Any, name: str) -> Any:
            return x @ w[f"{name}_w"] + w[f"{name}_b"]

        def joined(x: Any) -> Any:
            return x.reshape(len(x), x.shape[1] // 3, 3 * x.shape[2])

        def normed(x: Any) -> Any:
            return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=NORM_FLOOR)

        h = torch.relu(linear(joined(x), "stem"))
        for n in range(2):
            h = h[:, 1::3] + linear(torch.relu(linear(joined(normed(h)), f"join{n}")), f"join{n}_out")
        h = h[:, 0]
        for n in range(BLOCKS):
            h = h + linear(torch.relu(linear(normed(h), f"block{n}")), f"block{n}_out")
        return linear(normed(h), "head")

    def matrices(self, numbers: Any) -> Any:
        """Return rotation matrices of six numbers each as ``lifter.six_to_matrix``, or of rotation vectors."""
        return self.six_to_matrix(numbers) if self.numbers == NUMBERS["6d"] else self.vector_to_matrix(numbers)

    def vector_to_matrix(self, vector: Any) -> Any:
        """Rodrigues' formula."""
        torch = self.torch
        angle = (vector.pow(2).sum(-1, True) + 1e-12).sqrt()[..., None]
        x, y, z = (vector / angle[..., 0]).unbind(-1)
        none = torch.zeros_like(x)
        skew = torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).unflatten(-1, (3, 3))
        return torch.eye(3) + angle.sin() * skew + (1 - angle.cos()) * (skew @ skew)

    def six_to_matrix(self, six: Any) -> Any:
        """As ``lifter.six_to_matrix``, in torch."""
        torch = self.torch
        first = torch.nn.functional.normalize(six[..., :3], dim=-1)
        second = six[..., 3:] - (first * six[..., 3:]).sum(-1, True) * first
        second = torch.nn.functional.normalize(second, dim=-1)
        return torch.stack([first, second, torch.linalg.cross(first, second)], -1)

    def joints(self, turned: Any, betas: Any) -> Any:
        """Joints (B, 24, 3) m about the pelvis."""
        torch = self.torch
        rest = self.rest[0] + torch.einsum("jcb,nb->njc", self.rest[1], betas)
        world, places = [turned[:, 0]], [torch.zeros_like(rest[:, 0])]
        for j in range(1, NUM_JOINTS):
            p = int(PARENTS[j])
            places.append(places[p] + (world[p] @ (rest[:, j] - rest[:, p])[..., None])[..., 0])
            world.append(world[p] @ turned[:, j])
        return torch.stack(places, 1)

    def mean(self) -> dict[str, ndarray]:
        """Return the running mean of the weights, and the rest joints where a network needs them."""
        return {name: w.numpy().copy() for name, w in self.average.items()} | self.rest_joints

    def keep(self, path: Path, step: int) -> None:
        """Write all that is needed to go on."""
        arrays = {"step": np.array(step), "how": np.array(json.dumps(asdict(self.how), sort_keys=True))}
        for name, (weight, mean, first, second) in self._moments():
            arrays |= {f"w.{name}": weight, f"a.{name}": mean, f"m.{name}": first, f"v.{name}": second}
        with whole_file(path) as file:
            np.savez(file, **arrays)

    def _moments(self) -> Iterator[tuple[str, tuple[ndarray, ndarray, ndarray, ndarray]]]:
        for name, w in self.weights.items():
            state = self.optimiser.state[w]
            yield name, (w.detach().numpy(), self.average[name].numpy(), state["exp_avg"].numpy(),
                         state["exp_avg_sq"].numpy())  # fmt: skip

    def resume(self, path: Path) -> int:
        """Go on from a file of ``keep``; return its step.

        Raises:
            DataError: if the file is damaged or of another training.
        """
        torch, found = self.torch, read(path)
        if str(found.get("how")) != json.dumps(asdict(self.how), sort_keys=True):
            raise DataError(f"{path}: is of a training with other settings; remove it to begin anew")
        step = int(found["step"])
        with torch.no_grad():
            for name, w in self.weights.items():
                w.copy_(torch.from_numpy(found[f"w.{name}"]))
                self.average[name].copy_(torch.from_numpy(found[f"a.{name}"]))
                self.optimiser.state[w] = {
                    "step": torch.tensor(float(step)), "exp_avg": torch.from_numpy(found[f"m.{name}"].copy()),
                    "exp_avg_sq": torch.from_numpy(found[f"v.{name}"].copy()),
                }  # fmt: skip
        return step


def _likelihood(error: Any, spread: Any) -> Any:
    """Return the mean of what errors cost under a normal distribution of that log spread; it moves the spread only."""
    return (0.5 * (error.detach() * (-spread).exp()) ** 2 + spread).mean()


def _first(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> ndarray:
    """Return first weights: normal with variance 2 / inputs (He et al., ICCV 2015), small where a sum is added to."""
    if name == "head_b":
        bias, six = np.zeros(shape), NUMBERS["6d"]
        if numbers_of(shape[0]) == six:
            bias[: six * NUM_JOINTS] = np.tile([1.0, 0, 0, 0, 1, 0], NUM_JOINTS)
        return bias
    if name.endswith("_b"):
        return np.zeros(shape)
    small = 0.1 if name.endswith("_out_w") or name == "head_w" else 1.0
    return small * rng.standard_normal(shape) * np.sqrt(2 / shape[0])
