"""Run the stage fit, then what depends on it: the same as ``a3dgen fit``; takes the same options."""

from __future__ import annotations

import sys

from a3dgen.cli import main

if __name__ == "__main__":
    sys.exit(main(["fit", *sys.argv[1:]]))
