"""Person-shaped holes in known background, filled, and where somebody would notice the filling: truth for doubt.

A filling need not be what was there. It is noticed where neither its colours, a small shift apart, nor the local
statistics of colours and edges are those of the photo. It is not noticed after all where it looks like places around,
unless it cuts something that the photo shows to enter the hole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.rng import generator_for
from a3dgen.demo import BETAS
from a3dgen.demo.picture import take
from a3dgen.demo.shots import H36M, arrange, list_shots
from a3dgen.inpainters import NoSource
from a3dgen.removal.doubt import Filled, unlike_all
from a3dgen.removal.mask_ops import dilate, union
from a3dgen.removal.texture import lab, statistics, unlike
from a3dgen.stages import background
from benchmarks.plate_composites import frames

NEAR, LIKE = 0.12, 1.0
"""A filling looks like places within this share of the height, if nothing more is unlike."""
ROUGHER = 0.25
"""But a copied thing is noticed, where less stood: edges are stronger by so much (natural logarithm)."""
ENTERS = 0.035
"""What is cut comes this near to the edge of the hole, share of the height."""
LEAST = 0.0004
"""Smaller pieces are not noticed, share of the height squared."""
SIZES = (90.0, 420.0)
"""Heights of the holes, px, and the largest share of the photo's height."""
TALLEST = 0.75
BEYOND = 0.035
"""Holes reach so far beyond the outlines, share of the height."""
TRIES = 60


@dataclass(frozen=True)
class Place:
    """A photo, and where people stand in it."""

    name: str
    rgb: UInt8[ndarray, "h w 3"]
    people: Bool[ndarray, "h w"]


@dataclass(frozen=True)
class Case:
    """A filled hole where the photo is known: ``name`` of the photo, the photo, filled, the hole, what is not copied,
    height of the person (px)."""

    name: str
    rgb: UInt8[ndarray, "h w 3"]
    plate: UInt8[ndarray, "h w 3"]
    hole: Bool[ndarray, "h w"]
    people: Bool[ndarray, "h w"]
    height: float


def places(samples: Path, scenes: int, seed: int) -> tuple[list[Place], list[Bool[ndarray, "h w"]]]:
    """Return photos of COCO trees below a folder, ``scenes`` empty pictures of the demo, and outlines of its people."""
    found = [Place(f.name, f.rgb, _outlines(f.masks, f.boxes, f.rgb.shape[:2])) for f in frames(samples)]
    body, outlines = load_body(BodyConfig(betas=BETAS)), []
    for shot in [s for s in list_shots(2 * scenes) if s.source != H36M][:scenes]:
        scene, people, view = arrange(body, shot, seed)
        film = [generator_for(seed, "demo.film", shot.name) for _ in range(2)]
        empty = take(body, scene, [], view, film[0], None).photo
        found.append(Place(shot.name, empty, np.zeros(empty.shape[:2], bool)))
        outlines += [p.mask for p in take(body, scene, people, view, film[1], None).people]
    return found, [_cut(m) for m in outlines if m.any()]


def _outlines(masks: list[ndarray | None], boxes: list[ndarray], shape: tuple[int, ...]) -> Bool[ndarray, "h w"]:
    out = dilate(union([m for m in masks if m is not None], shape), 4.0)
    for box, mask in zip(boxes, masks, strict=True):
        if mask is None:
            x0, y0, w, h = box
            edge = 0.04 * max(w, h)
            rows, columns = (slice(max(0, int(a - edge)), int(a + b + edge) + 1) for a, b in ((y0, h), (x0, w)))
            out[rows, columns] = True
    return out


def _cut(mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "a b"]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def cases(found: list[Place], outlines: list[ndarray], per_place: int, seed: int) -> Iterator[Case]:
    """Yield filled holes: outlines of people, mirrored or not, at random places of photos where nobody stands."""
    config = background.Config()
    for place in found:
        rng = generator_for(seed, "bench.doubt", place.name)
        count = 0
        for _ in range(TRIES * per_place):
            hole, height = _hole(place, outlines[int(rng.integers(len(outlines)))], rng)
            if not hole.any() or (hole & place.people).any():
                continue
            removal = SimpleNamespace(hole=hole, avoid=place.people)
            try:
                plate, _, _ = background._fill(config, place.rgb, removal, height, rng)  # type: ignore[arg-type]
            except NoSource:
                continue
            yield Case(place.name, place.rgb, plate, hole, place.people, height)
            count += 1
            if count == per_place:
                break


def _hole(place: Place, outline: ndarray, rng: np.random.Generator) -> tuple[Bool[ndarray, "h w"], float]:
    """Return a hole somewhere in a photo, and the height of its person, px; an empty one where it does not fit."""
    h, w = place.rgb.shape[:2]
    out = np.zeros((h, w), bool)
    low, high = SIZES[0], min(SIZES[1], TALLEST * h)
    if high <= low:
        return out, 0.0
    height = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    scale = height / max(outline.shape)
    size = (max(4, round(outline.shape[1] * scale)), max(4, round(outline.shape[0] * scale)))
    shape = cv2.resize(outline.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.5
    edge = round(BEYOND * height) + 6
    if size[0] + 2 * edge >= w or size[1] + 2 * edge >= h:
        return out, 0.0
    y, x = int(rng.integers(edge, h - size[1] - edge)), int(rng.integers(edge, w - size[0] - edge))
    out[y : y + size[1], x : x + size[0]] = shape[:, :: 1 if rng.random() < 0.5 else -1]
    return dilate(out, BEYOND * height), height


def noticed(filled: Filled) -> Bool[ndarray, "h w"]:
    """Return the pixels of a hole whose filling somebody would notice, beside a photo that shows what was there."""
    hole, height, free = filled.hole, filled.height, ~filled.kept
    there, put = lab(filled.photo), lab(np.where(hole[..., None], filled.first, filled.photo))
    about = statistics(put, free, height), statistics(there, free, height)
    other = unlike(put, there, about, hole, height) > 1
    ring = dilate(hole, NEAR * height) & ~hole & free
    plausible = other & (unlike_all(about[0], hole, ring) < LIKE)
    plausible &= (about[0] - about[1])[6:].mean(0) < ROUGHER
    inner = cv2.erode(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    rim = dilate(hole & ~inner, ENTERS * height) & hole
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(other.astype(np.uint8))
    enters = set(np.unique(labels[rim & other]).tolist())
    for i in range(1, count):
        piece = labels == i
        if i not in enters:
            other[piece & plausible] = False
        if boxes[i, cv2.CC_STAT_AREA] < LEAST * height**2:
            other[piece] = False
    return other
