"""``a3dgen fit-prior --from AMASS_DIR|fits.npz``: a pose prior of the user's own, for ``fit.prior``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from a3dgen.core.errors import ConfigError
from a3dgen.core.rng import generator_for
from a3dgen.fit.mixture import learn_mixture
from a3dgen.fit.pose_distribution import mirror_features
from a3dgen.sources.amass import read_features

PER_COMPONENT = 50
"""Poses that one Gaussian needs at least."""


def run(args: argparse.Namespace) -> int:
    """Learn from the poses and their mirror images, write the npz and print what was learnt, as JSON."""
    out = Path(args.out)
    if args.components < 1 or args.samples < 1:
        raise ConfigError("--components and --samples: at least 1")
    if out.suffix != ".npz" or not out.parent.is_dir():
        raise ConfigError(f"--out {out}: wanted a .npz in a folder that exists")
    rng = generator_for(args.seed, "pose prior", "user")
    poses = read_features(Path(args.source), args.samples, rng)
    components = max(1, min(args.components, len(poses) // PER_COMPONENT))
    mixture = learn_mixture(np.concatenate([poses, mirror_features(poses)]), components, rng)
    mixture.save(out)
    print(json.dumps({"file": str(out), "poses": len(poses), "components": components}))
    print(f"use it with --set fit.prior={out.resolve()}")
    return 0
