"""What a finished picture shows of the person: states, stumps that must be seen, limbs that must be missed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee, removed_regions
from a3dgen.compositing.draw import Picture
from a3dgen.compositing.scene import Scene
from a3dgen.compositing.told import told_share
from a3dgen.core.errors import Rejected
from a3dgen.core.records import OCCLUDED, OUTSIDE, VISIBLE
from a3dgen.devices.attach import Devices
from a3dgen.devices.record import why_prosthesis_hidden
from a3dgen.devices.seen import body_part, sockets_as_limbs
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.camera import project
from a3dgen.geometry.reach import Reach
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS, absent_joints, among
from a3dgen.geometry.visibility import (
    Buffers,
    end_states,
    keypoint_states,
    over_own_limb,
    region_visibility,
)
from a3dgen.removal.mask_ops import dilate
from a3dgen.stages.drawing import Drawn, check_plate, fitted_outline
from a3dgen.stages.render_config import Config

_MASK_EDGE_PX = 3.0
"""A visible keypoint of a photo's person may lie this far off their mask."""


def measure(
    amputee: Amputee,
    plan: Mapping[str, Any],
    scene: Scene,
    picture: Picture,
    reach: Reach,
    devices: Devices = Devices(),  # noqa: B008 (frozen)
) -> dict[str, Any]:
    """Return what the picture shows of the body: the columns of Renders from ``state`` to ``residual_end_state``."""
    buffers = buffers_of(scene, picture)
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


def buffers_of(scene: Scene, picture: Picture) -> Buffers:
    h, w = scene.plate.shape[:2]
    return Buffers(picture.depth, body_part(picture.part), scene.K, w, h, picture.window[:2], 1.0, scene.hidden)


def check_stumps(
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
    covered = over_own_limb(amputee.posed.keypoints, cut, residual, buffers_of(scene, picture))
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


def why_not_trusted(config: Config, scene: Scene, fitted: Mapping[str, Any], body: BodyData) -> str:
    """Return why nobody may be drawn into a plate, by what is seen of it around the fitted intact body; empty if one
    may: one answer for a sample and its twin."""
    try:
        check_plate(config, scene, fitted_outline(body, fitted, scene))
    except Rejected as error:
        return str(error)
    return ""


def check_told(config: Config, sample: Drawn, twin: Drawn, plan: Mapping[str, Any], scene: Scene) -> None:
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


def seen_in_photo(
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
