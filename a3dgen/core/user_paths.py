"""Paths as users type them."""

from __future__ import annotations

import os
from pathlib import Path


def user_path(text: str | Path) -> Path:
    """Return a path with a leading ``~`` or ``~name`` replaced by that user's home; others are names."""
    return Path(os.path.expanduser(text))
