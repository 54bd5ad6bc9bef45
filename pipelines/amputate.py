"""Run the stage amputate, then what depends on it: the same as ``a3dgen amputate``; takes the same options."""

from __future__ import annotations

import sys

from a3dgen.cli import main

if __name__ == "__main__":
    sys.exit(main(["amputate", *sys.argv[1:]]))
