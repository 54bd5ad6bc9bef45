"""The pool of textures of a process: procedural skin, fabrics, shoes and hair, and the user's own PNGs.

Recipes and licences are listed in ``a3dgen/textures/manifest.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import yaml
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.appearance.look import Hair
from a3dgen.appearance.looks import HAIR_COLOURS
from a3dgen.appearance.texture import fabric as fabrics
from a3dgen.appearance.texture import skin_maps as maps_code
from a3dgen.appearance.texture.atlas import Atlas
from a3dgen.appearance.texture.painted import read_painted
from a3dgen.appearance.texture.shoe import shoe as shoe_texture
from a3dgen.appearance.texture.skin import skin_texture
from a3dgen.appearance.texture.skin_maps import SkinMaps, skin_maps
from a3dgen.core.package_files import data_folder
from a3dgen.core.pool import Pool
from a3dgen.core.rng import generator_for
from a3dgen.core.shelf import Shelf, digest_of
from a3dgen.geometry.body import BodyData
from a3dgen.lighting.srgb import to_linear, to_srgb
from a3dgen.renderers.tiled import TiledTexture

SKIN_SIZE = 1024
VARIANTS = 4
"""Noise mixtures of the skin; more would only fill the pool."""

Texture = UInt8[ndarray, "h w 4"]
_MAPS: Pool[tuple[BodyData, SkinMaps]] = Pool(2)
_MAPS_SHELF: Shelf[SkinMaps] = Shelf("skin", maps_code.__file__, SkinMaps, Atlas, most=256 << 20)
_SKINS: Pool[tuple[SkinMaps, TiledTexture]] = Pool(4)
_FABRICS: Pool[TiledTexture] = Pool(8)
_SHOES: Pool[TiledTexture] = Pool(8)
"""Hardly two people have the same skin or cloth; twins do, and follow one another."""
_HAIRS: Pool[Texture] = Pool(16)
_PAINTED: Pool[tuple[SkinMaps, Texture]] = Pool(8)


@lru_cache(1)
def manifest() -> Mapping[str, Any]:
    """Return the manifest of textures: name -> recipe, source and licence."""
    return yaml.safe_load((data_folder("textures") / "manifest.yaml").read_text("utf-8"))


def body_maps(body: BodyData) -> SkinMaps:
    """Return the skin maps of a body, baked on first use (a second or two) and kept on their shelf."""

    def make() -> SkinMaps:
        return skin_maps(body, SKIN_SIZE)

    return _MAPS.get(id(body.mesh), lambda: (body, _MAPS_SHELF.get(_maps_key(body), make)))[1]


def _maps_key(body: BodyData) -> str:
    return digest_of([body.mesh, body.joints_template, body.masks, SKIN_SIZE])


def skin(body: BodyData, tone: int, hair: Hair, seed: int) -> TiledTexture:
    """Return a person's skin (1024, 1024, 4) from the pool; ``seed`` picks one of ``VARIANTS`` mixtures."""
    variant = seed % VARIANTS
    maps = body_maps(body)
    key = (id(maps), tone, hair, variant)
    return _SKINS.get(key, lambda: (maps, skin_texture(maps, tone, hair, variant)))[1]


def fabric(kind: str, colours: Sequence[Sequence[int]], seed: int) -> TiledTexture:
    """Return a fabric tile from the pool; see ``fabrics.fabric``."""
    key = (kind, tuple(map(tuple, colours)), seed)
    return _FABRICS.get(key, lambda: fabrics.fabric(kind, colours, seed))


def shoe(colours: Sequence[Sequence[int]], seed: int) -> TiledTexture:
    """Return a shoe from the pool; see ``shoe_texture``."""
    key = (tuple(map(tuple, colours)), seed)
    return _SHOES.get(key, lambda: shoe_texture(colours, seed))


def hair(colour: str, seed: int, curly: bool) -> Texture:
    """Return hair from the pool (256, 256, 4): strands along v, or a matt crop of short or curly hair."""
    key = (colour, seed % 4, curly)
    return _HAIRS.get(key, lambda: _hair(colour, seed % 4, curly))


def _hair(colour: str, seed: int, curly: bool) -> Texture:
    shade, height = _strands(seed, curly)
    out = np.empty((*height.shape, 4), np.uint8)
    out[..., :3] = to_srgb(to_linear(HAIR_COLOURS[colour]) * shade)
    out[..., 3] = height
    return out


@lru_cache(8)
def _strands(seed: int, curly: bool) -> tuple[Float[ndarray, "s s 1"], UInt8[ndarray, "s s"]]:
    """Return the colour-free part of hair: a factor on its colour, and its height."""
    rng = generator_for(seed, "hair")
    size, half = 256, 128
    layers = (  # the coarse ones are what is left of it at a distance
        ((0.6, 1.2, 0.8), (1.5, 2.5, 0.9), (7, 9, 0.7), (20, 22, 0.5))
        if curly
        else ((0.6, 30, 0.8), (2, 50, 1.0), (6, 80, 0.8), (16, 70, 0.4))
    )
    pattern = np.zeros((size, size), np.float32)
    for across, along, weight in layers:
        padded = np.pad(rng.standard_normal((size, size)).astype(np.float32), half, mode="wrap")
        blurred = cv2.GaussianBlur(padded, (0, 0), sigmaX=across, sigmaY=along)[half:-half, half:-half]
        pattern += weight * blurred / blurred.std()
    pattern /= pattern.std()
    shade = np.clip(np.exp((0.27 if curly else 0.25) * pattern - 0.08), 0.3, 2.2)[..., None]
    return shade, np.clip(128 + (11 if curly else 10) * pattern, 0, 255).astype(np.uint8)


def painted(path: str, body: BodyData) -> Texture:
    """Return a user's whole-person texture from the pool, in the body's UV layout.

    Raises:
        DataError: if it cannot be read, or is meant for another body.
    """
    maps = body_maps(body)
    return _PAINTED.get((path, id(maps)), lambda: (maps, read_painted(path, body)))[1]
