"""``a3dgen export FORMAT DIR OUT``: a finished dataset in another format."""

from __future__ import annotations

import argparse
from pathlib import Path

from a3dgen.core.errors import ConfigError
from a3dgen.core.registry import resolve
from a3dgen.formats.exports import EXPORTS


def run(args: argparse.Namespace) -> int:
    """Write the export and print the files it made."""
    if args.format == "mesh":
        from a3dgen.formats.exports.mesh import body_of, export

        build = Path(args.folder)
        paths = export(build, Path(args.to), body_of(build), args.keys, args.force)
    else:
        options = {n: True for n in ("with_prosthesis", "prosthetic_as_joints") if getattr(args, n)}
        if options and args.format != "coco":
            names = " and ".join("--" + n.replace("_", "-") for n in options)
            raise ConfigError(f"{names}: for the format coco, not for {args.format}")
        paths = resolve("export", EXPORTS, args.format)(Path(args.folder), Path(args.to), force=args.force, **options)
    for path in paths:
        print(path)
    return 0
