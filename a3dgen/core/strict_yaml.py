"""Strict YAML: duplicate keys, non-string keys and aliases are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from a3dgen.core.errors import ConfigError

MAX_YAML_BYTES = 1_000_000
BAD_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""What ``parse`` raises: besides errors of the syntax, impossible dates and bottomless nestings."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML in which a repeated key is an error instead of a silent overwrite, and no alias is followed."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.constructor.ConstructorError(
                None, None, "aliases (*name) are not supported", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text; put it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        one of ``BAD_YAML``.
    """
    return yaml.load(text, Loader=_UniqueKeyLoader)  # a SafeLoader


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: if the file cannot be read, is not a mapping, or repeats a key.
    """
    try:
        if path.stat().st_size > MAX_YAML_BYTES:
            raise ConfigError(f"{path}: too large for a configuration ({path.stat().st_size} bytes)")
        value = parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}{_place(error)}") from error
    except BAD_YAML as error:
        raise ConfigError(f"{path}: not usable YAML ({error})") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: a configuration is a mapping of keys, not {name_of(value)}")
    return value


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{line}: {what}"


def name_of(value: Any) -> str:
    """Return what a user would call the type of a value."""
    names = {"str": "text", "dict": "a mapping", "list": "a list", "NoneType": "nothing"}
    return names.get(type(value).__name__, type(value).__name__)
