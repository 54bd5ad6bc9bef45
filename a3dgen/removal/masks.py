"""Masks of a removal: pixels that leave, pixels never to copy from, occluders that stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.core.records import OCCLUDED, UNLABELLED, VISIBLE
from a3dgen.lighting.photo_style import edge_spread
from a3dgen.removal.cast_shadow import cast_shadow, neighbours_shadows
from a3dgen.removal.config import Config
from a3dgen.removal.hand_outline import behind_hands
from a3dgen.removal.held_objects import held_objects, thin_things
from a3dgen.removal.label_map import BY_SEGMENTER
from a3dgen.removal.mask_ops import (
    ANKLES,
    WRISTS,
    dilate,
    discs,
    distance_to,
    each_hand,
    erode_unless_thin,
    extent,
    feet,
    hands,
    in_front,
    limb_capsules,
    union,
)
from a3dgen.removal.neighbours import RIM, Removed, detections, neighbours, possible
from a3dgen.removal.overlap import EDGE, beyond_masks, contested, hidden, islands
from a3dgen.removal.photo import CERTAIN, RemovalScene
from a3dgen.removal.pieces import Pieces
from a3dgen.removal.rim import background_in
from a3dgen.removal.segment import refine, segment_everybody, usable

OWN_REACH = 0.06
"""Around a keypoint labelled visible, the person's mask wins over another's within this share of the height."""
FOOT_SEEN = 0.15
"""A foot covers more than this share of the disc that holds it."""
RIVAL, CLAIMED, SEEN, SURE, DOUBT = 0.25, 0.3, 0.4, 0.8, 0.1
"""A pixel is another's if they claim so much of it, and more than the person; the person's if they claim so much and
nobody claims more by the last; seen to be the person's; and surely so."""
AHEAD, TIE = 0.9, 0.02
"""A pixel that the person claims as well is that of somebody surely in front from this claim of theirs on, if the
person's is not larger than theirs by the second."""
COMPANY = 0.15
"""So near to somebody else, share of the height, colours do not tell a hand from what is behind it."""
FINGERS = 0.5
"""Where the person's hands may be, somebody else must claim so much."""
UNSEEN, FINGER = 0.08, 0.012
"""What the fitted body covers so far from everything that a segmenter sees of the person was missed by it; fingers that
it misses are nearer than the second, shares of the height."""
COPIED = 0.02
"""What borders on other people, within this share of the height, is not copied."""


LIKELY, LEAST_NEAR, LEAST_SEEN = 0.5, 4.0, 5.0
"""From this claim on, and so many px around, edges ring and are mixed: nothing is background. Holes of people whom a
segmenter outlines reach at least the last beyond it, px."""
BESIDE, SHARP, SOFT, SOFTEST = 0.1, 1.4, 2.0, 0.04
"""Edges are measured so near, share of the height. From the second spread on (px, standard deviation) a photo is soft,
and edges reach so many times it beyond outlines, at most the last, share of the height."""
HAIR = 0.06
"""So far from the fitted head, share of the height, nothing is taken for background."""
ISLAND = 0.08
"""A piece of the photo within a hole is no larger than the square of this share of the height to be filled, too."""


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
        source: what the outline came from. dilate: how far it is dilated, share of the height.
        near: never background. behind: things seen behind a hand; they stay.
    """

    person: Bool[ndarray, "h w"]
    solid: Bool[ndarray, "h w"]
    core: Bool[ndarray, "h w"]
    others: list[Any]
    strangers: Bool[ndarray, "h w"]
    source: str
    dilate: float
    near: Bool[ndarray, "h w"]
    behind: Bool[ndarray, "h w"]


def plan_removal(config: Config, scene: RemovalScene) -> Removal:
    """Decide which pixels are filled, which are never copied and which stay in front."""
    shape = scene.own.shape
    if scene.own.any():
        claim = _drawn(config, scene)
    else:
        claim = _estimated(config, scene) if scene.mine is None else _labelled(config, scene)
    held = carried(config, scene)
    person, core, source = claim.person, claim.core, claim.source
    others = union(claim.others, shape)
    for i in held:
        person = person | scene.objects[i]
        core = core | scene.objects[i]
    soft = _softness(scene, person)
    hole = dilate(person, soft + max(LEAST_SEEN if BY_SEGMENTER in source else 2.0, claim.dilate * scene.height))
    if config.keep_background:
        certain = dilate(union([claim.solid, *(scene.objects[i] for i in held)], shape), soft)
        back = background_in(scene.rgb, hole, certain, others | claim.strangers, scene.height)
        hole &= (~back | _hair(scene) | claim.near) & ~claim.behind
    if config.remove_held:
        ends = _at(scene, WRISTS), _at(scene, ANKLES)
        thin = thin_things(scene.rgb, claim.solid, others | claim.strangers, *ends, scene.height)
        hole |= dilate(thin, max(2.0, 0.012 * scene.height))
        source += ", thin things" if thin.any() else ""
    if config.remove_shadow:
        shadow = cast_shadow(scene.rgb, person | scene.body, others, _at(scene, ANKLES), scene.height)
        if shadow.any():
            hole |= dilate(shadow, max(2.0, 0.012 * scene.height))
            source += ", shadow"
    if held:
        source += f", {len(held)} held"
    hole |= _islands_in(hole, scene.height)
    hole &= ~others | core  # other people are never erased
    hole &= ~beyond_masks(scene, person, core, claim.others, hole)
    things = union([m for i, m in enumerate(scene.objects) if i not in held], shape)
    hole &= ~things | person  # a seat stays where it is seen
    seen = scene.keypoints[scene.state == VISIBLE]
    stay = _not_behind(scene, claim.others) + [m for i, m in enumerate(scene.objects) if i not in held]
    front = in_front(stay, scene.body, core, seen, config.clearance, config.cloth_margin * scene.height)
    hole &= ~front
    avoid = dilate(others | claim.strangers, max(2.0, COPIED * scene.height))
    if config.remove_shadow:
        avoid |= dilate(neighbours_shadows(scene.rgb, claim.others), max(2.0, 0.012 * scene.height))
    avoid &= ~hole
    return Removal(hole, avoid, front, person, source)


def _softness(scene: RemovalScene, person: Bool[ndarray, "h w"]) -> float:
    """Return how far, px, edges of a blurred photo reach beyond an outline; 0 where they are sharp."""
    spread = edge_spread(scene.rgb, dilate(person, BESIDE * scene.height)) if person.any() else None
    return 0.0 if spread is None or spread < SHARP else min(SOFT * spread, SOFTEST * scene.height)


def _islands_in(hole: Bool[ndarray, "h w"], height: float) -> Bool[ndarray, "h w"]:
    """Return the small pieces of the photo that a hole encloses: scraps in the midst of what is invented."""
    beyond = Pieces.of(~hole, 4)
    return beyond.chosen(beyond.pixels() < (ISLAND * height) ** 2)


def _not_behind(scene: RemovalScene, others: list[Any]) -> list[Any]:
    """Return the masks of others without those who surely stand behind the person: they hide nothing of them."""
    behind = {i for i, score in enumerate(scene.nearer) if score > CERTAIN}
    return [m for i, m in enumerate(others) if i not in behind]


def _hair(scene: RemovalScene) -> Bool[ndarray, "h w"]:
    """Return where hair may stand off the fitted head of somebody whose outline nobody has drawn."""
    if scene.own.any() or scene.head is None:
        return np.zeros(scene.own.shape, bool)
    return dilate(scene.head, HAIR * scene.height)


def _drawn(config: Config, scene: RemovalScene) -> Claim:
    """Take the source's masks for what they are: right but for a rim, and without some fingers and toes."""
    shape, height = scene.own.shape, scene.height
    others = union(scene.others, shape)
    seen = scene.keypoints[scene.state == VISIBLE]
    # A pixel that two masks claim is the person's near a keypoint of theirs, as an island, or by its colour.
    core = scene.own & (~others | discs(seen, OWN_REACH * height, shape) | islands(scene.own, scene.others))
    core |= contested(scene, core)
    behind = hidden(scene)
    near = dilate(scene.own | behind, 0.05 * height)
    fingers = hands(scene.keypoints, scene.state != UNLABELLED, height, shape)
    person = scene.own | behind | ((scene.body | fingers) & near & ~others)
    none = np.zeros(shape, bool)
    return Claim(person, scene.own, core, scene.others, none, "source mask", config.dilate, none, none)


def _estimated(config: Config, scene: RemovalScene) -> Claim:
    """Outline a person the source has no mask of: fitted body, thick limbs between clicks, detector, colours."""
    shape, height = scene.own.shape, scene.height
    labelled = scene.state != UNLABELLED
    core = scene.body | limb_capsules(scene.keypoints, labelled, height, shape)
    reach = hands(scene.keypoints, labelled, height, shape)
    near = dilate(core | reach, 0.5 * height)
    close = [m for m in scene.others if (m & near).any()]
    far = [dilate(m, 0.03 * extent(m)) for m in scene.others if not (m & near).any()]  # only never to be copied
    source, outline = "fitted body", core
    detector = usable(config.segmenter)
    found, *theirs = detections(scene.rgb, [core, *close]) if detector else [None] * (1 + len(close))
    if found is not None:
        # A detector may take in a neighbour: only what lies close to the fitted body is believed.
        nearer = _nearer(core, union(scene.others, shape)) | reach
        found = found & dilate(core, 0.1 * height) & (nearer | ~union([m for m in theirs if m is not None], shape))
        outline = core | found
        source += " and mediapipe"
    if config.refine:
        margin = max(2.0, config.dilate_fitted * height)
        others = neighbours(scene, Removed(core | reach, found), close, theirs, margin)
        everyone = union(others, shape)
        if outline.any():
            outline = _coloured(scene, outline, core, reach, everyone)
            source += ", refined"
        # Outlines found by colours are a pixel or so wrong.
        outline = dilate(outline & ~everyone, EDGE) & (outline | everyone)
    else:
        others = _in_front(scene, config, [possible(m, f) for m, f in zip(close, theirs, strict=True)], outline)
        outline = outline & ~union(others, shape)
    others = [m & ~outline for m in others + far]
    everyone = union(others, shape)
    strangers = np.zeros(shape, bool)
    if detector and not scene.alone:
        strangers = segment_everybody(scene.rgb) & ~everyone & ~dilate(outline | core, 0.05 * height)
        strangers = cv2.morphologyEx(strangers.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    # A foot that the detector sees is taken from its outline, any other is somewhere in its disc.
    soles = [
        f & found if found is not None and _seen(f, found) else f
        for f in feet(scene.keypoints, labelled, height, shape)
    ]
    person = outline | (union([reach, *soles], shape) & ~everyone)
    if strangers.any():
        others = [*others, strangers]
    sure = core if found is None else core | found
    none = np.zeros(shape, bool)
    return Claim(person, _solid(outline, sure), outline, others, strangers, source, config.dilate_fitted, none, none)


def _labelled(config: Config, scene: RemovalScene) -> Claim:
    """Outline a person without a mask by the photo's label map: what they claim more than anybody else does."""
    shape, height = scene.own.shape, scene.height
    labelled = scene.state != UNLABELLED
    core = scene.body | limb_capsules(scene.keypoints, labelled, height, shape)
    reach = hands(scene.keypoints, labelled, height, shape)
    theirs = (scene.rival > RIVAL) & (scene.rival > scene.mine + DOUBT)
    if scene.ahead is not None:  # outlines of two people overlap: what both claim is that of whoever stands in front
        theirs |= (scene.ahead > AHEAD) & (scene.ahead > scene.mine - TIE)
    theirs &= ~(reach & (scene.rival < FINGERS))  # neither outlines nor segmenters show all of a hand
    seen, source = scene.mine > SEEN, scene.source
    sure = core | seen
    if BY_SEGMENTER in source:
        missed = core & ~dilate(seen, UNSEEN * height) | _at_edge(core, height)
        outline, sure = ((scene.mine > CLAIMED) | missed) & ~theirs, (scene.mine > SURE) | missed
        ends = [_part(m, seen, height) for m in each_hand(scene.keypoints, labelled, height, shape)]
        margin = config.dilate_seen
    else:
        outline = ((scene.mine > CLAIMED) | core) & ~theirs
        if config.refine and outline.any():
            outline = _coloured(scene, outline, core & ~theirs, reach & ~theirs, theirs)
            outline = dilate(outline & ~theirs, EDGE) & (outline | theirs)
            source += ", refined"
        ends, margin = [reach], config.dilate_fitted
    soles = [f & seen if _seen(f, seen) else f for f in feet(scene.keypoints, labelled, height, shape)]
    person = outline | (union([*ends, *soles], shape) & ~theirs)
    behind = behind_hands(scene) if BY_SEGMENTER in source else np.zeros(shape, bool)
    behind &= ~dilate(scene.rival > RIVAL, COMPANY * height)
    person, outline, sure = person & ~behind, outline & ~behind, sure & ~behind
    apart = _softness(scene, outline) + 0.05 * height
    strangers = scene.strangers & ~dilate(outline | core, apart + LEAST_NEAR) & ~theirs
    others = [(m | (theirs & dilate(m, RIM * height + 2.0))) & ~outline for m in scene.others]
    others += [strangers] if strangers.any() else []
    near = dilate((scene.mine > LIKELY) & outline, LEAST_NEAR)
    return Claim(person, _solid(outline, sure), outline, others, strangers, source, margin, near, behind)


def _at_edge(core: Bool[ndarray, "h w"], height: float) -> Bool[ndarray, "h w"]:
    """Return where limbs reach out of the photo: segmenters lose them at its edge, and no click tells where they go."""
    w = max(1, round(UNSEEN * height))
    edge = np.ones(core.shape, bool)
    edge[w:-w, w:-w] = False
    return dilate(core & edge, UNSEEN / 2 * height) & edge


def _part(disc: Bool[ndarray, "h w"], seen: Bool[ndarray, "h w"], height: float) -> Bool[ndarray, "h w"]:
    """Return what of the disc that holds a hand is the hand: what the segmenter sees there, or all of it if nothing."""
    return disc & dilate(seen, FINGER * height) if _seen(disc, seen) else disc


def _solid(outline: Bool[ndarray, "h w"], sure: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return an outline without what colours alone have put into the discs that hold the hands: a chair behind one."""
    return outline & dilate(sure, EDGE)


def _in_front(scene: RemovalScene, config: Config, others: list[Any], outline: Bool[ndarray, "h w"]) -> list[Any]:
    """Return the masks of others where only the feet say who is in front: who stands lower in the photo is nearer."""
    seen = discs(scene.keypoints[scene.state == VISIBLE], config.clearance, outline.shape)
    return [m & ~(seen & outline) if _lowest(m) > _lowest(outline) else m & ~outline for m in others]


def _lowest(mask: Bool[ndarray, "h w"]) -> int:
    """Return the last row a mask reaches, -1 if it is empty."""
    rows = np.flatnonzero(mask.any(1))
    return int(rows[-1]) if len(rows) else -1


def _coloured(
    scene: RemovalScene,
    outline: Bool[ndarray, "h w"],
    core: Bool[ndarray, "h w"],
    reach: Bool[ndarray, "h w"],
    everyone: Bool[ndarray, "h w"],
) -> Bool[ndarray, "h w"]:
    """Fit the outline to the colours."""
    height = scene.height
    clicked = discs(scene.keypoints[scene.state != UNLABELLED], 0.02 * height, outline.shape)
    theirs = erode_unless_thin(everyone, RIM * height) & ~core & ~reach
    return refine(scene.rgb, outline | reach, clicked, theirs, reach & ~outline, height)


def _seen(part: Bool[ndarray, "h w"], found: Bool[ndarray, "h w"]) -> bool:
    """Return whether the detector saw the foot in a disc."""
    return int((part & found).sum()) > FOOT_SEEN * int(part.sum())


def _nearer(mine: Bool[ndarray, "h w"], theirs: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return the pixels that are at least as near to one mask as to the other."""
    if not theirs.any() or not mine.any():
        return np.full(mine.shape, mine.any() or not theirs.any())
    return distance_to(mine) <= distance_to(theirs)


def carried(config: Config, scene: RemovalScene) -> list[int]:
    """Return the indices of the scene's objects that the person holds and that leave with them."""
    if not config.remove_held or not scene.objects:
        return []
    person = scene.own if scene.own.any() else scene.body
    return held_objects(person, scene.objects, _at(scene, WRISTS), config.hand_reach * scene.height)


def _at(scene: RemovalScene, rows: Sequence[int]) -> Float[ndarray, "n 2"]:
    return scene.keypoints[[r for r in rows if scene.state[r] in (OCCLUDED, VISIBLE)]]
