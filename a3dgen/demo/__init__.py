"""The project's own people, rendered into made-up scenes and written as raw COCO, MPII and Human3.6M trees.

They give the default build something to read without any download, and, because the truth is kept beside them, the
report something to measure the pipeline against. Poses, scenes and labels share no code with the fitter.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError
from a3dgen.core.files import remove
from a3dgen.demo.shoot import Job, job_digest, photo_path, shoot
from a3dgen.demo.shots import DemoShot, list_shots
from a3dgen.demo.trees import write_trees
from a3dgen.demo.truth import write_truth
from a3dgen.io.images import replace_file

VERSION = 6
BETAS = 32
"""Shape coefficients of the demo's people: more than the fitter uses, so that it never knows them exactly."""
SIDECAR = "demo.json"


@dataclass(frozen=True)
class Config:
    """The demo's data.

    Attributes:
        lidar: point clouds of the COCO photos in ``clouds``: ``off``, ``lidar`` (a rotating one) or ``depth`` (pictures
            of a depth camera).
        people: how many; the first ones are the same whatever the number.
        noise_px: standard deviation of the labels, px (for the 3D joints of Human3.6M: what shows as that many).
    """

    people: int = 24
    noise_px: float = 3.0
    lidar: Literal["off", "lidar", "depth"] = "off"

    def __post_init__(self) -> None:
        if self.people < 1:
            raise ConfigError(f"demo.people is {self.people}; it must be at least 1")
        if not 0 <= self.noise_px < 100:
            raise ConfigError(f"demo.noise_px is {self.noise_px}; it must be between 0 and 100")


DemoConfig = Config
Map = Callable[[Callable[[DemoShot], dict[str, Any]], Iterable[DemoShot]], Iterable[dict[str, Any]]]


def build(
    config: Config,
    root: Path,
    truth: Path,
    seed: int,
    body: BodyConfig | None = None,
    mapper: Map = map,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Make the demo's raw trees and truth, or do nothing if they are there.

    Args:
        config: what to make.
        root: folder for ``coco``, ``mpii`` and ``h36m``. truth: folder for ``truth.npz`` and ``masks``.
        seed: the build's seed.
        body: body model; only ``anny`` has what a demo needs, and is used with ``BETAS`` betas whatever is fitted.
        mapper: like ``map``, in order; a pool's map takes the pictures in parallel (every one stands alone).
        progress: called with (pictures done, pictures in all).

    Returns:
        Plain facts: people, images, seconds, made (False if everything was there), people by source.
    """
    start = time.monotonic()
    root, truth = Path(root), Path(truth)
    model = _model(body)
    digest = _digest(config, seed, model)
    shots = list(list_shots(config.people))
    facts = {"people": config.people, "images": len(shots), "sources": _by_source(shots)}
    if _is_there(truth / SIDECAR, digest, root, shots):
        return {**facts, "made": False, "seconds": round(time.monotonic() - start, 2)}
    remove(truth / SIDECAR)
    truth.mkdir(parents=True, exist_ok=True)
    job = Job(root, truth, seed, config.noise_px, model, digest, config.lidar)
    taken = []
    for shot, result in zip(shots, mapper(functools.partial(_shoot, job=job), shots), strict=True):
        taken.append((shot, result))
        if progress is not None:
            progress(len(taken), len(shots))
    write_trees(root, taken, seed)
    write_truth(truth, [person["truth"] for _, result in taken for person in result["people"]])
    replace_file(truth / SIDECAR, json.dumps({"digest": digest, **facts}).encode())
    return {**facts, "made": True, "seconds": round(time.monotonic() - start, 2)}


def is_made(config: Config, root: Path, truth: Path, seed: int, body: BodyConfig | None = None) -> bool:
    """Whether ``build`` would find everything there."""
    return _is_there(truth / SIDECAR, _digest(config, seed, _model(body)), root, list(list_shots(config.people)))


def _model(body: BodyConfig | None) -> BodyConfig:
    ages = body.ages if body is not None and body.model == "anny" else BodyConfig().ages
    return replace(BodyConfig(), ages=ages, betas=BETAS)


def _shoot(shot: DemoShot, job: Job) -> dict[str, Any]:
    return shoot(shot, job)


def _digest(config: Config, seed: int, body: BodyConfig) -> str:
    """Return the digest of what a picture depends on; the number of people is not part of it."""
    facts = asdict(config) | {"people": None}
    if config.lidar == "off":
        del facts["lidar"]  # so that pictures taken before there was one stay
    return job_digest({"version": VERSION, "seed": seed, "config": facts, "body": asdict(body)})


def _by_source(shots: list[DemoShot]) -> dict[str, int]:
    out: dict[str, int] = {}
    for shot in shots:
        name = shot.source if not shot.subject else f"{shot.source}/{shot.subject}"
        out[name] = out.get(name, 0) + shot.people
    return out


def _is_there(sidecar: Path, digest: str, root: Path, shots: list[DemoShot]) -> bool:
    try:
        stored = json.loads(sidecar.read_text())
        same = stored["digest"] == digest and stored["people"] == sum(s.people for s in shots)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return same and all(path.is_file() for path in _files(root, shots))


def _files(root: Path, shots: list[DemoShot]) -> Iterator[Path]:
    yield root / "coco" / "annotations" / "person_keypoints_val2017.json"
    yield root / "mpii" / "annot" / "train.json"
    yield root / "h36m" / "annotation_body3d" / "cameras.json"
    for shot in shots:
        yield root / photo_path(shot)
