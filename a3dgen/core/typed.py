"""Plain YAML values to typed dataclasses, with errors that name file, key and the nearest valid one."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.strict_yaml import BAD_YAML, name_of, parse

DERIVED = {"derived": True}
"""Metadata of a configuration field that follows other keys: help does not list it."""


@dataclass(frozen=True)
class Raw:
    """A value typed on the command line: text whose meaning depends on the type of the key it is for."""

    text: str
    origin: str


def convert(kind: Any, value: Any, key: str, origin: str) -> Any:
    """Return ``value`` as ``kind`` (a type, dataclass, Literal, union or container of them).

    Args:
        key: dotted name, for messages.
        origin: file the value comes from; a ``Raw`` value brings its own.

    Raises:
        ConfigError: one line, if it does not fit.
    """
    if isinstance(value, Raw):
        origin = value.origin
    if kind is Any:
        return _untyped(value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return construct(kind, _parsed(value), key, origin)
    shape = typing.get_origin(kind)
    if shape in (Union, types.UnionType):
        return _convert_union(typing.get_args(kind), value, key, origin)
    if shape is Literal:
        return _convert_literal(typing.get_args(kind), value, key, origin)
    if shape is not None or kind in (list, tuple, dict):
        return _convert_container(kind, shape or kind, value, key, origin)
    return _convert_scalar(kind, value, key, origin)


def construct(cls: type, value: Any, key: str, origin: str) -> Any:
    """Build the dataclass ``cls`` from a mapping; missing keys take its defaults."""
    if value is None:
        value = {}
    if not isinstance(value, Mapping):
        raise _mismatch(key, f"a mapping with {', '.join(hints(cls))}", value, origin)
    kinds = hints(cls)
    check_keys(value, kinds, key, origin)
    given = {name: convert(kinds[name], v, f"{key}.{name}" if key else name, origin) for name, v in value.items()}
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.init and field.name not in given:
            raise ConfigError(f"{origin}: the key '{_join(key, field.name)}' is required")
    try:
        return cls(**given)
    except (ConfigError, ValueError, TypeError) as error:  # what the dataclass itself checks
        raise ConfigError(f"{origin}: {key}{': ' if key else ''}{error}") from error


def check_keys(value: Mapping[str, Any], valid: Iterable[str], key: str, origin: str) -> None:
    """Raise ConfigError for the first key of ``value`` that is not valid, naming the nearest."""
    valid = list(valid)
    for name, item in value.items():
        if name not in valid:
            where = _origin_of(item) or origin
            raise ConfigError(f"{where}: unknown key '{_join(key, str(name))}'{nearest(str(name), valid)}")


@functools.cache
def hints(cls: type) -> dict[str, Any]:
    """Return field name -> type of a dataclass."""
    kinds = typing.get_type_hints(cls)
    return {f.name: kinds[f.name] for f in dataclasses.fields(cls) if f.init}


def override(tree: dict[str, Any], assignment: str) -> None:
    """Put ``a.b.c=value`` into a nested mapping, in place.

    Raises:
        ConfigError: if it is not of that form, or a part of the path already is a plain value.
    """
    path, equals, text = assignment.partition("=")
    parts = path.strip().split(".")
    if not equals or not all(parts):
        raise ConfigError(f"--set {assignment}: write key=value, e.g. fit.max_iterations=20")
    origin = f"--set {assignment}"
    node = tree
    for depth, part in enumerate(parts[:-1]):
        child = node.get(part)
        if child is None:
            child = node[part] = {}
        if isinstance(child, Raw):
            child = node[part] = _parsed(child)
        if not isinstance(child, dict):
            raise ConfigError(f"{origin}: '{'.'.join(parts[: depth + 1])}' is a value, not a group of keys")
        node = child
    node[parts[-1]] = Raw(text, origin)


def plain(value: Any) -> Any:
    """Return dataclasses, paths and tuples as plain JSON values, keys in declared order."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(v) for v in value)
    return str(value) if isinstance(value, Path) else value


def _convert_union(kinds: Sequence[Any], value: Any, key: str, origin: str) -> Any:
    empty = value is None or (isinstance(value, Raw) and value.text.strip().lower() in ("null", "none", "~", ""))
    if empty and type(None) in kinds:
        return None
    word = isinstance(value, Raw) and isinstance(_guess(value), str) and "," not in value.text
    # Text accepts everything typed on the command line: first for a plain word, last otherwise.
    kinds = sorted((k for k in kinds if k is not type(None)), key=lambda k: (k is str) != word)
    for kind in kinds:
        try:
            return convert(kind, value, key, origin)
        except ConfigError:
            # Only the message of the one alternative that was clearly meant helps.
            if len(kinds) == 1 or (dataclasses.is_dataclass(kind) and isinstance(value, Mapping)):
                raise
    raise _mismatch(key, " or ".join(_spell(k) for k in kinds), value, origin)


def _convert_literal(choices: Sequence[Any], value: Any, key: str, origin: str) -> Any:
    found = _guess(value) if isinstance(value, Raw) else value
    if isinstance(value, Raw) and value.text in choices:
        found = value.text
    if found not in choices or isinstance(found, bool) != any(found is c for c in choices if isinstance(c, bool)):
        hint = nearest(str(found), [str(c) for c in choices])
        raise ConfigError(f"{origin}: {key} cannot be {found!r}{hint}")
    return found


def _convert_container(kind: Any, shape: Any, value: Any, key: str, origin: str) -> Any:
    args = typing.get_args(kind)
    value = _parsed(value)
    if issubclass(shape, Mapping):
        if not isinstance(value, Mapping):
            raise _mismatch(key, "a mapping", value, origin)
        inner = args[1] if len(args) == 2 else Any
        return {str(k): convert(inner, v, f"{key}.{k}", origin) for k, v in value.items()}
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise _mismatch(key, _spell(kind), value, origin)
    if shape is tuple and args and args[-1] is not Ellipsis:
        if len(value) != len(args):
            raise ConfigError(f"{origin}: {key} must have {len(args)} values, not {len(value)}")
        return tuple(convert(a, v, f"{key}[{i}]", origin) for i, (a, v) in enumerate(zip(args, value, strict=True)))
    inner = args[0] if args else Any
    items = [convert(inner, v, f"{key}[{i}]", origin) for i, v in enumerate(value)]
    return tuple(items) if shape is tuple else items


def _convert_scalar(kind: Any, value: Any, key: str, origin: str) -> Any:
    if kind in (str, Path):
        if isinstance(value, Raw):
            return kind(value.text)
        if isinstance(value, str):
            return kind(value)
        raise _mismatch(key, "text (put it in quotes)", value, origin)
    value = _guess(value) if isinstance(value, Raw) else value
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, float) and not isinstance(value, bool):
        number = _number(value)
        if number is not None and kind is float:
            return float(number)
        if number is not None and float(number).is_integer():
            return int(number)
    if kind is type(None) and value is None:
        return None
    raise _mismatch(key, _spell(kind), value, origin)


def _number(value: Any) -> int | float | None:
    """Return a number, also from texts such as 1e-3, which YAML leaves as text; None if it is none or not finite."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int | float) and math.isfinite(value):
        return value
    return None


def _parsed(value: Any) -> Any:
    """Return what a container key was given: YAML, or on the command line also ``a,b,c``."""
    if not isinstance(value, Raw):
        return value
    found = _guess(value)
    if isinstance(found, str):
        return [Raw(part.strip(), value.origin) for part in found.split(",") if part.strip()]
    return [found] if isinstance(found, int | float) else found


def _untyped(value: Any) -> Any:
    """Return a value whose key has no declared type, with everything typed on the command line read as YAML."""
    if isinstance(value, Raw):
        return _guess(value)
    return {k: _untyped(v) for k, v in value.items()} if isinstance(value, dict) else value


def _guess(value: Raw) -> Any:
    try:
        return parse(value.text)
    except BAD_YAML:
        return value.text


def _origin_of(item: Any) -> str | None:
    """Return the command-line origin of a value, or of the first value inside a mapping made by overrides only."""
    if isinstance(item, Raw):
        return item.origin
    if isinstance(item, Mapping) and item:
        origins = [_origin_of(v) for v in item.values()]
        return origins[0] if all(origins) else None
    return None


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _mismatch(key: str, wanted: str, value: Any, origin: str) -> ConfigError:
    shown = value.text if isinstance(value, Raw) else value
    return ConfigError(f"{origin}: {key} must be {wanted}, not {str(shown)[:60]!r} ({name_of(shown)})")


def _spell(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    if kind in names:
        return names[kind]
    shape, args = typing.get_origin(kind), typing.get_args(kind)
    if shape in (list, tuple, Sequence):
        return f"a list of {_spell(args[0])}" if args and shape is not tuple else "a list"
    return getattr(kind, "__name__", str(kind))
