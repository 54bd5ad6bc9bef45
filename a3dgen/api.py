"""Single people from Python, as arrays: load a body, fit it, amputate, draw; ``import a3dgen`` offers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Real, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import COLLAPSE, RESIDUAL, Amputee, BodyFit, Cut, rebuild
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Look
from a3dgen.appearance.looks import LooksConfig, draw_look
from a3dgen.bodies import load_body as _load_body
from a3dgen.compositing.compose import black_level, compose, noise_sigma
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import OK, UNLABELLED, VISIBLE, Bodies, Persons
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context, Inputs
from a3dgen.detectors.keypoint_rows import body25_rows, to_rows
from a3dgen.fit.config import Config as FitConfig
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import default_K
from a3dgen.geometry.regions import NUM_REGIONS, find_region
from a3dgen.geometry.skeleton import COCO_ROWS, NUM_ROWS
from a3dgen.lighting.light import estimate_light
from a3dgen.recovery.person import Recovery
from a3dgen.renderers import flat_light, get_renderer

_FLAT = 0.6
"""Even light where there is no background to take it from: what a white surface shows."""


@dataclass(frozen=True)
class Picture:
    """One drawn person.

    Attributes:
        rgb: (h, w, 3) 8-bit sRGB.
        depth: (h, w) f4 m along the optical axis, inf where nothing is.
        parts: (h, w) u1, 0 where nothing is, else 1 + SMPL joint.
        mask: (h, w) bool, the person's pixels.
    """

    rgb: UInt8[ndarray, "h w 3"]
    depth: Float[ndarray, "h w"]
    parts: UInt8[ndarray, "h w"]
    mask: Bool[ndarray, "h w"]


def load_body(name: str = "anny", path: str | Path = "", betas: int = 10) -> BodyData:
    """Return a body model, cached in the process.

    Args:
        name: ``anny`` (open) or ``smpl`` (your licensed file).
        path: of the SMPL file, read without executing it.
        betas: number of shape coefficients.

    Raises:
        ConfigError: for an unknown model or wrong options.
        DataError: if the file cannot be used.
    """
    return _load_body(BodyConfig(model=name, path=str(path), betas=betas))


def fit(
    keypoints: Real[ndarray, "*n k 3"] | Real[ndarray, "*n k 2"],
    image_size: tuple[int, int],
    K: Real[ndarray, "3 3"] | None = None,
    body: BodyConfig | None = None,
    config: FitConfig | None = None,
) -> Bodies:
    """Fit the body model to people's 2D keypoints, each person alone.

    Args:
        keypoints: (k, 3) of one person or (n, k, 3) of n people: x, y in px and a confidence from 0 (not there) to 1;
            with two columns, points that are NaN are not there. k = 17 (COCO order), 25 (OpenPose BODY_25) or 44
            (a3dgen's rows).
        image_size: width, height, px.
        K: camera matrix, px; if None, the focal length is the image's diagonal.
        body: which body model; the open one by default.
        config: settings of the fit.

    Returns:
        One row a person, key ``0``, ``1`` ...: pose (24, 3) rad, joint 0 in the camera frame; betas; transl m; K;
        sigma (24,) m, the standard deviation of each joint; near-tied alternatives.

    Raises:
        ConfigError: for another number of keypoints.
        DataError: if somebody cannot be fitted; the message names everybody and the reason.
    """
    from a3dgen.stages import fit as stage

    points = np.asarray(keypoints, np.float64)
    points = points[None] if points.ndim == 2 else points
    if points.shape[-1] == 2:
        points = np.concatenate([np.nan_to_num(points), np.isfinite(points).all(-1, keepdims=True)], -1)
    rows = [_person(i, person, image_size, K) for i, person in enumerate(points)]
    nowhere = Path("/nonexistent")  # the stage writes no files
    context = Context(0, body or BodyConfig(), nowhere, nowhere)
    done = stage.run(config or FitConfig(), Inputs(Persons.from_rows(rows)), context)
    outcome = done.outcome
    bad = [
        f"person {k}: {why}" for k, s, why in zip(outcome.key, outcome.status, outcome.reason, strict=True) if s != OK
    ]
    if bad:
        raise DataError(f"{len(bad)} of {len(rows)} people cannot be fitted: {'; '.join(bad)}")
    return done.record  # type: ignore[return-value]


def fit_sequence(
    keypoints: Real[ndarray, "t k 3"] | Real[ndarray, "t k 2"],
    image_size: tuple[int, int],
    fps: float,
    K: Real[ndarray, "3 3"] | None = None,
    body: BodyConfig | None = None,
    config: FitConfig | None = None,
) -> Bodies:
    """Fit the body model to one person in consecutive frames of a video, together: steady, with one shape.

    Args:
        keypoints: (T, k, 3) or (T, k, 2), as in ``fit``; a frame in which nobody was found has no keypoint.
        fps: frame rate. The other arguments are those of ``fit``.

    Returns:
        As ``fit``, one row a frame, its key the frame's number; frames without a usable body are left out.

    Raises:
        ConfigError: for another number of keypoints. DataError: if no frame can be fitted, with the reasons.
    """
    from a3dgen.stages.fit_sequences import sequence_rows

    points = np.asarray(keypoints, np.float64)
    if points.shape[-1] == 2:
        points = np.concatenate([np.nan_to_num(points), np.isfinite(points).all(-1, keepdims=True)], -1)
    persons = Persons.from_rows([_person(i, person, image_size, K) for i, person in enumerate(points)])
    rows, reasons = sequence_rows(config or FitConfig(), body or BodyConfig(), persons, fps)
    if not rows:
        raise DataError(f"none of {len(points)} frames can be fitted: {'; '.join(sorted(set(reasons.values())))}")
    return Bodies.from_rows(rows, B=len(rows[0]["betas"]))


def _person(i: int, points: ndarray, size: tuple[int, int], K: ndarray | None) -> dict[str, Any]:
    width, height = size
    if len(points) == NUM_ROWS:
        on_rows = points
    elif len(points) == len(COCO_ROWS):
        on_rows = to_rows(points, COCO_ROWS)
    elif len(points) == 25:
        on_rows = body25_rows(points)
    else:
        raise ConfigError(f"{len(points)} keypoints a person; give 17 (COCO), 25 (BODY_25) or 44 (a3dgen's rows)")
    seen = on_rows[:, 2] > 0
    low, high = (on_rows[seen, :2].min(0), on_rows[seen, :2].max(0)) if seen.any() else (np.zeros(2), np.array(size))
    return {
        "key": str(i), "subset": "API", "stem": str(i), "image": "", "image_size": size, "bbox": (*low, *high),
        "keypoints": on_rows, "state": np.where(seen, VISIBLE, UNLABELLED), "K_known": K is not None,
        "K": default_K(width, height) if K is None else np.asarray(K, np.float64),
    }  # fmt: skip


def amputate(
    body: BodyData,
    fit: Bodies | BodyFit | Mapping[str, Any],
    regions: str | Sequence[str] = (),
    residual: float | Mapping[str, float] = 0.5,
    geometry: str = RESIDUAL,
) -> Amputee:
    """Cut limbs off a posed body and close the residual limbs.

    Args:
        body: the body model that was fitted.
        fit: a ``Bodies`` of one person, a row of one, or ``BodyFit(pose, betas, transl)``.
        regions: AJAHR names (``left_knee``) or clinical ones (``left transtibial``); none = the intact body.
        residual: where the tip of the residual limb lies along its segment, 1 at the joint; one number, or one for
            each of ``regions``. Regions that are closed at the joint (shoulder, hip, disarticulations) ignore it.
        geometry: ``residual`` (a closed, rounded residual limb) or ``collapse`` (A3D's joint collapse).

    Returns:
        The amputee: ``vertices`` (V, 3) m in the camera frame, ``mesh.faces`` (F, 3), watertight; ``keypoints``
        (44, 3) m and ``present`` (44,); residual-limb ``ends`` (8, 4) m; lengths and circumferences in m.

    Raises:
        ConfigError: for an unknown region, two regions of one limb, or a residual outside 0.2 to 1.
        DataError: if ``fit`` holds another number of people than one.
    """
    names = [regions] if isinstance(regions, str) else list(regions)
    removed, at = np.zeros(NUM_REGIONS, bool), np.ones(NUM_REGIONS)
    limbs: dict[tuple[str, str], str] = {}
    for name in names:
        region, through = find_region(name)
        limb = (region.side, region.limb)
        if limb in limbs:
            raise ConfigError(f"'{limbs[limb]}' and '{name}' are on one limb; name the most proximal region only")
        limbs[limb], removed[region.index] = name, True
        value = float(residual[name] if isinstance(residual, Mapping) else residual)
        if not 0.2 <= value <= 1:
            raise ConfigError(f"residual {value:g} of '{name}': the tip must lie between 0.2 and 1 of the segment")
        at_joint = geometry == COLLAPSE or not region.cuttable or through is False
        at[region.index] = 1.0 if at_joint else value
    return rebuild(body, _one(fit), Cut(removed, at, geometry))


def recover(image: UInt8[ndarray, "h w 3"] | str | Path, geometry: str = RESIDUAL) -> list[Recovery]:
    """Say which limbs the people of a photo have, and fit the bodies they have. Not a medical device.

    Args:
        image: RGB pixels, or the path of a photo.
        geometry: ``residual`` (closed, rounded residual limbs) or ``collapse`` (A3D's joint collapse).

    Returns:
        One ``Recovery`` a person, from the left: presence of each limb, regions, residual lengths with standard
        deviations, pose, betas, mesh; where no body can be fitted, ``reason`` says why.

    Raises:
        DataError: if the photo cannot be read. MissingDependency: without the pose networks.
    """
    from a3dgen.engine.recover import recover_people
    from a3dgen.io.images import read_rgb

    pixels = image if isinstance(image, ndarray) else read_rgb(image)
    name = "photo" if isinstance(image, ndarray) else Path(image).stem
    return [recovery for recovery, _ in recover_people(pixels, name, geometry=geometry)]


def _one(fit: Bodies | BodyFit | Mapping[str, Any]) -> BodyFit:
    if isinstance(fit, BodyFit):
        return fit
    if isinstance(fit, Bodies):
        if len(fit) != 1:
            raise DataError(f"the fit holds {len(fit)} people; give one, e.g. bodies.row(0)")
        return BodyFit.of(fit.row(0))
    return BodyFit.of(fit)


def render(
    body: BodyData,
    amputee: Amputee,
    K: Real[ndarray, "3 3"],
    image_size: tuple[int, int],
    look: Look | None = None,
    background: UInt8[ndarray, "h w 3"] | None = None,
    seed: int = 0,
    renderer: str = "cpu",
) -> Picture:
    """Draw a dressed person with a pinhole camera.

    Args:
        body, amputee: as for ``amputate``.
        K: camera matrix, px. image_size: width, height, px.
        look: skin, hair and garments; if None, drawn from ``seed``.
        background: the photo without the person, of ``image_size``; it gives light, grain and blacks. None = grey.
        seed: of the look and of the grain.
        renderer: ``cpu``, ``gl`` or ``pyrender``.

    Raises:
        ConfigError: if the background has another size, or the renderer cannot be had.
    """
    width, height = image_size
    if look is None:
        look = draw_look(generator_for(seed, "look", ""), LooksConfig(), amputee.cut.removed, amputee.cut.residual)
    if background is not None and background.shape[:2] != (height, width):
        raise ConfigError(f"the background is {background.shape[1]}x{background.shape[0]} px, not {width}x{height}")
    light = flat_light(_FLAT) if background is None else estimate_light(background, adjust=look.light)
    items = build_subject(body, amputee, look)
    frame = get_renderer(renderer).render(items, np.asarray(K, np.float64), width, height, light)
    plate = np.full((height, width, 3), 128, np.uint8) if background is None else background
    rng = generator_for(seed, "grain", "")
    black = black_level(plate).astype(np.float64) if background is not None else np.zeros(3)
    sigma = noise_sigma(plate, None) if background is not None else np.zeros(3)
    rgb = compose(plate, frame.rgba, None, black, sigma, rng)
    return Picture(rgb, frame.depth, frame.part, frame.part > 0)
