"""``a3dgen demo``: the demo's raw trees and truth, and nothing else."""

from __future__ import annotations

import argparse

from a3dgen.commands.build import configure, digest_of_body, executor_for
from a3dgen.core.errors import ConfigError
from a3dgen.engine.build import Build
from a3dgen.engine.build_folder import RAW, held
from a3dgen.engine.progress import make_progress
from a3dgen.stages.table import STAGE_TABLE


def run(args: argparse.Namespace) -> int:
    """Write what is missing and print where it is."""
    config = configure(args)
    if config.demo is None:
        raise ConfigError(f"{args.config or config.out}: has no demo; use --config demo, or set demo.people=24")
    progress = make_progress(args.quiet)
    build = Build(config, lambda: executor_for(config), progress, lambda: digest_of_body(config))
    try:
        with held(build.out, STAGE_TABLE, args.force, progress.say):
            facts = build.make_demo()
    finally:
        build.close()
        progress.close()
    if not args.quiet:
        shown = ", ".join(f"{name} {count}" for name, count in facts["sources"].items())
        print(f"{build.out / RAW}: {facts['images']} images, {shown} people")
    return 0
