"""``a3dgen validate DIR``."""

from __future__ import annotations

import argparse

from a3dgen.formats.validation import validate


def run(args: argparse.Namespace) -> int:
    """Print one line per violation; return 1 if the dataset is invalid."""
    found = validate(args.folder, args.smpl, args.quick)
    print(found.as_json(args.strict) if args.json else found.text(args.strict))
    return 1 if found.failed(args.strict) else 0
