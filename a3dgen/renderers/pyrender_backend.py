"""The package ``pyrender`` behind the renderer protocol: a plain textured body, for comparison (an extra)."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError, MissingDependency
from a3dgen.core.pool import Pool
from a3dgen.geometry.camera import project
from a3dgen.geometry.raster import rasterize
from a3dgen.lighting.light import Light, irradiance, to_linear
from a3dgen.renderers import Frame, Item, whole_texture
from a3dgen.renderers.context import INSTALL_HINT
from a3dgen.renderers.pyopengl import choose_platform, complete_osmesa

_FLIP = np.diag([1.0, -1.0, -1.0, 1.0])
"""OpenCV's camera frame to OpenGL's."""


class PyrenderRenderer:
    """Draws through pyrender's forward renderer; labels and depth come from the package's own z-buffer.

    pyrender knows neither harmonics, bumps nor scars: the light is its mean, the key a directional light. Only one
    OpenGL context should live in a process, so do not mix this with the ``gl`` renderer.
    """

    def __init__(self) -> None:
        self._platform = choose_platform()
        if not hasattr(np, "infty"):  # pyrender 0.1.45 spells it so; numpy 2 does not know it
            setattr(np, "infty", np.inf)  # noqa: B010  # its type says that it is final
        try:
            import pyrender
            import trimesh

            if self._platform == "osmesa":
                complete_osmesa()
        except ImportError as error:
            install = "pip install 'a3dgen[pyrender]'"
            raise MissingDependency(error.name or "pyrender", "render.renderer 'pyrender'", install) from error
        self._pyrender, self._trimesh = pyrender, trimesh
        self._offscreen: Any = None
        self._split: Pool[tuple[ndarray, ndarray, tuple[ndarray, ndarray]]] = Pool(16)

    @property
    def driver(self) -> str:
        """Name and version of what draws, for reports."""
        return f"pyrender {self._pyrender.__version__} on {self._platform}"

    def close(self) -> None:
        """Release the context."""
        if self._offscreen is not None:
            self._offscreen.delete()
            self._offscreen = None

    def render(
        self,
        items: list[Item],
        K: Float[ndarray, "3 3"],
        width: int,
        height: int,
        light: Light,
        crop: tuple[int, int, int, int] | None = None,
        supersample: int = 2,
    ) -> Frame:
        """Draw ``items``; see ``renderers.Renderer.render``. On EGL, multisampling stands in for ``supersample``."""
        x0, y0, x1, y1 = crop if crop is not None else (0, 0, width, height)
        w, h = x1 - x0, y1 - y0
        window = np.array(K, np.float64)
        window[:2, 2] -= (x0, y0)
        items = [i for i in items if len(i.faces)]
        if not items:
            return Frame(
                np.zeros((h, w, 4), np.float32), np.full((h, w), np.inf, np.float32), np.zeros((h, w), np.uint8)
            )
        depth, part = labels_and_depth(items, window, w, h)
        return Frame(self._colors(items, window, w, h, light, supersample), depth, part)

    def _colors(
        self, items: list[Item], K: ndarray, width: int, height: int, light: Light, supersample: int
    ) -> Float[ndarray, "h w 4"]:
        """Return premultiplied linear RGBA.

        pyrender reads RGB alone from OSMesa, and draws there without multisampling: alpha is then where there is
        depth, and the samples are drawn as pixels of a larger picture.
        """
        n = 1 if self._platform == "egl" else supersample
        finer = np.array(K, np.float64)
        finer[:2] *= n
        finer[:2, 2] += (n - 1) / 2
        color, depth = self._draw(items, finer, width * n, height * n, light)
        alpha = color[..., 3:].astype(np.float32) / 255 if color.shape[-1] == 4 else (depth > 0)[..., None]
        # Samples are averaged with those of the black background, as they are: in sRGB.
        straight = to_linear(np.minimum(color[..., :3] / np.maximum(alpha, 1 / 255), 255).astype(np.uint8))
        rgba = np.concatenate([straight * alpha, alpha], -1, dtype=np.float32)
        return rgba.reshape(height, n, width, n, 4).mean((1, 3))

    def _draw(
        self, items: list[Item], K: ndarray, width: int, height: int, light: Light
    ) -> tuple[UInt8[ndarray, "h w c"], Float[ndarray, "h w"]]:
        pyrender = self._pyrender
        mean = irradiance(light.sh, np.array([[0, 0, -1.0], [0, -1.0, 0]])).mean(0)
        scene = pyrender.Scene(bg_color=[0, 0, 0, 0], ambient_light=mean)
        for item in items:
            scene.add(self._mesh(item))
        near = max(0.05, min(float(i.vertices[:, 2].min()) for i in items) * 0.9)
        camera = pyrender.IntrinsicsCamera(K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5, znear=near, zfar=100.0)
        scene.add(camera)
        if np.any(light.key_color > 0):
            top = float(light.key_color.max())
            source = pyrender.DirectionalLight(color=light.key_color / top, intensity=np.pi * top)
            scene.add(source, pose=_pointing(_FLIP[:3, :3] @ light.key_dir))
        if self._offscreen is None:
            self._offscreen = self._open(width, height)
        self._offscreen.viewport_width, self._offscreen.viewport_height = width, height
        return self._offscreen.render(scene, flags=pyrender.RenderFlags.RGBA)

    def _open(self, width: int, height: int) -> Any:
        try:
            return self._pyrender.OffscreenRenderer(width, height)
        except Exception as error:  # PyOpenGL and pyrender raise errors of a dozen types, ValueError to GLError
            other = "osmesa" if self._platform == "egl" else "egl"
            raise ConfigError(
                f"pyrender opens no context on {self._platform} ({error}): {INSTALL_HINT}, or try A3DGEN_GL={other}"
            ) from error

    def _mesh(self, item: Item) -> Any:
        """Return a pyrender mesh in OpenGL's camera frame, vertices split at the seams of the texture."""
        from PIL import Image

        pairs, index = np.unique(np.stack([item.faces.ravel(), item.face_uv.ravel()], 1), axis=0, return_inverse=True)
        image = Image.fromarray(np.ascontiguousarray(whole_texture(item.texture)[..., :3]))
        material = self._trimesh.visual.material.PBRMaterial(
            baseColorTexture=image, metallicFactor=0.0, roughnessFactor=0.8, doubleSided=item.double_sided
        )
        visual = self._trimesh.visual.TextureVisuals(uv=item.uv[pairs[:, 1]], material=material)
        vertices = item.vertices[pairs[:, 0]].astype(np.float64) * (1, -1, -1)
        mesh = self._trimesh.Trimesh(vertices, index.reshape(-1, 3), visual=visual, process=False)
        return self._pyrender.Mesh.from_trimesh(mesh, smooth=True)


def _corners(item: Item) -> tuple[ndarray, ndarray]:
    """Return the (vertex, uv row) pairs in use, and the pair of every corner."""
    corners = np.stack([item.faces.ravel(), item.face_uv.ravel()], 1)
    pairs, index = np.unique(corners, axis=0, return_inverse=True)
    return pairs, index.reshape(-1, 3)


def _pointing(to_light: Float[ndarray, "3"]) -> Float[ndarray, "4 4"]:
    """Return the pose of a directional light, which shines along its own -z."""
    z = to_light / np.linalg.norm(to_light)
    x = np.cross([0.0, 1.0, 0.0] if abs(z[1]) < 0.9 else [1.0, 0.0, 0.0], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z], 1)
    return pose


def labels_and_depth(
    items: list[Item], K: Float[ndarray, "3 3"], width: int, height: int
) -> tuple[Float[ndarray, "h w"], ndarray]:
    """Return depth (m, inf = nothing) and part labels of items by ``geometry.raster``, faces turned away left out."""
    depth, part = np.full((height, width), np.inf, np.float32), np.zeros((height, width), np.uint8)
    for item in items:
        faces, labels = item.faces, item.labels
        if not item.double_sided:
            a, b, c = (project(item.vertices[faces[:, k]].astype(np.float64), K) for k in range(3))
            area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
            faces, labels = faces[area < 0], labels[area < 0]
        near, owner = rasterize(item.vertices, faces, K, width, height)
        closer = near < depth
        depth[closer], part[closer] = near[closer], labels[owner[closer]]
    return depth, part
