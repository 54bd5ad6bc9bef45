"""Run the stage ingest, then what depends on it: the same as ``a3dgen ingest``; takes the same options."""

from __future__ import annotations

import sys

from a3dgen.cli import main

if __name__ == "__main__":
    sys.exit(main(["ingest", *sys.argv[1:]]))
