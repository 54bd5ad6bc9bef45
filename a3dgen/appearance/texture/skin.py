"""Skin textures: Monk tone, blood and melanin, lips, nails, palms, brows, stubble, hairline and eyes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.appearance.hair import RECEDING
from a3dgen.appearance.look import Hair
from a3dgen.appearance.looks import EYE_COLOURS, HAIR_COLOURS
from a3dgen.appearance.texture.colour import monk_albedo
from a3dgen.appearance.texture.skin_kernel import BLOCK, SkinColours, paint_plain, skin_exp
from a3dgen.appearance.texture.skin_maps import TILE, SkinMaps
from a3dgen.core.compiled import kernel
from a3dgen.core.rng import generator_for
from a3dgen.lighting.srgb import ENCODE, to_linear
from a3dgen.renderers.tiled import TiledTexture, split_tiles


@dataclass(frozen=True)
class _Scalp:
    """Hair painted on the scalp: what share of the colour it has, over how many degrees it thins out at the hairline,
    and how far that has receded, 0..1 (see ``HeadFrame.above_hairline``)."""

    share: float = 0.95
    edge: float = 8.0
    receded: float = 0.0


_SCALPS = {
    "bald": _Scalp(0.15, 24.0),
    "balding": _Scalp(0.88, 15.0, 1.0),
    "buzz": _Scalp(0.90, 13.0),
    "fade": _Scalp(0.88, 17.0),
    "receding": _Scalp(0.92, 11.0, RECEDING),
    "crop": _Scalp(0.94, 10.0),
    "bun": _Scalp(0.95, 6.0),
}


class _Anatomy(NamedTuple):
    """The maps of ``SkinMaps`` that the kernel reads, one value a texel."""

    plain: Bool[ndarray, "m"]
    noise: Float[ndarray, "8 m"]
    above_hairline: Float[ndarray, "m"]
    receded: Float[ndarray, "m"]
    brow: Float[ndarray, "m"]
    beard: Float[ndarray, "m"]
    lips: Float[ndarray, "m"]
    nails: Float[ndarray, "m"]
    pale: Float[ndarray, "m"]
    flush: Float[ndarray, "m"]
    cavity: Float[ndarray, "m"]
    eye: Float[ndarray, "m"]
    axis: Float[ndarray, "m"]
    lash: Float[ndarray, "m"]
    scar: Float[ndarray, "m"]
    relief: Float[ndarray, "m"]


@kernel(inside=True)
def _mix(base: float, over: float, share: float) -> float:
    return base + (over - base) * share


@kernel
@no_type_check
def _paint(anatomy, skin, encode, blocks, out):
    """Colour blocks of texels; anatomy: an ``_Anatomy``. skin: a ``SkinColours``. blocks: (M / ``BLOCK``,) bool, which.
    out: (M, 4) u1."""
    plain, noise, above, receded, brow, beard, lips, nails, pale, flush, cavity, eye, axis, lash, scar, relief = anatomy
    colours = skin.colours
    mel, base = np.empty(BLOCK), np.empty((3, BLOCK))
    for i in range(noise.shape[1]):
        here = i % BLOCK
        if not blocks[i // BLOCK]:
            continue
        if here == 0:
            paint_plain(noise, flush, i, skin, encode, mel, base, out)
        if plain[i]:
            continue
        grain = 0.03 * (noise[5, i] + noise[6, i])
        strand = 1.0 + 0.28 * noise[5, i] + 0.22 * noise[6, i] + 0.25 * noise[7, i]
        strand = min(max(strand, 0.35), 2.0)
        shade = skin_exp(-0.55 * cavity[i])
        line = above[i] + skin.receded * (receded[i] - above[i]) + 1.9 * noise[4, i] + 1.3 * noise[5, i]
        dense = min(max(line / skin.hairline + 0.35, 0.0), 1.0)
        dense *= dense * (3.0 - 2.0 * dense)
        dense += dense * (1.0 - dense) * (0.5 * noise[6, i] + 0.9 * noise[7, i])  # single hairs show where it is thin
        scalp = skin.scalp * min(max(dense, 0.0), 1.0)
        hairy = min(0.88, brow[i] * skin.brows * (1.25 + 0.25 * noise[6, i] + 0.25 * noise[7, i]))
        chin = beard[i] * skin.stubble * (0.58 + 0.14 * noise[6, i] + 0.20 * noise[7, i]) * (1 - lips[i])
        chin = min(max(chin, 0.0), 0.9)
        for c in range(3):
            v = base[c, here]
            if pale[i] > 0.0:
                v = _mix(v, colours[1, c] * skin_exp(0.7 * mel[here]), 0.75 * pale[i])
            v *= _mix(shade, 1.0, 0.4) if c == 0 else shade  # light that leaves a fold is red
            if lips[i] > 0.0:
                v = _mix(v, colours[2, c] * (1 + 1.5 * grain) * shade, 0.75 * lips[i])
            if nails[i] > 0.0:
                v = _mix(v, colours[3, c], 0.8 * nails[i])
            if scar[i] > 0.0:
                v = _mix(v, colours[8, c], 0.85 * scar[i])
            if scalp > 0.0:
                v = _mix(v, colours[4, c] * strand, scalp)
            if hairy > 0.0:
                v = _mix(v, colours[7, c] * min(strand, 1.3), hairy)
            if chin > 0.0:
                v = _mix(v, 0.65 * colours[4, c] * strand + 0.35 * v * 0.6, chin)
            if eye[i] > 0.0:
                v = colours[6, c] * (1.0 - 0.12 * c * min(max((axis[i] - 40.0) / 40.0, 0.0), 1.0))  # red corners
                rim = min(max((axis[i] - 26.0) / 6.0, 0.0), 1.0)  # dark limbal ring
                iris = colours[5, c] * (1.0 + 0.3 * noise[7, i]) * (1.0 - 0.6 * rim)
                v = _mix(v, iris, min(max((33.0 - axis[i]) / 3.0, 0.0), 1.0))
                v = _mix(v, 0.006, min(max((13.5 - axis[i]) / 3.0, 0.0), 1.0))
                v *= 1.0 - 0.55 * lash[i]
            elif lash[i] > 0.0:
                v = _mix(v, 0.3 * colours[7, c] + 0.003, 0.9 * lash[i])
            v = min(max(v, 0.0), 1.0)
            out[i, c] = encode[int(v * 4095.0 + 0.5)]
        rough = (0.2 * noise[5, i] + 0.4 * noise[6, i] + 0.6 * noise[7, i]) * (1 - max(eye[i], nails[i]))
        h = 128.0 + skin.relief * rough * (1.0 + 2.0 * max(scalp, chin)) + 110.0 * relief[i]
        out[i, 3] = min(max(h, 0.0), 255.0)


def _colours(tone: int, hair: Hair) -> Float[ndarray, "9 3"]:
    """Linear RGB of skin, palms, lips, nails, hair, iris, sclera, brows (darker than pale hair) and scars."""
    skin = monk_albedo(tone)
    dark = (tone - 1) / 9
    pale = np.array([0.05, 0.02, 0.02]) * (1 - dark) + np.array([0.10, 0.06, 0.05]) * dark
    palm = np.clip(skin * (1 + 1.6 * dark**1.5) * [1.0, 0.90, 0.88] + pale, 0, 0.72)
    lip = skin * ([0.80, 0.44, 0.44] if tone < 6 else [1.0, 0.66, 0.70])
    nail = np.clip(skin * [1.10, 0.93, 0.92] + np.array([0.09, 0.062, 0.058]) * (1 - 0.35 * dark), 0, 0.85)
    strands = to_linear(HAIR_COLOURS[hair.colour])
    iris = to_linear(EYE_COLOURS[hair.eyes])
    iris = iris + 0.25 * (iris.mean() - iris)
    brows = np.minimum(strands, to_linear((112, 88, 66)))
    sclera = np.array([0.46, 0.42, 0.39]) * (1 - 0.25 * dark)
    scar = np.clip(skin * [1.06, 0.97, 0.97] + np.array([0.07, 0.045, 0.045]), 0, 0.85)  # paler than the red around it
    return np.stack([skin, palm, lip, nail, strands, iris, sclera, brows, scar]).astype(np.float32)


def skin_texture(maps: SkinMaps, tone: int, hair: Hair, variant: int) -> TiledTexture:
    """Return the skin of one person: sRGB, and the height of pores and hair in alpha (128 = flat).

    It is painted where it is seen: a texel depends on the maps at its own place only.

    Args:
        maps: the body's maps.
        tone: Monk tone 1..10.
        hair: style, colour, eyes, age, brows and stubble.
        variant: which of the noise mixtures to use.
    """
    rng = generator_for(variant, "skin variant")
    age = float(hair.age)
    melanin = np.array([0.5, 0.35, 0.3, 0.22, 0.18, 0.05, 0, 0]) * rng.uniform(0.6, 1.3, 8) * rng.choice([-1, 1], 8)
    melanin *= 0.05 + 0.0006 * (age - 18)
    blood = np.array([0, 0.15, 0.3, 0.5, 0.5, 0.3, 0.1, 0]) * rng.uniform(0.5, 1.3, 8) * 0.032
    scalp = _SCALPS.get(hair.style, _Scalp())
    dark = (tone - 1) / 9
    pores = (22.0 + 0.25 * (age - 18)) * (1 - 0.35 * dark)  # highlights show every pore on dark skin
    skin = SkinColours(
        melanin.astype(np.float32),
        blood.astype(np.float32),
        _colours(tone, hair),
        redness=np.float32(0.34 - 0.22 * dark),
        relief=np.float32(pores),
        scalp=np.float32(scalp.share),
        brows=np.float32(hair.brows),
        stubble=np.float32(hair.stubble),
        hairline=np.float32(scalp.edge),
        receded=np.float32(scalp.receded),
    )
    anatomy = _Anatomy(*(getattr(maps, name) for name in _Anatomy._fields))
    texels = np.empty((maps.noise.shape[1], 4), np.uint8)
    done = np.zeros(-(-len(texels) // BLOCK), np.bool_)
    source = split_tiles(maps.atlas.source.reshape(maps.atlas.size, maps.atlas.size), TILE)

    def paint(tiles: Bool[ndarray, "t t"], out: UInt8[ndarray, "s s 4"]) -> None:
        read = source[tiles]
        blocks = np.zeros_like(done)
        blocks[read.ravel() // BLOCK] = True
        blocks &= ~done
        _paint(anatomy, skin, ENCODE, blocks, texels)
        done[blocks] = True
        split_tiles(out.view(np.uint32)[..., 0], TILE)[tiles] = texels.view(np.uint32)[:, 0][read]

    return TiledTexture(maps.atlas.size, TILE, paint)
