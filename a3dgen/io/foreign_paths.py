"""Paths written on another machine: their folders and file, without drive, root and backslashes."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from urllib.parse import unquote


def path_parts(name: str) -> list[str]:
    """Return the folders and the file of a path written on any machine, without drive, root, ``.`` and ``..``."""
    parts = name.replace("\\", "/").split("/")
    return [p for p in parts if p not in ("", ".", "..") and not (len(p) == 2 and p[1] == ":")]


def folded(name: str) -> str:
    """Return a name as names are compared: case, blanks at its ends and the form of accents (macOS's) left out."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def folded_parts(name: str) -> list[tuple[str, ...]]:
    """Return the folded parts of a path, then, if it has any, those without percent signs (``my%20photo.jpg``)."""
    plain = tuple(map(folded, path_parts(name)))
    decoded = tuple(map(folded, path_parts(unquote(name))))
    return [plain] if decoded == plain else [plain, decoded]


def common_tail(a: Sequence[str], b: Sequence[str]) -> int:
    """Return how many parts two paths share at their ends."""
    pairs = list(zip(reversed(a), reversed(b), strict=False))
    return next((i for i, (x, y) in enumerate(pairs) if x != y), len(pairs))
