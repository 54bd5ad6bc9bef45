"""``a3dgen export FORMAT DIR OUT``: a finished dataset in another format."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path


def run(args: argparse.Namespace) -> int:
    """Write the export and print the files it made."""
    for path in import_module(f"a3dgen.formats.exports.{args.format}").export(Path(args.folder), Path(args.to)):
        print(path)
    return 0
