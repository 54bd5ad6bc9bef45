"""``python -m a3dgen``."""

from __future__ import annotations

import sys

from a3dgen.cli import main

if __name__ == "__main__":
    sys.exit(main())
