"""``a3dgen status``: what a build would make, and why."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from a3dgen.commands.build import configure, digest_of_body
from a3dgen.config import BuildConfig
from a3dgen.engine.build_folder import RAW, TRUTH
from a3dgen.engine.freshness import plan
from a3dgen.stages.table import STAGE_TABLE


def run(args: argparse.Namespace) -> int:
    """Print one line a stage and reason, and which keys have changed since the last build."""
    config = configure(args)
    print(f"{config.out}")
    for stage, reasons in planned(config, args.verify).items():
        for why, count in Counter(reasons).most_common():
            print(f"  {stage:<11} {count:>6} {why or 'up to date'}")
    for line in changed_keys(config.out / "config.json", config.settings()):
        print(f"  {line}")
    return 0


def planned(config: BuildConfig, verify: bool = False) -> dict[str, list[str]]:
    """Return stage -> why each of its results must be made ("" = it is kept), the demo's raw data included."""
    if config.demo is not None:
        from a3dgen import demo

        if not demo.is_made(config.demo, config.out / RAW, config.out / TRUTH, config.seed, config.body):
            first, *others = STAGE_TABLE
            to_make = {"demo": ["raw data to be made"], first: ["follows demo"]}
            return to_make | {name: [f"follows {first}"] for name in others}
    return plan(config, STAGE_TABLE, lambda: digest_of_body(config), verify)


def changed_keys(path: Path, settings: Mapping[str, Any]) -> list[str]:
    """Return a line for each key whose value differs from the settings of the last build, if there was one."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    old, new = dict(_flat("", before)), dict(_flat("", json.loads(json.dumps(settings))))
    names = sorted({*old, *new})
    return [f"{n}: {old.get(n, 'unset')} -> {new.get(n, 'unset')}" for n in names if old.get(n) != new.get(n)]


def _flat(name: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        return [item for key, inner in value.items() for item in _flat(f"{name}.{key}".lstrip("."), inner)]
    return [(name, value)]
