"""Write an npz of any length in constant memory: rows are appended, zip members are assembled piece by piece."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.core.files import remove, remove_empty
from a3dgen.formats.schema import Key
from a3dgen.io.pickle_write import portable_pickle

_EPOCH = (1980, 1, 1, 0, 0, 0)
_CHUNK = 1 << 20


class NpzStream:
    """Append blocks of rows to named columns, then write one npz.

    Numbers wait in one raw file a column below ``scratch``; text waits as length-prefixed UTF-8. The finished file
    has fixed time stamps, so that the same rows give the same bytes.
    """

    def __init__(self, path: Path, keys: Mapping[str, Key], scratch: Path) -> None:
        self.path, self.keys, self.scratch = path, dict(keys), scratch
        scratch.mkdir(parents=True, exist_ok=True)
        self._files = {name: open(self._raw(name), "wb") for name in keys}  # noqa: SIM115 - closed in __exit__
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._widths = dict.fromkeys(keys, 1)
        self.rows = 0

    def _raw(self, name: str) -> Path:
        return self.scratch / f"{name}.raw"

    def __enter__(self) -> NpzStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for name, file in self._files.items():
            file.close()
            remove(self._raw(name))
        remove_empty(self.scratch)

    def append(self, block: Mapping[str, np.ndarray]) -> None:
        """Append a block of rows: exactly the declared keys, each (n, *row shape).

        Raises:
            DataError: if a key is missing, unknown, or has another row shape or length.
        """
        if set(block) != set(self.keys):
            raise DataError(f"{self.path.name}: keys differ from the schema: {sorted(set(block) ^ set(self.keys))}")
        lengths = {len(v) for v in block.values()}
        if len(lengths) != 1:
            raise DataError(f"{self.path.name}: columns of different lengths {sorted(lengths)}")
        for name, key in self.keys.items():
            if _is_text(key):
                self._append_text(name, block[name])
            else:
                self._append_numbers(name, key, block[name])
        self.rows += lengths.pop()

    def _append_text(self, name: str, values: np.ndarray) -> None:
        for value in values:
            data = str(value).encode()
            self._widths[name] = max(self._widths[name], len(str(value)))
            self._files[name].write(len(data).to_bytes(4, "little") + data)

    def _append_numbers(self, name: str, key: Key, values: np.ndarray) -> None:
        shape = values.shape[1:]
        known = self._shapes.setdefault(name, shape)
        wanted = tuple(got if isinstance(s, str) else s for s, got in zip(key.shape, known, strict=False))
        if shape != known or shape != wanted or len(shape) != len(key.shape):
            raise DataError(f"{self.path.name}: '{name}' has row shape {shape}, wanted {key.shape}")
        self._files[name].write(np.ascontiguousarray(values, key.dtype).tobytes())

    def finish(self) -> None:
        """Assemble the npz at ``path``."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=1) as archive:
            for name, key in self.keys.items():
                self._files[name].close()
                info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
                info.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=True) as member:
                    self._write_member(member, name, key)

    def _write_member(self, member: Any, name: str, key: Key) -> None:
        raw = self._raw(name)
        if key.dtype == "object":
            _write_strings_object(member, list(_read_text(raw)))
        elif _is_text(key):
            width = max(self._widths[name], int(key.dtype[1:] or 1))
            _write_header(member, np.dtype(f"<U{width}"), (self.rows,))
            for value in _read_text(raw):
                member.write(np.array(value, f"<U{width}").tobytes())
        else:
            shape = self._shapes.get(name, tuple(0 if isinstance(s, str) else s for s in key.shape))
            _write_header(member, np.dtype(key.dtype), (self.rows, *shape))
            with open(raw, "rb") as file:
                shutil.copyfileobj(file, member, _CHUNK)


def _is_text(key: Key) -> bool:
    return key.dtype == "object" or key.dtype.startswith("U")


def _read_text(path: Path) -> Any:
    with open(path, "rb") as file:
        while size := file.read(4):
            yield file.read(int.from_bytes(size, "little")).decode()


def _write_header(member: Any, dtype: np.dtype, shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(member, header)


def _write_strings_object(member: Any, values: list[str]) -> None:
    """Readers of this family expect an object array here, which numpy stores as a pickle of strings."""
    array = np.empty(len(values), object)
    array[:] = values
    _write_header(member, array.dtype, array.shape)
    member.write(portable_pickle(array, protocol=3))


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a finished file into the dataset, or copy it where links are not possible."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
