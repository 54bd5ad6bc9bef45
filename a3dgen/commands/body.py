"""``a3dgen body bake|export|sheet``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from a3dgen.bodies import anny24, body_digest, load_body
from a3dgen.bodies.shipped import shipped_path
from a3dgen.config import load_config
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError


def run(args: argparse.Namespace) -> int:
    """Do it and print what was made, as JSON."""
    # Any configuration would do: without --config only the body's own defaults and --set matter.
    config: BodyConfig = load_config(args.config or "demo", args.set).body
    if args.action == "bake":
        facts = bake(config, check=args.check, anew=args.anew, write=args.write)
    elif args.action == "export":
        facts = export(config, Path(args.path))
    else:
        from a3dgen.report.body_sheet import write_sheet

        write_sheet(config, args.path)
        facts = {"file": args.path}
    print(json.dumps(facts, indent=1))
    return 0


def bake(config: BodyConfig, check: bool = False, anew: bool = False, write: str | None = None) -> dict[str, Any]:
    """Say what the body is; the user's SMPL file gets what it lacks from the open body, once.

    Args:
        config: which body. check: also compare the open body with anny on held-out people. anew: also bake it from
            anny again and compare with the shipped one. write: file for what was baked anew.

    Returns:
        ``name``, ``vertices``, ``faces``, ``betas``, ``digest``, ``file``; with ``check`` also ``check``
        (see ``bodies.check.report``); with ``anew`` or ``write`` also ``differences`` from the shipped file by ages
        and array, none where they are equal.
    """
    if config.model != "anny" and (anew or write or check):
        raise ConfigError(f"body.model is '{config.model}'; only the open body 'anny' is baked and can be checked")
    body = load_body(config)
    out: dict[str, Any] = {
        "name": body.name,
        "vertices": len(body.mesh.vertices),
        "faces": len(body.mesh.faces),
        "betas": body.num_betas,
        "digest": body_digest(config),
        "file": str(shipped_path() if config.model == "anny" else Path(config.path)),
    }
    if anew or write:
        path = Path(write) if write else None
        out["differences"] = anny24.bake_anew(path, lambda line: print(line, file=sys.stderr))
    if check:
        from a3dgen.bodies.check import report

        out["check"] = report(config)
    return out


def export(config: BodyConfig, path: Path) -> dict[str, Any]:
    """Write the open body as an SMPL-format file; returns its path and the error of its joint regressor (mm)."""
    from a3dgen.bodies.export import export_body

    if config.model != "anny":
        raise ConfigError(f"body.model is '{config.model}'; only the open body 'anny' is exported")
    return {"file": str(path), **export_body(load_body(config), Path(path))}
