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
        betas: number of shape coefficients, 10, 16 or 32.
    """

    model: str = "anny"
    path: str = ""
    ages: str = "adults"
    betas: int = 10
