"""What ``a3dgen <stage> --help`` says about a stage's keys: read from the source of its Config, not imported."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

WIDTH = 100


def keys_help(source: Path, prefix: str, name: str = "Config") -> str:
    """Return one paragraph a configuration key: ``prefix.key (default): meaning``.

    Keys of base classes come first; a key that is a group (another dataclass) is followed by its own keys.

    Args:
        source: the module that defines the frozen dataclass ``name``.
        prefix: dotted name of the group, e.g. ``fit``; may be empty.
    """
    found = _find(source, name)
    if found is None:
        return ""
    path, node = found
    parts = [keys_help(path, prefix, base.id) for base in node.bases if isinstance(base, ast.Name)]
    meanings = _meanings(ast.get_docstring(node) or "")
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            key = f"{prefix}.{item.target.id}" if prefix else item.target.id
            group = keys_help(path, key, item.annotation.id) if isinstance(item.annotation, ast.Name) else ""
            parts.append(group or _paragraph(key, _default(item.value), meanings.get(item.target.id, "")))
    return "\n".join(part for part in parts if part)


def _find(source: Path, name: str) -> tuple[Path, ast.ClassDef] | None:
    """Return the class ``name`` of a module, followed to the module of this package it is imported from."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return source, node
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("a3dgen."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    path = Path(__file__).parent.joinpath(*node.module.split(".")[1:])
                    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
                    return _find(path, alias.name)
    return None


def _paragraph(key: str, default: str, meaning: str) -> str:
    text = f"{key} ({default}): {meaning}".rstrip(": ")
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="      ")


def _default(value: ast.expr | None) -> str:
    if value is None:
        return "required"
    text = ast.unparse(value)
    made = re.fullmatch(r"field\(default_factory=(?:lambda: )?(.*)\)", text, re.DOTALL)
    text = made[1].strip() if made else text
    return {"dict": "{}", "list": "[]", "tuple": "()"}.get(text, text)


def _meanings(docstring: str) -> dict[str, str]:
    """Return key -> meaning from a Google-style ``Attributes:`` section; a line may describe several keys."""
    _, _, section = docstring.partition("Attributes:")
    meanings: dict[str, str] = {}
    current: list[str] = []
    for line in section.splitlines():
        starts = list(re.finditer(r"(?:^\s{4}|(?<=\. ))(\w[\w, ]*): ", line)) if re.match(r"\s{4}\w", line) else []
        if starts:
            for start, after in zip(starts, [*starts[1:], None], strict=True):
                current = [k.strip() for k in start[1].split(",")]
                for key in current:
                    meanings[key] = line[start.end() : after.start() if after else None].strip()
        elif line.strip():
            for key in current:
                meanings[key] += " " + line.strip()
    return {key: text.replace("``", "") for key, text in meanings.items()}
