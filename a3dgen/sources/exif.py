"""Whether labels of a picture with an EXIF orientation are in its shown or in its stored pixels."""

from __future__ import annotations

from collections import Counter

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import ConfigError, Rejected, nearest

EXIF = ("auto", "shown", "stored")
TURNED = "pictures turned by EXIF whose labels are in stored pixels: labels are turned too"


def check_exif(setting: str) -> None:
    """Raise ConfigError unless ``setting`` is one of ``EXIF``."""
    if setting not in EXIF:
        raise ConfigError(f"exif: '{setting}' is unknown{nearest(setting, EXIF)}")


def stored_size(shown: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return (width, height) of the stored pixels of a picture that is shown as ``shown``."""
    return shown[::-1] if orientation >= 5 else shown


def labels_are_stored(
    orientation: int,
    shown: tuple[int, int],
    points: Float[ndarray, "n 2"],
    setting: str,
    notes: Counter[str],
    where: str,
    said: tuple[int, int] | None = None,
) -> bool:
    """Whether labels must be turned by the EXIF orientation to be in shown pixels.

    Args:
        orientation: 1..8. shown: (width, height) px as people see the picture.
        points: all labelled points on it, px as in the file. setting: one of ``EXIF``.
        notes: gets what was noticed. where: the setting's key, for the notes.
        said: the size that the labels' file gives, if it does.

    Raises:
        Rejected: if that size is neither.
    """
    if orientation == 1 or setting != "auto":
        return orientation != 1 and setting == "stored"
    if orientation < 5:
        notes[
            "pictures with EXIF orientation 2 to 4: sizes cannot tell whether labels are in shown or stored pixels; "
            f"shown is assumed ({where})"
        ] += 1
        return False
    stored = stored_size(shown, orientation)
    if said is not None and said not in (shown, stored):
        raise Rejected(
            f"the image is {shown[0]}x{shown[1]} px by its EXIF orientation {orientation} ({stored[0]}x{stored[1]} "
            f"stored), but its annotation says {said[0]}x{said[1]}"
        )
    fits = {size: points_fit(points, size) for size in (shown, stored)}
    if (said == stored and fits[stored]) or (said is None and fits[stored] and not fits[shown]):
        notes[TURNED] += 1
        return True
    if said == stored and not fits[stored]:
        notes[
            "pictures turned by EXIF: width and height are the stored ones, but points only fit the shown picture"
        ] += 1
    return False


def points_fit(points: Float[ndarray, "n 2"], size: tuple[int, int]) -> bool:
    """Whether all but a stray few of the points lie on a picture of this size."""
    if not len(points):
        return True
    return bool(((points >= -2) & (points <= np.array(size) + 2)).all(1).mean() > 0.95)
