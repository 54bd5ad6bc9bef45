"""Run all stages: the same as ``a3dgen build``; takes the same options."""

from __future__ import annotations

import sys

from a3dgen.cli import main

if __name__ == "__main__":
    sys.exit(main(["build", *sys.argv[1:]]))
