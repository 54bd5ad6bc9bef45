"""Tables of backends: a name maps to ``module:attribute`` and is imported only when it is asked for.

Other packages add to a table by entry points (``[project.entry-points."a3dgen.sources"]``): ``GROUPS`` names them.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from collections.abc import Mapping
from typing import Any

from a3dgen.core.errors import ConfigError, nearest

GROUPS = {
    "source": "a3dgen.sources",
    "detector": "a3dgen.detectors",
    "segmenter": "a3dgen.segmenters",
    "inpainter": "a3dgen.inpainters",
    "renderer": "a3dgen.renderers",
    "export": "a3dgen.exports",
}
"""Family of backends -> group of entry points that adds to it."""


@functools.cache
def plugins(family: str) -> Mapping[str, tuple[str, str]]:
    """Return name -> (``package.module:attribute``, the package and its version) of what other packages offer.

    Raises:
        ConfigError: if two packages offer the same name, or an entry point names no attribute.
    """
    found: dict[str, tuple[str, str]] = {}
    for entry in importlib.metadata.entry_points(group=GROUPS[family]) if family in GROUPS else ():
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unnamed package"
        if not entry.attr:
            raise ConfigError(
                f"{family} '{entry.name}' of {package}: its entry point '{entry.value}' must be 'module:attribute'"
            )
        if found.get(entry.name, (entry.value, ""))[0] != entry.value:
            raise ConfigError(
                f"two packages offer a {family} '{entry.name}': {found[entry.name][1]} and {package}; uninstall one"
            )
        found[entry.name] = entry.value, package
    return found


def available(family: str, table: Mapping[str, str]) -> dict[str, str]:
    """Return name -> ``package.module:attribute`` of the built-in backends and those of other packages.

    Raises:
        ConfigError: if a package takes a built-in name: which of the two is meant could not be told.
    """
    found = plugins(family)
    for name in found.keys() & table.keys():
        raise ConfigError(
            f"{family} '{name}' of {found[name][1]} has the name of a built-in one: rename its entry point "
            f"(group {GROUPS[family]}), or uninstall the package"
        )
    return {**table, **{name: value for name, (value, _) in found.items()}}


def resolve(family: str, table: Mapping[str, str], name: str) -> Any:
    """Import and return the backend ``name`` of ``family``.

    Args:
        family: what the table holds, for the message, e.g. ``"renderer"``; a key of ``GROUPS`` can be added to.
        table: name -> ``"package.module:attribute"`` of what is built in.
        name: the wanted entry.

    Raises:
        ConfigError: if neither the table nor another package has such a name, or if a package's cannot be imported.
    """
    names = available(family, table)
    if name not in names:
        raise ConfigError(f"unknown {family} '{name}'{nearest(name, names)}")
    module, _, attribute = names[name].partition(":")
    if name in table:
        return getattr(importlib.import_module(module), attribute)
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        package = plugins(family)[name][1]
        raise ConfigError(f"{family} '{name}' of {package} cannot be imported: {error}") from error
