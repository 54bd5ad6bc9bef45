"""Made-up people with point clouds: the fitter's benchmark poses 4 to 14 m away, scanned by a grid of rays."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from a3dgen.fit.observation import Observation
from a3dgen.geometry.body import BodyData, PosedBody, pose_body
from a3dgen.geometry.skeleton import COCO_ROWS
from benchmarks.synthetic import EVALUATED, aligned_error, make_scene

FOCAL, CENTRE, NOISE = 1200.0, 1000.0, 0.01
"""px, px, and noise of a label as a share of the person's size."""
ANISOTROPY = 2.5
"""Lines of the scanner lie this many times farther apart than the pulses of a line."""
WILD = 0.4
"""m: an outlier is off by up to this much in every direction."""


@dataclass(frozen=True)
class Target:
    """One person: true variables (pose 72, betas, translation, log focal scale), posed body, vertices (V, 3) m, and
    what the fitter is told without a cloud."""

    x: np.ndarray
    posed: PosedBody
    vertices: np.ndarray
    seen: Observation


def make_people(body: BodyData, n: int, seed: int) -> list[Target]:
    """Draw n people, each seen by a known camera through 17 COCO keypoints."""
    rng = np.random.default_rng(seed)
    scene = make_scene(body, n, seed, focal=0.0)
    rows = list(COCO_ROWS)
    K = np.array([[FOCAL, 0, CENTRE], [0, FOCAL, CENTRE], [0, 0, 1]])
    out = []
    for i in range(n):
        z = rng.uniform(4, 14)
        transl = [rng.uniform(-0.3, 0.3) * z, rng.uniform(-0.1, 0.1) * z, z]
        x = np.concatenate([scene.pose[i], scene.betas[i], transl, [0.0]])
        posed = pose_body(body, x[:72].reshape(24, 3), x[72:-4], x[-4:-1])
        clean = posed.keypoints[rows]
        clean = clean[:, :2] / clean[:, 2:] * FOCAL + CENTRE
        size = float(np.ptp(clean, axis=0).max())
        pixels, sd = np.zeros((44, 2)), np.full(44, np.inf)
        pixels[rows] = clean + NOISE * size * rng.standard_normal(clean.shape)
        sd[rows] = max(NOISE * size, 2)
        vertices = posed.vertices(body.mesh, x[72:-4]).astype(np.float64)
        out.append(Target(x, posed, vertices, Observation(pixels, sd, K, size)))
    return out


def scan(
    vertices: np.ndarray, faces: np.ndarray, points: int, sd: float, outliers: float, rng: np.random.Generator
) -> np.ndarray:
    """Return about so many points (M, 3) m that a scanner in the camera measures of a mesh.

    Args:
        sd: m, noise along the ray. outliers: share of points that are off by up to ``WILD``.
    """
    u = vertices[:, :2] / vertices[:, 2:]
    low, high = u.min(0), u.max(0)
    step = np.sqrt(np.prod(high - low) * 0.33 / points / ANISOTROPY)  # a person fills a third of its box
    xs = np.arange(low[0] + rng.uniform(0, step), high[0], step)
    ys = np.arange(low[1] + rng.uniform(0, ANISOTROPY * step), high[1], ANISOTROPY * step)
    depth = np.full((len(ys), len(xs)), np.inf)
    _cast(vertices, faces.astype(np.int64), xs, ys, depth)
    row, column = np.nonzero(np.isfinite(depth))
    rays = np.stack([xs[column], ys[row], np.ones(len(row))], 1)
    length = np.linalg.norm(rays, axis=1)
    far = depth[row, column] * length + sd * rng.standard_normal(len(row))
    cloud = rays / length[:, None] * far[:, None]
    wild = rng.random(len(cloud)) < outliers
    cloud[wild] += rng.uniform(-WILD, WILD, (wild.sum(), 3))
    return cloud


@numba.njit
def _cast(v, f, xs, ys, out):
    """Depth of the first front face under every ray (x, y, 1) of a grid."""
    for i in range(len(f)):
        a, b, c = v[f[i, 0]], v[f[i, 1]], v[f[i, 2]]
        ax, ay, bx, by = a[0] / a[2], a[1] / a[2], b[0] / b[2], b[1] / b[2]
        cx, cy = c[0] / c[2], c[1] / c[2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area >= 0:  # y points down: a back face
            continue
        for j in range(np.searchsorted(ys, min(ay, by, cy)), np.searchsorted(ys, max(ay, by, cy))):
            for k in range(np.searchsorted(xs, min(ax, bx, cx)), np.searchsorted(xs, max(ax, bx, cx))):
                s = ((xs[k] - ax) * (cy - ay) - (ys[j] - ay) * (cx - ax)) / area
                t = ((bx - ax) * (ys[j] - ay) - (by - ay) * (xs[k] - ax)) / area
                if s >= 0 and t >= 0 and s + t <= 1:
                    out[j, k] = min(out[j, k], 1 / ((1 - s - t) / a[2] + s / b[2] + t / c[2]))


def errors_mm(body: BodyData, x: np.ndarray, target: Target) -> np.ndarray:
    """Return PVE and MPJPE root-aligned, PA-MPJPE, and absolute PVE (mm) of fitted variables."""
    posed = pose_body(body, x[:72].reshape(24, 3), x[72:-4], x[-4:-1])
    vertices, joints, true = posed.vertices(body.mesh, x[72:-4]), posed.joints, target.posed.joints
    distance = lambda a, b: 1000 * np.linalg.norm(a - b, axis=1).mean()  # noqa: E731
    return np.array([
        distance(vertices - joints[0], target.vertices - true[0]),
        distance((joints - joints[0])[EVALUATED], (true - true[0])[EVALUATED]),
        1000 * aligned_error(joints[None, EVALUATED], true[None, EVALUATED])[0],
        distance(vertices, target.vertices),
    ])  # fmt: skip
