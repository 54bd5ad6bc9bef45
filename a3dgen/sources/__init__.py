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

from a3dgen.core.errors import ConfigError
from a3dgen.core.registry import available, resolve
from a3dgen.core.typed import construct

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
        for kind in available("source", SOURCES):
            source = resolve("source", SOURCES, kind)
            if isinstance(settings, source.Config):
                return source, settings
        raise ConfigError(f"sources.{name}: {type(settings).__name__} is no source configuration")
    if not isinstance(settings, Mapping):
        raise ConfigError(f"sources.{name}: wanted a mapping of keys such as 'root', found {settings!r}")
    keys = dict(settings)
    source = resolve("source", SOURCES, str(keys.pop("kind", name)))
    return source, construct(source.Config, keys, f"sources.{name}", "configuration")
