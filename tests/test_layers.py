"""Every module stands on a floor and imports from its own or a lower one; only the Dask module knows Dask."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import a3dgen

PACKAGE = Path(a3dgen.__file__).parent
FLOORS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("geometry", "io", "inpainters"),
    ("amputation", "fit", "motion", "lighting"),
    ("bodies", "detectors", "segmenters", "renderers", "learning"),
    ("appearance", "devices", "removal", "compositing", "erasure"),
    ("formats", "demo"),
    ("sources", "recovery", "analysis"),
    ("report",),
    ("stages",),
    ("config",),
    ("engine",),
    ("commands",),
    ("cli", "data", "mocap", "api", "builds", "__init__", "__main__"),
)
"""Bottom to top: rooms of ``a3dgen/``, and the modules that lie loose there."""
PLANNED: set[str] = set()
"""Rooms that have a place and no module yet (see the architecture notes)."""
DASK = ("dask", "distributed")


def room(module: str) -> str:
    """``a3dgen.io.shards`` -> ``io``; ``a3dgen`` itself -> ``__init__``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def floor(module: str) -> int:
    """The floor of a module's room.

    Raises:
        KeyError: if the room is on no floor.
    """
    for level, rooms in enumerate(FLOORS):
        if room(module) in rooms:
            return level
    raise KeyError(f"{module}: its room '{room(module)}' is on no floor; list it in FLOORS")


def imports(path: Path) -> list[str]:
    """Every module of the package that a file imports, also inside functions; names of backend tables do not count."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "a3dgen":
                found += [f"a3dgen.{a.name}" if (PACKAGE / a.name).exists() or (PACKAGE / f"{a.name}.py").exists()
                          else "a3dgen" for a in node.names]  # fmt: skip
            else:
                found.append(node.module)
    return found


def name_of(path: Path) -> str:
    parts = ["a3dgen", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def test_every_module_is_on_a_floor():
    assert {floor(name) for name in MODULES} == set(range(len(FLOORS)))


def test_every_room_listed_exists():
    rooms = {room(name) for name in MODULES}
    assert {r for level in FLOORS for r in level} - PLANNED <= rooms


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_to_the_same_or_a_lower_floor(name):
    wrong = [
        other
        for other in imports(MODULES[name])
        if other.split(".")[0] == "a3dgen" and other != "a3dgen" and floor(other) > floor(name)
    ]
    assert not wrong


def test_rooms_of_one_floor_do_not_import_each_other_in_circles():
    arrows: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        others = {room(o) for o in imports(path) if o.split(".")[0] == "a3dgen" and o != "a3dgen"}
        arrows.setdefault(room(name), set()).update(others - {room(name)})
    sorter = TopologicalSorter(arrows)
    sorter.prepare()  # raises CycleError, which names the rooms


def test_only_one_module_imports_dask():
    users = {name for name, path in MODULES.items() if any(i.split(".")[0] in DASK for i in imports(path))}
    assert users == {"a3dgen.engine.dask_cluster"}


def test_the_first_line_of_a_module_is_a_whole_sentence():
    """A stranger reads only these lines."""
    first = {
        p: (ast.get_docstring(ast.parse(p.read_text(encoding="utf-8"))) or "").split("\n")[0] for p in MODULES.values()
    }
    assert {str(p) for p, line in first.items() if not line.endswith((".", ":", "?"))} == set()
