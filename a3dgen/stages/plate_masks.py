"""Which pixels of a scene leave with the person, which are never copied, and which stay in front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.geometry.cast_shadow import cast_shadow
from a3dgen.geometry.held import held_objects, thin_things
from a3dgen.geometry.removal import ANKLES, WRISTS, discs, grow, hands, in_front, inner, limb_capsules
from a3dgen.records import OCCLUDED, UNLABELLED, VISIBLE
from a3dgen.stages.background_config import Config
from a3dgen.stages.plate_scene import Scene
from a3dgen.stages.segment import refine, segment_everybody, segment_person, usable

OWN_REACH = 0.06
"""Around a keypoint labelled visible, the person's mask wins over another's within this share of the height."""
RIM, RIM_ESTIMATED = 0.007, 0.012
"""Masks are drawn, or estimated, this share of the height wrong (at least 2 or 3 px)."""
CLEARLY, WHOLLY = 0.5, 0.15
"""Where masks of two people touch, a pixel is the other's if it is this much nearer to their colour; the latter at the
very border."""
UNDRAWN, SPINE = 0.12, 0.02
"""Colours of people known by lines only are taken this far inside the lines, share of the height,
and must be the nearer ones by this much: in doubt the removed person's pixels go."""
COPIED = 0.02
"""What borders on other people, within this share of the height, is not copied."""


@dataclass(frozen=True)
class Removal:
    """What becomes of the scene's pixels: ``hole`` is filled, ``avoid`` never copied, ``front`` stays on top.

    ``person`` is the outline of what is removed before it is grown; ``source`` says what it came from.
    """

    hole: Bool[ndarray, "h w"]
    avoid: Bool[ndarray, "h w"]
    front: Bool[ndarray, "h w"]
    person: Bool[ndarray, "h w"]
    source: str


@dataclass(frozen=True)
class Claim:
    """Who owns which pixel.

    Attributes:
        person: outline to be removed. solid: the same without room for fingers.
        core: where the person is in front of everybody else.
        others: masks of other people, never erased but for what ``core`` covers.
        strangers: people that nobody has marked; they are not copied.
        source: what the outline came from. dilate: how far to grow it, share of the height.
    """

    person: Bool[ndarray, "h w"]
    solid: Bool[ndarray, "h w"]
    core: Bool[ndarray, "h w"]
    others: list[Any]
    strangers: Bool[ndarray, "h w"]
    source: str
    dilate: float


def plan_removal(config: Config, scene: Scene) -> Removal:
    """Decide which pixels are filled, which are never copied and which stay in front."""
    shape = scene.own.shape
    claim = _drawn(config, scene) if scene.own.any() else _estimated(config, scene)
    held = _held(config, scene)
    person, core, source = claim.person, claim.core, claim.source
    others = union(claim.others, shape)
    for i in held:
        person = person | scene.objects[i]
        core = core | scene.objects[i]
    hole = grow(person, max(2.0, claim.dilate * scene.height))
    if config.remove_held:
        ends = _at(scene, WRISTS), _at(scene, ANKLES)
        thin = thin_things(scene.rgb, claim.solid, others | claim.strangers, *ends, scene.height)
        hole |= grow(thin, max(2.0, 0.012 * scene.height))
        source += ", thin things" if thin.any() else ""
    if config.remove_shadow:
        shadow = cast_shadow(scene.rgb, person | scene.body, others, _at(scene, ANKLES), scene.height)
        if shadow.any():
            hole |= grow(shadow, max(2.0, 0.012 * scene.height))
            source += ", shadow"
    if held:
        source += f", {len(held)} held"
    hole &= ~others | core  # other people are never erased
    seen = scene.keypoints[scene.state == VISIBLE]
    stay = claim.others + [m for i, m in enumerate(scene.objects) if i not in held]
    front = in_front(stay, scene.body, core, seen, config.clearance, config.cloth_margin * scene.height)
    hole &= ~front
    avoid = grow(others | claim.strangers, max(2.0, COPIED * scene.height)) & ~hole
    return Removal(hole, avoid, front, person, source)


def _drawn(config: Config, scene: Scene) -> Claim:
    """Take the source's masks for what they are: right but for a rim, and without some fingers and toes."""
    shape, height = scene.own.shape, scene.height
    others = union(scene.others, shape)
    seen = scene.keypoints[scene.state == VISIBLE]
    rim = max(3.2, RIM * height)
    # A pixel that two masks claim is the person's only near a keypoint of theirs, or where the masks only touch.
    core = scene.own & (~others | discs(seen, OWN_REACH * height, shape))
    core |= _rim(scene, core, scene.others, rim)
    close = scene.body & grow(scene.own, 0.05 * height)
    fingers = hands(scene.keypoints, scene.state == VISIBLE, height, shape) & grow(scene.own, 0.05 * height)
    person = scene.own | ((close | fingers) & ~others)
    return Claim(person, scene.own, core, scene.others, np.zeros(shape, bool), "source mask", config.dilate)


def _estimated(config: Config, scene: Scene) -> Claim:
    """Outline a person the source has no mask of: fitted body, thick limbs between clicks, detector, colours."""
    shape, height = scene.own.shape, scene.height
    labelled = scene.state != UNLABELLED
    core = scene.body | limb_capsules(scene.keypoints, labelled, height, shape)
    reach = hands(scene.keypoints, labelled, height, shape)
    detector = usable(config.segmenter)
    source, outline, others, strangers = "fitted body", core, scene.others, np.zeros(shape, bool)
    if detector:
        found = segment_person(scene.rgb, core)
        others = [_outlined(scene, m, core, reach, found) for m in scene.others]
        if found is not None:
            # A detector may take in a neighbour: only what lies close to the fitted body is believed.
            nearer = _nearer(core, union(scene.others, shape)) | reach
            outline = core | (found & grow(core, 0.1 * height) & nearer)
            source += " and mediapipe"
    everyone = union(others, shape)
    in_doubt = everyone & (core | reach)
    if config.refine and outline.any():
        outline = _coloured(scene, outline, core, reach, others)
        source += ", refined"
    else:
        seen = discs(scene.keypoints[scene.state == VISIBLE], config.clearance, shape)
        outline = outline & (~_in_front(others, core, shape) | seen)
    if detector and not scene.alone:
        strangers = segment_everybody(scene.rgb) & ~everyone & ~grow(outline | core, 0.05 * height)
        strangers = cv2.morphologyEx(strangers.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    rim = max(3.0, RIM_ESTIMATED * height)
    core = outline & (~everyone | in_doubt)
    # Lines between clicks cover what lies beside the limb, too: only their middle has the neighbour's colours.
    core |= _rim(scene, core, [m & ~core for m in others], 1.2 * rim, SPINE * height, UNDRAWN)
    if config.refine:
        core |= grow(core, 1.0) & everyone  # colours were compared at reduced size
    person = outline | (reach & ~everyone)
    others = [m & ~core for m in others]
    if strangers.any():
        others = [*others, strangers]
    return Claim(person, outline, core, others, strangers, source, config.dilate_fitted)


def _outlined(
    scene: Scene,
    bones: Bool[ndarray, "h w"],
    core: Bool[ndarray, "h w"],
    reach: Bool[ndarray, "h w"],
    mine: Bool[ndarray, "h w"] | None,
) -> Bool[ndarray, "h w"]:
    """Return a neighbour's mask: thick lines between clicks, and what the detector sees around them.

    Args:
        bones: the lines. core, reach, mine: body, hands and detected outline of the person to be removed.
    """
    size = _size(bones)
    near = grow(core | reach, 0.5 * scene.height)
    if not (bones & near).any():
        return grow(bones, 0.03 * size)  # far away: only never to be copied
    # The lines end at the ankles.
    soles = bones.copy()
    soles[: _lowest(bones) + 1 - round(0.03 * size)] = False
    bones = bones | (grow(soles, 0.07 * size) & ~core & ~reach)
    found = segment_person(scene.rgb, bones)
    if found is None:
        return bones
    theirs = _nearer(bones, core) if mine is None else _nearer(bones, core) | ~(mine | core)
    return bones | (found & grow(bones, 0.12 * size) & theirs & ~reach)


def _coloured(
    scene: Scene,
    outline: Bool[ndarray, "h w"],
    core: Bool[ndarray, "h w"],
    reach: Bool[ndarray, "h w"],
    others: list[Any],
) -> Bool[ndarray, "h w"]:
    """Fit the outline to the colours; they also say who is in front where two people overlap."""
    shape, height = outline.shape, scene.height
    labelled = scene.state != UNLABELLED
    everyone = union(others, shape)
    nearer = _in_front(others, core, shape)
    clicked = discs(scene.keypoints[labelled], 0.02 * height, shape) & ~nearer
    theirs = union([inner(m, 0.012 * height) for m in others], shape) & ~core & ~reach
    start = (outline | reach) & ~(nearer & ~clicked)
    doubtful = (everyone & (core | reach)) | (reach & ~outline)
    return refine(scene.rgb, start, clicked, theirs, doubtful, height)


def _in_front(others: list[Any], core: Bool[ndarray, "h w"], shape: tuple[int, int]) -> Bool[ndarray, "h w"]:
    """Return the others who stand lower in the photo, hence nearer, where nothing else says who is in front."""
    return union([m for m in others if _lowest(m) > _lowest(core)], shape)


def _rim(
    scene: Scene,
    core: Bool[ndarray, "h w"],
    others: list[Any],
    width: float,
    depth: float = 1.0,
    clearly: float = CLEARLY,
) -> Bool[ndarray, "h w"]:
    """Return what other people's masks claim of the person where the two touch: pixels like the person's beside them.

    Args:
        core: the person's own pixels. width: how far masks are drawn wrong, px.
        clearly: how much nearer to their colour a pixel must be to stay.
        depth: the others' colours are taken this far inside their masks, px.
    """
    everyone = union(others, core.shape)
    strip = grow(core, width) & ~core & everyone
    if not strip.any():
        return strip
    mine, theirs = (_colour(scene.rgb, inner(m, d), width) for m, d in ((core, 1.0), (everyone, depth)))
    rgb = scene.rgb.astype(np.float32)
    to_me, to_them = (np.abs(rgb - c).sum(-1) for c in (mine, theirs))
    claimed = strip & ~(to_them < clearly * to_me)
    # Lens and compression mix the colours of neighbours: the last pixel must be all theirs to stay.
    return claimed | (grow(core | claimed, 1.5) & strip & ~(to_them < WHOLLY * to_me))


def _colour(rgb: UInt8[ndarray, "h w 3"], mask: Bool[ndarray, "h w"], width: float) -> Float[ndarray, "h w 3"]:
    """Return the mean colour of a mask's pixels around each pixel; far from all of them it is like no colour."""
    weight = mask.astype(np.float32)
    side = 2 * round(3 * width) + 1
    total = cv2.blur(weight, (side, side))
    mean = cv2.blur(rgb * weight[..., None], (side, side)) / np.maximum(total, 1e-6)[..., None]
    return np.where(total[..., None] > 1e-6, mean, 1e4).astype(np.float32)


def _nearer(mine: Bool[ndarray, "h w"], theirs: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return the pixels that are at least as near to one mask as to the other."""
    if not theirs.any() or not mine.any():
        return np.full(mine.shape, mine.any() or not theirs.any())
    return _distance(mine) <= _distance(theirs)


def _distance(mask: Bool[ndarray, "h w"]) -> Float[ndarray, "h w"]:
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)


def _lowest(mask: Bool[ndarray, "h w"]) -> int:
    """Return the last row a mask reaches, -1 if it is empty."""
    rows = np.flatnonzero(mask.any(1))
    return int(rows[-1]) if len(rows) else -1


def _size(mask: Bool[ndarray, "h w"]) -> float:
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(max(np.ptp(rows), np.ptp(cols)) + 1) if len(rows) else 1.0


def _held(config: Config, scene: Scene) -> list[int]:
    if not config.remove_held or not scene.objects:
        return []
    person = scene.own if scene.own.any() else scene.body
    return held_objects(person, scene.objects, _at(scene, WRISTS), config.hand_reach * scene.height)


def _at(scene: Scene, rows: Sequence[int]) -> Float[ndarray, "n 2"]:
    return scene.keypoints[[r for r in rows if scene.state[r] in (OCCLUDED, VISIBLE)]]


def union(parts: Iterable[Any], shape: tuple[int, int]) -> Bool[ndarray, "h w"]:
    """Return the union of masks, all false for none."""
    out = np.zeros(shape, bool)
    for part in parts:
        out |= part
    return out
