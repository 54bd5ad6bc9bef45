"""What ``a3dgen <command> --help`` says about configuration keys: read from the source of Configs, not imported."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WIDTH = 100
PACKAGE = Path(__file__).parents[1]
SOURCES = ("coco", "mpii", "h36m", "photos")
PHOTO_KEYS = ("detector_config", "min_score", "max_side", "video_fps", "video_frames")
"""Keys of photo folders for which ``custom`` has no option."""


def command_help(command: str, stages: Sequence[str]) -> str:
    """Return the configuration keys that belong to a command, with a heading."""

    def keys(file: str, prefix: str, name: str = "Config") -> str:
        return keys_help(PACKAGE / file, prefix, name)

    privacy, more = keys("config.py", "privacy", "PrivacyConfig"), ""
    if command == "build":
        told = ["  seed (0): of everything random", keys("config.py", "", "RunConfig")]
        told += [keys("core/body_config.py", "body", "BodyConfig"), privacy]
        more = f"\nand those of each stage: see 'a3dgen {'|'.join(stages)} --help'"
    elif command == "custom":
        told = [keys_help(PACKAGE / "sources/photos/__init__.py", "sources.photos", only=PHOTO_KEYS)]
        told += [privacy.replace("(False)", "(True here)")]  # by configs/custom.yaml
        more = "\nand all others: see 'a3dgen build --help'"
    elif command == "demo":
        told = [keys("demo/__init__.py", "demo")]
    else:
        told = [keys(f"stages/{command}.py", command).replace("ingest.sources", "sources")]  # which is a key of its own
        told += [keys_help(_source_of(f"sources/{name}"), f"sources.{name}") for name in SOURCES if command == "ingest"]
    return "\n".join(["keys for --set, with their defaults:", *told]) + more


def keys_help(source: Path, prefix: str, name: str = "Config", only: Sequence[str] = ()) -> str:
    """Return one paragraph a configuration key: ``prefix.key (default): meaning``.

    Keys of base classes come first; a key that is a group (another dataclass) is followed by its own keys.

    Args:
        source: the module that defines the frozen dataclass ``name``.
        prefix: dotted name of the group, e.g. ``fit``; may be empty.
        only: keys of it to tell; empty = all.
    """
    found = _find(source, name)
    if found is None or not isinstance(found[1], ast.ClassDef):
        return ""
    path, node = found
    parts = [keys_help(path, prefix, base.id) for base in node.bases if isinstance(base, ast.Name)]
    meanings = _meanings(ast.get_docstring(node) or "")
    for item in node.body:
        for field in _names(item) if isinstance(item, ast.AnnAssign) else ():
            if not only or field in only:
                key = f"{prefix}.{field}" if prefix else field
                group = keys_help(path, key, item.annotation.id) if isinstance(item.annotation, ast.Name) else ""
                parts.append(group or _paragraph(key, _default(path, item.value), meanings.get(field, "")))
    return "\n".join(part for part in parts if part)


def _find(source: Path, name: str) -> tuple[Path, ast.stmt] | None:
    """Return the class or constant ``name`` of a module, followed to the module of this package it comes from."""
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if name in _names(node):
            return source, node
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("a3dgen."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _find(_source_of("/".join(node.module.split(".")[1:])), alias.name)
    return None


def _source_of(module: str) -> Path:
    """Return the file of a module or package, ``sources/coco`` or ``sources/h36m``."""
    path = PACKAGE / module
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _names(node: ast.stmt) -> list[str]:
    """Return what a statement defines."""
    if isinstance(node, ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [t.id for t in targets if isinstance(t, ast.Name)]


def _paragraph(key: str, default: str, meaning: str) -> str:
    text = f"{key} ({default}): {meaning}".rstrip(": ")
    return textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="      ")


def _default(source: Path, expression: ast.expr | None) -> str:
    if expression is None:
        return "required"
    value = _value(source, expression)
    words = isinstance(value, tuple) and value and all(isinstance(v, str) for v in value)
    return ", ".join(value) if words else repr(value)


def _value(source: Path, expression: ast.expr) -> Any:
    """Evaluate a default: a literal, or what names and attributes of classes in this package stand for."""
    match expression:
        case ast.Name(id=name) if found := _find(source, name):
            return _value(found[0], found[1].value)
        case ast.Attribute(value=ast.Name(id=owner), attr=key) if found := _find(source, owner):
            return next(_value(found[0], item.value) for item in found[1].body if key in _names(item))
        case ast.Call(func=ast.Name(id="field"), keywords=[ast.keyword(value=ast.Lambda(body=made))]):
            return _value(source, made)
        case ast.Call(func=ast.Name(id="field"), keywords=[ast.keyword(value=ast.Name(id=kind))]):
            return {"dict": {}, "list": [], "tuple": ()}[kind]
        case ast.Call(func=ast.Name(id="tuple"), args=[inner]):
            return tuple(_value(source, inner))
        case ast.Call(func=ast.Name(id="range"), args=bounds):
            return range(*(_value(source, b) for b in bounds))
        case ast.Tuple(elts=items):
            parts = [(_value(source, i.value) if isinstance(i, ast.Starred) else (_value(source, i),)) for i in items]
            return tuple(v for part in parts for v in part)
        case _:
            return ast.literal_eval(expression)


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
