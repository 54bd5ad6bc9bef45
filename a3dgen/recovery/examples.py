"""Training examples of limb absence from builds: samples of the dataset, and the people of the photos as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.records import OCCLUDED, OUTSIDE, VISIBLE
from a3dgen.formats.dataset_rows import Row, rows
from a3dgen.geometry.regions import LIMBS, REGIONS
from a3dgen.geometry.skeleton import ROW_JOINT
from a3dgen.io.portable import OUT_TOKEN
from a3dgen.io.shards import read_shard

PRESENT, ABSENT, UNSURE = 0, 1, 2
"""What is to be said of a limb; unsure: its end cannot be seen."""
UNKNOWN = 3
"""Of limbs without labels: nothing is learned from them."""
LEAST_SEEN = 0.35
"""Visible share of the segment that carries the stump, below which absence cannot be told."""
PHOTO, TWIN, OVERLAY, ERASED = "photo", "twin", "overlay", "erased"


@dataclass(frozen=True)
class Example:
    """One person in one picture. Limbs are in the order of ``LIMBS``: right arm, left arm, left leg, right leg.

    Attributes:
        image: the picture. person, scene: keys for splits. kind: photo (untouched), twin, overlay or erased.
        real: the person is that of a photograph, real_scene: the place is (not the demo's).
        points: (44, 2) px, states (44,).
        said: (4,) PRESENT, ABSENT, UNSURE or UNKNOWN. level: (4,) 0 hand or foot, 1 elbow or knee, 2 shoulder or hip.
        end: (4, 2) px, tip of the residual limb, NaN where there is none. worn: (4,) a prosthesis is worn.
    """

    image: Path
    person: str
    scene: str
    kind: str
    real: bool
    real_scene: bool
    points: Float[ndarray, "44 2"]
    states: UInt8[ndarray, "44"]
    said: UInt8[ndarray, "4"]
    level: UInt8[ndarray, "4"]
    end: Float[ndarray, "4 2"]
    worn: Bool[ndarray, "4"]

    @property
    def seen(self) -> Float[ndarray, "n 2"]:
        """Points that show where the person is: visible ones, or else all that are labelled."""
        visible = self.points[self.states == VISIBLE]
        return visible if len(visible) > 3 else self.points[(self.states == VISIBLE) | (self.states == OCCLUDED)]


def build_examples(build: Path) -> Iterator[Example]:
    """Give the examples of a build folder: every sample, and every person of its photos as the photo shows them.

    Raises:
        DataError: if the folder holds no dataset, or one without extension keys.
    """
    photos = {str(p["key"]): p for p in _persons(build)}
    for row in rows(build):
        parent = str(row.extra("parent"))
        if parent in photos:
            yield _sample(row, photos[parent])
    for person in photos.values():
        example = _photo(person)
        if len(example.seen) > 3 and not np.any(person["present_removed"]):
            yield example


def limb_states(states: UInt8[ndarray, "44"]) -> UInt8[ndarray, "4"]:
    """Return what is to be said of each limb of an intact person, from the states of its end's keypoints."""
    out = np.full(len(LIMBS), UNKNOWN, np.uint8)
    for limb, regions in enumerate(LIMBS):
        rows_of_end = [row for row, joint in ROW_JOINT.items() if joint == REGIONS[regions[0]].joint]
        found = {int(s) for s in states[rows_of_end]}
        if VISIBLE in found:
            out[limb] = PRESENT
        elif found & {OCCLUDED, OUTSIDE}:
            out[limb] = UNSURE
    return out


def _sample(row: Row, parent: dict[str, Any]) -> Example:
    states = np.asarray(row.extra("state"), np.uint8)
    points = np.asarray(row.extra("keypoints_2d"), np.float64)[:, :2]
    said, level = limb_states(states), np.zeros(len(LIMBS), np.uint8)
    end, removed = np.full((len(LIMBS), 2), np.nan), np.asarray(row.removed, bool)
    tips, share = row.extra("residual_ends_2d"), row.extra("removed_visible")
    for limb, regions in enumerate(LIMBS):
        for step, r in enumerate(regions):
            if not removed[r]:
                continue
            said[limb] = ABSENT if share[r] >= LEAST_SEEN else UNSURE
            level[limb], tip = step, REGIONS[r].end
            if tip is not None and tips[tip, 2] > 0:
                end[limb] = tips[tip, :2]
    worn = np.zeros(len(LIMBS), bool)
    if "prosthesis" in row.columns.extra:
        worn = np.isin(row.extra("prosthesis"), (2, 3))
    erased = "mode" in row.columns.extra and str(row.extra("mode")) == "erase"
    kind = (ERASED if erased else OVERLAY) if removed.any() else TWIN
    return Example(
        row.image, str(parent["name"]), _scene(parent), kind, erased and parent["real"], parent["real"], points,
        states, said, level, end, worn,
    )  # fmt: skip


def _photo(person: dict[str, Any]) -> Example:
    states = np.asarray(person["state"], np.uint8)
    limbs = len(LIMBS)
    return Example(
        Path(str(person["image"])), str(person["name"]), _scene(person), PHOTO, person["real"], person["real"],
        np.asarray(person["keypoints"], np.float64)[:, :2], states, limb_states(states), np.zeros(limbs, np.uint8),
        np.full((limbs, 2), np.nan), np.zeros(limbs, bool),
    )  # fmt: skip


def _scene(person: dict[str, Any]) -> str:
    """Return what pictures of one person, and of one place, have in common."""
    return str(person["subject"]) or str(person["image"])


def _persons(build: Path) -> Iterator[dict[str, Any]]:
    """Give the people that were read; ``real`` says that their photo is not one of the demo, ``image`` is its path."""
    for shard in sorted((build / "ingest").glob("*.h5")):
        persons = read_shard(shard, ["Persons"])["Persons"]
        for i in range(len(persons)):
            person = dict(persons.row(i))
            stored = str(person["image"])
            person["real"] = not stored.startswith(f"{OUT_TOKEN}/raw/")
            person["image"] = stored.replace(OUT_TOKEN, str(build))
            person["name"] = str(person["key"])
            if not person["real"]:  # demos of other seeds have other people by the same names
                person["name"] = f"{build.name}:{person['key']}"
                person["subject"] = person["subject"] and f"{build.name}:{person['subject']}"
            yield person
