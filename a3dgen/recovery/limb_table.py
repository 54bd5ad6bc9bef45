"""Table of limb features and what is to be said of them, made from builds; kept beside the builds as one npz each."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.core.files import write_whole
from a3dgen.core.rng import generator_for
from a3dgen.detectors.blazepose import SIDE, Square
from a3dgen.detectors.pose_features import look_at_person, pose_tensors, square_pixels, to_square
from a3dgen.geometry.regions import LIMBS, REGIONS
from a3dgen.geometry.skeleton import ROW_JOINT
from a3dgen.io import npz
from a3dgen.io.images import read_rgb
from a3dgen.learning.augment import cut_off, hidden, jittered, spoiled
from a3dgen.learning.head import Targets
from a3dgen.learning.limb_features import ARM, CHAINS, LEG, limb_features, torso
from a3dgen.recovery.examples import ABSENT, PHOTO, PRESENT, UNKNOWN, UNSURE, Example

KIND = tuple(REGIONS[limb[0]].limb for limb in LIMBS)
MIRRORED = tuple(REGIONS[limb[0]].side == "right" for limb in LIMBS)
"""By limb in the order of ``LIMBS``: arm or leg; whether it is looked at in the mirrored picture."""
AS_IS, SPOILED, BORDER, COVERED = 0, 1, 2, 3
"""Versions of a picture: as it is; and spoiled: only that; cut by the border; a limb hidden behind something."""
TEXTS = ("person", "scene", "kind", "source")


@dataclass(frozen=True)
class LimbTable:
    """n rows, four a picture and version. ``arm`` and ``leg`` hold the features of the rows of that kind, in order.

    Attributes:
        limb: (n,) 0..3 in the order of ``LIMBS``. version: (n,). said, level, worn: (n,), see ``Example``.
        end: (n, 2) px of the network's input, NaN where there is none. root: (n, 2) the limb's first landmark.
        size: (n,) side of the square, px of the picture. torso: (n,) extent of shoulders and hips, px of the input.
        height: (n,) of the keypoints' extent, px of the input. real: (n,) the person is of a photograph;
            real_scene: (n,) the place is.
        person, scene, kind, source: (n,) text; source is the build's name.
    """

    arm: Float[ndarray, "a f"]
    leg: Float[ndarray, "l g"]
    limb: UInt8[ndarray, "n"]
    version: UInt8[ndarray, "n"]
    said: UInt8[ndarray, "n"]
    level: UInt8[ndarray, "n"]
    worn: ndarray
    end: Float[ndarray, "n 2"]
    root: Float[ndarray, "n 2"]
    size: Float[ndarray, "n"]
    torso: Float[ndarray, "n"]
    height: Float[ndarray, "n"]
    real: ndarray
    real_scene: ndarray
    person: ndarray
    scene: ndarray
    kind: ndarray
    source: ndarray

    def __len__(self) -> int:
        return len(self.limb)

    def rows_of(self, kind: str) -> ndarray:
        """Return which rows the features of ``arm`` or ``leg`` belong to."""
        return np.flatnonzero(np.isin(self.limb, [i for i, k in enumerate(KIND) if k == kind]))

    def first_seen(self) -> ndarray:
        """Return which rows do not repeat a limb of an untouched photo that another build has shown before."""
        out = np.ones(len(self), bool)
        plain = np.flatnonzero((self.kind == PHOTO) & (self.version == AS_IS))
        _, first = np.unique([f"{self.person[i]} {self.limb[i]}" for i in plain], return_index=True)
        out[plain] = False
        out[plain[first]] = True
        return out

    def targets(self, rows: ndarray, real: float = 1.0) -> Targets:
        """Return what a head is to say of some rows; weights are 0 where nothing is known.

        Args:
            rows: which. real: weight of the people of photographs, others having 1.
        """
        known = self.said[rows] != UNKNOWN
        said = np.where(known, self.said[rows], PRESENT).astype(np.int64)
        end = (self.end[rows] - self.root[rows]).astype(np.float64) / self.torso[rows, None]
        worn, weight = self.worn[rows].astype(bool), known * np.where(self.real[rows], real, 1.0)
        return Targets(said, self.level[rows].astype(np.int64), worn, end, weight)


def joined(tables: list[LimbTable]) -> LimbTable:
    """Return one table of several."""
    return LimbTable(*(np.concatenate([getattr(t, k) for t in tables]) for k in LimbTable.__dataclass_fields__))


def make_table(examples: list[Example], source: str, seed: int, versions: tuple[int, ...]) -> LimbTable:
    """Look at every example in some versions.

    Args:
        examples: people in pictures. source: the build's name. seed: of what is done to the pictures.
        versions: AS_IS, SPOILED, BORDER, COVERED.
    """
    rows: dict[str, list] = {k: [] for k in LimbTable.__dataclass_fields__}
    for example in examples:
        rgb = read_rgb(example.image)
        square = look_at_person(rgb, example.seen)[0]
        for version in versions:
            rng = generator_for(seed, f"version {version}", f"{source}/{example.kind}/{example.image}/{example.person}")
            for limb, row in enumerate(_look(rgb, square, example, version, rng)):
                for name, value in row.items():
                    rows[name].append(value)
                rows["limb"].append(limb)
                rows["version"].append(version)
                rows["source"].append(source)
    return LimbTable(**{k: _column(k, v) for k, v in rows.items()})


def _column(name: str, values: list) -> ndarray:
    if name in TEXTS:
        return np.array(values, str)
    kinds = {"limb": np.uint8, "version": np.uint8, "said": np.uint8, "level": np.uint8, "worn": bool, "real": bool,
             "real_scene": bool,             "arm": np.float16, "leg": np.float16}  # fmt: skip
    return np.array(values, kinds.get(name, np.float32))


def _look(
    rgb: UInt8[ndarray, "h w 3"], square: Square, example: Example, version: int, rng: np.random.Generator
) -> Iterator[dict]:
    if version != AS_IS:
        square = jittered(square, rng)
    part, said = square_pixels(rgb, square), example.said.copy()
    points = to_square(example.points, square)
    if version != AS_IS:
        part = spoiled(part, rng)
    if version == COVERED:
        part, said = _covered(part, points, said, rng)
    elif version == BORDER:
        part, said = _cut(part, points, said, rng)
    looks = {mirrored: pose_tensors(part, square, mirrored) for mirrored in (False, True)}
    known = points[example.states > 0]
    for limb, (kind, mirrored) in enumerate(zip(KIND, MIRRORED, strict=True)):
        tensors = looks[mirrored]
        yield {
            kind: limb_features(tensors, kind), "said": said[limb], "level": example.level[limb],
            "worn": example.worn[limb], "end": to_square(example.end[limb][None], square, mirrored)[0],
            "root": tensors.landmarks[CHAINS[kind][0], :2], "size": square.size, "torso": torso(tensors.landmarks)[1],
            "height": float(np.ptp(known, axis=0).max()), "real": example.real,
            "real_scene": example.real_scene, "person": example.person,
            "scene": example.scene, "kind": example.kind,
        }  # fmt: skip


def _joint(points: ndarray, limb: int, step: int) -> ndarray | None:
    """Return a joint of a limb (0 end, 1 middle, 2 root), px, None where it is not known."""
    rows = [row for row, joint in ROW_JOINT.items() if joint == REGIONS[LIMBS[limb][step]].joint]
    found = [points[r] for r in rows if np.abs(points[r]).max() < 4 * SIDE]
    return found[-1] if found else None


def _draw_limb(points: ndarray, said: ndarray, rng: np.random.Generator) -> tuple[int, ndarray, ndarray] | None:
    """Return one limb that is there, drawn, with its middle and end joint, px; None where they are not known."""
    limbs = [i for i in range(len(LIMBS)) if said[i] == PRESENT]
    if not limbs:
        return None
    limb = int(rng.choice(limbs))
    middle, end = (_joint(points, limb, step) for step in (1, 0))
    return None if middle is None or end is None else (limb, middle, end)


def _covered(part: ndarray, points: ndarray, said: ndarray, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Hide the far half of one limb that is there: nothing can be said of it."""
    drawn = _draw_limb(points, said, rng)
    if drawn is None:
        return part, said
    limb, middle, end = drawn
    said = said.copy()
    said[limb] = UNSURE
    return hidden(part, middle, end + 0.25 * (end - middle), rng), said


def _cut(part: ndarray, points: ndarray, said: ndarray, rng: np.random.Generator) -> tuple[ndarray, ndarray]:
    """Let the picture end within a limb: nothing can be said of limbs whose ends, or residual ends, are beyond."""
    drawn = _draw_limb(points, said, rng)
    if drawn is None:
        return part, said
    limb, middle, end = drawn
    axis = 1 if KIND[limb] == LEG else int(rng.integers(2))
    at = middle + rng.uniform(0.0, 0.7) * (end - middle)
    if abs(end[axis] - at[axis]) < 4 or not 8 < at[axis] < SIDE - 9:
        return part, said
    beyond = np.sign(at[axis] - SIDE / 2 + 1e-6)
    said = said.copy()
    for i in range(len(LIMBS)):
        ends = [p for step in ((0,) if said[i] == PRESENT else (1, 2)) if (p := _joint(points, i, step)) is not None]
        if said[i] in (PRESENT, ABSENT) and any((p[axis] - at[axis]) * beyond > 0 for p in ends):
            said[i] = UNSURE
    return cut_off(part, at, axis), said


def save_table(path: Path, table: LimbTable) -> None:
    """Write a table, whole or not at all."""
    data = io.BytesIO()
    np.savez(data, **{k: getattr(table, k) for k in LimbTable.__dataclass_fields__})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data.getvalue())


def load_table(path: Path) -> LimbTable:
    """Read a table that ``save_table`` wrote.

    Raises:
        DataError: if it is damaged, or none.
    """
    found = npz.read(path)
    missing = [k for k in LimbTable.__dataclass_fields__ if k not in found]
    if missing:
        raise DataError(f"{path}: not a table of limbs: lacks {', '.join(missing)}")
    return LimbTable(**{k: found[k] for k in LimbTable.__dataclass_fields__})


__all__ = ("ARM", "LEG", "LimbTable", "joined", "load_table", "make_table", "save_table")
