"""One person's photo for the background stage: pixels, masks, keypoints, outline of the fitted body."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.bodies import load_body
from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.pool import Pool
from a3dgen.core.records import AMPUTATED, UNLABELLED
from a3dgen.core.stage import Context
from a3dgen.geometry.body import pose_body
from a3dgen.geometry.boxes import mask_box
from a3dgen.geometry.camera import inside_image, undistort_image, undistort_mask, undistort_points
from a3dgen.geometry.raster import silhouette
from a3dgen.geometry.skeleton import JOINT
from a3dgen.io import rle as masks
from a3dgen.io.partial_pictures import read_photo
from a3dgen.removal.label_map import Figure, LabelMap
from a3dgen.removal.mask_ops import limb_capsules

Known = tuple[dict[str, Any], dict[str, Any] | None]
"""Somebody's rows of Persons and, if they could be fitted, of Bodies."""
_FIGURES: Pool[list[Figure]] = Pool(1)
"""Everybody of the last photo: its people follow each other, and each asks for all."""
CERTAIN = 2.0
"""Log-odds from which on the order of two people is relied on."""
LEAST_LABELS = 4
"""Somebody with fewer keypoints has no outline that could be told from them."""


@dataclass(frozen=True)
class RemovalScene:
    """One person's photo and masks, lens distortion removed.

    Attributes:
        rgb: photo. own: the source's mask of the person (all false if it has none).
        others: masks of other people. objects: masks of things. body: outline of the fitted intact body.
        keypoints: (44, 2) px. state: (44,). height: standing height of the person, px.
        alone: nobody else can be in the photo (a studio's recording of one subject).
        mine, rival: where the photo has a label map: the person's claim on every pixel, and the strongest of others.
        nearer: by person in ``others``, the log-odds that the removed person stands in front of them; empty = unknown.
        ahead: likewise, the strongest claim of those who surely stand in front of the person.
        strangers: people nobody annotated, by the label map. source: what the claim came from.
        head: outline of the fitted head, without hair; None where the source has a mask.
    """

    rgb: UInt8[ndarray, "h w 3"]
    own: Bool[ndarray, "h w"]
    others: list[Any]
    objects: list[Any]
    body: Bool[ndarray, "h w"]
    keypoints: Float[ndarray, "44 2"]
    state: ndarray
    height: float
    alone: bool = False
    nearer: tuple[float, ...] = ()
    mine: Any = None
    rival: Any = None
    ahead: Any = None
    strangers: Any = None
    source: str = ""
    head: Any = None


def load_scene(person: dict[str, Any], body: dict[str, Any], context: Context) -> RemovalScene:
    """Read one person's photo and masks, remove the lens distortion, outline the fitted body.

    Raises:
        Rejected: the photo cannot be read, or photo or masks contradict the annotated size.
    """
    try:
        photo = read_photo(Path(person["image"]))
    except DataError as error:
        raise Rejected(str(error)) from None
    width, height = (int(v) for v in person["image_size"])
    if photo.shape[:2] != (height, width):
        found = f"{photo.shape[1]}x{photo.shape[0]}"
        raise Rejected(f"photo is {found} px, its annotation says {width}x{height}: {person['image']}")
    K, dist = person["K"], person["dist"]

    def straight(mask: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
        return undistort_mask(mask, K, dist)

    own = _decode(person["mask"], (height, width))
    mine, outline = straight(own), _outline(body, context, width, height)
    keypoints = undistort_points(np.ascontiguousarray(person["keypoints"][:, :2]), K, dist)
    return RemovalScene(
        rgb=undistort_image(photo, K, dist),
        own=mine,
        others=[straight(m) for m in _decode_list(person["others"], (height, width))],
        objects=[straight(m) for m in _decode_list(person["objects"], (height, width))],
        body=outline,
        keypoints=keypoints,
        state=person["state"],
        height=_stature(own | outline, keypoints, person["state"]),
        alone=bool(person.get("subject")),
        head=None if mine.any() else _outline(body, context, width, height, JOINT["head"]),
    )


def figures_of(rows: Sequence[Known], context: Context) -> list[Figure]:
    """Return what is known of everybody in a photo, found once for all of them; see ``figure_of``.

    Raises:
        Rejected: if a mask is of another size than the photo.
    """
    mix = hashlib.blake2b(repr(context.body).encode(), digest_size=16)
    for person, body in rows:
        used = [person[k] for k in ("image_size", "mask", "keypoints", "state", "K", "dist")]
        used += [None] if body is None else [body[k] for k in ("pose", "betas", "transl", "K")]
        for value in used:
            mix.update(value.tobytes() if isinstance(value, ndarray) else repr(value).encode())
            mix.update(b"|")
    return _FIGURES.get(mix.digest(), lambda: [figure_of(person, body, context) for person, body in rows])


def figure_of(person: dict[str, Any], body: dict[str, Any] | None, context: Context) -> Figure:
    """Return what is known of somebody in a photo: their mask, or fitted body and lines between keypoints.

    Args:
        person: row of Persons. body: row of Bodies; None if they could not be fitted.

    Raises:
        Rejected: if the mask is of another size than the photo.
    """
    width, height = (int(v) for v in person["image_size"])
    K, dist, state = person["K"], person["dist"], person["state"]
    mask = undistort_mask(_decode(person["mask"], (height, width)), K, dist)
    points = undistort_points(np.ascontiguousarray(person["keypoints"][:, :2]), K, dist)
    labelled = (state != UNLABELLED) & (state != AMPUTATED)
    rough = _outline(body, context, width, height) if body is not None else np.zeros((height, width), bool)
    tall = _stature(mask | rough, points, state)
    if not mask.any():
        rough = rough | limb_capsules(points, labelled, tall, (height, width))
    keypoints = np.column_stack([points, np.where(labelled, np.maximum(person["keypoints"][:, 2], 0.01), 0)])
    return Figure(mask if mask.any() else None, rough, keypoints, state, tall)


def labelled_only(person: dict[str, Any]) -> list[Figure]:
    """Return everybody labelled on a person's photo by their keypoints alone, whether or not they were read.

    Args:
        person: row of Persons; ``company`` holds the keypoints.
    """
    width, height = (int(v) for v in person["image_size"])
    out = []
    for points in np.asarray(person.get("company", np.zeros((0, 44, 4))), np.float64):
        used = points[:, 2] > 0
        if used.sum() < LEAST_LABELS:
            continue
        at = undistort_points(np.ascontiguousarray(points[:, :2]), person["K"], person["dist"])
        tall = float(max(np.ptp(at[used], axis=0).max() / 0.9, 16.0))  # joints span nine tenths of a person
        rough = limb_capsules(at, used, tall, (height, width))
        keypoints = np.column_stack([at, points[:, 2]])
        out.append(Figure(None, rough, keypoints, points[:, 3].astype(np.uint8), tall))
    return out


def with_labels(scene: RemovalScene, found: LabelMap, index: int, nearer: Sequence[float] = ()) -> RemovalScene:
    """Return a scene whose people are those of the photo's label map; ``index`` is the removed person's there.

    Args:
        nearer: by other person of the map, see ``RemovalScene``.
    """
    rest = [j for j in range(len(found.shares)) if j != index]
    others = [found.mask(j) for j in rest]
    known = [i for i, m in enumerate(others) if m.any()]
    return replace(
        scene,
        others=[others[i] for i in known],
        nearer=tuple(nearer[i] for i in known) if nearer else (),
        objects=[*scene.objects, *found.furniture()],
        mine=found.mine(index),
        rival=found.rival(index),
        ahead=found.strongest([rest[n] for n, score in enumerate(nearer) if score < -CERTAIN]),
        strangers=found.strangers,
        source=found.sources[index],
    )


def _stature(mask: Bool[ndarray, "h w"], keypoints: Float[ndarray, "44 2"], state: ndarray) -> float:
    """Return the person's size in px: the longer side of the box around mask and keypoints inside the photo."""
    h, w = mask.shape
    points = keypoints[(state != UNLABELLED) & (state != AMPUTATED) & inside_image(keypoints, w, h)]
    if mask.any():
        points = np.concatenate([points, mask_box(mask).reshape(2, 2)])
    return float(max(np.ptp(points, axis=0).max(), 16.0)) if len(points) else 16.0


def _outline(body: dict[str, Any], context: Context, width: int, height: int, joint: int | None = None) -> Any:
    """Return the outline of the fitted body, or of the part of it that one joint moves."""
    data = load_body(context.body)
    posed = pose_body(data, body["pose"], body["betas"], body["transl"])
    shown = ~data.mesh.hidden if joint is None else ~data.mesh.hidden & (data.mesh.face_part == joint)
    return silhouette(posed.vertices(data.mesh, body["betas"]), data.mesh.faces[shown], body["K"], width, height)


def _decode(text: str, shape: tuple[int, ...]) -> Bool[ndarray, "h w"]:
    if not text:
        return np.zeros(shape, bool)
    return _checked(masks.decode(json.loads(text)), shape)


def _decode_list(text: str, shape: tuple[int, ...]) -> list[Any]:
    return [_checked(masks.decode(rle), shape) for rle in json.loads(text or "[]")]


def _checked(mask: Bool[ndarray, "a b"], shape: tuple[int, ...]) -> Bool[ndarray, "a b"]:
    if mask.shape != tuple(shape):
        raise Rejected(f"a mask is {mask.shape[1]}x{mask.shape[0]} px, the photo {shape[1]}x{shape[0]}")
    return mask
