"""``a3dgen bench WHAT [options]``: the benchmarks that stand beside the package in a clone."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

import a3dgen
from a3dgen.core.errors import ConfigError, nearest

ROOT = Path(a3dgen.__file__).resolve().parents[1]


def run(args: argparse.Namespace) -> int:
    """Run one benchmark with its own options; list them all if none is named."""
    found = {p.stem: p for p in sorted((ROOT / "benchmarks").glob("*.py")) if "__main__" in p.read_text("utf-8")}
    if not found:
        raise ConfigError("the benchmarks are not part of an installed package: clone the repository to run them")
    if not args.arguments or args.arguments[0].startswith("-"):
        print(f"a3dgen bench {{{','.join(found)}}} [--help]")
        return 0
    name, *options = args.arguments
    if name not in found:
        raise ConfigError(f"no benchmark '{name}'{nearest(name, found)}")
    sys.path.insert(0, str(ROOT))
    sys.argv = [f"a3dgen bench {name}", *options]
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return 0
