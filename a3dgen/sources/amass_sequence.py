"""Reads one AMASS sequence (SMPL+H or SMPL-X N) in blocks of frames: poses, translation, soft tissue, betas, gender."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.geometry.skeleton import NUM_JOINTS
from a3dgen.io.npz import member_names, read
from a3dgen.io.npz_rows import RowStream, open_rows
from a3dgen.motion.rates import rational

HANDS = {156: (22, 37), 165: (25, 40)}
"""Width of an AMASS pose -> the joints that stand for SMPL's left and right hand: the index fingers' bases."""
WIDTHS = {156: "SMPL-H", 165: "SMPL-X"}
SMPLX_FACE = (22, 23, 24)
"""Jaw and eyes, which SMPL+H lacks."""
RATES = ("mocap_framerate", "mocap_frame_rate")
GENDERS = ("female", "male", "neutral")
_SMALL = (*RATES, "betas", "gender")


@dataclass(frozen=True)
class Sequence:
    """What a sequence says of itself.

    Attributes:
        frames: N. rate: fps. width: of a pose, 156 or 165. gender: one of ``GENDERS``. betas: (S,).
        remarks: what had to be assumed.
    """

    path: Path
    frames: int
    rate: Fraction
    width: int
    gender: str
    betas: ndarray
    remarks: tuple[str, ...]


def smpl_joints(width: int) -> list[int]:
    """Return which joints of a pose of that width are SMPL's 24."""
    return [*range(NUM_JOINTS - 2), *HANDS[width]]


@contextmanager
def open_sequence(path: Path, soft: int = 0) -> Iterator[tuple[Sequence, RowStream, RowStream, RowStream | None]]:
    """Open a sequence: what it says of itself, and its rows of ``poses``, ``trans`` and ``dmpls``.

    Args:
        soft: so many DMPL coefficients are wanted; a sequence without them gets a remark.

    Raises:
        DataError: if the file is no sequence (its message starts with the path), or is damaged.
    """
    names = member_names(path)
    lacking = [key for key in ("poses", "trans") if key not in names]
    if lacking:
        raise DataError(f"{path}: not a sequence, it lacks {' and '.join(lacking)}")
    small = read(path, max_bytes=1 << 20, names=_SMALL)
    with open_rows(path, ("poses", "trans", "dmpls") if soft else ("poses", "trans")) as rows:
        poses, trans, dmpls = rows["poses"], rows["trans"], rows.get("dmpls")
        check_width(path, poses.shape)
        if trans.shape != (poses.shape[0], 3):
            raise DataError(f"{path}: trans has shape {trans.shape}, wanted ({poses.shape[0]}, 3)")
        remarks = []
        if soft and dmpls is None:
            remarks.append("no dmpls in it: 0")
        elif dmpls is not None and (dmpls.shape[0] != poses.shape[0] or dmpls.shape[1:] < (soft,)):
            raise DataError(f"{path}: dmpls have shape {dmpls.shape}, wanted ({poses.shape[0]}, {soft})")
        gender, betas = _gender(small, remarks), _betas(path, small, remarks)
        said = Sequence(path, poses.shape[0], rate_of(path, small), poses.shape[1], gender, betas, tuple(remarks))
        yield said, poses, trans, dmpls


def check_width(path: Path, shape: tuple[int, ...]) -> None:
    """Raise DataError unless poses are (N, 156) or (N, 165)."""
    if len(shape) != 2 or shape[1] not in WIDTHS:
        wanted = " or ".join(f"{w} ({n})" for w, n in WIDTHS.items())
        width = f"{shape[1]} wide" if len(shape) == 2 else f"of shape {shape}"
        raise DataError(f"{path}: 'poses' are {width}, wanted {wanted}")


def rate_of(path: Path, small: dict[str, ndarray]) -> Fraction:
    """Return the frame rate, under its old or its new name.

    Raises:
        DataError: if there is none, or none that is a rate.
    """
    name = next((n for n in RATES if n in small), None)
    if name is None:
        raise DataError(f"{path}: lacks mocap_framerate, so nobody knows how fast it is")
    value = small[name]
    try:
        if value.size != 1:
            raise ValueError(f"{value.size} numbers")
        return rational(float(value.reshape(())[()]))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: {name} is no frame rate ({error})") from None


def _gender(small: dict[str, ndarray], remarks: list[str]) -> str:
    value = small["gender"].ravel()[:1].tolist() if "gender" in small else []
    text = value[0].decode("ascii", "replace") if value and isinstance(value[0], bytes) else str(*value)
    text = text.strip("\0 '\"").lower()
    if text in GENDERS:
        return text
    remarks.append(f"gender {repr(text[:20]) if text else 'missing'}: neutral")
    return "neutral"


def _betas(path: Path, small: dict[str, ndarray], remarks: list[str]) -> ndarray:
    if "betas" not in small:
        remarks.append("no betas in it: the mean shape")
        return np.zeros(0)
    betas = small["betas"]
    if betas.dtype.kind not in "fiu" or not np.isfinite(betas.astype(np.float64)).all():
        raise DataError(f"{path}: betas are not finite numbers")
    if betas.ndim == 2:  # one row a frame, or a single row
        betas = betas[:1]
    return betas.astype(np.float64).ravel()
