"""What the model of limb absence proposes of people in photos, for the user to confirm in review.csv.

A limb that is called absent counts as absent until the user says otherwise: detectors invent the limbs that somebody
does not have, and no sample may be made with one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.detectors import Person, networks
from a3dgen.geometry.regions import NUM_REGIONS, REGION_NAMES, REGIONS
from a3dgen.learning import absence
from a3dgen.sources.photos.review import AT_JOINT, THROUGH, ReviewEntry

LEAST_CONFIDENCE = 0.1
"""Keypoints above it say where the person is."""


@dataclass(frozen=True)
class Proposal:
    """One limb that is called absent: AJAHR region (0..11) and probability."""

    region: int
    probability: float

    def text(self) -> str:
        """Return it as review.csv shows it."""
        return f"{REGION_NAMES[self.region]} {100 * self.probability:.0f} %"


def propose(rgb: UInt8[ndarray, "h w 3"], person: Person) -> list[Proposal]:
    """Return the limbs that a person does not seem to have; none where the pose network is not there.

    Args:
        rgb: the picture. person: as detected.
    """
    points = person.keypoints[person.keypoints[:, 2] > LEAST_CONFIDENCE, :2]
    if len(points) < 2 or not networks.available():
        return []
    said = absence.limb_presence(rgb, points, square=person.square)
    return [
        Proposal(region, round(float(said.probability[limb, 1]), 4))
        for limb, region in enumerate(said.regions())
        if region is not None
    ]


def entry(proposals: list[Proposal]) -> ReviewEntry:
    """Return proposals as if the user had written them, the residual limb's length left open."""
    removed, residual = np.zeros(NUM_REGIONS, bool), np.ones(NUM_REGIONS)
    for proposal in proposals:
        removed[proposal.region] = True
        residual[proposal.region] = THROUGH if REGIONS[proposal.region].cuttable else AT_JOINT
    return ReviewEntry(removed=removed, residual=residual)


@cache
def model_digest() -> str:
    """Return a digest of the packaged weights: another model proposes other limbs."""
    weights = Path(absence.__file__).with_name("absence.npz").read_bytes()
    return hashlib.blake2b(weights, digest_size=8).hexdigest()
