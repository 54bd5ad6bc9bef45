"""Point Cloud Library files (.pcd), ascii and binary; compressed ones through ``pypcd4``, where it is installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.io.regular import read_bytes

HEADER_LINES = 64
_KINDS = {"F": "f", "I": "i", "U": "u"}


def read_pcd(path: Path) -> Float[ndarray, "m 3"]:
    """Return the points (M, 3) of a PCD file (version 0.7 and earlier), in its own frame and unit.

    Raises:
        DataError: if it is damaged, or lacks x, y or z.
    """
    data = read_bytes(path)
    header, start = _header(path, data)
    dtype = _dtype(path, header)
    try:
        count = int(header["POINTS"][0]) if "POINTS" in header else int(header["WIDTH"][0]) * int(header["HEIGHT"][0])
    except (KeyError, ValueError, IndexError):
        raise DataError(f"{path}: the header does not say how many points there are") from None
    kind = header["DATA"][0].lower()
    if kind == "ascii":
        return _ascii(path, data[start:], header["FIELDS"], count)
    if kind == "binary_compressed":
        return _compressed(path)
    if kind != "binary":
        raise DataError(f"{path}: the header says DATA {kind}; ascii, binary and binary_compressed are read")
    if count < 0 or len(data) - start < count * dtype.itemsize:
        raise DataError(f"{path}: {count} points are announced, but the file ends before")
    table = np.frombuffer(data, dtype, count, start)
    return np.stack([table[axis].astype(np.float64) for axis in "xyz"], 1)


def _header(path: Path, data: bytes) -> tuple[dict[str, list[str]], int]:
    """Return the header's words by name, and where the points start."""
    header: dict[str, list[str]] = {}
    start = 0
    for _ in range(HEADER_LINES):
        end = data.find(b"\n", start)
        if end < 0:
            break
        words = data[start:end].decode("ascii", "replace").split()
        start = end + 1
        if words and not words[0].startswith("#"):
            header[words[0].upper()] = words[1:]
            if words[0].upper() == "DATA" and len(words) > 1:
                if not {"x", "y", "z"} <= set(header.get("FIELDS", ())):
                    raise DataError(f"{path}: its fields lack x, y or z")
                return header, start
    raise DataError(f"{path}: no PCD header")


def _dtype(path: Path, header: dict[str, list[str]]) -> np.dtype:
    names = header["FIELDS"]
    try:
        sizes, kinds = header["SIZE"], header["TYPE"]
        counts = [int(c) for c in header.get("COUNT", ["1"] * len(names))]
        parts = []
        for i, (name, size, kind, count) in enumerate(zip(names, sizes, kinds, counts, strict=True)):
            code = f"<{_KINDS[kind.upper()]}{int(size)}"
            parts.append((name if name in "xyz" else f"{i}", code, *([(count,)] if count != 1 else [])))
        return np.dtype(parts)
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path}: FIELDS, SIZE, TYPE and COUNT do not fit together ({error})") from None


def _ascii(path: Path, text: bytes, fields: list[str], count: int) -> Float[ndarray, "m 3"]:
    lines = text.decode("ascii", "replace").split("\n")
    columns = [fields.index(axis) for axis in "xyz"]
    try:
        rows = [line.split() for line in lines if line.strip()]
        points = np.array([[float(row[c]) for c in columns] for row in rows[:count]]).reshape(-1, 3)
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}: a line is no point ({error})") from None
    if len(points) < count:
        raise DataError(f"{path}: {count} points are announced, but the file ends before")
    return points


def _compressed(path: Path) -> Float[ndarray, "m 3"]:
    try:
        from pypcd4 import PointCloud
    except ImportError:
        raise DataError(f"{path}: compressed; install 'pypcd4', or store it as ascii or binary") from None
    try:
        return np.asarray(PointCloud.from_path(path).numpy(("x", "y", "z")), np.float64)
    except Exception as error:  # whatever the package meets in a damaged file
        raise DataError(f"{path}: not a readable PCD file ({type(error).__name__}: {error})") from None
