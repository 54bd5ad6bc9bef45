"""Keypoint states and limb visibility from depth and part labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.core.records import AMPUTATED, OCCLUDED, OUTSIDE, VISIBLE
from a3dgen.geometry.body import PosedBody
from a3dgen.geometry.camera import inside_image, project
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.raster import rasterize, scaled_K
from a3dgen.geometry.reach import CLOTH_M, LANDMARK_M, NEAR_PARTS, TRUNK, Reach
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS, RESIDUAL_ENDS
from a3dgen.geometry.skeleton import (
    JOINT,
    LANDMARK_ROWS,
    NUM_JOINTS,
    NUM_ROWS,
    ROW_JOINT,
    ROWS,
    descendants,
)

RADII_IN_FRONT = 1.3
"""A place on the segment that carries a stump is visible if its own surface is at most this many radii before it."""
TRUNK_RADII_IN_FRONT = 2.0
"""The same of a joint centre and the trunk's surface: the far shoulder of a person in profile is behind the trunk. Of
664 limb joints that annotators of 21 photographs call visible, 2.0 calls 91 % visible, no bound 92 %."""
SEGMENT_POINTS = 9
"""Places along a segment that are looked at."""

_END_SEGMENT = np.array([next(r.segment[0] for r in REGIONS if r.end == end) for end in range(len(RESIDUAL_ENDS))])
"""Residual-limb end -> part of the segment that carries it."""

_EXTRA_ROW_JOINT = {
    "neck_lsp": "neck", "head_top_lsp": "head", "pelvis_mpii": "pelvis", "thorax_mpii": "spine3",
    "spine_h36m": "spine2", "jaw_h36m": "head", "head_h36m": "head",
}  # fmt: skip
ROW_PART = np.array([
    ROW_JOINT[r] if r in ROW_JOINT
    else JOINT[_EXTRA_ROW_JOINT[ROWS[r][6:]]] if ROWS[r].startswith("extra_")
    else JOINT[f"{ROWS[r].split('_')[1]}_ankle"] if r in LANDMARK_ROWS and ("toe" in ROWS[r] or "heel" in ROWS[r])
    else JOINT["head"]
    for r in range(NUM_ROWS)
])  # fmt: skip
"""Row -> SMPL part in which it lies."""


@dataclass(frozen=True)
class Buffers:
    """What is nearest at each pixel of a picture, or of a crop or resized version of it.

    Attributes:
        depth: (h, w) f4 m, inf where nothing is. part: (h, w) u1, 0 where nothing is, or no part of the body (an
            assistive device: its depth stays, so that it hides what lies behind it), else 1 + SMPL joint.
        K: camera of the whole picture, px. width, height: size of the whole picture, px.
        offset: (x, y) px of the crop's first pixel in the whole picture. scale: buffer pixels per picture pixel.
        occluders: (height, width) bool at full size: what stays in front of the person; None = nothing.
    """

    depth: Float[ndarray, "h w"]
    part: Integer[ndarray, "h w"]
    K: Float[ndarray, "3 3"]
    width: int
    height: int
    offset: tuple[int, int] = (0, 0)
    scale: float = 1.0
    occluders: Bool[ndarray, "hh ww"] | None = None

    def lookup(self, pixels: Float[ndarray, "n 2"], reach: int) -> tuple[ndarray, ndarray]:
        """Return depth (n, (2 reach + 1)^2) and part around picture pixels; beyond the buffer there is nothing."""
        at = np.nan_to_num((pixels - self.offset + 0.5) * self.scale - 0.5, nan=-1e6, posinf=-1e6, neginf=-1e6)
        middle = np.rint(np.clip(at, -1e6, 1e6)).astype(np.int64)
        steps = np.arange(-reach, reach + 1)
        x = middle[:, 0, None, None] + steps[:, None]
        y = middle[:, 1, None, None] + steps
        h, w = self.depth.shape
        inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
        xc, yc = np.clip(x, 0, w - 1), np.clip(y, 0, h - 1)
        depth = np.where(inside, self.depth[yc, xc], np.inf).reshape(len(pixels), steps.size**2)
        part = np.where(inside, self.part[yc, xc], 0).reshape(len(pixels), steps.size**2)
        return depth, part


def body_buffers(
    mesh: SkinnedMesh,
    vertices: Float[ndarray, "v 3"],
    K: Float[ndarray, "3 3"],
    width: int,
    height: int,
    max_side: int = 384,
    occluders: Bool[ndarray, "hh ww"] | None = None,
) -> Buffers:
    """Draw a posed body (camera frame, m) into small buffers; the longer side of the drawn crop has ``max_side`` px."""
    pixels = project(vertices.astype(np.float64), K)
    ahead = pixels[~np.isnan(pixels).any(1)]
    ahead = ahead if len(ahead) else np.zeros((1, 2))  # all of the body is behind the camera
    low = np.clip(np.floor(ahead.min(0) - 2), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(ahead.max(0) + 2), 0, (width - 1, height - 1)).astype(int)
    size = np.maximum(high - low + 1, 1)
    scale = min(1.0, max_side / size.max())
    crop = np.array(K, np.float64)
    crop[:2, 2] -= low
    w, h = (int(v) for v in np.maximum(np.rint(size * scale), 1))
    depth, face = rasterize(vertices, mesh.faces, scaled_K(crop, scale), w, h)
    part = np.where(face >= 0, mesh.face_part[face] + 1, 0).astype(np.uint8)
    return Buffers(depth, part, K, width, height, (int(low[0]), int(low[1])), float(scale), occluders)


def _states(
    points: ndarray, buffers: Buffers, part: ndarray, reach: ndarray, landmark: ndarray | None = None
) -> Integer[ndarray, " n"]:
    """States of points: those inside the body with ``reach`` (n,) or (n, 24), how far before them the surface of (each)
    near part may lie, m; or landmarks where ``landmark`` (n,) m is above 0."""
    pixels = project(np.asarray(points, np.float64), buffers.K)
    depth, label = buffers.lookup(pixels, 1)
    z = points[:, 2]
    middle = depth.shape[1] // 2
    in_front, covering = depth[:, middle], label[:, middle].astype(int)
    free = ~np.isfinite(in_front) | (in_front > z)  # nothing before it
    by = np.maximum(covering - 1, 0)
    own = (covering > 0) & NEAR_PARTS[part, by]
    inside_body = free | (own & (z - in_front <= (reach[np.arange(len(by)), by] if reach.ndim == 2 else reach)))
    visible = inside_body
    if landmark is not None:
        visible = np.where(landmark > 0, (depth >= (z - landmark)[:, None]).any(1), inside_body)
    state = np.where(visible & ~_behind_occluder(pixels, buffers), VISIBLE, OCCLUDED)
    return np.where(inside_image(pixels, buffers.width, buffers.height), state, OUTSIDE).astype(np.uint8)


def _behind_occluder(pixels: ndarray, buffers: Buffers) -> Bool[ndarray, " n"]:
    if buffers.occluders is None:
        return np.zeros(len(pixels), bool)
    x = np.rint(np.clip(np.nan_to_num(pixels[:, 0]), 0, buffers.width - 1)).astype(int)
    y = np.rint(np.clip(np.nan_to_num(pixels[:, 1]), 0, buffers.height - 1)).astype(int)
    return buffers.occluders[y, x]


def keypoint_states(
    keypoints: Float[ndarray, "44 3"],
    present: Bool[ndarray, "44"],
    buffers: Buffers,
    reach: Reach,
) -> Integer[ndarray, "44"]:
    """Return the state (u1, see ``records``) of each keypoint row.

    Args:
        keypoints: camera frame, m.
        present: false where the joint is amputated.
        buffers: what the camera sees.
        reach: of ``visibility_reach``.

    Amputated comes before everything; then outside the image; then hidden by an occluder or by the body itself. A
    joint row is visible if the nearest surface at its pixel, skin or cloth, belongs to its own or a neighbouring part,
    whatever the angle; of the trunk, another part's surface must be at most 2 local radii before it. A landmark row is
    visible if the surface is within 15 mm. What lies beside the person's pixels, such as a toe just past an outline, is
    not seen.
    """
    landmark = np.where(np.isin(np.arange(NUM_ROWS), LANDMARK_ROWS), reach.landmarks, 0.0)
    state = _states(keypoints, buffers, ROW_PART, _joint_reach(reach)[ROW_PART], landmark)
    covered = buffers.lookup(project(np.asarray(keypoints, np.float64), buffers.K), 0)[1][:, 0] > 0
    state = np.where((state == VISIBLE) & ~covered, OCCLUDED, state)
    return np.where(present, state, AMPUTATED).astype(np.uint8)


def _joint_reach(reach: Reach) -> Float[ndarray, "24 24"]:
    """How far before a joint the surface of each part may lie, m: any distance, but for other parts of the trunk."""
    out = np.full((NUM_JOINTS, NUM_JOINTS), np.inf)
    out[:, TRUNK] = TRUNK_RADII_IN_FRONT * reach.joints[:, None]
    np.fill_diagonal(out, np.inf)
    return out


def over_own_limb(
    keypoints: Float[ndarray, "44 3"], removed: Bool[ndarray, "12"], residual: Float[ndarray, "12"], buffers: Buffers
) -> list[int]:
    """Return the removed regions that lose a keypoint where what is left of the same limb is seen: in such a picture
    (a bent or foreshortened limb) its absence does not show.

    Args:
        keypoints: of the whole body, m. removed, residual: of Plans. buffers: what is seen of the amputee.

    The first absent joint of a cut at the joint itself (residual 1) is the stump's own end and does not count.
    """
    out = []
    for region in REGIONS:
        if not removed[region.index]:
            continue
        own = [r for r in region.rows if residual[region.index] < 1 or ROW_JOINT.get(r) != region.joint]
        limb = limb_joints(region.index)
        _, part = buffers.lookup(project(np.asarray(keypoints[own], np.float64), buffers.K), 0)
        if np.isin(part, np.array(limb) + 1).any():
            out.append(region.index)
    return out


def limb_joints(region: int) -> tuple[int, ...]:
    """Return the joints of the whole limb that a region belongs to, from shoulder or hip."""
    limb = [r for r in REGIONS if (r.side, r.limb) == (REGIONS[region].side, REGIONS[region].limb)]
    return descendants(max(limb, key=lambda r: len(r.joints)).joint)


def end_states(ends: Float[ndarray, "8 4"], buffers: Buffers) -> Integer[ndarray, "8"]:
    """Return the state of the stump tips (camera frame m, flag); no stump is ``amputated``.

    A tip lies on the skin. It is visible if the nearest surface is within 15 mm, or is its own segment's within 12 cm:
    a liner, a sleeve or a trouser leg, whose end shows where the limb ends.
    """
    state = _states(ends[:, :3], buffers, _END_SEGMENT, np.zeros(len(ends)), np.full(len(ends), LANDMARK_M))
    pixels = project(np.asarray(ends[:, :3], np.float64), buffers.K)
    depth, label = buffers.lookup(pixels, 1)
    clothed = ((label == _END_SEGMENT[:, None] + 1) & (ends[:, 2, None] - depth < CLOTH_M)).any(1)
    state = np.where((state == OCCLUDED) & clothed & ~_behind_occluder(pixels, buffers), VISIBLE, state)
    return np.where(ends[:, 3] > 0, state, AMPUTATED).astype(np.uint8)


def _segment_points(joints: ndarray, region: int, residual: float) -> tuple[ndarray, ndarray]:
    """Points (n, 3) on the carrying segment from its joint to the stump's tip, and the parts they lie in."""
    start, end = REGIONS[region].segment
    along = np.linspace(0.0, residual if REGIONS[region].cuttable else 1.0, SEGMENT_POINTS)
    points = joints[start] + along[:, None] * (joints[end] - joints[start])
    return points, np.full(len(points), start)


def point_on_segment(joints: Float[ndarray, "24 3"], region: int, residual: float) -> Float[ndarray, "3"]:
    """Return where the stump's tip lies on the bone's line, m; for Shoulder and Hip the joint itself."""
    return _segment_points(joints, region, residual)[0][-1]


def region_visibility(
    joints: Float[ndarray, "24 3"], residual: Float[ndarray, "12"], buffers: Buffers, reach: Reach
) -> Float[ndarray, "12"]:
    """Return the visible share (f4) of each region's carrying segment, from its joint to the (possible) stump's tip.

    Args:
        joints: posed joints, camera frame, m.
        residual: place of the tip for each region, 1 where nothing is removed.
    """
    found = [_segment_points(joints, r.index, float(residual[r.index])) for r in REGIONS]
    points, part = (np.concatenate(parts) for parts in zip(*found, strict=True))
    state = _states(points, buffers, part, RADII_IN_FRONT * np.repeat(reach.segments, SEGMENT_POINTS))
    return (state.reshape(NUM_REGIONS, SEGMENT_POINTS) == VISIBLE).mean(1).astype(np.float32)


MIN_SEGMENT = 0.5
"""Least visible share of the carrying segment for a region to be removable (docs/labels.md, rule 1)."""


def why_not_removable(posed: PosedBody, region: int, residual: float, buffers: Buffers, reach: Reach) -> str:
    """Return why the region cannot be removed at this residual so that its absence can be seen; empty if it can.

    Args:
        posed: the fitted body before the removal.
        region: AJAHR index. residual: 0..1.
        buffers: what is seen of that body, with other people's masks as occluders.
        reach: of ``visibility_reach``.
    """
    points, part = _segment_points(posed.joints, region, residual)
    state = _states(points, buffers, part, np.full(len(part), RADII_IN_FRONT * reach.segments[region]))
    if state[-1] == OUTSIDE:
        return "stump tip outside the image"
    if state[-1] != VISIBLE:
        return "stump tip hidden"
    if np.mean(state == VISIBLE) < MIN_SEGMENT:
        outside = np.mean(state == OUTSIDE) > np.mean(state == OCCLUDED)
        return f"carrying segment mostly {'outside the image' if outside else 'hidden'}"
    return ""
