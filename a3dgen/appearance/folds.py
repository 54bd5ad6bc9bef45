"""Folds of worn cloth, as heights above its smooth shape: at joints and waist, above hems, and hanging ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.geometry.limbs import LIMB_JOINTS, smoothstep
from a3dgen.geometry.skeleton import JOINT

HEIGHT_M = {"arm": 0.0050, "leg": 0.0068, "torso": 0.0060}
"""Height of the deepest folds of loose cloth, m."""
WAVE_M = {"arm": 0.038, "leg": 0.058, "torso": 0.075}
"""Distance from fold to fold along a limb or the torso, m."""
HANGING_M = {"trousers": 0.011, "skirt": 0.030}
"""Height of folds that hang down a loose leg or a skirt, m, at the hem."""
SKIRT_FLARE_M = 0.018
"""How much further from the body the hem of a skirt is than its hips, m."""


def fold_heights(
    points: Float[ndarray, "v 3"],
    limbs: Mapping[str, Float[ndarray, " v"]],
    ends: Mapping[str, float],
    joints: Float[ndarray, "24 3"],
    fit: float,
    flat_below: float,
) -> Float[ndarray, " v"]:
    """Return how far folds rise from a garment in the rest pose, m, never negative: cloth does not sink into the skin.

    Args:
        points: the garment's vertices, m. limbs: their limb coordinates. ends: limb -> coordinate of sleeve or leg end.
        joints: rest joints, m. fit: 0 close to the body to 1 loose.
        flat_below: height (m) at which the folds of the torso end, above a hem or a waistband.
    """
    out = np.zeros(len(points))
    for limb, end in ends.items():
        coordinate = limbs[limb]
        root, mid, last = (joints[j] for j in LIMB_JOINTS[limb])
        length = np.where(coordinate < 1, np.linalg.norm(mid - root), np.linalg.norm(last - mid))
        bend = np.exp(-(((coordinate - 1.0) / 0.30) ** 2))
        hem = 0.8 * smoothstep((coordinate - end + 0.35) / 0.25) * (end > 1.3)
        where = np.maximum(np.maximum(bend, hem), 0.10) * smoothstep((coordinate - 0.12) / 0.2)
        out += where * _ridges(points, root, last - root, coordinate * length, limb.split("_")[1])
        if limb.endswith("leg") and end > 1.3:
            hang = smoothstep((coordinate - 0.45) / 1.0) * float(np.clip((fit - 0.1) / 0.6, 0, 1))
            turn = _turn(points - root, last - root)
            out += HANGING_M["trousers"] * hang * _hanging(turn, 3, 2.2 * coordinate + (0.9 if "left" in limb else 2.3))
    top = "left_arm" in ends
    torso = _torso(points, joints, np.max([limbs[k] for k in ends], axis=0), top)
    out += torso * smoothstep((points[:, 1] - flat_below) / 0.07) if top else torso
    return out * (0.35 + 0.65 * fit)


def skirt_folds(points: Float[ndarray, "v 3"], joints: Float[ndarray, "24 3"], waist: float) -> Float[ndarray, " v"]:
    """Return how far a skirt's flare and the folds that hang from the hips rise from it in the rest pose, m.

    Args:
        points: the skirt's vertices, m. joints: rest joints, m. waist: height of its band, m.
    """
    hem = float(points[:, 1].min())
    low = np.clip((waist - 0.15 - points[:, 1]) / max(waist - 0.15 - hem, 0.05), 0, 1)
    turn = _turn(points - joints[JOINT["pelvis"]], np.array([0.0, -1.0, 0.0]))
    return SKIRT_FLARE_M * low + HANGING_M["skirt"] * low**1.3 * _hanging(turn, 9, 0.5 * low)


def _hanging(turn: Float[ndarray, " v"], count: int, drift: Float[ndarray, " v"]) -> Float[ndarray, " v"]:
    """Folds 0..1 along a limb or skirt, ``count`` of them around it, of uneven width and depth."""
    uneven = turn + 0.35 * np.sin(2 * turn + 1.0) + 0.15 * np.sin(drift)
    depth = 0.6 + 0.4 * np.sin(2 * turn + 3.1 * drift + 0.5)
    return depth * np.clip(0.5 + 0.5 * np.sin(count * uneven + drift), 0, 1) ** 1.5


def _turn(points: Float[ndarray, "v 3"], along: Float[ndarray, "3"]) -> Float[ndarray, " v"]:
    """Return the angle (rad) about an axis."""
    axis = along / np.linalg.norm(along)
    wide = np.cross(axis, [0.0, 0.0, 1.0])
    wide /= np.linalg.norm(wide)
    return np.arctan2(points @ wide, points @ np.cross(wide, axis))


def _ridges(points: ndarray, origin: ndarray, along: ndarray, distance: ndarray, limb: str) -> Float[ndarray, " v"]:
    """Slanting ridges around a limb, m: no two meet all the way round."""
    turn = _turn(points - origin, along)
    phase = distance / WAVE_M[limb]
    slant = 0.55 * np.sin(turn + 0.7 + 0.8 * np.sin(0.8 * phase)) + 0.4 * np.sin(2 * turn + 1.9 * np.sin(0.9 * phase))
    wave = np.sin(2 * np.pi * (phase + slant))
    fading = 0.5 + 0.5 * np.sin(2 * turn + 2.3 * phase + 1.5 * np.sin(1.1 * phase))
    return HEIGHT_M[limb] * np.clip(0.55 + 0.45 * wave, 0, 1) ** 1.6 * (0.25 + 0.75 * fading)


def _torso(points: ndarray, joints: ndarray, limb: ndarray, top: bool) -> Float[ndarray, " v"]:
    """Folds that drag from the armpits to the waist and gather there; of trousers, from the crotch over the hips."""
    pelvis, chest = joints[JOINT["pelvis"], 1], joints[JOINT["spine3"], 1]
    x, y, z = (points - joints[JOINT["pelvis"]]).T
    side = np.abs(x)
    rise = y / max(chest - pelvis, 1e-6)
    if top:
        where = smoothstep((1.15 - rise) / 0.7) * (limb < 0.15)
        phase = (y + 0.55 * side * np.where(z > 0, 1, 0.6)) / WAVE_M["torso"]
    else:
        where = np.exp(-(((rise + 0.50) / 0.14) ** 2)) * smoothstep((0.35 - limb) / 0.3)  # below a shirt's hem
        phase = (y - 0.9 * side) / (0.7 * WAVE_M["torso"])
    wave = np.sin(2 * np.pi * (phase + 0.30 * np.sin(9 * x + 1) + 0.18 * np.sin(23 * x + 4 * np.sign(z))))
    fading = 0.5 + 0.5 * np.sin(14 * x + 9 * y + 2 * np.sign(z))
    return HEIGHT_M["torso"] * where * np.clip(0.5 + 0.5 * wave, 0, 1) ** 1.7 * (0.2 + 0.8 * fading)
