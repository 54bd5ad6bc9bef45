"""Constants of the materials, shared by everything that shades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True)
class Material:
    """How a surface answers light.

    Attributes:
        roughness: GGX roughness (perceptual; squared when used). f0: reflectance at normal incidence.
        specular: weight of the key's highlight. sheen: weight of the reflected surroundings.
        bump: metres between the lowest and the highest value of the height in a texture's alpha.
        wrap: how far light creeps past the terminator, by scattering below the surface, RGB.
        skin: whether scars are painted.
    """

    roughness: float
    f0: float
    specular: float
    sheen: float
    bump: float
    wrap: tuple[float, float, float] = (0.0, 0.0, 0.0)
    skin: bool = False

    def constants(self) -> Float[ndarray, "9"]:
        """Return the numbers in the order the compiled shader reads them."""
        return np.array(
            [self.roughness**4, self.f0, self.specular, self.sheen, self.bump, *self.wrap, float(self.skin)], np.float32
        )


MATERIAL: dict[str, Material] = {
    "skin": Material(0.46, 0.028, 1.15, 0.2, 0.0014, wrap=(0.30, 0.15, 0.10), skin=True),
    "cloth": Material(0.80, 0.04, 0.35, 0.25, 0.020),
    "hair": Material(0.52, 0.045, 0.45, 0.2, 0.004),
    "shoe": Material(0.55, 0.04, 0.8, 0.4, 0.004),
    "metal": Material(0.34, 0.30, 1.3, 0.30, 0.0004),
    "carbon": Material(0.30, 0.05, 1.5, 0.45, 0.0006),
    "plastic": Material(0.42, 0.04, 1.0, 0.3, 0.0005),
    "rubber": Material(0.75, 0.035, 0.5, 0.25, 0.001),
}
