"""Numbers from HDF5 files of others: no link is followed out of the file, and no size is believed.

HDF5 can name other files (external links, external storage, virtual datasets), load filters as code from a plugin
folder, and state a shape of any size in a few bytes. Here a dataset is read only if all of it lies in the file itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from a3dgen.core.errors import DataError
from a3dgen.io.damage import is_not_the_file
from a3dgen.io.regular import open_regular

MAX_BYTES = 1 << 30
"""Largest dataset of a file that others made."""
_FILTERS = frozenset((1, 2, 3, 4, 5, 6, 32000))
"""Built in: deflate, shuffle, Fletcher, szip, n-bit, scale-offset, and h5py's LZF."""
_MOST_PACKED, _SMALL = 2000, 1 << 20
"""No built-in filter packs more than a thousand to one; below so many bytes nobody cares."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an ordinary HDF5 file for reading.

    Raises:
        DataError: missing, not an ordinary file, or not HDF5.
    """
    try:
        with open_regular(path) as file:
            why = is_not_the_file(file.read(512))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    if why:
        raise DataError(f"{path}: {why}")
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{path}: not a readable HDF5 file: {' '.join(str(error).split())[:120]}") from None
    with file:
        yield file


def child(group: Any, name: str) -> Any:
    """Return a member of a file or group by its path; KeyError if there is none.

    Raises:
        DataError: if a link on the way leads elsewhere.
    """
    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or group.get(part, getlink=True) is None:
            raise KeyError(name)
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise DataError(f"{group.file.filename}: '{name}' is a link to something else, which is not followed")
        group = group[part]
    return group


def numbers(node: Any, kinds: str = "iufb", max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Return the content of a dataset.

    Args:
        node: of the file, as ``child`` returns it. kinds: NumPy kinds that it may have.
        max_bytes: refuse it if it is larger.

    Raises:
        DataError: if it is no dataset of these kinds, lies elsewhere, or is larger than it can be.
    """
    check_dataset(node, kinds, max_bytes)
    return np.asarray(node[()])


def check_dataset(node: Any, kinds: str = "iufb", max_bytes: int = MAX_BYTES) -> None:
    """Raise DataError unless ``numbers`` may read a dataset."""
    if not isinstance(node, h5py.Dataset):
        raise DataError("HDF5: a group or type stands where numbers were wanted")
    plist, kind, stored = node.id.get_create_plist(), node.dtype, node.id.get_storage_size()
    size = node.id.get_space().get_simple_extent_npoints() * kind.itemsize
    filters = {plist.get_filter(i)[0] for i in range(plist.get_nfilters())}
    if plist.get_external_count() or plist.get_layout() == h5py.h5d.VIRTUAL:
        wrong = "lies in other files, which are not read"
    elif kind.kind not in kinds:
        wrong = f"is {kind}, wanted numbers"
    elif size > max_bytes or size > max(_SMALL, _MOST_PACKED * stored):
        wrong = f"states {size / 1e9:.1f} GB of data, of which the file holds {stored} bytes"
    elif filters - _FILTERS:
        wrong = f"is packed by a filter that is not built in ({sorted(filters - _FILTERS)[0]})"
    else:
        return
    raise DataError(f"{node.file.filename}: '{node.name}' {wrong}")
