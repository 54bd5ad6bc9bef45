"""``a3dgen status``: what a build would make, and why."""

from __future__ import annotations

import argparse
from collections import Counter

from a3dgen.commands.build import configure, digest_of_body
from a3dgen.freshness import plan
from a3dgen.stage_table import STAGE_TABLE


def run(args: argparse.Namespace) -> int:
    """Print one line a stage and reason."""
    config = configure(args)
    print(f"{config.out}")
    for stage, reasons in plan(config, STAGE_TABLE, lambda: digest_of_body(config)).items():
        for why, count in Counter(reasons).most_common():
            print(f"  {stage:<11} {count:>6} {why or 'up to date'}")
    return 0
