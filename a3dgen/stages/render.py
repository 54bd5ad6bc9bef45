"""Stage ``render``: draw every planned person into their plate, and measure on the picture what can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.bodies import load_body
from a3dgen.compositing.draw import Picture
from a3dgen.compositing.scene import Scene, load_scene
from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.pool import Pool
from a3dgen.core.records import Renders
from a3dgen.core.stage import Context, Inputs, Output, each
from a3dgen.devices.device import is_worn
from a3dgen.devices.record import device_columns
from a3dgen.devices.seen import body_part, device_ids
from a3dgen.devices.twins import Pairs
from a3dgen.erasure.config import ERASE, REJECT
from a3dgen.erasure.picture import ErasedSample, draw_erased
from a3dgen.erasure.subject import Subject, load_subject
from a3dgen.formats.names import sample_name
from a3dgen.geometry.reach import Reach, visibility_reach
from a3dgen.io import images
from a3dgen.lighting.likeness import unlike
from a3dgen.stages.drawing import Brush, check_plate, intact
from a3dgen.stages.render_clips import ClipLights, under_heels
from a3dgen.stages.render_config import Config as Config  # the stage table asks the stage for it
from a3dgen.stages.render_measures import (
    buffers_of,
    check_stumps,
    check_told,
    measure,
    seen_in_photo,
    why_not_trusted,
)

VERSION = 29
_SCENES = 2
"""Scenes kept while a shard is drawn: the samples of a person follow one another."""


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
        if not config.clips:
            return scene
        return replace(scene, shared=lights.of(str(person["track"])), ground=under_heels(scene.ground, fitted, body))

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
        remark, refused = "", str(plate["refused"])
        if plan["otherwise"] == ERASE and not refused:
            refused = why_not_trusted(config, scene, fitted, body)
        if plan["mode"] == ERASE or (refused and plan["otherwise"] == ERASE):
            subject = subjects.get(parent, lambda: _subject(person, fitted, plate, context))
            found = subject if isinstance(subject, str) else draw_erased(config, subject, plan, context.seed)
            if isinstance(found, ErasedSample):
                return write_erased(config, person, plan, scene, found, reach, context)
            if plan["otherwise"] == REJECT:
                raise Rejected(f"erasure: {found}")
            if refused:
                raise Rejected(f"{refused}; no erasure instead: {found}")
            remark = f"overlay instead of erasure: {found}"
        if refused:
            raise Rejected(refused)
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
        Rejected: what is seen of the plate is invented, the person is not in the photo's light, the stump cannot be
            seen, or nobody could tell that the limb is gone.
    """
    sample = brush.draw(fitted, plan, scene, judge=True)
    amputee, devices, picture, labels = sample.amputee, sample.devices, sample.picture, sample.labels
    if not body_part(labels).any():
        raise Rejected("no pixel of the person can be seen")
    check_plate(config, scene, labels > 0)
    difference = unlike(picture.rgb, body_part(labels) > 0, scene.look, config.light)
    if difference:
        raise Rejected(f"the drawn person is not in the photo's light: {difference}")
    seen = measure(amputee, plan, scene, picture, reach, devices)
    seen |= device_columns(devices, amputee, seen["state"], buffers_of(scene, picture), picture.part, labels,
                           config.min_visible)  # fmt: skip
    if config.reject_invisible:
        check_stumps(config, amputee, plan, scene, picture, seen, devices)
        if config.min_told > 0 and plan["removed"].any() and not any(is_worn(a.device) for a in devices.attached):
            check_told(config, sample, brush.draw(fitted, intact(plan), scene), plan, scene)
    files = _write(config, person, plan, picture, labels, brush.context) if write else {}
    return {"key": str(plan["key"]), **files, **seen, **_sizes(amputee)}


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
        check_stumps(config, sample.amputee, plan, scene, sample.picture, seen)
    seen["state"] = seen_in_photo(seen["state"], seen["keypoints"], scene, sample.labels > 0)
    files = _write(config, person, plan, sample.picture, sample.labels, context)
    facts = {"mode": ERASE, "registered_pose": sample.pose, "registered_transl": sample.transl,
             "registered_error": sample.error, "erased_frame": sample.frames}  # fmt: skip
    return {"key": str(plan["key"]), **files, **seen, **_sizes(sample.amputee), **facts}


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
