"""``a3dgen body bake|export|sheet``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from a3dgen.bodies import commands
from a3dgen.bodies.config import BodyConfig
from a3dgen.config import load_config


def run(args: argparse.Namespace) -> int:
    """Do it and print what was made, as JSON."""
    # Any configuration would do: without --config only the body's own defaults and --set matter.
    config: BodyConfig = load_config(args.config or "demo", args.set).body
    if args.action == "bake":
        facts = commands.bake(config, check=args.check, again=args.force)
    elif args.action == "export":
        facts = commands.export(config, Path(args.path))
    else:
        from a3dgen.bodies.sheet import write_sheet

        write_sheet(config, args.path)
        facts = {"file": args.path}
    print(json.dumps(facts, indent=1))
    return 0
