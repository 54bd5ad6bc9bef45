"""Own faces: drawn offsets of the open body's face, from MakeHuman's face shapes as they come with the package.

Shape coefficients of body models hardly say anything about faces, so that all people of one model look like siblings.
The offsets move the drawn skin only: joints, keypoints and shape coefficients are those of the body without them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int16, Integer
from numpy import ndarray

from a3dgen.bodies.archive import write_atomically
from a3dgen.bodies.grip import OPEN_BODY
from a3dgen.core.errors import DataError
from a3dgen.core.pool import Cache
from a3dgen.core.rng import generator_for
from a3dgen.geometry.body import BodyData
from a3dgen.io.npz import read

MOST = 1.6
"""Coefficients are clipped here: 1 is MakeHuman's own end of a scale, made to be extreme."""
_CACHE = Cache(4)


@dataclass(frozen=True)
class Axis:
    """One way in which faces differ: MakeHuman's targets for less and more of it, and the coefficients' deviation."""

    less: tuple[str, ...]
    more: tuple[str, ...]
    spread: float


def _pair(name: str, spread: float, less: str = "decr", more: str = "incr") -> Axis:
    return Axis((f"{name}-{less}",), (f"{name}-{more}",), spread)


def _both(name: str, spread: float, less: str = "decr", more: str = "incr") -> Axis:
    folder, part = name.split("/")
    sides = tuple(f"{folder}/{side}-{part}" for side in "lr")
    return Axis(tuple(f"{s}-{less}" for s in sides), tuple(f"{s}-{more}" for s in sides), spread)


AXES = (
    _pair("nose/nose-scale-horiz", 0.40),
    _pair("nose/nose-scale-vert", 0.30),
    _pair("nose/nose-scale-depth", 0.35),
    _pair("nose/nose-width1", 0.45),
    _pair("nose/nose-width2", 0.45),
    _pair("nose/nose-width3", 0.45),
    _pair("nose/nose-hump", 0.45),
    _pair("nose/nose-curve", 0.40, "concave", "convex"),
    _pair("nose/nose-point", 0.40, "down", "up"),
    _pair("nose/nose-point-width", 0.45),
    _pair("nose/nose-base", 0.35, "down", "up"),
    _pair("nose/nose-nostrils-width", 0.40),
    _pair("nose/nose-volume", 0.40),
    _pair("nose/nose-greek", 0.30),
    _pair("mouth/mouth-scale-horiz", 0.40),
    _pair("mouth/mouth-upperlip-height", 0.40),
    _pair("mouth/mouth-lowerlip-height", 0.40),
    _pair("mouth/mouth-upperlip-volume", 0.45),
    _pair("mouth/mouth-lowerlip-volume", 0.45),
    _pair("mouth/mouth-angles", 0.35, "down", "up"),
    _pair("mouth/mouth-trans", 0.30, "down", "up"),
    _pair("chin/chin-width", 0.50),
    _pair("chin/chin-height", 0.45),
    _pair("chin/chin-prominent", 0.45),
    _pair("chin/chin-bones", 0.50),
    _pair("chin/chin-jaw-drop", 0.40),
    _pair("chin/chin-cleft", 0.35),
    _both("cheek/cheek-bones", 0.50),
    _both("cheek/cheek-inner", 0.45),
    _both("cheek/cheek-volume", 0.50),
    _pair("forehead/forehead-nubian", 0.35),
    _pair("forehead/forehead-temple", 0.40),
    _pair("forehead/forehead-trans", 0.35, "backward", "forward"),
    _pair("eyebrows/eyebrows-trans", 0.45, "down", "up"),
    _pair("eyebrows/eyebrows-angle", 0.40, "down", "up"),
    _both("eyes/eye-corner2", 0.35, "down", "up"),
    _both("eyes/eye-height2", 0.30),
    _both("eyes/eye-eyefold", 0.40, "down", "up"),
    _both("eyes/eye-bag", 0.35),
    _pair("head/head-fat", 0.35),
)


@dataclass(frozen=True)
class FaceAxes:
    """The shapes of ``AXES``: ``rows`` (n,) that move, ``shapes`` (axis, less or more, n, 3) in hundredths of a mm."""

    rows: Integer[ndarray, " n"]
    shapes: Int16[ndarray, "a 2 n 3"]

    def differences(self, other: FaceAxes) -> dict[str, float]:
        """Return the name of every array that differs from another's, with the largest difference (m, or rows)."""
        if not np.array_equal(self.rows, other.rows):
            return {"rows": float(len(np.setxor1d(self.rows, other.rows)))}
        off = float(np.abs(self.shapes.astype(float) - other.shapes).max()) * 1e-5
        return {"shapes": off} if off else {}


def faces_path(beside: Path | None = None) -> Path:
    """Return where the packaged file lies, or the name of such a file beside another body file."""
    folder = Path(str(resources.files("a3dgen.bodies")))
    return beside.with_name(f"{beside.stem}_faces.npz") if beside else folder / "anny24_faces.npz"


def write_faces(path: Path, axes: FaceAxes) -> None:
    """Write face shapes as ``shipped_faces`` reads them."""
    content = io.BytesIO()
    np.savez_compressed(content, rows=axes.rows, shapes=axes.shapes)
    write_atomically(path, content.getvalue())


def shipped_faces(path: Path) -> FaceAxes:
    """Return the face shapes of the open body.

    Raises:
        DataError: if the file is missing, damaged or of other axes.
    """
    try:
        arrays = read(path)
    except DataError as error:
        raise DataError(f"{error}; install a3dgen again") from error
    rows, shapes = arrays.get("rows"), arrays.get("shapes")
    if rows is None or shapes is None or shapes.shape != (len(AXES), 2, len(rows), 3):
        raise DataError(f"{path}: holds other face shapes than this version's; install a3dgen again")
    return FaceAxes(rows, shapes)


def face_offsets(body: BodyData, seed: int) -> Float[ndarray, "v 3"] | None:
    """Return the offsets (V, 3) f4, m, of the rest skin that make one person's face; None for other bodies.

    Args:
        body: the body model. seed: of the person's look.

    Raises:
        DataError: if the packaged file is damaged.
    """
    if not body.name.startswith(OPEN_BODY):
        return None
    axes = _CACHE.get(body.mesh, "faces", lambda: shipped_faces(faces_path()))
    if axes.rows.max() >= len(body.mesh.vertices):
        raise DataError(f"{faces_path()}: made for another skin than that of {body.name}; install a3dgen again")
    spread = np.array([axis.spread for axis in AXES])
    drawn = np.clip(generator_for(seed, "face").standard_normal(len(AXES)) * spread, -MOST * spread, MOST * spread)
    weights = np.stack([np.maximum(-drawn, 0), np.maximum(drawn, 0)], 1) * 1e-5
    out = np.zeros_like(body.mesh.vertices)
    shapes = _CACHE.get(body.mesh, "shapes", lambda: axes.shapes.astype(np.float32))
    out[axes.rows] = np.tensordot(weights.astype(np.float32), shapes, 2)
    return out
