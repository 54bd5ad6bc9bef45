"""A frame along the limb at the cut, and the limb's width there as the photo shows it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.amputation.topology import Stump
from a3dgen.erasure.limb_pixels import LimbPixels
from a3dgen.erasure.subject import Subject
from a3dgen.geometry.camera import project

_TILT = 0.25
"""The photo's centre line may turn the frame by at most this slope."""
SLANT = 0.5
"""How much of what a slanted dome shows beyond its tip is drawn. On the demo, all of it left limb where the fit's tip
is too far out, none of it cut into what stays; half is between (three runs of `bench erase` that differed in more)."""
_SOFT = 1.3
"""The outline's edge is this soft, px: as soft as a lens makes it."""
_BEFORE = 0.5
"""Half widths of the limb."""
_ALONG = 0.02
"""Half the piece of bone whose projection gives the direction, m."""


@dataclass(frozen=True)
class StumpFrame:
    """Pixel p lies at t = (p - origin) . along (px, distal) and s = (p - origin) . across.

    Attributes:
        origin: at the cut ring. along, across: unit vectors. height: of the cap to build, as it is seen, px.
        t: rows along the limb. low, high: (len(t),) its edges in the photo, px across; smooth.
        half, middle: half width and centre at the ring, px. mesh_half: the fit's half width. flat: cosine of the
            foreshortening. edges: rows of (t, low, high) that were seen. tip: the tip's pixel.
    """

    origin: Float[ndarray, "2"]
    along: Float[ndarray, "2"]
    across: Float[ndarray, "2"]
    height: float
    t: Float[ndarray, " r"]
    low: Float[ndarray, " r"]
    high: Float[ndarray, " r"]
    half: float
    middle: float
    mesh_half: float
    flat: float
    seen: Bool[ndarray, " r"]
    tip: Float[ndarray, "2"]

    def coordinates(self, shape: tuple[int, ...], corner: tuple[int, int]) -> tuple[ndarray, ndarray]:
        """Return (t, s) of the pixels of a crop (h, w) whose first pixel is ``corner`` (x, y)."""
        x = np.arange(shape[1]) + corner[0] - self.origin[0]
        y = (np.arange(shape[0]) + corner[1] - self.origin[1])[:, None]
        return x * self.along[0] + y * self.along[1], x * self.across[0] + y * self.across[1]

    def before_cut(self, shape: tuple[int, ...]) -> Bool[ndarray, "h w"]:
        """Return the pixels of the window on the residual limb just before the cut: they stay, also where the limb
        bends there and its coordinate says that they are beyond."""
        t, s = self.coordinates(shape, (0, 0))
        return (t <= 0) & (t > -_BEFORE * self.half) & (np.abs(s - self.middle) < self.half)

    def at(self, t: ndarray) -> tuple[ndarray, ndarray]:
        """Return the limb's half width and centre at any t, px."""
        low, high = np.interp(t, self.t, self.low), np.interp(t, self.t, self.high)
        return (high - low) / 2, (high + low) / 2


def stump_frame(subject: Subject, limb: LimbPixels, amputee: Amputee, stump: Stump) -> StumpFrame | None:
    """Measure the limb at the cut; None where the photo shows no outline there."""
    K, region = subject.K, limb.region
    ring3 = amputee.vertices[stump.ring].astype(np.float64)
    ring = project(ring3, K)
    if not np.isfinite(ring).all():
        return None
    joints, (start, end) = subject.posed.joints, region.segment
    bone = joints[end] - joints[start]
    if not region.cuttable:
        bone = joints[_mid_joint(limb.limb)] - joints[region.joint]
    bone = bone / np.linalg.norm(bone)
    middle3 = ring3.mean(0)
    q = project(np.stack([middle3 - _ALONG * bone, middle3 + _ALONG * bone]), K)
    along = q[1] - q[0]
    flat = float(np.linalg.norm(along) / (2 * _ALONG * K[0, 0] / middle3[2]))
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    origin = ring.mean(0)
    mesh_half = max(float(np.abs((ring - origin) @ _left(along)).max()), 2.0)
    tip = project(amputee.vertices[stump.tip][None].astype(np.float64), K)[0]
    cap = _cap(amputee, stump, ring3)
    seen_end = float(((project(cap, K) - origin) @ along).max())  # a dome seen at a slant reaches beyond its tip
    height = max(float((tip - origin) @ along), 0.35 * mesh_half)
    tall = height + SLANT * max(seen_end - height, 0.0)
    mask = ((subject.fine & (limb.level > -0.5)) | limb.pixels).astype(np.uint8)
    t = np.arange(-int(2.5 * mesh_half) - 4, int(tall + 2.5 * mesh_half) + 4).astype(np.float64)
    low = high = np.zeros(0)
    for _ in range(2):  # the photo's own centre line and direction
        low, high = _edges(mask, origin, along, t, int(2.4 * mesh_half) + 6)
        use = (t > -mesh_half) & (t < 2 * mesh_half) & np.isfinite(low) & np.isfinite(high)  # it still goes on
        if use.sum() < 4:
            return None
        centre = (low + high) / 2
        slope = float(np.clip(np.polyfit(t[use], centre[use], 1)[0], -_TILT, _TILT)) if use.sum() > 5 else 0.0
        shift = float(np.clip(np.median((centre - slope * t)[use]), -mesh_half, mesh_half))
        origin = origin + _left(along) * shift
        along = along + _left(along) * slope
        along = along / np.linalg.norm(along)
    low, high = _edges(mask, origin, along, t, int(2.4 * mesh_half) + 6)
    seen = np.isfinite(low) & np.isfinite(high)
    if seen.sum() < 4:
        return None
    smooth_low, smooth_high = (_smooth(np.interp(t, t[seen], e[seen])) for e in (low, high))
    ring_rows = np.abs(t) <= 2
    half = float((smooth_high - smooth_low)[ring_rows].mean()) / 2
    middle = float((smooth_high + smooth_low)[ring_rows].mean()) / 2
    tip_px = origin + height * along + middle * _left(along)
    return StumpFrame(
        origin, along, _left(along), tall, t, smooth_low, smooth_high, half, middle, mesh_half, flat, seen, tip_px
    )  # fmt: skip


def _cap(amputee: Amputee, stump: Stump, ring: Float[ndarray, "r 3"]) -> Float[ndarray, "c 3"]:
    """Return the vertices of the stump's cap, its ring among them."""
    points = amputee.vertices[np.unique(amputee.mesh.faces[amputee.cap_faces])].astype(np.float64)
    tip = amputee.vertices[stump.tip].astype(np.float64)
    reach = 1.2 * np.linalg.norm(ring - tip, axis=1).max()
    return np.concatenate([ring, points[np.linalg.norm(points - tip, axis=1) < reach]])


def _mid_joint(limb: str) -> int:
    from a3dgen.geometry.limbs import LIMB_JOINTS

    return LIMB_JOINTS[limb][1]


def _left(v: Float[ndarray, "2"]) -> Float[ndarray, "2"]:
    return np.array([-v[1], v[0]])


def _edges(mask: ndarray, origin: ndarray, along: ndarray, t: ndarray, reach: int) -> tuple[ndarray, ndarray]:
    """Return for each row t the run of the mask about its middle: first and last edge (px across), NaN if there is
    none."""
    s = np.arange(-reach, reach + 1)
    across = _left(along)
    x, y = (origin[k] + t[:, None] * along[k] + s * across[k] for k in (0, 1))
    strip = cv2.remap(mask, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR) > 0
    rows, columns = np.arange(len(t)), np.arange(len(s))
    away = np.where(strip, np.abs(s), len(s))
    j = away.argmin(1)
    found = away[rows, j] <= len(s) // 5
    off_before = np.where(~strip & (columns < j[:, None]), columns, -1).max(1)
    off_after = np.where(~strip & (columns > j[:, None]), columns, len(s)).min(1)
    low, high = s[off_before + 1] - 0.5, s[off_after - 1] + 0.5
    return np.where(found, low, np.nan), np.where(found, high, np.nan)


def _smooth(values: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
    padded = np.pad(values, 5, mode="edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 11), axis=1)
    return cv2.GaussianBlur(middle[None].astype(np.float32), (0, 0), 1.5)[0].astype(np.float64)


def free_share(subject: Subject, limb: LimbPixels, frame: StumpFrame) -> float:
    """Return the share of both edges about the cut that border on something else than the person."""
    rows = np.flatnonzero((frame.t > -0.8 * frame.half) & (frame.t < frame.height + 1.2 * frame.half) & frame.seen)
    h, w = subject.outline.shape
    free = []
    for edge, sign in ((frame.low, -1), (frame.high, 1)):
        at = frame.origin + frame.t[rows, None] * frame.along + (edge[rows, None] + 3 * sign) * frame.across
        x, y = np.rint(at).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
        x, y = x[inside], y[inside]
        free.append(~(subject.sure[y, x] & (limb.level[y, x] < 0)))
    everything = np.concatenate(free)
    return float(everything.mean()) if len(everything) else 0.0


def soft_edge(inside: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Return opacity 0..1 by signed distance to an outline (px, positive inside)."""
    return np.clip(0.5 + inside / _SOFT, 0, 1)
