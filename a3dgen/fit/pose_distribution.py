"""The project's own pose distribution, from which the shipped pose prior is learnt; no recorded data.

A pose is an activity (pelvis, trunk, legs) and, drawn apart from it, a way of holding the arms. Angles are clinical
ones in degrees (flexion, abduction, rotation ...), spread normally within ranges of motion (AAOS, Joint Motion,
1965), and are turned into SMPL rotations here. Only left limbs are spelt out: right ones are their mirror image.
Weights are a guess at what people do in photos of COCO and MPII; sport is given more than its share on purpose.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation

from a3dgen.fit.activities import ACTIVITIES, Angles, Draw
from a3dgen.geometry.skeleton import JOINT, JOINT_FLIP

NUM_FEATURES = 72
"""Gravity seen from the pelvis (3), then the 69 pose variables below the root."""
CAMERA_TILT = 9.0
"""Standard deviation (degrees) of a photo's tilt against gravity, seen from a person of unknown heading."""

# share; elevation from hanging down; azimuth: 0 sideways, 90 forward; twist: inward turn of the upper arm; elbow
ARMS: tuple[tuple[float, tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]], ...] = (
    (0.34, (14, 9), (20, 40), (8, 17), (17, 16)),  # hanging
    (0.22, (27, 13), (50, 32), (26, 24), (82, 26)),  # hands in front: phone, food, tools
    (0.06, (42, 10), (-5, 16), (42, 17), (88, 20)),  # hand on hip
    (0.11, (72, 20), (78, 22), (0, 24), (24, 24)),  # reaching forward
    (0.09, (78, 19), (10, 24), (0, 26), (26, 26)),  # spread
    (0.07, (140, 22), (35, 28), (-8, 30), (38, 34)),  # overhead
    (0.06, (66, 20), (112, 17), (12, 24), (46, 32)),  # across the chest: bats, rackets
    (0.05, (32, 15), (-58, 24), (14, 24), (36, 30)),  # behind
)


def _arm(rng: np.random.Generator, kind: ndarray) -> Angles:
    table = np.array([(*e, *a, *t, *f) for _, e, a, t, f in ARMS])[kind]
    value = table[:, 0::2] + table[:, 1::2] * rng.standard_normal((len(kind), 4))
    elevation, azimuth, twist, elbow = value.T
    noise = rng.standard_normal((5, len(kind)))
    return {
        "elevation": np.clip(np.abs(elevation), 0, 172), "azimuth": np.clip(azimuth, -95, 140),
        "twist": np.clip(twist, -75, 85), "elbow": np.clip(np.abs(elbow), 0, 148), "pronate": 22 * noise[0],
        "wrist_flex": 14 * noise[1], "wrist_side": 9 * noise[2], "shrug": 5 * noise[3], "grip": 11 * np.abs(noise[4]),
    }  # fmt: skip


def _turn(*parts: tuple[str, ndarray]) -> Rotation:
    """Compose rotations about x, y, z by degrees, the last one applied first."""
    out = Rotation.identity(len(parts[0][1]))
    for axis, degrees in parts:
        out = out * Rotation.from_euler(axis, np.asarray(degrees)[:, None], degrees=True)
    return out


def _left_arm(a: Angles) -> dict[str, Rotation]:
    up = 0.22 * np.clip(a["elevation"] - 55, 0, None) + a["shrug"]
    collar = _turn(("z", up), ("y", -0.1 * np.clip(a["azimuth"], -60, 110) * np.sin(np.radians(a["elevation"]))))
    t, p = np.radians(a["elevation"]), np.radians(a["azimuth"])
    target = np.stack([np.sin(t) * np.cos(p), -np.cos(t), np.sin(t) * np.sin(p)], -1)
    axis = np.stack([np.zeros_like(t), -target[:, 2], target[:, 1]], -1)  # x cross target: the shortest way there
    axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-9)
    swing = Rotation.from_rotvec(axis * np.arccos(np.clip(target[:, :1], -1, 1)))
    shoulder = collar.inv() * swing * _turn(("x", a["twist"]))
    return {
        "collar": collar, "shoulder": shoulder, "elbow": _turn(("y", -a["elbow"]), ("x", 0.5 * a["pronate"])),
        "wrist": _turn(("x", 0.5 * a["pronate"]), ("z", -a["wrist_flex"]), ("y", a["wrist_side"])),
        "hand": _turn(("z", -a["grip"])),
    }  # fmt: skip


def _left_leg(a: Angles) -> dict[str, Rotation]:
    return {
        "hip": _turn(("x", -a["flex"]), ("z", a["abduct"]), ("y", a["rotate"])),
        "knee": _turn(("x", a["knee"]), ("y", 0.3 * a["roll"])),
        "ankle": _turn(("x", a["point"]), ("z", a["roll"])),
        "foot": _turn(("x", -a["toes"])),
    }


def _assemble(trunk: Angles, limbs: list[tuple[str, dict[str, Rotation]]]) -> Float[ndarray, "n 69"]:
    pose = np.zeros((len(trunk["tilt"]), 24, 3))
    for name, share in (("spine1", 0.4), ("spine2", 0.35), ("spine3", 0.25)):
        parts = (("y", share * trunk["twist"]), ("x", share * trunk["flex"]), ("z", share * trunk["side"]))
        pose[:, JOINT[name]] = _turn(*parts).as_rotvec()
    for name, share in (("neck", 0.55), ("head", 0.45)):
        parts = (("y", share * trunk["turn"]), ("x", share * trunk["nod"]), ("z", share * trunk["cock"]))
        pose[:, JOINT[name]] = _turn(*parts).as_rotvec()
    for side, limb in limbs:
        for name, rotation in limb.items():
            mirror = (1, 1, 1) if side == "left" else (1, -1, -1)
            pose[:, JOINT[f"{side}_{name}"]] = rotation.as_rotvec() * mirror
    return pose[:, 1:].reshape(-1, 69)


def _gravity(d: Draw, trunk: Angles) -> Float[ndarray, "n 3"]:
    """Direction of gravity in the pelvis frame: the pelvis is tilted, the camera too."""
    pelvis = _turn(("x", trunk["tilt"]), ("z", trunk["heel"]), ("y", trunk.get("spin", np.zeros(d.n))))
    camera = _turn(("x", d.about(0, CAMERA_TILT)), ("z", d.about(0, CAMERA_TILT)))
    return (pelvis.inv() * camera).apply((0.0, -1.0, 0.0))


def sample_poses(rng: np.random.Generator, n: int) -> Float[ndarray, "n 72"]:
    """Draw poses: unit gravity in the pelvis frame (3), then axis-angle (rad) of joints 1..23 (69).

    Every drawn pose has the same chance as its mirror image.
    """
    weights = np.array([w for w, _ in ACTIVITIES])
    counts = rng.multinomial(n, weights / weights.sum()).tolist()
    rows = []
    for (_, activity), count in zip(ACTIVITIES, counts, strict=True):
        draw = Draw(rng, count)
        trunk, one, other = activity(draw)
        shares = np.array([a[0] for a in ARMS])
        kind = rng.choice(len(ARMS), (2, count), p=shares / shares.sum())
        kind[1] = np.where(draw.chance(0.55), kind[0], kind[1])
        limbs = [("left", _left_leg(one)), ("right", _left_leg(other))]
        limbs += [(s, _left_arm(_arm(rng, k))) for s, k in zip(("left", "right"), kind, strict=True)]
        rows.append(np.concatenate([_gravity(draw, trunk), _assemble(trunk, limbs)], 1))
    features = np.concatenate(rows)
    flip = rng.random(n) < 0.5
    features[flip] = mirror_features(features[flip])
    return features[rng.permutation(n)]


def mirror_features(features: Float[ndarray, "n 72"]) -> Float[ndarray, "n 72"]:
    """Return the features of the mirror images: left and right swapped, x reflected."""

    out = features.copy().reshape(len(features), 24, 3)
    out[:, 1:] = out[:, JOINT_FLIP[1:]]
    out[:, 1:, 1:] *= -1  # rotation vectors are axial
    out[:, 0, 0] *= -1  # gravity is a true vector
    return out.reshape(len(features), 72)
