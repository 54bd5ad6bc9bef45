"""CPU side of the OpenGL renderer: vertex splitting, normals, resolving samples to pixels; compiled loops."""

from __future__ import annotations

from functools import cache
from typing import no_type_check

import cv2
import numba
import numpy as np
from jaxtyping import Float, Integer, UInt8
from numpy import ndarray


@numba.njit(cache=True)
@no_type_check
def _split(faces, face_uv, num_uv):
    corners = faces.size
    owner = np.full(num_uv, -1, np.int32)  # position vertex that took the uv row itself
    more = np.full(num_uv + corners, -1, np.int32)  # next render vertex with the same uv row
    vertex = np.empty(num_uv + corners, np.int32)
    row = np.empty(num_uv + corners, np.int32)
    index = np.empty(faces.shape, np.int32)
    count = num_uv
    for r in range(num_uv):
        vertex[r], row[r] = 0, r
    for f in range(faces.shape[0]):
        for c in range(3):
            v, r = faces[f, c], face_uv[f, c]
            if owner[r] < 0:
                owner[r] = v
                vertex[r] = v
            at = r
            while vertex[at] != v:
                if more[at] < 0:
                    more[at] = count
                    vertex[count], row[count] = v, r
                    count += 1
                at = more[at]
            index[f, c] = at
    return vertex[:count].copy(), row[:count].copy(), index


def split_at_seams(
    faces: Integer[ndarray, "f 3"], face_uv: Integer[ndarray, "f 3"], num_uv: int
) -> tuple[Integer[ndarray, " r"], Integer[ndarray, " r"], Integer[ndarray, "f 3"]]:
    """Return render vertices as (position vertex (R,), uv row (R,)) and faces over them: one per pair in use."""
    return _split(np.ascontiguousarray(faces, np.int32), np.ascontiguousarray(face_uv, np.int32), num_uv)


@numba.njit(cache=True)
@no_type_check
def _normals(v, faces):
    out = np.zeros_like(v)
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = v[b, 0] - v[a, 0], v[b, 1] - v[a, 1], v[b, 2] - v[a, 2]
        wx, wy, wz = v[c, 0] - v[a, 0], v[c, 1] - v[a, 1], v[c, 2] - v[a, 2]
        nx, ny, nz = uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx
        for i in (a, b, c):
            out[i, 0] += nx
            out[i, 1] += ny
            out[i, 2] += nz
    for i in range(v.shape[0]):
        length = np.sqrt(out[i, 0] ** 2 + out[i, 1] ** 2 + out[i, 2] ** 2)
        if length > 1e-20:
            out[i] /= np.float32(length)
    return out


@numba.njit(cache=True)
@no_type_check
def _interleave(v, n, scar, vertex):
    out = np.empty((vertex.shape[0], 7), np.float32)
    for i in range(vertex.shape[0]):
        j = vertex[i]
        for k in range(3):
            out[i, k] = v[j, k]
            out[i, 3 + k] = n[j, k]
        out[i, 6] = scar[j] if scar.shape[0] else np.float32(0.0)
    return out


def dynamic_vertices(
    vertices: Float[ndarray, "v 3"],
    faces: Integer[ndarray, "f 3"],
    vertex: Integer[ndarray, " r"],
    scar: Float[ndarray, " v"] | None,
) -> Float[ndarray, "r 7"]:
    """Return position, unit normal (area-weighted over the unsplit faces) and scar of every render vertex, f4."""
    v = np.ascontiguousarray(vertices, np.float32)
    s = np.zeros(0, np.float32) if scar is None else np.ascontiguousarray(scar, np.float32)
    return _interleave(v, _normals(v, faces), s, vertex)


@numba.njit(cache=True)
@no_type_check
def _resolve(samples, raw, s, near, far, rgba, depth, part):
    h, w = part.shape
    offset = 0 if s == 1 else 1
    weights = np.ones((3, 3), np.float32)
    if s == 2:
        weights[0, 1] = weights[1, 0] = weights[1, 2] = weights[2, 1] = 2.0
        weights[1, 1] = 4.0
    scale = np.float32(1.0 / (255.0 * 255.0))
    for y in range(h):
        for x in range(w):
            cy, cx = y * s + offset, x * s + offset
            label = samples[cy, cx, 3]
            part[y, x] = label
            if label > 0:
                depth[y, x] = near * far / (far - raw[cy, cx] * (far - near))
            else:
                depth[y, x] = np.inf
            if s == 1:
                if label > 0:
                    for c in range(3):
                        rgba[y, x, c] = scale * samples[cy, cx, c] * samples[cy, cx, c]
                    rgba[y, x, 3] = 1.0
                continue
            red = green = blue = alpha = np.float32(0.0)
            for j in range(3):
                for i in range(3):
                    q = samples[cy + j - 1, cx + i - 1]
                    if q[3] > 0:
                        k = weights[j, i]
                        red += k * np.float32(q[0]) * np.float32(q[0])
                        green += k * np.float32(q[1]) * np.float32(q[1])
                        blue += k * np.float32(q[2]) * np.float32(q[2])
                        alpha += k
            if alpha > 0:
                total = np.float32(1.0 / 16.0) if s == 2 else np.float32(1.0 / 9.0)
                rgba[y, x, 0] = red * total * scale
                rgba[y, x, 1] = green * total * scale
                rgba[y, x, 2] = blue * total * scale
                rgba[y, x, 3] = alpha * total


def resolve(
    samples: UInt8[ndarray, "a b 4"],
    raw_depth: Float[ndarray, "a b"],
    supersample: int,
    near: float,
    far: float,
    out: tuple[Float[ndarray, "h w 4"], Float[ndarray, "h w"], UInt8[ndarray, "h w"]],
) -> None:
    """Filter samples to pixels, into zeroed arrays.

    The grid has a sample on every pixel's centre: labels and depth are read there; colour takes the 3x3 samples
    around it with a tent (2 samples a pixel) or a box (3).

    Args:
        samples: square root of linear RGB, label in alpha.
        raw_depth: window depth 0..1 of the same samples.
        supersample: samples per pixel and axis.
        near, far: depth range, m.
        out: rgba (premultiplied, linear), depth (m, inf = nothing), part.
    """
    _resolve(samples, raw_depth, supersample, near, far, *out)


def sample_grid(size: int, supersample: int) -> tuple[int, int]:
    """Return (number of samples along an axis of ``size`` pixels, index of the sample on pixel 0's centre)."""
    if supersample == 1:
        return size, 0
    return (2 * size + 1, 1) if supersample == 2 else (3 * size, 1)


@cache
def wrinkle_map(size: int = 256) -> UInt8[ndarray, "s s 2"]:
    """Return a tileable map of cloth wrinkles as slopes (128 = level), the same in every process.

    Oblique ridges |n|^0.7 of band-passed anisotropic noise, as folds pull from seams and bends.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    f = np.fft.fftfreq(size) * size
    kx, ky = np.meshgrid(f, f)

    def noise(angle: float, stretch: float, low: float, high: float) -> ndarray:
        a = (kx * np.cos(angle) + ky * np.sin(angle)) * stretch
        k = np.hypot(a, -kx * np.sin(angle) + ky * np.cos(angle)) + 1e-6
        band = np.exp(-((k / high) ** 2)) * (1 - np.exp(-((k / low) ** 2))) / k
        field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * band).real
        return field / field.std()

    height = np.zeros((size, size))
    for angle, weight in ((0.62, 1.0), (-0.58, 1.0), (0.05, 0.6)):
        height -= weight * np.abs(noise(angle, 4.5, 1.2, 6.0)) ** 0.7
    for angle, weight in ((0.3, 0.15), (-0.8, 0.15)):
        height -= weight * np.abs(noise(angle, 3.5, 4.0, 12.0))
    height = cv2.GaussianBlur(np.pad(height, 16, mode="wrap"), (0, 0), 3.5 * size / 512)[16:-16, 16:-16]
    slope = np.dstack([np.roll(height, -1, a) - np.roll(height, 1, a) for a in (1, 0)])
    return np.clip(np.round((slope / (2.2 * slope.std()) * 0.5 + 0.5) * 255), 0, 255).astype(np.uint8)
