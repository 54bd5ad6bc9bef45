"""Help on configuration keys: each Config's fields, their defaults, and what its docstring says of them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from a3dgen.core.registry import available, resolve

WIDTH = 100
PHOTO_KEYS = ("detector_config", "min_score", "max_side", "video_fps", "video_frames")
"""Keys of photo folders for which ``custom`` has no option."""


def command_help(command: str, stages: Sequence[str]) -> str:
    """Return the configuration keys that belong to a command, with a heading."""
    from a3dgen import config
    from a3dgen.core.run_config import PrivacyConfig, RunConfig
    from a3dgen.sources import SOURCES

    privacy, more = keys_help(PrivacyConfig, "privacy"), ""
    if command == "build":
        told = ["  seed (0): of everything random", keys_help(RunConfig, "")]
        told += [keys_help(config.BodyConfig, "body"), privacy, keys_help(config.DevicesConfig, "devices")]
        more = f"\nand those of each stage: see 'a3dgen {'|'.join(stages)} --help'"
    elif command == "custom":
        told = [keys_help(_source_config("photos"), "sources.photos", PHOTO_KEYS)]
        told += [privacy.replace("(False)", "(True here)")]  # by configs/custom.yaml
        more = "\nand all others: see 'a3dgen build --help'"
    elif command == "demo":
        told = [keys_help(import_module(config.DEMO_MODULE).Config, "demo")]
    else:
        own = keys_help(import_module(f"a3dgen.stages.{command}").Config, command)
        told = [
            own.replace("ingest.sources", "sources").replace("amputate.devices", "devices")
        ]  # which is a key of its own
        told += [
            keys_help(_source_config(n), f"sources.{n}") for n in available("source", SOURCES) if command == "ingest"
        ]
    return "\n".join(["keys for --set, with their defaults:", *told]) + more


def _source_config(name: str) -> type:
    from a3dgen.sources import SOURCES

    return resolve("source", SOURCES, name).Config


def keys_help(config: type, prefix: str, only: Sequence[str] = ()) -> str:
    """Return one paragraph a configuration key: ``prefix.key (default): meaning``.

    A key that is a group (another dataclass) is followed by its own keys.

    Args:
        config: a frozen dataclass whose fields all have defaults.
        prefix: dotted name of the group, e.g. ``fit``; may be empty.
        only: keys of it to tell; empty = all.
    """
    meanings: dict[str, str] = {}
    for kind in reversed(config.__mro__):
        meanings |= _meanings(inspect.cleandoc(kind.__doc__ or ""))
    parts, defaults = [], config()
    for field in dataclasses.fields(config):
        if (only and field.name not in only) or field.metadata.get("derived"):
            continue
        key, default = f"{prefix}.{field.name}" if prefix else field.name, getattr(defaults, field.name)
        if dataclasses.is_dataclass(default):
            parts.append(keys_help(type(default), key))
        else:
            text = f"{key} ({_spelled(default)}): {meanings.get(field.name, '')}".rstrip(": ")
            parts.append(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="      "))
    return "\n".join(parts)


def _spelled(default: Any) -> str:
    words = isinstance(default, tuple) and default and all(isinstance(v, str) for v in default)
    return ", ".join(default) if words else repr(default)


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
