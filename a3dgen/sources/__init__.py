"""Annotated photo collections. A source turns files on disk into rows of ``Persons``, one human at a time.

Every source module defines a frozen ``Config`` dataclass (its documented fields are the configuration keys), a
generator ``read(config)`` and ``fingerprint(config)``; ``SOURCE`` bundles them. A person who cannot be used is
yielded as ``(key, reason)``, so that everybody in the files is accounted for. ``read`` streams: its memory does not
grow with the number of images beyond a few bytes each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.registry import resolve

Found = dict[str, Any] | tuple[str, str]
"""A row of Persons, or (key, reason) of a person read but refused."""


@dataclass(frozen=True)
class Source:
    """One kind of source.

    Attributes:
        Config: its configuration class.
        read: yields every person of a config. Raises ConfigError if what was asked for is not there and
            DataError if an annotation file cannot be read.
        fingerprint: hexadecimal digest of the annotation files' contents; it changes when they do.
        prepare: does what takes long ahead of ``read``, through a parallel ``map`` (in order), and reports
            (done, total); None if nothing does.
    """

    Config: type
    read: Callable[[Any], Iterator[Found]]
    fingerprint: Callable[[Any], str]
    prepare: Callable[[Any, Callable[..., Any], Callable[[int, int], None]], None] | None = None


SOURCES: dict[str, str] = {
    "coco": "a3dgen.sources.coco:SOURCE",
    "mpii": "a3dgen.sources.mpii:SOURCE",
    "h36m": "a3dgen.sources.h36m:SOURCE",
    "photos": "a3dgen.sources.photos:SOURCE",
}
"""Kind -> where it lives."""


def open_source(name: str, settings: Any) -> tuple[Source, Any]:
    """Find the source for one entry of the ``sources`` mapping and make its config.

    Args:
        name: the entry's name; it is also the kind, unless the settings say ``kind``.
        settings: a mapping of configuration keys, or a ready config of that kind.

    Returns:
        The source and its config.

    Raises:
        ConfigError: for an unknown kind, an unknown key or a value of the wrong type.
    """
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        for kind in SOURCES:
            source = resolve("source", SOURCES, kind)
            if isinstance(settings, source.Config):
                return source, settings
        raise ConfigError(f"sources.{name}: {type(settings).__name__} is no source configuration")
    if not isinstance(settings, Mapping):
        raise ConfigError(f"sources.{name}: wanted a mapping of keys such as 'root', found {settings!r}")
    keys = dict(settings)
    source = resolve("source", SOURCES, str(keys.pop("kind", name)))
    return source, _make(f"sources.{name}", source.Config, keys)


def _make(where: str, config: type, keys: dict[str, Any]) -> Any:
    defaults = config()
    for key, value in keys.items():
        if not hasattr(defaults, key):
            valid = [f.name for f in dataclasses.fields(config)]
            raise ConfigError(f"{where}.{key}: unknown key{nearest(str(key), [*valid, 'kind'])}")
        keys[key] = _typed(f"{where}.{key}", value, getattr(defaults, key))
    return config(**keys)


def _typed(where: str, value: Any, default: Any) -> Any:
    """Return ``value`` as the type of ``default``; lists become tuples, a lone value a tuple of one."""
    if isinstance(default, tuple):
        items = [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
        if any(isinstance(v, dict | list | tuple | float | bool) for v in items):
            raise ConfigError(f"{where}: wanted a list of names or whole numbers, found {value!r}")
        return tuple(items)
    if isinstance(default, str) and (value is None or not isinstance(value, str | bool | dict | list | tuple)):
        return "" if value is None else str(value)
    if type(value) is not type(default):
        raise ConfigError(f"{where}: wanted {type(default).__name__}, found {value!r}")
    return value
