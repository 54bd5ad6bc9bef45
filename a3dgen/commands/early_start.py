"""Lets the process that workers are copies of start before a command has imported what it needs itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from a3dgen.engine.fork_server import begin
from a3dgen.stages.table import REPORT_FILE

_KEYS = {"workers", "scheduler", "cluster", "out"}
"""Keys of a configuration that tell where a build runs, and lies."""


def start_early(args: argparse.Namespace) -> None:
    """Begin, if the command will surely start workers of this machine; what it does not need ends with it."""
    if will_build(args):
        begin()


def will_build(args: argparse.Namespace) -> bool:
    """Whether nothing has been built there yet and workers of this machine will do it, as far as a command's options
    tell: no configuration is read."""
    if args.workers == 0 or getattr(args, "scheduler", None) or getattr(args, "cluster", None):
        return False
    keys = {given.partition("=")[0].strip() for given in (*args.set, *getattr(args, "overrides", ()))}
    if keys & _KEYS:
        return False
    name = (args.config or "demo") if hasattr(args, "config") else "custom"
    out = Path(args.out) if args.out else Path("build") / Path(name).stem
    return not (out.expanduser() / REPORT_FILE).exists()
