"""Draws looks that cover the photo's person: the hole is foretold from mask or fitted body, before there is a plate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.appearance.covering import Coverage
from a3dgen.appearance.look import TEXTURE, Look
from a3dgen.appearance.looks import DrawnLook, Gain, LooksConfig, drawn_look
from a3dgen.appearance.texture.painted import painted_tone, read_painted
from a3dgen.core.rng import generator_for
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.boxes import mask_box
from a3dgen.geometry.camera import MIN_DEPTH, project
from a3dgen.geometry.raster import scaled_K, silhouette
from a3dgen.io import rle
from a3dgen.removal.config import Config as Removal
from a3dgen.removal.mask_ops import dilate

SIDE = 160
"""Longer side (px) of the photo's person in the picture that coverage is counted in."""


@dataclass(frozen=True)
class Dresser:
    """Draws somebody's looks.

    Attributes:
        config, seed, textures, gain: see ``drawn_look``. name: what looks are drawn by. body: the body model.
        tones: skin tones of the textures seen. drawn: looks by variant: twins share one.
    """

    config: LooksConfig
    seed: int
    name: str
    body: BodyData
    textures: tuple[str, ...] = ()
    tones: dict[str, int] = field(default_factory=dict)
    gain: Gain | None = None
    drawn: dict[int, DrawnLook] = field(default_factory=dict)

    def look(self, variant: int, removed: Bool[ndarray, "12"], residual: Float[ndarray, "12"]) -> Look:
        """Return the look of one variant; ``removed``, ``residual``: of the amputation."""
        if variant not in self.drawn:
            rng = generator_for(self.seed, "look", f"{self.name}#{variant}")
            self.drawn[variant] = drawn_look(rng, self.config, self.textures, self.gain)
        look = self.drawn[variant].on(self.config, removed, residual)
        return replace(look, skin=self._tone(look) or look.skin)

    def _tone(self, look: Look) -> int:
        """Return the skin tone that a whole-person texture has of itself, 0 for drawn clothes."""
        if look.garments[0].kind != TEXTURE:
            return 0
        file = look.garments[0].file
        if file not in self.tones:
            self.tones[file] = painted_tone(read_painted(file, self.body), self.body)
        return self.tones[file]


def gain_of(body: BodyData, person: dict[str, Any], fit: dict[str, Any]) -> Gain | None:
    """Return what clothes would cover of the hole that somebody will leave; None if they are not in the photo.

    The hole is expected where their mask is, or else the fitted body, grown as stage ``background`` grows them. Masks
    are those of the photo: at this size a lens bends them by less than a pixel.

    Args:
        body: the body model. person, fit: rows of Persons and Bodies.
    """
    width, height = (int(v) for v in person["image_size"])
    posed = pose_body(body, fit["pose"], fit["betas"], fit["transl"])
    vertices = posed.vertices(body.mesh, fit["betas"])
    if not (vertices[:, 2] > MIN_DEPTH).all():
        return None
    low, high = (f(project(vertices.astype(np.float64), fit["K"]), 0) for f in (np.min, np.max))
    tall = float((high - low).max())
    scale = min(1.0, SIDE / tall)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    K = scaled_K(fit["K"], scale)

    def small(picture: Bool[ndarray, "h w"]) -> Bool[ndarray, "a b"]:
        return cv2.resize(picture.astype(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA) > 127

    own = rle.from_json(str(person["mask"]))
    if own is not None and own.shape == (height, width) and own.any():
        mask, growth = small(own), Removal.dilate
    else:
        mask, growth = silhouette(vertices, body.mesh.faces[~body.mesh.hidden], K, *size), Removal.dilate_fitted
    hole = dilate(mask, growth * scale * tall)
    hole &= ~small(rle.union_from_json(str(person["others"]), width, height)) | mask
    if not hole.any():
        return None
    x0, y0, x1, y1 = (int(v) for v in mask_box(hole))
    K[:2, 2] -= x0, y0
    return Coverage.of(body, fit, K, hole[y0:y1, x0:x1]).gain
