"""A small cache for what is derived from arrays that are too large to hash."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Cache:
    """A bounded cache of this process whose keys hold an object's identity; entries keep that object alive."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[Hashable, tuple[Any, Any]] = OrderedDict()

    def get(self, owner: Any, key: Hashable, make: Callable[[], Any]) -> Any:
        full = (id(owner), key)
        if full in self._entries:
            self._entries.move_to_end(full)
            return self._entries[full][1]
        value = make()
        self._entries[full] = (owner, value)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
        return value
