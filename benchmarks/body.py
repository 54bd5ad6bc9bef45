"""Benchmark of the body: ``a3dgen bench body [--json]``, or ``python -m benchmarks.body``.

Skinning of the baked open body, batched and in float32, against ``smplx.SMPL``'s forward pass on the same body in
SMPL format: the same 64 random poses and shapes, the same two threads, the best of three runs.
"""

from __future__ import annotations

import argparse
import json as json_text
import sys
from typing import Any

from a3dgen.bodies import commands
from a3dgen.bodies.config import BodyConfig

WANTED = 3.0
"""Least speedup that is acceptable."""


def table(figures: dict[str, Any]) -> str:
    """Return the figures as text."""
    return (
        f"batch {figures['batch']}, {figures['threads']} threads: a3dgen {figures['ours_ms']:.2f} ms a body, "
        f"smplx {figures['smplx_ms']:.2f} ms, {figures['speedup']:.1f} times faster (wanted: {WANTED:g}); "
        f"largest difference {figures['max_difference_mm']:.4f} mm"
    )


def main(json: bool = False) -> None:
    """Run the benchmark and print its figures, as one JSON object or as a line."""
    figures = commands.benchmark(BodyConfig())
    sys.stdout.write((json_text.dumps(figures) if json else table(figures)) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    main(parser.parse_args().json)
