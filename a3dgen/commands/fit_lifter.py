"""``a3dgen fit-lifter --from prior|AMASS_DIR|joints/``: a lifter of one's own, for ``fit.lifter`` and ``uplift``."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from pathlib import Path

import numpy as np

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError
from a3dgen.core.files import remove
from a3dgen.core.user_paths import user_path
from a3dgen.learning.lifter_data import CLIP_FRAMES, Poses, own_poses
from a3dgen.learning.lifter_train import Progress, Training, train
from a3dgen.learning.windows import FPS
from a3dgen.sources.motion_clips import draw_from, read_clips

PRIOR = "prior"
MOST_CLIPS = 20000


def run(args: argparse.Namespace) -> int:
    """Train, going on from where an interrupted run of the same settings was, and write the weights."""
    out = user_path(args.out)
    if out.suffix != ".npz" or not out.parent.is_dir():
        raise ConfigError(f"--out {out}: wanted a .npz in a folder that exists")
    how = Training(
        steps=args.steps, width=args.width, amputees=args.amputees, seed=args.seed, rotations=args.rotations,
        body_layer=args.body_layer == "on",
    )  # fmt: skip
    state = out.with_suffix(".state.npz")
    if state.exists() and not args.quiet:
        print(f"goes on from {state}", file=sys.stderr)

    def tell(progress: Progress) -> None:
        if not args.quiet:
            turns = "" if np.isnan(progress.degrees) else f", rotations {progress.degrees:.2f} degrees"
            print(f"step {progress.step} of {how.steps}: joints {progress.joints_mm:.1f} mm{turns}", file=sys.stderr,
                  flush=True)  # fmt: skip

    lifter = train(load_body(BodyConfig()), poses_of(args.source), how, state, tell)
    lifter.save(out)
    remove(state)
    print(json.dumps({"file": str(out), "steps": how.steps, "bytes": out.stat().st_size}))
    print(f"use it with --set fit.lifter={out.resolve()}, or --weights of 'a3dgen uplift'")
    return 0


def poses_of(source: str) -> Poses:
    """Return what draws training clips: the project's own motion for ``prior``, else recordings."""
    if source == PRIOR and not Path(source).exists():
        return own_poses
    return functools.partial(draw_from, read_clips(user_path(source), CLIP_FRAMES, FPS, MOST_CLIPS))
