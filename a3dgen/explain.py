"""What ``a3dgen <stage> --help`` says about a stage's keys: read from the source of its Config, not imported."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

WIDTH = 100


def keys_help(source: Path, prefix: str, name: str = "Config") -> str:
    """Return one paragraph a configuration key: ``prefix.key (default): meaning``.

    Args:
        source: the module that defines the frozen dataclass ``name``.
        prefix: dotted name of the group, e.g. ``fit``; may be empty.
    """
    found = [n for n in ast.walk(ast.parse(source.read_text(encoding="utf-8"))) if isinstance(n, ast.ClassDef)]
    for node in found:
        if node.name == name:
            return "\n".join(_paragraphs(node, f"{prefix}." if prefix else ""))
    return ""


def _paragraphs(node: ast.ClassDef, prefix: str) -> list[str]:
    meanings = _meanings(ast.get_docstring(node) or "")
    lines = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            key = item.target.id
            text = f"{prefix}{key} ({_default(item.value)}): {meanings.get(key, '')}".rstrip(": ")
            lines.append(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="      "))
    return lines


def _default(value: ast.expr | None) -> str:
    if value is None:
        return "required"
    text = ast.unparse(value)
    made = re.fullmatch(r"field\(default_factory=(?:lambda: )?(.*)\)", text, re.DOTALL)
    return made[1].strip() if made else text


def _meanings(docstring: str) -> dict[str, str]:
    """Return key -> meaning from a Google-style ``Attributes:`` section; a line may describe several keys."""
    _, _, section = docstring.partition("Attributes:")
    meanings: dict[str, str] = {}
    current: list[str] = []
    for line in section.splitlines():
        start = re.match(r"\s{4}(\w[\w, ]*): (.*)", line)
        if start:
            current = [k.strip() for k in start[1].split(",")]
            for key in current:
                meanings[key] = start[2].strip()
        elif line.strip():
            for key in current:
                meanings[key] += " " + line.strip()
    return {key: text.replace("``", "") for key, text in meanings.items()}
