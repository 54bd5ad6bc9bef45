"""Notes that ``unpickle`` takes while it reads: what a pickle names, wants called, or fills; nothing of it is run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """The pickle asks for something that is not plain data."""


@dataclass(frozen=True, eq=False, slots=True)
class Name:
    """A class or function that a pickle names: only its name."""

    module: str
    name: str


@dataclass(eq=False, slots=True)
class Call:
    """A note that a pickle wants something called (or made), given state, and filled with entries."""

    what: Name
    args: tuple[Any, ...]
    state: Any = None
    pairs: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Dict:
    """The entries of a dict."""

    pairs: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Set:
    """The entries of a set."""

    items: list[Any] = field(default_factory=list)
    frozen: bool = False


def shown(value: Any) -> str:
    """Return a short, printable word on a value, for messages: never a long one, never a deep one."""
    if isinstance(value, Name):
        text = f"'{value.module}.{value.name}'"
    elif isinstance(value, str):
        text = value[:200]
    else:
        text = f"a {type(value).__name__.lower()}"
    return " ".join("".join(c if c.isprintable() else "?" for c in text).split())[:80]
