"""Stage ``amputate``: decide what every sample looks like: regions, stump, geometry, clothes, hair, light, twins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.amputation.rebuild import COLLAPSE, DEFAULT_STUMP, RESIDUAL, BodyFit, Cut, rebuild
from a3dgen.amputation.sampling import Amputation, PlanConfig, draw_amputation, draw_stump, sample_key
from a3dgen.appearance.look import TEXTURE, Look
from a3dgen.appearance.looks import LooksConfig, draw_look
from a3dgen.appearance.palette import palette_files
from a3dgen.appearance.texture.painted import SMPL_UV, painted_tone, read_painted
from a3dgen.bodies import load_body
from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.core.records import VISIBLE, Plans
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context, Inputs, Output, each
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import undistort_mask
from a3dgen.geometry.reach import Reach, visibility_reach
from a3dgen.geometry.regions import NUM_REGIONS
from a3dgen.geometry.visibility import body_buffers, why_not_removable
from a3dgen.io import rle

VERSION = 3
WhyNot = Callable[[int, float], str]
"""Says of (region, residual) why that cannot be removed, or ""."""
_KEYPOINT_RADIUS = 8
"""Other people's masks do not count this near (px) to a keypoint labelled visible (docs/labels.md, rule 2)."""


@dataclass(frozen=True)
class Config(PlanConfig):
    """What is amputated (see ``plan.PlanConfig``) and how people look.

    Attributes:
        check_visibility: remove a region only where its absence can be seen in the picture. Switch it off to get the
            configured region distribution whatever the photo shows.
        looks: what people may look like.
    """

    check_visibility: bool = True
    looks: LooksConfig = field(default_factory=LooksConfig)


def user_files(config: Config) -> list[Path]:
    """Return the files whose content the samples depend on: tables of colours and fabrics, and the user's textures
    (the plans name them, the renders show them)."""
    folder = Path(config.looks.textures).expanduser()
    painted = sorted([*folder.glob("*.png"), folder / SMPL_UV]) if config.looks.textures else []
    return [*palette_files(), *painted]


def run(config: Config, inputs: Inputs, context: Context) -> Output:
    """Plan the samples of every fitted person.

    Each person gets ``per_person`` amputee samples ``<person>/amp_<region>_v<n>`` and, by ``twins``, intact samples
    ``<person>/full_v<n>`` with the looks of the amputee of the same number; both rows name each other in ``twin``
    (a shared intact sample names the first amputee). People who lack a limb already keep lacking it in every sample;
    their twin, no longer intact, counts on after the amputee variants.

    A person of whom no region can be removed visibly is rejected, with the reasons.
    """
    persons, bodies = inputs.persons, inputs.bodies
    if bodies is None:
        raise DataError("stage amputate: needs the results of the stage fit")
    rows, fits = persons.index(), bodies.index()
    body = load_body(context.body)
    planner = _Planner(config, context, body, visibility_reach(body), _textures(config))

    def work(key: str) -> list[dict[str, Any]]:
        return planner.plan(persons.row(rows[key]), bodies.row(fits[key]))

    return each(bodies.key.tolist(), work, Plans)


def _textures(config: Config) -> list[str]:
    if not config.looks.textures:
        return []
    names = sorted(p.name for p in Path(config.looks.textures).expanduser().glob("*.png"))
    if not names:
        raise ConfigError(f"amputate.looks.textures: no PNG in '{config.looks.textures}'; name a folder that has some")
    return names


def _anything_goes(region: int, residual: float) -> str:
    return ""


@dataclass(frozen=True)
class _Planner:
    """Plans people one after the other with one body and one configuration."""

    config: Config
    context: Context
    body: BodyData
    reach: Reach
    textures: list[str]
    tones: dict[str, int] = field(default_factory=dict)

    def plan(self, person: dict[str, Any], fit: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the Plans rows of one person."""
        key, config = str(person["key"]), self.config
        present = np.asarray(person["present_removed"], bool)
        why_not = self._question(person, fit) if config.check_visibility else _anything_goes
        drawn = [self._draw(key, present, why_not, v) for v in range(config.per_person)]
        skipped = list(dict.fromkeys(s for a in drawn for s in a.skipped))
        chosen = [(v, a) for v, a in enumerate(drawn) if a.residual]
        if not chosen and config.per_person and not present.any():
            raise Rejected(f"no region can be removed visibly ({'; '.join(skipped)})")
        rows = [row for v, a in chosen for row in self._pair(person, v, a)]
        if config.twins == "shared":
            rows = self._share_twin(rows)
        if not rows:  # intact samples only, or somebody who lacks a limb and can lose no other
            rows = [self._row(key, 0, present, person["present_residual"], 0)]
        if skipped:
            rows[0]["_remark"] = f"skipped {'; '.join(skipped)}"
        return rows

    def _draw(self, key: str, present: ndarray, why_not: WhyNot, variant: int) -> Amputation:
        rng = generator_for(self.context.seed, "amputation", f"{key}#{variant}")
        return draw_amputation(rng, self.config, why_not, np.flatnonzero(present).tolist())

    def _question(self, person: dict[str, Any], fit: dict[str, Any]) -> WhyNot:
        """Return the question of rule 1 (docs/labels.md) for the fitted body as it stands in the photo."""
        present = np.asarray(person["present_removed"], bool)
        residual = np.asarray(person["present_residual"], np.float32)
        stump = np.tile(np.float32(DEFAULT_STUMP), (NUM_REGIONS, 1))
        standing = rebuild(self.body, BodyFit.of(fit), Cut(present, residual, RESIDUAL, stump))
        width, height = (int(v) for v in person["image_size"])
        others = other_people(person, fit["K"])
        buffers = body_buffers(standing.mesh, standing.vertices, fit["K"], width, height, occluders=others)
        return lambda region, residual: why_not_removable(standing.posed, region, residual, buffers, self.reach)

    def _pair(self, person: dict[str, Any], variant: int, amputation: Amputation) -> list[dict[str, Any]]:
        """Return the amputee row of one variant and its intact twin."""
        key, present = str(person["key"]), np.asarray(person["present_removed"], bool)
        removed, residual = present.copy(), np.array(person["present_residual"], np.float32)
        for region, value in amputation.residual.items():
            removed[region], residual[region] = True, value
        look = 0 if self.config.twins == "shared" else variant
        rows = [self._row(key, variant, removed, residual, look)]
        if self.config.twins != "none":
            number = variant + self.config.per_person if present.any() else variant
            rows.append(self._row(key, number, present, person["present_residual"], look))
            rows[0]["twin"], rows[1]["twin"] = rows[1]["key"], rows[0]["key"]
        return rows

    def _share_twin(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Keep the first intact twin and let all amputees name it."""
        for row in rows[::2]:
            row["twin"] = rows[1]["key"]
        return [*rows[:2], *rows[2::2]]

    def _row(
        self, key: str, variant: int, removed: Bool[ndarray, "12"], residual: ndarray, variant_of_look: int
    ) -> dict[str, Any]:
        collapse = self.config.geometry == COLLAPSE
        residual = np.where(removed & (not collapse), residual, 1.0).astype(np.float32)
        seed = self.context.seed
        stump = draw_stump(generator_for(seed, "stump", f"{key}#{variant_of_look}"), self.config)
        rng = generator_for(seed, "look", f"{key}#{variant_of_look}")
        look = draw_look(rng, self.config.looks, removed, residual, self.textures)
        return {
            "key": sample_key(key, removed, variant),
            "parent": key,
            "variant": variant,
            "removed": removed.copy(),
            "residual": residual,
            "geometry": self.config.geometry,
            "stump": stump,
            **replace(look, skin=self._tone(look) or look.skin).columns(),
        }

    def _tone(self, look: Look) -> int:
        """Return the skin tone that a whole-person texture has of itself, 0 for drawn clothes."""
        if look.garments[0].kind != TEXTURE:
            return 0
        file = look.garments[0].file
        if file not in self.tones:
            self.tones[file] = painted_tone(read_painted(file, self.body), self.body)
        return self.tones[file]


def other_people(person: dict[str, Any], K: ndarray) -> Bool[ndarray, "h w"] | None:
    """Return what other people cover of the undistorted photo, or None if nothing is known to.

    The person's own mask and the surroundings of keypoints labelled visible are left out.
    """
    width, height = (int(v) for v in person["image_size"])
    union = rle.union_from_json(str(person["others"]), width, height)
    if not union.any():
        return None
    own = rle.from_json(str(person["mask"]))
    if own is not None and own.shape == union.shape:
        union &= ~own
    y, x = np.mgrid[:height, :width]
    for row in np.flatnonzero(person["state"] == VISIBLE):
        px, py = person["keypoints"][row, :2]
        x0, y0 = max(int(px) - _KEYPOINT_RADIUS, 0), max(int(py) - _KEYPOINT_RADIUS, 0)
        window = np.s_[y0 : y0 + 2 * _KEYPOINT_RADIUS + 2, x0 : x0 + 2 * _KEYPOINT_RADIUS + 2]
        union[window] &= np.hypot(x[window] - px, y[window] - py) > _KEYPOINT_RADIUS
    return undistort_mask(union, K, np.asarray(person["dist"]))
