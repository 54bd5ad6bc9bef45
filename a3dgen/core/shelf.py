"""Keeps on disk what takes long to make and is the same for everybody: garments, hair, skin maps, patterns.

Every worker, and every later build, maps the same file into memory instead of making the thing again, so that it is
there once a machine, and pools in memory can be small. A file is trusted as far as compiled kernels are: it lies beside
them in the cache folder, its name says all that it was made from (the code, by its sources; the libraries and the kind
of processor; the key), and one that is damaged is made again. What is made is handed out as it would be read, so that
whoever made it works with the same memory layout, hence the same sums, as whoever found it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import mmap
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

import numpy as np

from a3dgen.core.compiled import source_digests
from a3dgen.core.files import remove, remove_empty, write_whole
from a3dgen.core.home import home
from a3dgen.core.mapped import mapped

T = TypeVar("T")
FOLDER = "made"
SUFFIX = ".shelf"
MOST = 4 << 20
KEPT = 2
"""Versions of the code whose things are kept: the last ones."""
_ALIGN, _SHA, _LENGTH, _MAPPED = mmap.ALLOCATIONGRANULARITY, 32, 8, 16 << 10
"""Bytes: arrays begin at multiples, as they are mapped; of the digest; of the length of the header; of an array that is
mapped, smaller ones are read."""
_LIBRARIES = ("numpy", "scipy", "numba", "opencv-python-headless")
log = logging.getLogger("a3dgen")


class Shelf(Generic[T]):
    """Things of one kind, each a function of its key and of the code that makes it.

    Things are made of arrays, numbers, texts, None, lists, tuples, mappings by text, and dataclasses.
    """

    def __init__(self, name: str, code: str, *classes: type, most: int = MOST) -> None:
        """Name the shelf; nothing is read.

        Args:
            name: of its folder. code: ``__file__`` of the module that makes the things. classes: dataclasses in them.
            most: bytes of a thing; larger ones are not kept.
        """
        self._name, self._code, self._most = name, Path(code), most
        self._classes = {cls.__name__: cls for cls in classes}
        self._full = False
        self._sound: dict[Path, tuple[int, ...]] = {}

    @functools.cached_property
    def folder(self) -> Path:
        """Where the things are that this code makes on this machine."""
        digest = hashlib.blake2b(digest_size=8)
        for part in (*source_digests(self._code), _surroundings().encode()):
            digest.update(part)
        return home() / FOLDER / f"{self._name}-{digest.hexdigest()}"

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return the thing of a key from the disk; make and keep it if it is not there, or damaged.

        Its arrays may be written to: nobody else sees that.
        """
        path = self.folder / f"{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}{SUFFIX}"
        found = self._read(path)
        if found is not None:
            return found[0]
        data = pack(make())
        self._write(path, data)
        found = self._read(path)
        return found[0] if found is not None else unpack(functools.partial(_from_bytes, data), self._classes)

    def _read(self, path: Path) -> tuple[T] | None:
        try:
            with open(path, "rb") as file:
                facts = os.fstat(file.fileno())
                state = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
                if self._sound.get(path) != state:  # once a process: it takes longer than all the rest
                    if file.read(_SHA) != hashlib.file_digest(file, "sha256").digest():
                        raise ValueError("its digest differs")
                    self._sound[path] = state
                return (unpack(functools.partial(_from_file, file), self._classes),)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            log.debug("%s: %s; made again", path, error)
            return None

    def _write(self, path: Path, data: bytes) -> None:
        if self._full or len(data) > self._most:
            return
        try:
            if not self.folder.is_dir():
                self._forget_old()
            write_whole(path, data)
        except OSError as error:  # a full disk, or a quota
            self._full = True
            log.debug("%s cannot be kept: %s", path, error)

    def _forget_old(self) -> None:
        """Delete what earlier versions of the code made, but for the last."""
        others = sorted(home().glob(f"{FOLDER}/{self._name}-*"), key=lambda p: p.stat().st_mtime, reverse=True)
        for folder in others[KEPT - 1 :]:
            for path in folder.glob(f"*{SUFFIX}"):
                remove(path)
            remove_empty(folder)


def pack(thing: Any) -> bytes:
    """Return a thing as bytes: SHA-256 of what follows, the length of a header of JSON, the header, the arrays."""
    arrays: list[np.ndarray] = []
    tree = _tree(thing, arrays)
    described = [[a.dtype.str, list(a.shape), _by_columns(a)] for a in arrays]
    header = json.dumps({"tree": tree, "arrays": described}).encode()
    parts = [len(header).to_bytes(_LENGTH, "little"), header]
    size = _SHA + _LENGTH + len(header)
    for array in arrays:
        parts.append(bytes(-size % _ALIGN))
        parts.append((array.T if _by_columns(array) else array).tobytes())
        size += len(parts[-2]) + len(parts[-1])
    data = b"".join(parts)
    return hashlib.sha256(data).digest() + data


Source = Callable[[int, int], Any]
"""Returns so many bytes from a place on, as memory that may be written to."""


def unpack(source: Source, classes: Mapping[str, type]) -> Any:
    """Return the thing of ``pack``, whose digest is not looked at.

    Args:
        source: of the bytes; an array stays in the memory that it gives. classes: by name.

    Raises:
        ValueError, KeyError, TypeError, IndexError: if it is none.
    """
    begin = _SHA + _LENGTH
    start = begin + int.from_bytes(source(_SHA, _LENGTH), "little")
    header = json.loads(bytes(source(begin, start - begin)))
    arrays = []
    for kind, shape, by_columns in header["arrays"]:
        dtype = np.dtype(kind)
        if dtype.hasobject:
            raise TypeError("objects are no arrays")
        start += -start % _ALIGN
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        flat = np.frombuffer(source(start, size), np.uint8).view(dtype) if size else np.empty(0, dtype)
        arrays.append(flat.reshape(shape[::-1]).T if by_columns else flat.reshape(shape))
        start += size
    return _thing(header["tree"], arrays, classes)


def _from_bytes(data: bytes, start: int, size: int) -> bytearray:
    return bytearray(data[start : start + size])


def _from_file(file: BinaryIO, start: int, size: int) -> Any:
    """Map large pieces, each apart, so that one stays no longer than its array."""
    if size >= _MAPPED and hasattr(mmap, "MAP_PRIVATE"):
        return mapped(file.fileno(), start, size)
    file.seek(start)
    return bytearray(file.read(size))


def digest_of(thing: Any) -> str:
    """Return a digest of what a thing holds, for keys."""
    return pack(thing)[:_SHA].hex()


def _by_columns(array: np.ndarray) -> bool:
    return bool(array.flags.f_contiguous and not array.flags.c_contiguous)


def _tree(thing: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(thing, np.ndarray):
        arrays.append(thing)
        return {"array": len(arrays) - 1}
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = {f.name: _tree(getattr(thing, f.name), arrays) for f in dataclasses.fields(thing)}
        return {"class": type(thing).__name__, "fields": fields}
    if isinstance(thing, Mapping):
        return {"mapping": {str(k): _tree(v, arrays) for k, v in thing.items()}}
    if isinstance(thing, list | tuple):
        return {type(thing).__name__: [_tree(v, arrays) for v in thing]}
    if thing is None or isinstance(thing, bool | int | float | str):
        return {"value": thing}
    raise TypeError(f"{type(thing).__name__} cannot be kept on a shelf")


def _thing(tree: Any, arrays: list[np.ndarray], classes: Mapping[str, type]) -> Any:
    if "array" in tree:
        return arrays[tree["array"]]
    if "class" in tree:
        return classes[tree["class"]](**{k: _thing(v, arrays, classes) for k, v in tree["fields"].items()})
    if "mapping" in tree:
        return {k: _thing(v, arrays, classes) for k, v in tree["mapping"].items()}
    for kind in (list, tuple):
        if kind.__name__ in tree:
            return kind(_thing(v, arrays, classes) for v in tree[kind.__name__])
    return tree["value"]


@functools.cache
def _surroundings() -> str:
    """Return what else numbers may depend on: versions of libraries, the kind of processor, its pages."""
    return " ".join([*_versions(), platform.machine(), _processor(), str(_ALIGN)])


def _versions() -> Iterator[str]:
    for name in _LIBRARIES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:  # another build of the same library
            yield name


def _processor() -> str:
    from llvmlite.binding import get_host_cpu_name

    return str(get_host_cpu_name())
