"""Which limbs a person in a picture has: present, absent or not to be told; level, prosthesis, residual end.

    presence = limb_presence(rgb, keypoints[:, :2])
    presence.verdicts()                     # right arm, left arm, left leg, right leg

The weights are package data (``absence.npz``; what they were learned from and what they cannot do: ``absence.md``).
Not a medical device.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.core.files import write_whole
from a3dgen.detectors.blazepose import SIDE, Square
from a3dgen.detectors.pose_features import PoseTensors, from_square, look_at_person, pose_tensors
from a3dgen.geometry.regions import LIMBS, REGIONS
from a3dgen.io import npz
from a3dgen.learning.head import Head, arrays, softmax
from a3dgen.learning.limb_features import ARM, CHAINS, LEG, limb_features, torso, whole_body, width

PRESENT, ABSENT, UNSURE = "present", "absent", "unsure"
KINDS = (ARM, LEG)
FORMAT = 3
NUMBERS = ("temperature", "threshold", "end_sd")
LEVEL_TEMPERATURE = 0.25
"""Of the scores of levels, which are shares: what is likeliest does not depend on it."""


@dataclass(frozen=True)
class AbsenceModel:
    """Trained heads by kind of limb, with the temperature of their scores, the probability that counts as absent,
    and the standard deviation of residual ends in extents of the torso."""

    heads: dict[str, Head]
    temperature: dict[str, float]
    threshold: dict[str, float]
    end_sd: dict[str, float]


@dataclass(frozen=True)
class LimbPresence:
    """What is said of four limbs, in the order of ``geometry.regions.LIMBS``: right arm, left arm, left leg, right leg.

    Attributes:
        probability: (4, 3) of present, absent, not to be told. threshold: (4,) from which a limb is called absent.
        level: (4, 3) probability of each level if absent: hand or foot, elbow or knee, shoulder or hip.
        worn: (4,) probability of a worn prosthesis if absent.
        end: (4, 2) px of the picture, tip of the residual limb if absent. end_sd: (4,) px, its standard deviation on
            people apart.
    """

    probability: Float[ndarray, "4 3"]
    threshold: Float[ndarray, "4"]
    level: Float[ndarray, "4 3"]
    worn: Float[ndarray, "4"]
    end: Float[ndarray, "4 2"]
    end_sd: Float[ndarray, "4"]

    def verdicts(self) -> tuple[str, ...]:
        """Return ``absent`` above the threshold, ``present`` where that is likeliest of the three, else ``unsure``."""
        out = []
        for chances, least in zip(self.probability, self.threshold, strict=True):
            out.append(ABSENT if chances[1] >= least else PRESENT if chances.argmax() == 0 else UNSURE)
        return tuple(out)

    def regions(self) -> tuple[int | None, ...]:
        """Return the AJAHR region of each limb that is called absent, None of the others."""
        return tuple(
            LIMBS[limb][int(self.level[limb].argmax())] if said == ABSENT else None
            for limb, said in enumerate(self.verdicts())
        )


def limb_presence(
    rgb: UInt8[ndarray, "h w 3"],
    points: Float[ndarray, "n 2"],
    model: AbsenceModel | None = None,
    square: Square | None = None,
) -> LimbPresence:
    """Say which limbs a person has.

    Args:
        rgb: the picture. points: (n, 2) px, at least two keypoints of the person that lie where they are.
        model: the packaged one by default. square: where the network has seen the person already; looked for if None.

    Raises:
        MissingDependency: without the pose network; see ``detectors.networks``.
    """
    return from_tensors(*look_twice(rgb, points, square), model or packaged_model())


def look_twice(
    rgb: UInt8[ndarray, "h w 3"], points: Float[ndarray, "n 2"], square: Square | None = None
) -> tuple[Square, dict[bool, PoseTensors]]:
    """Return a person's square and what the network says of it, and of the mirrored one.

    Args:
        rgb, points, square: as for ``limb_presence``.
    """
    square, part, tensors = look_at_person(rgb, points, square)
    return square, {False: tensors, True: pose_tensors(part, square, mirrored=True)}


def from_tensors(square: Square, looks: dict[bool, PoseTensors], model: AbsenceModel) -> LimbPresence:
    """Return what the heads say of one person; ``looks`` are the tensors of the picture and of the mirrored one."""
    out: dict[str, list] = {k: [] for k in LimbPresence.__dataclass_fields__}
    shared = {mirrored: whole_body(tensors) for mirrored, tensors in looks.items()}
    for limb in LIMBS:
        kind, mirrored = REGIONS[limb[0]].limb, REGIONS[limb[0]].side == "right"
        tensors = looks[mirrored]
        answers = model.heads[kind].answers(limb_features(tensors, kind, shared[mirrored])[None])
        extent = torso(tensors.landmarks)[1]
        place = tensors.landmarks[CHAINS[kind][0], :2] + answers["end"][0] * extent
        out["probability"].append(softmax(answers["said"] / model.temperature[kind])[0])
        out["threshold"].append(model.threshold[kind])
        out["level"].append(softmax(answers["level"] / LEVEL_TEMPERATURE)[0])
        out["worn"].append(np.clip(answers["worn"][0, 0], 0, 1))
        out["end"].append(from_square(place[None], square, mirrored)[0])
        out["end_sd"].append(model.end_sd[kind] * extent * square.size / SIDE)
    return LimbPresence(**{k: np.array(v, np.float64) for k, v in out.items()})


@cache
def packaged_model() -> AbsenceModel:
    """Return the model that comes with the package."""
    return read_model(Path(__file__).with_name("absence.npz"))


def read_model(path: Path) -> AbsenceModel:
    """Read a model; nothing in the file is executed.

    Raises:
        DataError: if it is not a model of this version.
    """
    found = npz.read(path)
    try:
        if int(found["format"]) != FORMAT:
            raise DataError(f"{path}: a model of format {int(found['format'])}; this version reads {FORMAT}")
        heads = {
            kind: Head(**{k: found[f"{kind}_{k}"].astype(np.float32) for k in Head.__dataclass_fields__})
            for kind in KINDS
        }
        numbers = {n: {k: float(found[f"{k}_{n}"]) for k in KINDS} for n in NUMBERS}
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a model of 'a3dgen train absence' ({error})") from None
    for kind, head in heads.items():
        if head.mean.shape != (width(kind),):
            raise DataError(
                f"{path}: the {kind} head takes {head.mean.size} features; this version makes {width(kind)}"
            )
    return AbsenceModel(heads, **numbers)


def write_model(path: Path, model: AbsenceModel) -> None:
    """Write a model as npz: half floats, no pickles."""
    out: dict[str, ndarray] = {"format": np.array(FORMAT)}
    for kind in KINDS:
        out |= {f"{kind}_{k}": v for k, v in arrays(model.heads[kind]).items()}
        out |= {f"{kind}_{n}": np.array(getattr(model, n)[kind], np.float32) for n in NUMBERS}
    data = io.BytesIO()
    np.savez_compressed(data, **out)
    write_whole(path, data.getvalue())
