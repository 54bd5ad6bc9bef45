"""Textures that are painted where they are seen show what textures painted whole show."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from test_subject import person, worn

from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.texture import pool as textures
from a3dgen.renderers import TiledTexture, flat_light, get_renderer
from a3dgen.renderers.tiled import split_tiles

SIZE, TILE = 256, 32


def noise_painter(calls: list[int]):
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 4), dtype=np.uint8)

    def paint(tiles, out):
        calls.append(int(tiles.sum()))
        split_tiles(out, TILE)[tiles] = split_tiles(image, TILE)[tiles]

    return image, paint


def test_tiles_are_painted_once_and_halved_as_the_whole():
    calls: list[int] = []
    image, paint = noise_painter(calls)
    texture = TiledTexture(SIZE, TILE, paint)
    rng = np.random.default_rng(1)
    seen = np.zeros((SIZE // TILE,) * 2, bool)
    for _ in range(2):
        some = rng.random(seen.shape) < 0.3
        texture.show(some)
        seen |= some
    assert sum(calls) == seen.sum() < seen.size
    levels, shown = texture.show(seen).levels, seen
    for start, side, _ in levels.tolist():
        level = texture.show(seen).texels[start : start + side * side].reshape(side, side, 4)
        tile = TILE * side // SIZE
        assert np.array_equal(split_tiles(level, tile)[shown], split_tiles(image, tile)[shown])
        image = cv2.resize(image, (side // 2, side // 2), interpolation=cv2.INTER_AREA)
    assert tile == 1
    assert np.array_equal(texture.whole(), noise_painter([])[0])


@pytest.mark.parametrize("side", [60, 400])
def test_pictures_are_the_same_once_all_is_painted(body, side):
    textures._SKINS.clear()
    textures._SHOES.clear()
    items = build_subject(body, *person(body, worn()))
    tiled = [t for t in (i.texture for i in items) if isinstance(t, TiledTexture) and t.tile < t.size]
    assert len(tiled) >= 2
    K = np.array([[1.1 * side, 0, side / 2], [0, 1.1 * side, side / 2], [0, 0, 1.0]])
    frame = get_renderer("cpu").render(items, K, side, side, flat_light(0.8))
    painted = [t._painted.mean() for t in tiled]
    assert max(painted) < 1
    for texture in tiled:
        texture.whole()
    assert np.array_equal(frame.rgba, get_renderer("cpu").render(items, K, side, side, flat_light(0.8)).rgba)
