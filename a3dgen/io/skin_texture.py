"""Skin textures: Monk tone, blood and melanin, lips, nails, palms, brows, stubble, hairline and eyes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.compiled import kernel
from a3dgen.io.colour import ENCODE, monk_albedo, to_linear
from a3dgen.io.skin_maps import SkinMaps
from a3dgen.looks import EYE_COLOURS, HAIR_COLOURS
from a3dgen.rng import generator_for

_SCALP = {"bald": 0.16, "buzz": 0.72}
"""How much of the scalp's colour is hair; 0.95 for all other styles."""
_BALD_HAIRLINE = 30.0
"""Degrees a bald person's remaining hair recedes."""


@kernel
def _mix(base: float, over: float, share: float) -> float:
    return base + (over - base) * share


@kernel
def _exp(x: float) -> float:
    """exp(x) for |x| < 1.5 within 1 % (third order after halving twice)."""
    y = 0.25 * x
    y = 1.0 + y * (1.0 + y * (0.5 + y * 0.16667))
    y *= y
    return y * y


@kernel
def _paint(
    plain, noise, above, brow, beard, lips, nails, pale, flush, cavity, eye, axis, lash,
    melanin, blood, colours, k, encode, out,
) -> None:  # fmt: skip
    """Colour every texel. ``colours`` rows: skin, palm, lip, nail, hair, iris, sclera, brow. ``k``: see ``_knobs``."""
    for i in range(noise.shape[1]):
        mel, hem = 0.0, 0.0
        for o in range(8):
            mel += melanin[o] * noise[o, i]
            hem += blood[o] * noise[o, i]
        if plain[i]:
            grain = 0.03 * (noise[5, i] + noise[6, i])
            red = flush[i] * k[0]
            for c in range(3):
                absorb_m = 0.7 if c == 0 else (1.0 if c == 1 else 1.25)
                absorb_b = -0.2 if c == 0 else (1.0 if c == 1 else 0.8)
                absorb_r = 0.12 if c == 0 else (1.0 if c == 1 else 0.85)
                v = colours[0, c] * _exp(mel * absorb_m + hem * absorb_b - red * absorb_r) * (1 + grain)
                out[i, c] = encode[int(min(v, 1.0) * 4095.0 + 0.5)]
            h = 128.0 + k[4] * (0.4 * noise[5, i] + 0.5 * noise[6, i] + 0.5 * noise[7, i])
            out[i, 3] = min(max(h, 0.0), 255.0)
            continue
        grain = 0.03 * (noise[5, i] + noise[6, i])
        strand = 1.0 + 0.28 * noise[5, i] + 0.22 * noise[6, i] + 0.25 * noise[7, i]
        strand = min(max(strand, 0.35), 2.0)
        red = flush[i] * k[0]
        shade = _exp(-0.55 * cavity[i])
        edge = (above[i] - k[5] + 1.2 + 0.7 * noise[4, i] + 1.8 * noise[5, i] + 2.0 * noise[6, i]) / 1.8
        scalp = k[1] / (1.0 + np.exp(-min(max(edge, -30.0), 30.0)))
        hairy = min(0.88, brow[i] * k[2] * (1.25 + 0.25 * noise[6, i] + 0.25 * noise[7, i]))
        chin = beard[i] * k[3] * (0.58 + 0.14 * noise[6, i] + 0.20 * noise[7, i]) * (1 - lips[i])
        chin = min(max(chin, 0.0), 0.9)
        for c in range(3):
            absorb_m = 0.7 if c == 0 else (1.0 if c == 1 else 1.25)
            absorb_b = -0.2 if c == 0 else (1.0 if c == 1 else 0.8)
            absorb_r = 0.12 if c == 0 else (1.0 if c == 1 else 0.85)
            v = colours[0, c] * _exp(mel * absorb_m + hem * absorb_b - red * absorb_r) * (1 + grain)
            v = _mix(v, colours[1, c] * _exp(0.7 * mel), 0.75 * pale[i])
            v *= _mix(shade, 1.0, 0.4) if c == 0 else shade  # light that leaves a fold is red
            v = _mix(v, colours[2, c] * (1 + 1.5 * grain) * shade, 0.75 * lips[i])
            v = _mix(v, colours[3, c], 0.55 * nails[i])
            v = _mix(v, colours[4, c] * strand, max(scalp, 0.0))
            v = _mix(v, colours[7, c] * min(strand, 1.3), max(hairy, 0.0))
            v = _mix(v, 0.65 * colours[4, c] * strand + 0.35 * v * 0.6, chin)
            v = _mix(v, 0.3 * colours[7, c] + 0.003, 0.9 * lash[i])
            if eye[i] > 0:
                v = colours[6, c]
                rim = min(max((axis[i] - 26.0) / 6.0, 0.0), 1.0)  # dark limbal ring
                iris = colours[5, c] * (1.0 + 0.5 * noise[7, i] * 0.3) * (1.0 - 0.55 * rim)
                v = _mix(v, iris, min(max((33.0 - axis[i]) / 3.0, 0.0), 1.0))
                v = _mix(v, 0.006, min(max((13.5 - axis[i]) / 3.0, 0.0), 1.0))
            v = min(max(v, 0.0), 1.0)
            out[i, c] = encode[int(v * 4095.0 + 0.5)]
        rough = (0.4 * noise[5, i] + 0.5 * noise[6, i] + 0.5 * noise[7, i]) * (1 - eye[i])
        h = 128.0 + k[4] * rough * (1.0 + 2.0 * max(scalp, chin))
        out[i, 3] = min(max(h, 0.0), 255.0)


def _colours(tone: int, hair: Mapping[str, object]) -> Float[ndarray, "8 3"]:
    """Linear RGB of skin, palms, lips, nails, hair, iris, sclera and brows (darker than pale hair)."""
    skin = monk_albedo(tone)
    dark = (tone - 1) / 9
    pale = np.array([0.05, 0.02, 0.02]) * (1 - dark) + np.array([0.10, 0.06, 0.05]) * dark
    palm = np.clip(skin * (1 + 1.6 * dark**1.5) * [1.0, 0.90, 0.88] + pale, 0, 0.72)
    lip = skin * ([0.80, 0.44, 0.44] if tone < 6 else [1.0, 0.66, 0.70])
    nail = np.clip(skin * [1.05, 0.92, 0.90] + 0.03, 0, 0.8)
    strands = to_linear(HAIR_COLOURS[str(hair["colour"])])
    iris = to_linear(EYE_COLOURS[str(hair["eyes"])])
    brows = np.minimum(strands, to_linear((112, 88, 66)))
    sclera = np.array([0.46, 0.42, 0.39]) * (1 - 0.25 * dark)
    return np.stack([skin, palm, lip, nail, strands, iris, sclera, brows]).astype(np.float32)


def skin_texture(maps: SkinMaps, tone: int, hair: Mapping[str, object], variant: int) -> UInt8[ndarray, "s s 4"]:
    """Return the skin of one person: sRGB, and the height of pores and hair in alpha (128 = flat).

    Args:
        maps: the body's maps.
        tone: Monk tone 1..10.
        hair: the ``hair`` column of Plans, decoded.
        variant: which of the noise mixtures to use.
    """
    rng = generator_for(variant, "skin variant")
    age = float(hair["age"])
    melanin = np.array([0.5, 0.35, 0.3, 0.22, 0.18, 0.05, 0, 0]) * rng.uniform(0.6, 1.3, 8) * rng.choice([-1, 1], 8)
    melanin *= 0.05 + 0.0006 * (age - 18)
    blood = np.array([0, 0.15, 0.3, 0.5, 0.5, 0.3, 0.1, 0]) * rng.uniform(0.5, 1.3, 8) * 0.032
    style = str(hair["style"])
    knobs = np.array(
        [
            0.34 - 0.22 * (tone - 1) / 9,
            _SCALP.get(style, 0.95),
            float(hair["brows"]),
            float(hair["stubble"]),
            26.0 + 0.25 * (age - 18),
            _BALD_HAIRLINE if style == "bald" else 0.0,
        ],
        np.float32,
    )
    m = maps
    texels = np.empty((m.noise.shape[1], 4), np.uint8)
    _paint(
        m.plain, m.noise, m.above_hairline, m.brow, m.beard, m.lips, m.nails, m.pale, m.flush, m.cavity, m.eye, m.axis,
        m.lash, melanin.astype(np.float32), blood.astype(np.float32), _colours(tone, hair), knobs, ENCODE, texels,
    )  # fmt: skip
    return m.atlas.image(texels)
