"""Stage ``render``: draw every planned person into their plate, and measure on the picture what can be seen."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee, removed_regions
from a3dgen.bodies import load_body
from a3dgen.compositing.draw import Picture
from a3dgen.compositing.scene import Scene, load_scene
from a3dgen.compositing.told import told_share
from a3dgen.core.errors import ConfigError, DataError, Rejected, nearest
from a3dgen.core.pool import Pool
from a3dgen.core.records import OCCLUDED, OUTSIDE, VISIBLE, Renders
from a3dgen.core.registry import available
from a3dgen.core.stage import Context, Inputs, Output, each
from a3dgen.core.typed import DERIVED
from a3dgen.devices.attach import Devices
from a3dgen.devices.device import is_worn
from a3dgen.devices.record import device_columns, why_prosthesis_hidden
from a3dgen.devices.seen import body_part, device_ids, sockets_as_limbs
from a3dgen.devices.twins import Pairs
from a3dgen.erasure.config import ERASE, MODES, OVERLAY, REJECT, Bars, Erasing
from a3dgen.erasure.picture import ErasedSample, draw_erased
from a3dgen.erasure.subject import Subject, load_subject
from a3dgen.formats.names import sample_name
from a3dgen.geometry.camera import project
from a3dgen.geometry.reach import Reach, visibility_reach
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS, absent_joints, among
from a3dgen.geometry.visibility import (
    Buffers,
    end_states,
    keypoint_states,
    over_own_limb,
    region_visibility,
)
from a3dgen.io import images
from a3dgen.lighting.likeness import LightBars, unlike
from a3dgen.removal.mask_ops import dilate
from a3dgen.renderers import TABLE
from a3dgen.stages.drawing import Brush, Drawn, intact
from a3dgen.stages.render_clips import ClipLights

log = logging.getLogger("a3dgen")

VERSION = 13
_MASK_EDGE_PX = 3.0
"""A visible keypoint of a photo's person may lie this far off their mask."""
_SCENES = 2
"""Scenes kept while a shard is drawn: the samples of a person follow one another."""


@dataclass(frozen=True)
class Config:
    """How samples are drawn.

    Attributes:
        mode: ``overlay`` (a drawn person over the plate), ``erase`` (the person of the photo, without the limb) or
            ``both``; docs/erase.md.
        modes: the same by source (``coco``, ``mpii``, ``h36m``, ``custom``), where it differs from ``mode``.
        erase: share of a source's samples that are erased in mode ``both``, where the photo admits it.
        erase_else: ``overlay`` or ``reject``: what happens in mode ``erase`` where the photo does not admit it.
        bars: of admission to erasure.
        blur_faces: make the person's own face unrecognisable where they are kept (set by ``privacy.blur_faces: self``).
        renderer: ``cpu`` (compiled loops, no driver needed), ``gl`` (OpenGL by EGL or OSMesa) or ``pyrender``.
        supersample: samples per pixel and axis, 1 to 3.
        format: ``jpg`` (JPEG sources keep their tables and chroma sampling) or ``png``.
        masks: write a PNG of the person's visible pixels.
        parts: write a PNG of part labels (0 none, else 1 + SMPL joint).
        shadow: darkness of the shadow on the ground, 0 = none, 1 = full.
        grain: give the person the grain of the photo.
        black: lift the person's blacks to the photo's.
        reject_invisible: reject samples whose stump cannot be seen in the finished picture.
        min_visible: smallest visible share of the segment that carries a stump, for ``reject_invisible``.
        min_told: smallest share of the removed limb's pixels at which the picture must differ from that of the intact
            twin, for ``reject_invisible``; 0 = do not compare.
        light: how far a drawn person may be from the photo's brightness, colours and sharpness.
        clips: the frames of one person in a recording have one light, the mean of what some of them show.
    """

    mode: str = OVERLAY
    modes: dict[str, str] = field(default_factory=dict)
    erase: float = 0.5
    erase_else: Literal["overlay", "reject"] = "overlay"
    bars: Bars = field(default_factory=Bars)
    blur_faces: bool = field(default=False, metadata=DERIVED)
    renderer: str = "cpu"
    supersample: int = 2
    format: str = "jpg"
    masks: bool = True
    parts: bool = False
    shadow: float = 0.85
    grain: bool = True
    black: bool = True
    reject_invisible: bool = True
    min_visible: float = 0.35
    min_told: float = 0.3
    light: LightBars = field(default_factory=LightBars)
    clips: bool = False

    def __post_init__(self) -> None:
        for name, valid in (
            ("mode", MODES),
            ("renderer", tuple(available("renderer", TABLE))),
            ("format", ("jpg", "png")),
        ):
            if getattr(self, name) not in valid:
                hint = nearest(getattr(self, name), valid)
                raise ConfigError(f"render.{name} '{getattr(self, name)}' is unknown{hint}")
        if self.supersample not in (1, 2, 3):
            raise ConfigError(f"render.supersample is {self.supersample}; valid: 1, 2, 3")
        for name in ("shadow", "min_visible", "min_told"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"render.{name} is {getattr(self, name)}; it must be between 0 and 1")
        self.erasing()

    def erasing(self) -> Erasing:
        """Return which samples are erased: what stage ``amputate`` plans by."""
        return Erasing(self.mode, self.modes, self.erase, self.erase_else, self.bars)


def run(config: Config, inputs: Inputs, context: Context) -> Output:
    """Draw every sample of the shard; those of people without a plate are rejected. Writes below ``context.folder``."""
    persons, bodies, plans, plates = inputs.persons, inputs.bodies, inputs.plans, inputs.plates
    if bodies is None or plans is None or plates is None:
        raise DataError("stage render: needs the results of the stages fit, amputate and background")
    body = load_body(context.body)
    reach = visibility_reach(body)
    rows = [(record, record.index()) for record in (persons, bodies, plates)]
    plan_row = plans.index()
    scenes: Pool[Scene] = Pool(_SCENES)
    subjects: Pool[Subject | str] = Pool(1)
    brush = Brush(config, body, context)

    def scene_of(person: dict[str, Any], fitted: dict[str, Any], plate: dict[str, Any]) -> Scene:
        scene = load_scene(person, fitted, plate, body, context.out)
        return replace(scene, shared=lights.of(str(person["track"]))) if config.clips else scene

    lights = ClipLights(inputs, body, context.out)
    keys = [str(k) for k in plans.key]
    pairs = Pairs.of(keys, plans.twin.tolist(), plans.devices.tolist())

    def work(key: str) -> dict[str, Any]:
        with pairs.turn_of(key, lambda other: drawn(other, write=False)):
            return drawn(key)

    def drawn(key: str, write: bool = True) -> dict[str, Any]:
        plan = plans.row(plan_row[key])
        parent = str(plan["parent"])
        if any(parent not in index for _, index in rows):
            raise Rejected("no plate was made for the person")
        person, fitted, plate = (record.row(index[parent]) for record, index in rows)
        scene = scenes.get(parent, lambda: scene_of(person, fitted, plate))
        remark = ""
        if plan["mode"] == ERASE:
            subject = subjects.get(parent, lambda: _subject(person, fitted, plate, context))
            found = subject if isinstance(subject, str) else draw_erased(config, subject, plan, context.seed)
            if isinstance(found, ErasedSample):
                return write_erased(config, person, plan, scene, found, reach, context)
            if plan["otherwise"] == REJECT:
                raise Rejected(f"erasure: {found}")
            remark = f"overlay instead of erasure: {found}"
        if plate["refused"]:
            raise Rejected(str(plate["refused"]))
        row = render_sample(config, person, fitted, plan, scene, reach, brush, write)
        return {**row, "_remark": remark}

    return each(pairs.order(keys), work, Renders)


def render_sample(
    config: Config,
    person: Mapping[str, Any],
    fitted: Mapping[str, Any],
    plan: Mapping[str, Any],
    scene: Scene,
    reach: Reach,
    brush: Brush,
    write: bool = True,
) -> dict[str, Any]:
    """Draw, measure and write one sample; return its Renders row. ``write=False`` asks whether it could be drawn.

    Raises:
        Rejected: the person is not in the photo's light, the stump cannot be seen, or nobody could tell that the limb
            is gone.
    """
    sample = brush.draw(fitted, plan, scene)
    amputee, devices, picture, labels = sample.amputee, sample.devices, sample.picture, sample.labels
    if not body_part(labels).any():
        raise Rejected("no pixel of the person can be seen")
    difference = unlike(picture.rgb, body_part(labels) > 0, scene.look, config.light)
    if difference:
        raise Rejected(f"the drawn person is not in the photo's light: {difference}")
    seen = measure(amputee, plan, scene, picture, reach, devices)
    seen |= device_columns(devices, amputee, seen["state"], _buffers(scene, picture), picture.part, labels,
                           config.min_visible)  # fmt: skip
    if config.reject_invisible:
        _check_stumps(config, amputee, plan, scene, picture, seen, devices)
        if config.min_told > 0 and plan["removed"].any() and not any(is_worn(a.device) for a in devices.attached):
            _check_told(config, sample, brush.draw(fitted, intact(plan), scene), plan, scene)
    files = _write(config, person, plan, picture, labels, brush.context) if write else {}
    return {"key": str(plan["key"]), **files, **seen, **_sizes(amputee)}


def _check_told(config: Config, sample: Drawn, twin: Drawn, plan: Mapping[str, Any], scene: Scene) -> None:
    """Raise Rejected if the pictures with and without the limb look the same."""
    gone = np.flatnonzero(absent_joints(plan["removed"])) + 1
    carriers = [REGIONS[r].segment[0] + 1 for r in removed_regions(plan["removed"])]
    whole = body_part(twin.labels)
    limb = among(whole, gone) | (among(whole, carriers) & (body_part(sample.labels) != whole))
    share = told_share(sample.picture.rgb, twin.picture.rgb, limb, scene.sigma if config.grain else np.zeros(3))
    if share < config.min_told:
        names = " and ".join(REGIONS[r].name.replace("_", " ") for r in removed_regions(plan["removed"]))
        raise Rejected(
            f"limb not seen to be missing: the picture hardly differs from that of an intact person ({names})"
        )


def _subject(person: dict[str, Any], fitted: dict[str, Any], plate: dict[str, Any], context: Context) -> Subject | str:
    """Return the person prepared for erasure, or why they cannot be."""
    try:
        return load_subject(person, fitted, plate, context)
    except Rejected as error:
        return str(error)


def write_erased(
    config: Config,
    person: Mapping[str, Any],
    plan: Mapping[str, Any],
    scene: Scene,
    sample: ErasedSample,
    reach: Reach,
    context: Context,
) -> dict[str, Any]:
    """Measure and write a sample that keeps the photo's person; return its Renders row.

    Raises:
        Rejected: the stump cannot be seen.
    """
    seen = measure(sample.amputee, plan, scene, sample.picture, reach)
    if config.reject_invisible:
        _check_stumps(config, sample.amputee, plan, scene, sample.picture, seen)
    seen["state"] = _seen_in_photo(seen["state"], seen["keypoints"], scene, sample.labels > 0)
    files = _write(config, person, plan, sample.picture, sample.labels, context)
    facts = {"mode": ERASE, "registered_pose": sample.pose, "registered_transl": sample.transl,
             "registered_error": sample.error, "erased_frame": sample.frames}  # fmt: skip
    return {"key": str(plan["key"]), **files, **seen, **_sizes(sample.amputee), **facts}


def _seen_in_photo(
    state: UInt8[ndarray, "44"], keypoints: Float[ndarray, "44 3"], scene: Scene, mask: Bool[ndarray, "h w"]
) -> UInt8[ndarray, "44"]:
    """Return the states with visible rows occluded where the photo shows somebody or something else: the fit is seen
    there, the person is not."""
    near = dilate(mask, _MASK_EDGE_PX)
    h, w = mask.shape
    with np.errstate(invalid="ignore"):
        pixels = np.nan_to_num(project(np.asarray(keypoints, np.float64), scene.K))
    x, y = np.clip(np.rint(pixels), 0, (w - 1, h - 1)).astype(int).T
    return np.where((state == VISIBLE) & ~near[y, x], OCCLUDED, state).astype(np.uint8)


def measure(
    amputee: Amputee,
    plan: Mapping[str, Any],
    scene: Scene,
    picture: Picture,
    reach: Reach,
    devices: Devices = Devices(),  # noqa: B008 (frozen)
) -> dict[str, Any]:
    """Return what the picture shows of the body: the columns of Renders from ``state`` to ``residual_end_state``."""
    buffers = _buffers(scene, picture)
    residual = plan["residual"].astype(np.float64)
    with_sockets = sockets_as_limbs(buffers, picture.part, devices)
    visible = region_visibility(amputee.posed.joints, residual, with_sockets, reach)
    gone = absent_joints(plan["removed"])
    visible[[bool(gone[r.segment[0]]) for r in REGIONS]] = 0  # nothing is left of the segment: it cannot be seen
    return {
        "state": keypoint_states(amputee.keypoints, amputee.present, buffers, reach),
        "keypoints": amputee.keypoints,
        "visible": visible,
        "residual_ends": amputee.ends,
        "residual_end_state": end_states(amputee.ends, buffers),
    }


def _buffers(scene: Scene, picture: Picture) -> Buffers:
    h, w = scene.plate.shape[:2]
    return Buffers(picture.depth, body_part(picture.part), scene.K, w, h, picture.window[:2], 1.0, scene.hidden)


def _check_stumps(
    config: Config,
    amputee: Amputee,
    plan: Mapping[str, Any],
    scene: Scene,
    picture: Picture,
    seen: Mapping[str, Any],
    devices: Devices = Devices(),  # noqa: B008 (frozen)
) -> None:
    """Raise Rejected if some stump cannot be seen. Where a prosthesis is worn, that must be seen instead of the tip."""
    regions = removed_regions(plan["removed"])
    cut = np.isin(np.arange(NUM_REGIONS), regions)
    residual = plan["residual"].astype(np.float64)
    covered = over_own_limb(amputee.posed.keypoints, cut, residual, _buffers(scene, picture))
    for region in (REGIONS[r] for r in regions):
        name = region.name.replace("_", " ")
        if region.index in covered:
            raise Rejected(f"stump hidden: the remaining limb occludes the removed part ({name})")
        if seen["visible"][region.index] < config.min_visible:
            raise Rejected(
                f"stump hidden: most of the segment that carries it is occluded or outside the image ({name})"
            )
        hidden = why_prosthesis_hidden(region.index, devices, seen)
        if hidden is not None:
            if hidden:
                raise Rejected(f"{hidden} ({name})")
            continue
        if region.end is None or seen["residual_end_state"][region.end] == VISIBLE:
            continue
        if seen["residual_end_state"][region.end] == OUTSIDE:
            raise Rejected(f"stump hidden: its tip is outside the image ({name})")
        raise Rejected(f"stump hidden: its tip is occluded ({name})")


def _write(
    config: Config,
    person: Mapping[str, Any],
    plan: Mapping[str, Any],
    picture: Picture,
    labels: UInt8[ndarray, "h w"],
    context: Context,
) -> dict[str, str]:
    """Write the sample's files atomically; return their paths below the build folder."""
    name = sample_name(
        plan["removed"], str(person["stem"]), str(person["person_id"]), int(plan["variant"]), config.format
    )
    folder = context.folder / str(person["subset"])
    image = folder / "Images" / name
    source = str(person["image"])
    images.write_image(image, picture.rgb, like=source if source.lower().endswith((".jpg", ".jpeg")) else None)
    out = {"image": image, "mask": None, "parts": None}
    if config.masks:
        out["mask"] = folder / "Masks" / f"{Path(name).stem}.png"
        images.write_mask(out["mask"], body_part(labels) > 0)
    if config.parts:
        out["parts"] = folder / "Masks" / f"{Path(name).stem}_parts.png"
        images.write_labels(out["parts"], body_part(labels))
    if plan["devices"] not in ("", "[]"):
        out["device_mask"] = folder / "Masks" / f"{Path(name).stem}_devices.png"
        images.write_labels(out["device_mask"], device_ids(labels))
    return {k: path.relative_to(context.out).as_posix() if path else "" for k, path in out.items()}


def _sizes(amputee: Amputee) -> dict[str, Any]:
    return {k: getattr(amputee, k) for k in ("height", "segment", "stump_length", "stump_girth")}
