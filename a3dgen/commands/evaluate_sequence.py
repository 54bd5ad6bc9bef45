"""``a3dgen evaluate-sequence --pred NPZ --gt NPZ``: errors of joints and rotations over time."""

from __future__ import annotations

import argparse
import json
import sys

from a3dgen.analysis.sequences import sequence_errors, summary
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.sources.motion_files import read_motions


def run(args: argparse.Namespace) -> int:
    """Print the means over all sequences that both files hold, as JSON."""
    if not args.fps > 0:
        raise ConfigError(f"--fps {args.fps}: a frame rate is above 0")
    predicted, true = read_motions(args.pred, args.fps), read_motions(args.gt, args.fps)
    both = sorted(set(predicted) & set(true))
    if not both:
        raise DataError(
            f"{args.pred}: none of its sequences is in {args.gt}; there it is {', '.join(sorted(true)[:3])}"
        )
    errors = []
    for name in both:
        try:
            errors.append(sequence_errors(predicted[name], true[name]))
        except DataError as error:
            raise DataError(f"{args.pred}: {name}: {error}") from None
    missing, unknown = len(true) - len(both), len(predicted) - len(both)
    counts = {"sequences": len(both), "frames": sum(len(true[name].joints) for name in both)}
    found = counts | {"unpredicted": missing, "unknown": unknown} | summary(errors, args.per_joint)
    print(json.dumps(found, indent=1))
    if missing:
        print(f"a3dgen: {missing} sequences have no prediction and are in no figure above", file=sys.stderr)
    return 0
