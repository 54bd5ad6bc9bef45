"""Truth for ``a3dgen bench erase``: the demo's person really rendered without the limb, in the same scene and light.

The residual limb has the shape that the erased sample's labels have: it does not taper above the ring.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild, removed_regions
from a3dgen.appearance.look import Look
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.rng import generator_for
from a3dgen.demo import BETAS
from a3dgen.demo.people import Person, in_camera
from a3dgen.demo.picture import Picture, take
from a3dgen.demo.shoot import person_key
from a3dgen.demo.shots import H36M, DemoShot, arrange, list_shots
from a3dgen.erasure.erase import cut_of
from a3dgen.erasure.limb_pixels import tip_level
from a3dgen.geometry.camera import project, undistort_image
from a3dgen.geometry.regions import REGIONS

REACHES = 0.12
"""Cloth that ends this little before the tip covers it, limb coordinate."""


@dataclass(frozen=True)
class TruePair:
    """Both pictures, lens distortion removed: with and without the limb, the person's true masks, the true tip (px)."""

    photo: UInt8[ndarray, "h w 3"]
    truth: UInt8[ndarray, "h w 3"]
    with_limb: Bool[ndarray, "h w"]
    without: Bool[ndarray, "h w"]
    tip: Float[ndarray, "2"]


def shots_of(people: int) -> dict[str, tuple[DemoShot, int]]:
    """Return key -> (picture, place in it) of the demo's people."""
    out = {}
    for shot in list_shots(people):
        for i in range(shot.people if shot.source != H36M else 1):
            out[person_key(shot, i)] = shot, i
    return out


class Truth:
    """Renders the demo's pictures again, as they were and with one person's limb gone; keeps the last shot."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.body = load_body(BodyConfig(betas=BETAS))
        self._last: tuple[str, Picture] | None = None

    def pair(self, shot: DemoShot, index: int, cut: Cut, dist: Float[ndarray, "5"]) -> TruePair:
        """Return the picture of a shot with and without the limbs of its ``index``-th person."""
        intact = self._take(shot, None, None)
        scene, people, view = arrange(self.body, shot, self.seed)
        people[index] = without(people[index], cut_of(cut))
        true = take(self.body, scene, people, view, self._film(shot), intact.metered)
        pose, transl = in_camera(people[index], view.rotation, view.centre, self.body)
        standing = rebuild(self.body, BodyFit(pose, people[index].betas, transl), people[index].cut)
        stump = standing.topology.stumps[0]
        tip = project(standing.vertices[stump.tip][None].astype(np.float64), view.K)[0]
        quality = int(generator_for(self.seed, "demo.jpeg", shot.name).integers(86, 96))
        pictures = (undistort_image(_jpeg(p.photo, quality), view.K, dist) for p in (intact, true))
        return TruePair(*pictures, intact.people[index].mask, true.people[index].mask, tip)

    def _take(self, shot: DemoShot, index: int | None, cut: Cut | None) -> Picture:
        if self._last is None or self._last[0] != shot.name:
            scene, people, view = arrange(self.body, shot, self.seed)
            self._last = shot.name, take(self.body, scene, people, view, self._film(shot))
        return self._last[1]

    def _film(self, shot: DemoShot) -> np.random.Generator:
        return generator_for(self.seed, "demo.film", shot.name)


def without(person: Person, cut: Cut) -> Person:
    """Return the person after the amputation, their cloth closed over the residual limb where it reaches it."""
    return dataclasses.replace(person, cut=cut, look=covered(person.look, cut))


def covered(look: Look, cut: Cut) -> Look:
    """Return the look with cloth that reaches a removed limb's tip closed over it."""
    garments = []
    for g in look.garments:
        ending = dict(g.ending)
        for region in removed_regions(cut.removed):
            r = REGIONS[region]
            limb = f"{r.side}_{r.limb}"
            tip = tip_level(region, float(cut.residual[region]))
            if g.kind != "skirt" and g.lengths.get(limb, -1.0) > tip - REACHES:
                ending[limb] = "covered"
        garments.append(dataclasses.replace(g, ending=ending))
    return dataclasses.replace(look, garments=tuple(garments))


def _jpeg(rgb: UInt8[ndarray, "h w 3"], quality: int) -> UInt8[ndarray, "h w 3"]:
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1])


__all__ = ["TruePair", "Truth", "covered", "shots_of", "without"]
