"""Stage ``background``: the photo without the person. One plate a person, shared by all its samples."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.errors import ConfigError, DataError, Rejected
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.camera import inside_image, undistort_image, undistort_points
from a3dgen.geometry.removal import (
    ANKLES,
    WRISTS,
    cast_shadow,
    discs,
    grow,
    held_objects,
    in_front,
    limb_capsules,
)
from a3dgen.geometry.silhouette import silhouette
from a3dgen.inpainters import NoSource, get_inpainter
from a3dgen.io import images, masks
from a3dgen.records import AMPUTATED, OCCLUDED, UNLABELLED, VISIBLE, Plates
from a3dgen.rng import generator_for
from a3dgen.stages import Context, Inputs, Output, each
from a3dgen.stages.segment import refine, segment_person, segmenter_name

VERSION = 4
OWN_REACH = 0.06
"""Around a keypoint labelled visible, the person's mask wins over another's within this share of the height."""


@dataclass(frozen=True)
class Config:
    """How people are removed.

    Attributes:
        inpainter: ``exemplar`` (default), ``opencv`` or ``lama``.
        inpainter_path: the TorchScript file for ``lama``; ``telea`` or ``ns`` for ``opencv``.
        fallback: inpainter used where the photo shows too little background to copy from; empty = reject.
        segmenter: who outlines a person without a mask in the source, besides the fitted body: ``auto`` (mediapipe
            if it is installed), ``mediapipe`` (required) or ``none``.
        refine: fit an estimated outline to the photo's colours.
        dilate: growth of the mask, share of the person's height in the image.
        dilate_fitted: the same where the mask is the fitted body, which wears no clothes.
        remove_shadow: also remove the shadow cast on the ground, where one is found.
        remove_held: also remove objects held in the hands, where the source outlines objects.
        hand_reach: how far from the wrist a held object may be, share of the height.
        clearance: nothing stays in front of the person within this many px of a keypoint labelled visible.
        cloth_margin: how far clothing may stand off the fitted body, share of the height.
        max_filled: reject people who would leave a larger share of the photo to be invented.
    """

    inpainter: str = "exemplar"
    inpainter_path: str = ""
    fallback: str = "opencv"
    segmenter: str = "auto"
    refine: bool = True
    dilate: float = 0.035
    dilate_fitted: float = 0.05
    remove_shadow: bool = True
    remove_held: bool = True
    hand_reach: float = 0.07
    clearance: float = 8.0
    cloth_margin: float = 0.035
    max_filled: float = 0.7

    def __post_init__(self) -> None:
        if self.segmenter not in ("auto", "mediapipe", "none"):
            raise ConfigError(f"background.segmenter '{self.segmenter}': use auto, mediapipe or none")
        for name in ("dilate", "dilate_fitted", "hand_reach", "cloth_margin"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise ConfigError(f"background.{name} is {getattr(self, name)}; it must be between 0 and 0.5")


@dataclass(frozen=True)
class Scene:
    """One person's photo and masks, lens distortion removed.

    Attributes:
        rgb: photo. own: the source's mask of the person (all false if it has none).
        others: masks of other people. objects: masks of things. body: outline of the fitted intact body.
        keypoints: (44, 2) px. state: (44,). height: standing height of the person, px.
    """

    rgb: UInt8[ndarray, "h w 3"]
    own: Bool[ndarray, "h w"]
    others: list[Any]
    objects: list[Any]
    body: Bool[ndarray, "h w"]
    keypoints: Float[ndarray, "44 2"]
    state: ndarray
    height: float


@dataclass(frozen=True)
class Removal:
    """What becomes of the scene's pixels: ``hole`` is filled, ``avoid`` never copied, ``front`` stays on top."""

    hole: Bool[ndarray, "h w"]
    avoid: Bool[ndarray, "h w"]
    front: Bool[ndarray, "h w"]
    source: str


def run(config: Config, inputs: Inputs, context: Context) -> Output:
    """Make the plate of every person that has a plan; writes PNGs below ``context.folder``."""
    persons, bodies, plans = inputs.persons, inputs.bodies, inputs.plans
    if bodies is None or plans is None:
        raise DataError("stage background: needs the results of the stages fit and amputate")
    person_row, body_row = persons.index(), bodies.index()
    keys = list(dict.fromkeys(str(p) for p in plans.parent))

    def work(key: str) -> dict[str, Any]:
        return make_plate(config, persons.row(person_row[key]), bodies.row(body_row[key]), context)

    return each(keys, work, Plates)


def make_plate(config: Config, person: dict[str, Any], body: dict[str, Any], context: Context) -> dict[str, Any]:
    """Return the Plates row of one person, made anew or taken from the cache.

    Raises:
        Rejected: the photo cannot be read, contradicts its annotation, or leaves nothing to fill from.
    """
    name = safe_name(person["key"])
    facts = context.folder / "images" / f"{name}.json"
    digest = _digest(config, person, body, context)
    row = _cached(facts, digest, context.out)
    if row is not None:
        return row
    scene = load_scene(person, body, context)
    removal = plan_removal(config, scene)
    share = float(removal.hole.mean())
    if share == 0:
        raise Rejected("neither a mask, nor the fitted body, nor a keypoint lies inside the photo")
    if share > config.max_filled:
        raise Rejected(f"removing the person would leave {share:.0%} of the photo to be invented")
    rng = generator_for(context.seed, "plate", person["key"])
    plate, method = _fill(config, scene.rgb, removal, rng)
    row = _write(context, name, plate, removal, f"{method}; {removal.source}", person["key"])
    _store(facts, digest, row)
    return row


def load_scene(person: dict[str, Any], body: dict[str, Any], context: Context) -> Scene:
    """Read one person's photo and masks, remove the lens distortion, outline the fitted body."""
    try:
        photo = images.read_rgb(Path(person["image"]))
    except DataError as error:
        raise Rejected(str(error)) from None
    width, height = (int(v) for v in person["image_size"])
    if photo.shape[:2] != (height, width):
        found = f"{photo.shape[1]}x{photo.shape[0]}"
        raise Rejected(f"photo is {found} px, its annotation says {width}x{height}: {person['image']}")
    K, dist = person["K"], person["dist"]

    def straight(mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
        return undistort_image(mask.astype(np.uint8), K, dist, nearest=True) > 0

    own = _decode(person["mask"], (height, width))
    outline = _outline(body, context, width, height)
    keypoints = undistort_points(np.ascontiguousarray(person["keypoints"][:, :2]), K, dist)
    return Scene(
        rgb=undistort_image(photo, K, dist),
        own=straight(own),
        others=[straight(m) for m in _decode_list(person["others"], (height, width))],
        objects=[straight(m) for m in _decode_list(person["objects"], (height, width))],
        body=outline,
        keypoints=keypoints,
        state=person["state"],
        height=_stature(own | outline, keypoints, person["state"]),
    )


def plan_removal(config: Config, scene: Scene) -> Removal:
    """Decide which pixels are filled, which are never copied and which stay in front."""
    shape = scene.own.shape
    held = _held(config, scene)
    stay = scene.others + [m for i, m in enumerate(scene.objects) if i not in held]
    others = _union(scene.others, shape)
    seen = scene.keypoints[scene.state == VISIBLE]
    if scene.own.any():
        # A pixel that two masks claim is the person's only near a keypoint of theirs.
        person, source, dilate, copied = scene.own, "source mask", config.dilate, 0.02
        core = scene.own & (~others | discs(seen, OWN_REACH * scene.height, shape))
    else:
        # Nobody has drawn who is in front. Who stands lower in the photo stands nearer: the others lose what the
        # fitted body covers.
        person, core, source = _estimated(config, scene, others)
        nearer = [m for m in stay if _lowest(m) > _lowest(core)]
        core &= ~_union(nearer, shape) | discs(seen, config.clearance, shape)
        dilate, copied = config.dilate_fitted, config.dilate_fitted
    for i in held:
        person = person | scene.objects[i]
        core = core | scene.objects[i]
    hole = grow(person, max(2.0, dilate * scene.height))
    if config.remove_shadow:
        shadow = cast_shadow(scene.rgb, person | scene.body, others, _feet(scene), scene.height)
        if shadow.any():
            hole |= grow(shadow, max(2.0, 0.012 * scene.height))
            source += ", shadow"
    if held:
        source += f", {len(held)} held"
    hole &= ~others | core  # other people are never erased
    front = in_front(stay, scene.body, core, seen, config.clearance, config.cloth_margin * scene.height)
    hole &= ~front
    avoid = grow(others, max(2.0, copied * scene.height)) & ~hole
    return Removal(hole, avoid, front, source)


def _estimated(
    config: Config, scene: Scene, others: Bool[ndarray, "h w"]
) -> tuple[Bool[ndarray, "h w"], Bool[ndarray, "h w"], str]:
    """Outline a person the source has no mask of: fitted body, thick limbs between clicks, detector.

    Returns:
        The outline, the part of it that is certain, and what it came from.
    """
    labelled = scene.state != UNLABELLED
    core = scene.body | limb_capsules(scene.keypoints, labelled, scene.height, scene.own.shape)
    source = "fitted body"
    outline = core
    found = segment_person(scene.rgb, core, config.segmenter)
    if found is not None:
        # A detector may take in a neighbour: only what lies close to the fitted body is believed.
        outline = core | (found & grow(core, 0.1 * scene.height) & ~others)
        source += " and mediapipe"
    if config.refine and outline.any():
        clicked = discs(scene.keypoints[labelled], 0.02 * scene.height, outline.shape)
        outline = refine(scene.rgb, outline, clicked, others, scene.height)
        source += ", refined"
        core &= outline
    return outline, core, source


def _lowest(mask: Bool[ndarray, "h w"]) -> int:
    """Return the last row a mask reaches, -1 if it is empty."""
    rows = np.flatnonzero(mask.any(1))
    return int(rows[-1]) if len(rows) else -1


def _held(config: Config, scene: Scene) -> list[int]:
    if not config.remove_held or not scene.objects:
        return []
    person = scene.own if scene.own.any() else scene.body
    rows = [r for r in WRISTS if scene.state[r] in (OCCLUDED, VISIBLE)]
    return held_objects(person, scene.objects, scene.keypoints[rows], config.hand_reach * scene.height)


def _feet(scene: Scene) -> Float[ndarray, "n 2"]:
    rows = [r for r in ANKLES if scene.state[r] in (OCCLUDED, VISIBLE)]
    return scene.keypoints[rows]


def _stature(mask: Bool[ndarray, "h w"], keypoints: Float[ndarray, "44 2"], state: ndarray) -> float:
    """Return the person's size in px: the longer side of the box around mask and keypoints inside the photo."""
    h, w = mask.shape
    points = keypoints[(state != UNLABELLED) & (state != AMPUTATED) & inside_image(keypoints, w, h)]
    if mask.any():
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = np.array([[cols[0], rows[0]], [cols[-1] + 1, rows[-1] + 1]], np.float64)
        points = np.concatenate([points, box])
    return float(max(np.ptp(points, axis=0).max(), 16.0)) if len(points) else 16.0


def _outline(body: dict[str, Any], context: Context, width: int, height: int) -> Bool[ndarray, "h w"]:
    data = load_body(context.body)
    posed = pose_body(data, body["pose"], body["betas"], body["transl"])
    vertices = posed.vertices(data.mesh, body["betas"])
    return silhouette(vertices, data.mesh.faces[~data.mesh.hidden], body["K"], width, height)


def _fill(
    config: Config, rgb: UInt8[ndarray, "h w 3"], removal: Removal, rng: np.random.Generator
) -> tuple[UInt8[ndarray, "h w 3"], str]:
    """Return the plate and the name of what filled it."""
    try:
        filler = get_inpainter(config.inpainter, config.inpainter_path)
        return filler(rgb, removal.hole, removal.avoid, rng), config.inpainter
    except NoSource as error:
        if not config.fallback or config.fallback == config.inpainter:
            raise
        plate = get_inpainter(config.fallback)(rgb, removal.hole, removal.avoid, rng)
        return plate, f"{config.fallback} ({error})"


def safe_name(key: str) -> str:
    """Return a file stem for a key: readable, and unique even where two keys differ only in odd characters."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "_", key)[:120].strip("._")
    return f"{readable}-{hashlib.blake2b(key.encode(), digest_size=4).hexdigest()}"


def _decode(text: str, shape: tuple[int, int]) -> Bool[ndarray, "h w"]:
    if not text:
        return np.zeros(shape, bool)
    return _checked(masks.decode(json.loads(text)), shape)


def _decode_list(text: str, shape: tuple[int, int]) -> list[Any]:
    return [_checked(masks.decode(rle), shape) for rle in json.loads(text or "[]")]


def _checked(mask: Bool[ndarray, "a b"], shape: tuple[int, int]) -> Bool[ndarray, "a b"]:
    if mask.shape != tuple(shape):
        raise Rejected(f"a mask is {mask.shape[1]}x{mask.shape[0]} px, the photo {shape[1]}x{shape[0]}")
    return mask


def _union(parts: Iterable[Any], shape: tuple[int, int]) -> Bool[ndarray, "h w"]:
    out = np.zeros(shape, bool)
    for part in parts:
        out |= part
    return out


def _write(
    context: Context, name: str, plate: UInt8[ndarray, "h w 3"], removal: Removal, method: str, key: str
) -> dict[str, Any]:
    folder = context.folder
    paths = {kind: folder / kind / f"{name}.png" for kind in ("images", "masks", "occluders")}
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    images.write_image(paths["images"], plate)
    images.write_mask(paths["masks"], removal.hole)
    if removal.front.any():
        images.write_mask(paths["occluders"], removal.front)
    relative = {kind: path.relative_to(context.out).as_posix() for kind, path in paths.items()}
    return {
        "key": str(key),
        "image": relative["images"],
        "mask": relative["masks"],
        "occluders": relative["occluders"] if removal.front.any() else "",
        "filled": float(removal.hole.mean()),
        "method": method,
    }


def _digest(config: Config, person: dict[str, Any], body: dict[str, Any], context: Context) -> str:
    """Return a digest of everything the plate depends on, the photo's bytes included."""
    mix = hashlib.blake2b(digest_size=16)
    mix.update(json.dumps([VERSION, context.seed, asdict(config), asdict(context.body), segmenter_name()]).encode())
    for row in (person, body):
        for column in sorted(row):
            value = row[column]
            mix.update(column.encode())
            mix.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    try:
        mix.update(Path(person["image"]).read_bytes())
    except OSError as error:
        raise Rejected(f"photo cannot be read: {person['image']} ({error.strerror})") from None
    return mix.hexdigest()


def _cached(facts: Path, digest: str, out: Path) -> dict[str, Any] | None:
    """Return the row written earlier, if it was made from the same inputs and its files are still there."""
    try:
        stored = json.loads(facts.read_text())
        row = stored["row"]
        files = [row[c] for c in ("image", "mask", "occluders") if row[c]]
        return row if stored["digest"] == digest and all((out / f).is_file() for f in files) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no cache, or one cut short: the plate is simply made anew


def _store(facts: Path, digest: str, row: dict[str, Any]) -> None:
    partial = facts.with_suffix(f".{os.getpid()}.tmp")
    partial.write_text(json.dumps({"digest": digest, "row": row}))
    os.replace(partial, facts)
