"""Paths written on another machine: their folders and file, without drive, root and backslashes."""

from __future__ import annotations


def path_parts(name: str) -> list[str]:
    """Return the folders and the file of a path written on any machine, without drive, root, ``.`` and ``..``."""
    parts = name.replace("\\", "/").split("/")
    return [p for p in parts if p not in ("", ".", "..") and not (len(p) == 2 and p[1] == ":")]
