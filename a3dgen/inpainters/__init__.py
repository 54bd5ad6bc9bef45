"""Fills the place where a person stood. Every backend gets arrays and returns a new image of the same size.

``get_inpainter(name)(rgb, hole, forbidden, rng)`` fills ``hole`` (H, W) bool of ``rgb`` (H, W, 3) u1. Pixels outside
the hole come back untouched. ``forbidden`` marks pixels that are known but must not be copied from: other people,
so that the fill never grows a second arm. ``rng`` is the only source of randomness.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.registry import resolve


@runtime_checkable
class Inpainter(Protocol):
    """Signature of every backend."""

    def __call__(
        self,
        rgb: UInt8[ndarray, "h w 3"],
        hole: Bool[ndarray, "h w"],
        forbidden: Bool[ndarray, "h w"],
        rng: np.random.Generator,
    ) -> UInt8[ndarray, "h w 3"]: ...


class NoSource(Rejected):
    """The photo shows too little besides the person (and other people) to fill the hole from."""


INPAINTERS: dict[str, str] = {
    "exemplar": "a3dgen.inpainters.exemplar:create",
    "opencv": "a3dgen.inpainters.opencv:create",
    "lama": "a3dgen.inpainters.lama:create",
}
"""Name -> factory taking the path of a model file ("" where none is needed)."""


ROUGH: dict[str, str] = {"exemplar": "a3dgen.inpainters.exemplar:create_rough"}
"""Name -> factory of a faster form whose fine texture cannot be relied on, where there is one."""


def get_inpainter(name: str = "exemplar", path: str = "", rough: bool = False) -> Inpainter:
    """Return an inpainter.

    Args:
        name: a key of ``INPAINTERS``.
        rough: take the faster form, if it has one.
        path: the user's model file, for ``lama``; ``telea`` or ``ns`` for ``opencv``; ignored by ``exemplar``.

    Raises:
        ConfigError: unknown name, or a path the backend cannot use.
    """
    factory: Callable[[str], Inpainter] = resolve("inpainter", INPAINTERS | ROUGH if rough else INPAINTERS, name)
    return factory(path)
