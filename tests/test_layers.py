"""Imports point downwards only, and only the runner knows Dask (the table stands in the architecture notes)."""

from __future__ import annotations

import ast
from pathlib import Path

import a3dgen

PACKAGE = Path(a3dgen.__file__).parent
LAYERS = [
    {"compiled", "damage", "errors", "interrupts", "records", "registry", "rng", "threads"},
    {"geometry"},
    {"fit", "plan", "looks", "metrics"},
    {"io"},
    {"bodies", "sources", "detectors", "inpainters", "renderers", "formats"},
    {"stages", "demo"},
]
TOP = len(LAYERS)
LEAVES = {"bodies.config": 0}
"""Modules of plain declarations that any layer may use."""
DASK = ("dask", "distributed")


def layer(module: str) -> int:
    """``a3dgen.io.shards`` -> 3; whatever is not in the table stands on top."""
    parts = module.split(".")[1:]
    if ".".join(parts[:2]) in LEAVES:
        return LEAVES[".".join(parts[:2])]
    return next((i for i, names in enumerate(LAYERS) if parts and parts[0] in names), TOP)


def imports(path: Path) -> list[str]:
    """Every module that a file imports, also inside functions; names looked up in backend tables do not count."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def name_of(path: Path) -> str:
    return ".".join(["a3dgen", *path.relative_to(PACKAGE).with_suffix("").parts])


def test_imports_point_downwards():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        mine = name_of(path)
        for other in imports(path):
            if other.startswith("a3dgen.") and other != "a3dgen.__version__" and layer(other) > layer(mine):
                wrong.append(f"{mine} imports {other}")
    assert not wrong


def test_only_the_runner_imports_dask():
    users = {name_of(p) for p in PACKAGE.rglob("*.py") if any(i.split(".")[0] in DASK for i in imports(p))}
    assert users == {"a3dgen.runner"}
