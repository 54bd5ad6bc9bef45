"""``a3dgen evaluate --pred FILE DIR``."""

from __future__ import annotations

import argparse
import json

from a3dgen.evaluate import evaluate


def run(args: argparse.Namespace) -> int:
    """Print the metrics as JSON."""
    print(json.dumps(evaluate(args.folder, args.pred, args.threshold, args.smpl), indent=1))
    return 0
