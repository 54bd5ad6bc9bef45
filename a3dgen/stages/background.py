"""Stage ``background``: the photo without the person. One plate a person, shared by all its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.records import UNLABELLED, Plates
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context, Inputs, Output, each
from a3dgen.core.user_paths import user_path
from a3dgen.erasure.config import ERASE
from a3dgen.geometry.boxes import mask_box
from a3dgen.geometry.camera import undistort_image, undistort_mask
from a3dgen.inpainters import NoSource, get_inpainter
from a3dgen.inpainters.grain import add_grain
from a3dgen.io.file_digest import contents
from a3dgen.removal.config import Config
from a3dgen.removal.doubt import doubtful
from a3dgen.removal.gate import PlateFacts, crossing, measure, require, require_whole
from a3dgen.removal.label_map import label_map
from a3dgen.removal.lines import carry_lines
from a3dgen.removal.masks import Removal, carried, plan_removal
from a3dgen.removal.order import order_of_masks, require_known_front, scores
from a3dgen.removal.people import left_over_masks, unnamed, unread, usable_segmenter
from a3dgen.removal.photo import Known, RemovalScene, figures_of, labelled_only, load_scene, with_labels
from a3dgen.removal.seats import require_seat
from a3dgen.removal.segment import segmenter_name
from a3dgen.removal.studio import EmptyStudio, frames_digest, from_studio, pick_frames, studio
from a3dgen.segmenters import Asked
from a3dgen.stages.plate_cache import cached_row, facts_path, plate_digest, safe_name, store_row, write_plate

__all__ = ["VERSION", "Config", "make_plate", "run", "safe_name"]

VERSION = 33


def user_files(config: Config) -> list[Path]:
    """Return the user's files whose content the plates depend on."""
    return [user_path(config.inpainter_path)] if config.inpainter_path else []


def run(config: Config, inputs: Inputs, context: Context) -> Output:
    """Make the plate of every person that has a plan; writes PNGs below ``context.folder``."""
    persons, bodies, plans = inputs.persons, inputs.bodies, inputs.plans
    if bodies is None or plans is None:
        raise DataError("stage background: needs the results of the stages fit and amputate")
    person_row, body_row = persons.index(), bodies.index()
    keys = list(dict.fromkeys(str(p) for p in plans.parent))
    modes = zip(plans.parent, plans.mode, plans.otherwise, strict=True)
    kept = {str(p) for p, mode, otherwise in modes if ERASE in (mode, otherwise)}
    photos: dict[str, list[str]] = {}
    for key, image in zip(persons.key, persons.image, strict=True):
        photos.setdefault(str(image), []).append(str(key))

    def known(key: str) -> Known:
        return persons.row(person_row[key]), bodies.row(body_row[key]) if key in body_row else None

    def work(key: str) -> dict[str, Any]:
        person = persons.row(person_row[key])
        beside = [known(k) for k in photos[str(person["image"])] if k != key]
        return make_plate(config, person, bodies.row(body_row[key]), context, beside, key in kept)

    return each(keys, work, Plates)


def make_plate(
    config: Config,
    person: dict[str, Any],
    body: dict[str, Any],
    context: Context,
    beside: Sequence[Known] = (),
    kept: bool = False,
) -> dict[str, Any]:
    """Return the Plates row of one person, made anew or taken from the cache.

    Args:
        person, body: rows of Persons and Bodies. beside: everybody else of the photo. kept: some samples keep the
            photo's person (erasure): a plate that fails a bar is made all the same, and says why nobody may be drawn
            over it.

    Raises:
        Rejected: the photo cannot be read, contradicts its annotation, leaves nothing to fill from, or the plate fails
            a bar.
    """
    key = str(person["key"])
    facts = facts_path(context, key)
    recording = _recording(config, person, context.seed)
    settings = [VERSION, context.seed, asdict(config), asdict(context.body), segmenter_name(), frames_digest(recording)]
    settings += [*contents(user_files(config)), kept]
    digest = plate_digest(settings, person, body, beside)
    row = cached_row(facts, digest, context.out)
    if row is not None:
        return row
    scene = _with_people(config, load_scene(person, body, context), (person, body), beside, context)
    removal = plan_removal(config, scene)
    share = float(removal.hole.mean())
    if share == 0:
        raise Rejected("neither a mask, nor the fitted body, nor a keypoint lies inside the photo")
    if share > config.max_filled:
        raise Rejected(f"removing the person would leave {share:.0%} of the photo to be invented")
    cut = crossing(scene, removal)
    if not kept:  # before the filling, which takes long
        _require_scene(config, scene, body, context, cut)
    empty = studio(recording, config.studio_least) if recording else None
    rng = generator_for(context.seed, "plate", key)
    if empty is None:
        invented = removal.hole
        plate, lines, method = _fill(config, scene.rgb, removal, scene.height, rng)
    else:
        plate, invented, lines, method = _fill_studio(config, scene, removal, _straight(empty, person), rng)
    refused = ""
    try:
        if kept:
            _require_scene(config, scene, body, context, cut)
        judge(config, scene, removal, plate, cut)
    except Rejected as error:
        if not kept:
            raise
        refused = str(error)
    unsure = _doubt(config, scene, removal, plate, invented, generator_for(context.seed, "plate.doubt", key))
    unsure[lines] = 0  # the second filling knows of none, and what they carry on is sure
    row = {**write_plate(context, key, plate, removal, unsure, f"{method}; {removal.source}"), "refused": refused}
    store_row(facts, digest, row, context.out)
    return row


def _doubt(
    config: Config,
    scene: RemovalScene,
    removal: Removal,
    plate: UInt8[ndarray, "h w 3"],
    invented: Bool[ndarray, "h w"],
    rng: np.random.Generator,
) -> UInt8[ndarray, "h w"]:
    """Return the chance that the filling is noticed; 0 where nothing was invented, and everywhere if nobody asks.

    ``invented``: what was filled from around.
    """
    if not config.doubt or not invented.any():
        return np.zeros(invented.shape, np.uint8)
    filler = get_inpainter(config.inpainter, config.inpainter_path, rough=True)
    stay = (removal.avoid | removal.front) & ~removal.hole
    photo = np.where((removal.hole & ~invented)[..., None], plate, scene.rgb)  # what the empty studio shows is known
    chance = doubtful(photo, plate, invented, stay, scene.height, filler, rng)
    chance[removal.front] = 0
    return chance


def _require_scene(config: Config, scene: RemovalScene, body: dict[str, Any], context: Context, cut: float) -> None:
    """Check what can be said before the filling: nobody else is cut, and who sits has a seat that stays.

    Raises:
        Rejected: if not.
    """
    require_whole(cut, config.bars)
    if not scene.alone:
        require_known_front(scene, body, context.body, config.bars.unexplained)
    if config.seats == "known" and not scene.alone:  # a studio is seen empty, with its chairs
        require_seat(scene, body, context.body, carried(config, scene))


def judge(
    config: Config, scene: RemovalScene, removal: Removal, plate: UInt8[ndarray, "h w 3"], cut: float
) -> PlateFacts:
    """Return what is measured on a finished plate; ``cut``: what ``crossing`` has found.

    Raises:
        Rejected: if it fails a bar.
    """
    segmenter, _ = usable_segmenter(config.segmenter, config.segmenter_path)
    seen = None
    if segmenter is not None and not scene.alone:  # a studio's furniture has been taken for somebody
        keypoints = np.column_stack([scene.keypoints, scene.state != UNLABELLED])
        (seen,) = segmenter.people(plate, [Asked(mask_box(removal.person), keypoints, removal.person)])
    facts = measure(scene, removal, plate, seen, cut)
    require(facts, config.bars)
    return facts


def _with_people(
    config: Config, scene: RemovalScene, own: Known, beside: Sequence[Known], context: Context
) -> RemovalScene:
    """Return the scene with the photo's label map, where anybody in it has no mask; else as it is."""
    rows = sorted([own, *beside], key=lambda known: str(known[0]["key"]))
    if all(person["mask"] for person, _ in rows):
        return _ordered(scene, rows, own, context)
    segmenter, name = usable_segmenter(config.segmenter, config.segmenter_path)
    if segmenter is None and len(rows) == 1:
        return scene  # nothing to solve together
    figures = list(figures_of(rows, context))
    index = next(i for i, (person, _) in enumerate(rows) if person["key"] == own[0]["key"])
    figures += unread(labelled_only(own[0]), figures)
    figures += [unnamed(mask, scene) for mask in left_over_masks(scene, figures, index)]
    found = label_map(scene.rgb, figures, segmenter, not scene.alone, name)
    nearer = scores(figures, index, [found.mask(j) for j in range(len(figures))])
    return with_labels(scene, found, index, nearer)


def _ordered(scene: RemovalScene, rows: Sequence[Known], own: Known, context: Context) -> RemovalScene:
    """Return a scene of drawn masks with what is known of who stands in front of the person."""
    if len(rows) == 1 or not scene.others:
        return scene
    figures = list(figures_of(rows, context))
    index = next(i for i, (person, _) in enumerate(rows) if person["key"] == own[0]["key"])
    return replace(scene, nearer=tuple(order_of_masks(scene.others, figures, index)))


def _recording(config: Config, person: dict[str, Any], seed: int) -> list[Path]:
    """Return the frames that may show the empty studio: of one subject, by one calibrated camera, or none."""
    fixed = person.get("subject") and person.get("K_known")
    if not (config.studio_frames and (fixed or (config.clips and person.get("track")))):
        return []
    frames = pick_frames(Path(person["image"]), config.studio_frames, seed)
    return frames if len(frames) >= config.studio_least else []


def _straight(empty: EmptyStudio, person: dict[str, Any]) -> EmptyStudio:
    """Return the empty studio with the lens distortion removed."""
    K, dist = person["K"], person["dist"]
    sure = undistort_mask(empty.sure, K, dist)
    return EmptyStudio(undistort_image(empty.rgb, K, dist), sure, empty.frames)


def _fill_studio(
    config: Config, scene: RemovalScene, removal: Removal, empty: EmptyStudio, rng: np.random.Generator
) -> tuple[UInt8[ndarray, "h w 3"], Bool[ndarray, "h w"], Bool[ndarray, "h w"], str]:
    """Fill from the empty studio, and what it does not show as in any photo; also return what that is, and the lines
    in it."""
    if empty.rgb.shape != scene.rgb.shape:
        plate, lines, method = _fill(config, scene.rgb, removal, scene.height, rng)
        return plate, removal.hole, lines, method
    filled, rest = from_studio(scene.rgb, empty.rgb, empty.sure, removal.hole, removal.person, scene.height)
    filled = add_grain(scene.rgb, filled, removal.hole & ~rest, removal.avoid | rest, rng)
    method = f"median of {empty.frames} frames"
    if not rest.any():
        return filled, rest, rest, method
    plate, lines, other = _fill(config, filled, replace(removal, hole=rest), scene.height, rng)
    return plate, rest, lines, f"{method}, {other} ({rest.sum() / removal.hole.sum():.0%})"


def _fill(
    config: Config, rgb: UInt8[ndarray, "h w 3"], removal: Removal, height: float, rng: np.random.Generator
) -> tuple[UInt8[ndarray, "h w 3"], Bool[ndarray, "h w"], str]:
    """Return the plate, the strips along lines that go on in it, and the name of what filled it; ``height``: of the
    person, px."""
    rgb, hole, lines = rgb.copy(), removal.hole, np.zeros_like(removal.hole)
    rgb[hole] = 0  # no filler can let a pixel of the person through, not even by rounding
    if config.lines:
        rgb, lines = carry_lines(rgb, hole, removal.avoid, height)
        hole = hole & ~lines
    if not hole.any():
        return rgb, lines, "lines"
    try:
        filler = get_inpainter(config.inpainter, config.inpainter_path)
        return filler(rgb, hole, removal.avoid, rng), lines, config.inpainter
    except NoSource as error:
        if not config.fallback or config.fallback == config.inpainter:
            raise
        plate = get_inpainter(config.fallback)(rgb, hole, removal.avoid, rng)
        return plate, lines, f"{config.fallback} ({error})"
