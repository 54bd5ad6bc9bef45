"""Tables of backends: a name maps to ``module:attribute`` and is imported only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from a3dgen.core.errors import ConfigError, nearest


def resolve(family: str, table: Mapping[str, str], name: str) -> Any:
    """Import and return the backend ``name`` of ``family``.

    Args:
        family: what the table holds, for the message, e.g. ``"renderer"``.
        table: name -> ``"package.module:attribute"``.
        name: the wanted entry.

    Raises:
        ConfigError: if the table has no such name.
    """
    if name not in table:
        raise ConfigError(f"unknown {family} '{name}'{nearest(name, table)}")
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module), attribute)
