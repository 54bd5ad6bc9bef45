"""The body model's configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BodyConfig:
    """Which body model to use.

    Attributes:
        model: ``anny`` (open, baked once) or ``smpl`` (the user's licensed file).
        path: the SMPL file, for ``smpl``.
        ages: ``adults`` or ``all``, for ``anny``.
        betas: number of shape coefficients; 10, 16 or 32 for ``anny``, up to what the file holds for ``smpl``.
        regressor_extra: ``J_regressor_extra.npy`` for ``smpl``; empty: used if it lies beside the model, else the
            extra keypoints have geometric definitions.
        regressor_h36m: ``J_regressor_h36m.npy`` for ``smpl``, likewise.
    """

    model: str = "anny"
    path: str = ""
    ages: str = "adults"
    betas: int = 10
    regressor_extra: str = ""
    regressor_h36m: str = ""
