"""What can be seen of a body: keypoint states and limb visibility from depth and part labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

from a3dgen.geometry.body import BodyData, PosedBody, pose_body
from a3dgen.geometry.camera import inside_image, project
from a3dgen.geometry.mesh import SkinnedMesh
from a3dgen.geometry.raster import rasterize, scaled_K
from a3dgen.geometry.regions import NUM_REGIONS, REGIONS
from a3dgen.geometry.skeleton import JOINT, LANDMARK_ROWS, NUM_JOINTS, NUM_ROWS, PARENTS, ROW_JOINT, ROWS
from a3dgen.records import AMPUTATED, OCCLUDED, OUTSIDE, VISIBLE

RADII_IN_FRONT = 1.3
"""A joint centre is visible if its own surface is at most this many local radii before it."""
LANDMARK_M = 0.015
"""A landmark is visible if the nearest surface is at most this far before it, m."""
SEGMENT_POINTS = 9
"""Places along a segment that are looked at."""

_WIDE = 80
_MAX_UNDER_SKIN_M = 0.03
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head", "left_collar", "right_collar")
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


def _near_parts() -> ndarray:
    """(24, 24) bool: parts that may cover a joint's centre: itself and its tree neighbours; as the trunk's parts are
    thin slices, also the neighbours' neighbours for a joint of the trunk, and those on the trunk for any joint."""
    step = np.eye(NUM_JOINTS, dtype=int)
    for j in range(1, NUM_JOINTS):
        step[j, PARENTS[j]] = step[PARENTS[j], j] = 1
    near, two_steps = step > 0, step @ step > 0
    trunk = [JOINT[n] for n in _TRUNK]
    near[trunk] = two_steps[trunk]
    near[:, trunk] |= two_steps[:, trunk]
    return near


NEAR_PARTS = _near_parts()


@dataclass(frozen=True)
class Buffers:
    """What is nearest at each pixel of a picture, or of a crop or resized version of it.

    Attributes:
        depth: (h, w) f4 m, inf where nothing is. part: (h, w) u1, 0 where nothing is, else 1 + SMPL joint.
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
        depth = np.where(inside, self.depth[yc, xc], np.inf).reshape(len(pixels), -1)
        part = np.where(inside, self.part[yc, xc], 0).reshape(len(pixels), -1)
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
    low = np.clip(np.floor(np.nan_to_num(np.nanmin(pixels, axis=0)) - 2), 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(np.nan_to_num(np.nanmax(pixels, axis=0)) + 2), 0, (width - 1, height - 1)).astype(int)
    size = np.maximum(high - low + 1, 1)
    scale = min(1.0, max_side / size.max())
    crop = np.array(K, np.float64)
    crop[:2, 2] -= low
    w, h = (int(v) for v in np.maximum(np.rint(size * scale), 1))
    depth, face = rasterize(vertices, mesh.faces, scaled_K(crop, scale), w, h)
    part = np.where(face >= 0, mesh.face_part[face] + 1, 0).astype(np.uint8)
    return Buffers(depth, part, K, width, height, (int(low[0]), int(low[1])), float(scale), occluders)


@dataclass(frozen=True)
class Reach:
    """How far before a point of the body its own surface may lie.

    Attributes:
        joints: (24,) local radii at the joints, m. segments: (12,) of the segments that carry the regions' stumps.
        landmarks: (44,) allowance of the landmark rows, m: 15 mm, and as much as the model puts the row under its skin.
    """

    joints: Float[ndarray, "24"]
    segments: Float[ndarray, "12"]
    landmarks: Float[ndarray, "44"]


def visibility_reach(body: BodyData) -> Reach:
    """Return the allowances of one body model, measured in its rest pose."""
    rest = pose_body(body, np.zeros((NUM_JOINTS, 3)), np.zeros(body.num_betas), np.zeros(3))
    seen = np.unique(body.mesh.faces[~body.mesh.hidden])
    skin = rest.vertices(body.mesh, np.zeros(body.num_betas))[seen].astype(np.float64)
    under = np.zeros(NUM_ROWS)
    for row in LANDMARK_ROWS:
        under[row] = np.linalg.norm(skin - rest.keypoints[row], axis=1).min()
    joints = joint_radii(body)
    return Reach(joints, segment_radii(body, joints), LANDMARK_M + np.minimum(under, _MAX_UNDER_SKIN_M))


def segment_radii(body: BodyData, joints: Float[ndarray, "24"]) -> Float[ndarray, "12"]:
    """Return how thick the carrying segments are, m: the 80th percentile of the distance of the part's vertices to the
    bone; over the torso, and where it is more, the radius at the joint."""
    at, owner = body.joints_template, body.mesh.weights.argmax(1)
    out = np.zeros(NUM_REGIONS)
    for r in REGIONS:
        start, end = r.segment
        out[r.index] = joints[start]
        offset = body.mesh.vertices[owner == start] - at[start]
        if r.cuttable and len(offset):
            bone = at[end] - at[start]
            across = offset - np.outer(offset @ bone / (bone @ bone), bone)
            out[r.index] = max(joints[start], float(np.percentile(np.linalg.norm(across, axis=1), _WIDE)))
    return out


def joint_radii(body: BodyData) -> Float[ndarray, "24"]:
    """Return for each joint the typical distance (m) from its centre to the skin around it, at betas = 0.

    It is the 80th percentile of the distances of the own and neighbouring parts' vertices in a 4 cm slab across the
    bone: near the wide half-axis of the trunk, which is what stands before a joint seen from the side.
    """
    mesh, at = body.mesh, body.joints_template
    seen = np.unique(mesh.faces[~mesh.hidden])
    vertices, owner = mesh.vertices[seen].astype(np.float64), mesh.weights[seen].argmax(1)
    out = np.zeros(NUM_JOINTS)
    for j in range(NUM_JOINTS):
        children = np.flatnonzero(j == PARENTS)
        other = children[0] if len(children) else PARENTS[j]
        axis = at[other] - at[j]
        axis = axis / np.linalg.norm(axis)
        offset = vertices - at[j]
        rise = offset @ axis
        across = np.linalg.norm(offset - np.outer(rise, axis), axis=1)
        slab = (np.abs(rise) < 0.02) & NEAR_PARTS[j][owner] & (across < 0.3)
        out[j] = np.percentile(across[slab], _WIDE) if slab.any() else np.linalg.norm(offset, axis=1).min()
    return out


def _states(
    points: ndarray, buffers: Buffers, part: ndarray, radius: ndarray, landmark: ndarray | None = None
) -> Integer[ndarray, " n"]:
    """States of points: joint centres with local radii, or landmarks where ``landmark`` (n,) m is above 0."""
    pixels = project(np.asarray(points, np.float64), buffers.K)
    depth, label = buffers.lookup(pixels, 1)
    z = points[:, 2]
    middle = depth.shape[1] // 2
    in_front, covering = depth[:, middle], label[:, middle].astype(int)
    free = ~np.isfinite(in_front) | (in_front > z)  # nothing before it
    own = (covering > 0) & NEAR_PARTS[part, np.maximum(covering - 1, 0)]
    inside_body = free | (own & (z - in_front <= RADII_IN_FRONT * radius))
    visible = inside_body
    if landmark is not None:
        visible = np.where(landmark > 0, (depth >= (z - landmark)[:, None]).any(1), inside_body)
    if buffers.occluders is not None:
        x = np.rint(np.clip(np.nan_to_num(pixels[:, 0]), 0, buffers.width - 1)).astype(int)
        y = np.rint(np.clip(np.nan_to_num(pixels[:, 1]), 0, buffers.height - 1)).astype(int)
        visible &= ~buffers.occluders[y, x]
    state = np.where(visible, VISIBLE, OCCLUDED)
    return np.where(inside_image(pixels, buffers.width, buffers.height), state, OUTSIDE).astype(np.uint8)


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
    joint row is visible if the nearest surface at its pixel belongs to its own or a neighbouring part and is at most
    1.3 local radii before it (or nothing is before it); a landmark row if the surface is within 15 mm.
    """
    landmark = np.where(np.isin(np.arange(NUM_ROWS), LANDMARK_ROWS), reach.landmarks, 0.0)
    state = _states(keypoints, buffers, ROW_PART, reach.joints[ROW_PART], landmark)
    return np.where(present, state, AMPUTATED).astype(np.uint8)


def end_states(ends: Float[ndarray, "8 4"], buffers: Buffers) -> Integer[ndarray, "8"]:
    """Return the state of the stump tips (camera frame m, flag); they lie on the skin. No stump is ``amputated``."""
    anywhere = np.zeros(len(ends), int)
    state = _states(ends[:, :3], buffers, anywhere, np.zeros(len(ends)), np.full(len(ends), LANDMARK_M))
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
    out = np.zeros(NUM_REGIONS, np.float32)
    for r in REGIONS:
        points, part = _segment_points(joints, r.index, float(residual[r.index]))
        out[r.index] = np.mean(_states(points, buffers, part, np.full(len(part), reach.segments[r.index])) == VISIBLE)
    return out


MIN_SEGMENT = 0.5
"""Least visible share of the carrying segment for a region to be removable (DESIGN, rule 1)."""


def why_not_removable(posed: PosedBody, region: int, residual: float, buffers: Buffers, reach: Reach) -> str:
    """Return why the region cannot be removed at this residual so that its absence can be seen; empty if it can.

    Args:
        posed: the fitted body before the removal.
        region: AJAHR index. residual: 0..1.
        buffers: what is seen of that body, with other people's masks as occluders.
        reach: of ``visibility_reach``.
    """
    points, part = _segment_points(posed.joints, region, residual)
    state = _states(points, buffers, part, np.full(len(part), reach.segments[region]))
    if state[-1] == OUTSIDE:
        return "stump tip outside the image"
    if state[-1] != VISIBLE:
        return "stump tip hidden"
    if np.mean(state == VISIBLE) < MIN_SEGMENT:
        outside = np.mean(state == OUTSIDE) > np.mean(state == OCCLUDED)
        return f"carrying segment mostly {'outside the image' if outside else 'hidden'}"
    return ""
