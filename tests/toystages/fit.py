from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass

import numpy as np

from a3dgen.core.errors import ConfigError, Rejected
from a3dgen.core.records import Bodies
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import each

VERSION = 1


@dataclass(frozen=True)
class Config:
    """``reject`` and ``fail`` name keys; ``deadly`` kills the process, ``once`` does so the first time only.

    Attributes:
        max_iterations: changes the result.
        abort: raises the error that ends the build.
        shard_bug: raises outside of ``each``.
        pause: how many seconds one person takes.
    """

    max_iterations: int = 10
    reject: tuple[str, ...] = ()
    fail: tuple[str, ...] = ()
    deadly: tuple[str, ...] = ()
    once: str = ""
    abort: str = ""
    shard_bug: tuple[str, ...] = ()
    pause: float = 0.0


def shape(config, context, subject, persons):
    return {"key": subject, "betas": np.full(4, persons.keypoints[:, 0, 0].mean()), "frames": len(persons)}


def run(config, inputs, context):
    shapes = inputs.shapes.index() if inputs.shapes is not None else {}
    keys = inputs.persons.key.tolist()
    at = inputs.persons.index()
    if config.abort in keys:
        raise ConfigError("fit cannot go on: do this")
    if set(config.shard_bug) & set(keys):
        raise RuntimeError("a bug of the stage")
    if set(config.deadly) & set(keys):
        os.kill(os.getpid(), signal.SIGKILL)
    if config.once in keys:
        flag = context.folder / "died"
        if not flag.exists():
            flag.write_text("")
            os.kill(os.getpid(), signal.SIGKILL)

    def work(key):
        if key in config.reject:
            raise Rejected(f"'{key}' hides 3 joints")
        time.sleep(config.pause)
        if key in config.fail:
            raise ValueError(f"bad number 7 in '{key}'")
        value = inputs.persons.keypoints[at[key], 0, 0] * config.max_iterations
        rng = generator_for(context.seed, "fit", key)
        return {
            "key": key,
            "pose": rng.normal(size=(24, 3)) + value,
            "betas": inputs.shapes.betas[shapes[inputs.persons.subject[at[key]]]] if shapes else np.zeros(4),
            "transl": np.zeros(3),
            "K": np.eye(3),
            "reproj_px": value,
            "sigma": np.zeros(24),
            "alt_betas": np.zeros((3, 4)),
        }

    return each(keys, work, Bodies, B=4)
