"""Stage ``amputate``: decide what every sample looks like: regions, stump, geometry, clothes, hair, light, twins."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from a3dgen.amputation.rebuild import COLLAPSE, DEFAULT_STUMP, RESIDUAL, BodyFit, Cut, rebuild
from a3dgen.amputation.sampling import Amputation, PlanConfig, draw_amputation, draw_stump, sample_key
from a3dgen.appearance.looks import LooksConfig
from a3dgen.appearance.palette import palette_files
from a3dgen.appearance.texture.painted import SMPL_UV
from a3dgen.bodies import load_body
from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.core.records import VISIBLE, Plans
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context, Inputs, Output, each
from a3dgen.core.typed import DERIVED
from a3dgen.core.user_paths import user_path
from a3dgen.devices.plan import equip, feet_on_view
from a3dgen.devices.sampling import DevicesConfig
from a3dgen.erasure.config import ERASE, OVERLAY, Erasing
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import undistort_mask
from a3dgen.geometry.reach import Reach, visibility_reach
from a3dgen.geometry.regions import NUM_REGIONS
from a3dgen.geometry.visibility import body_buffers, why_not_removable
from a3dgen.io import rle
from a3dgen.stages.amputate_cover import Dresser, gain_of
from a3dgen.stages.amputate_erasing import Eraser
from a3dgen.stages.amputate_tracks import Tracks, WhyNot, rows_of_tracks

VERSION = 12
_KEYPOINT_RADIUS = 8
"""Other people's masks do not count this near (px) to a keypoint labelled visible (docs/labels.md, rule 2)."""


@dataclass(frozen=True)
class Config(PlanConfig):
    """What is amputated (see ``plan.PlanConfig``) and how people look.

    Attributes:
        per_track: the frames of one person in a recording are one person with one limb loss, dressed once; the limb is
            one that can be removed visibly in most of them. Only with ``fit.temporal``.
        check_visibility: remove a region only where its absence can be seen in the picture. Switch it off to get the
            configured region distribution whatever the photo shows.
        looks: what people may look like.
        erasing: which samples keep the photo's person; set by ``render.mode`` and its companions, not here.
        devices: prostheses and walking aids.
    """

    check_visibility: bool = True
    looks: LooksConfig = field(default_factory=LooksConfig)
    per_track: bool = False
    erasing: Erasing = field(default_factory=Erasing, metadata=DERIVED)
    devices: DevicesConfig = field(default_factory=DevicesConfig)


def user_files(config: Config) -> list[Path]:
    """Return the files whose content the samples depend on: tables of colours and fabrics, and the user's textures
    (the plans name them, the renders show them)."""
    folder = user_path(config.looks.textures)
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
    planner = _Planner(config, context, body, visibility_reach(body), _textures(config), rows_of_tracks(inputs))

    def work(key: str) -> list[dict[str, Any]]:
        return planner.plan(persons.row(rows[key]), bodies.row(fits[key]))

    return each(bodies.key.tolist(), work, Plans)


def _textures(config: Config) -> list[str]:
    if not config.looks.textures:
        return []
    names = sorted(p.name for p in user_path(config.looks.textures).glob("*.png"))
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
    tracks: Tracks
    tones: dict[str, int] = field(default_factory=dict)

    def plan(self, person: dict[str, Any], fit: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the Plans rows of one person."""
        name, config = self._name(person), self.config
        present = np.asarray(person["present_removed"], bool)
        why_not = self._why_not(person, fit)
        eraser = Eraser(config.erasing, self.context, person, fit)
        chosen: list[tuple[int, Amputation, str]] = []
        skipped: list[str] = []
        for v in range(config.per_person):
            mode, amputation = self._choose(name, present, why_not, v, eraser)
            skipped += amputation.skipped
            if amputation.residual:
                chosen.append((v, amputation, mode))
        skipped = list(dict.fromkeys(skipped))
        if not chosen and config.per_person and not present.any():
            why = "the photo admits no erasure" if eraser.only else "no region can be removed visibly"
            raise Rejected(f"{why} ({'; '.join(skipped)})")
        dresser = self._dresser(person, fit)
        rows = [row for v, a, mode in chosen for row in self._pair(person, v, a, mode, eraser, dresser)]
        if config.twins == "shared":
            rows = self._share_twin(rows)
        if not rows:  # intact samples only, or somebody who lacks a limb and can lose no other
            rows = [self._control(person, why_not, eraser, dresser)]
        if not config.devices.off:
            on_view = feet_on_view(self.body, person, fit)
            rows, without = equip(config.devices, self.context.seed, self.body, fit, rows, on_view)
            skipped += without
        remarks = [f"skipped {'; '.join(skipped)}"] if skipped else []
        if eraser.not_erased and config.erasing.mode_of(eraser.key) == ERASE:
            remarks.append(f"drawn, not erased: {'; '.join(dict.fromkeys(eraser.not_erased))}")
        rows[0]["_remark"] = "; ".join(remarks)
        return rows

    def _name(self, person: dict[str, Any]) -> str:
        """Return what the looks are drawn by: the person's key, or the track."""
        return str((self.config.per_track and person["track"]) or person["key"])

    def _why_not(self, person: dict[str, Any], fit: dict[str, Any]) -> WhyNot:
        """Return the question whether a limb can be removed: from a person, or from most frames of a track."""
        if not self.config.check_visibility:
            return _anything_goes
        if self.config.per_track and person["track"]:
            return self.tracks.question(str(person["track"]), self._question)
        return self._question(person, fit)

    def _choose(
        self, key: str, present: ndarray, why_not: WhyNot, variant: int, eraser: Eraser
    ) -> tuple[str, Amputation]:
        """Return mode and amputation of one variant: erased where it is its turn and the photo admits it."""
        turn, spare = eraser.turn(variant, self.config.geometry), eraser.spare(self.config.geometry)
        if turn or spare:
            erased = self._draw(key, present, lambda r, x: why_not(r, x) or eraser.why_not(r, x), variant, longer=True)
        if turn:
            if erased.residual and not eraser.refuses(erased.residual):
                return ERASE, erased
            if eraser.only:
                return ERASE, Amputation({}, erased.skipped)
            eraser.not_erased.append("; ".join(erased.skipped) or eraser.refuses(erased.residual))
        if spare and erased.residual:  # a limb that could be erased, should no plate be good enough
            return OVERLAY, erased
        return OVERLAY, self._draw(key, present, why_not, variant)

    def _dresser(self, person: dict[str, Any], fit: dict[str, Any]) -> Dresser:
        """Return what draws the person's looks; those of a track are one, whatever each frame shows."""
        looks, name, followed = self.config.looks, self._name(person), self.config.per_track and person["track"]
        dresser = Dresser(looks, self.context.seed, name, self.body, tuple(self.textures), self.tones)
        if not looks.cover or followed:
            return dresser
        return replace(dresser, gain=gain_of(self.body, person, fit))

    def _control(self, person: dict[str, Any], why_not: WhyNot, eraser: Eraser, dresser: Dresser) -> dict[str, Any]:
        """Return the row of an intact sample without an amputee; where it is erased, a limb goes and comes back."""
        key, present = str(person["key"]), np.asarray(person["present_removed"], bool)
        row = self._row(key, 0, present, person["present_residual"], 0, dresser)
        mode, amputation = self._choose(self._name(person), present, why_not, 0, eraser)
        return self._erased(row, amputation) if mode == ERASE and amputation.residual else row

    def _erased(self, row: dict[str, Any], amputation: Amputation) -> dict[str, Any]:
        """Return a row in mode ``erase``: amputee and twin name the same limbs."""
        regions, residual = np.zeros(NUM_REGIONS, bool), np.ones(NUM_REGIONS, np.float32)
        for region, value in amputation.residual.items():
            regions[region], residual[region] = True, value
        facts = {"erased": regions, "erased_residual": residual, "otherwise": self.config.erasing.otherwise}
        return {**row, "mode": ERASE, **facts}

    def _draw(self, key: str, present: ndarray, why_not: WhyNot, variant: int, longer: bool = False) -> Amputation:
        rng = generator_for(self.context.seed, "amputation", f"{key}#{variant}")
        return draw_amputation(rng, self.config, why_not, np.flatnonzero(present).tolist(), longer)

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

    def _pair(
        self,
        person: dict[str, Any],
        variant: int,
        amputation: Amputation,
        mode: str,
        eraser: Eraser,
        dresser: Dresser,
    ) -> list[dict[str, Any]]:
        """Return the amputee row of one variant and its intact twin."""
        key, present = str(person["key"]), np.asarray(person["present_removed"], bool)
        removed, residual = present.copy(), np.array(person["present_residual"], np.float32)
        for region, value in amputation.residual.items():
            removed[region], residual[region] = True, value
        look = 0 if self.config.twins == "shared" else variant
        rows = [self._row(key, variant, removed, residual, look, dresser)]
        if self.config.twins != "none":
            number = variant + self.config.per_person if present.any() else variant
            rows.append(self._row(key, number, present, person["present_residual"], look, dresser))
            rows[0]["twin"], rows[1]["twin"] = rows[1]["key"], rows[0]["key"]
        if mode == ERASE:
            return [self._erased(row, amputation) for row in rows]
        if eraser.spare(self.config.geometry) and amputation.residual and not eraser.refuses(amputation.residual):
            return [{**self._erased(row, amputation), "mode": OVERLAY, "otherwise": ERASE} for row in rows]
        return rows

    def _share_twin(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Keep the first intact twin of each mode and let all amputees of that mode name it."""
        twins: dict[str, dict[str, Any]] = {}
        out = []
        for amputee, twin in zip(rows[::2], rows[1::2], strict=True):
            mode = str(amputee.get("mode", OVERLAY))
            out.append(amputee)
            if mode not in twins:
                twins[mode] = twin
                out.append(twin)
            amputee["twin"] = twins[mode]["key"]
        return out

    def _row(
        self, key: str, variant: int, removed: Bool[ndarray, "12"], residual: ndarray, look_of: int, dresser: Dresser
    ) -> dict[str, Any]:
        collapse = self.config.geometry == COLLAPSE
        residual = np.where(removed & (not collapse), residual, 1.0).astype(np.float32)
        stump = draw_stump(generator_for(self.context.seed, "stump", f"{dresser.name}#{look_of}"), self.config)
        return {
            "key": sample_key(key, removed, variant),
            "parent": key,
            "variant": variant,
            "removed": removed.copy(),
            "residual": residual,
            "geometry": self.config.geometry,
            "stump": stump,
            **dresser.look(look_of, removed, residual).columns(),
        }


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
