"""``a3dgen stats DIR``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from a3dgen.analysis.stats import plot, stats, text


def run(args: argparse.Namespace) -> int:
    """Print counts and warnings; draw them if asked."""
    facts = stats(args.folder)
    print(json.dumps(facts, indent=1) if args.json else text(facts))
    if args.plot:
        plot(facts, Path(args.plot))
    return 0
