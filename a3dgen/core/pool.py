"""A bounded pool of things that are expensive to make and shared by many samples."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """Keeps the ``size`` most recently used values. What is made must be a function of the key."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._values: OrderedDict[Hashable, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._values

    def __getitem__(self, key: Hashable) -> T:
        self._values.move_to_end(key)
        return self._values[key]

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of ``key``, making it if it is not there."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = self._values[key] = make()
        while len(self._values) > self.size:
            self._values.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._values.clear()


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
