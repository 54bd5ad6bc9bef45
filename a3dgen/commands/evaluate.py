"""``a3dgen evaluate --pred FILE DIR``."""

from __future__ import annotations

import argparse
import json
import sys

from a3dgen.analysis.evaluate import evaluate


def run(args: argparse.Namespace) -> int:
    """Print the metrics as JSON."""
    found = evaluate(args.folder, args.pred, args.threshold, args.smpl)
    print(json.dumps(found, indent=1))
    if found["unpredicted"]:
        print(f"a3dgen: {found['unpredicted']} samples have no prediction and are in no figure above", file=sys.stderr)
    return 0
