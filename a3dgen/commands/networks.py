"""``a3dgen networks``: get the networks of the default detector."""

from __future__ import annotations

import argparse
from pathlib import Path

from a3dgen.detectors import networks


def run(args: argparse.Namespace) -> int:
    """Get them from an installed mediapipe, a wheel or the network, and print where they are."""
    folder = networks.folder(Path(args.wheel) if args.wheel else None)
    if not args.quiet:
        print(folder)
    return 0
