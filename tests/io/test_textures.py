from dataclasses import replace

import cv2
import numpy as np
import pytest

from a3dgen.appearance.look import Hair
from a3dgen.appearance.looks import FABRICS
from a3dgen.appearance.texture import painted
from a3dgen.appearance.texture import pool as textures
from a3dgen.appearance.texture.atlas import build_atlas
from a3dgen.appearance.texture.colour import monk_albedo
from a3dgen.appearance.texture.fabric import SIZE, fabric
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.pool import Pool
from a3dgen.lighting.srgb import to_linear, to_srgb

HAIR = Hair("short", "brown", eyes="blue", age=30)


def test_srgb_round_trip():
    values = np.arange(256)
    assert np.abs(to_srgb(to_linear(values)).astype(int) - values).max() <= 1


def test_skin_albedo_darkens_with_the_tone_and_keeps_its_chroma():
    albedo = np.array([monk_albedo(t) for t in range(1, 11)])
    assert (np.diff(albedo.mean(1)) < 0.02).all()
    assert albedo[0].mean() > 8 * albedo[-1].mean()
    assert (albedo[:, 0] > albedo[:, 2]).all()


@pytest.mark.parametrize("kind", FABRICS)
def test_fabrics_are_tileable_and_deterministic(kind):
    colours = [[200, 40, 40], [30, 60, 120], [230, 225, 210]]
    tile = fabric(kind, colours, 1).whole()
    assert tile.shape == (SIZE, SIZE, 4)
    assert np.array_equal(tile, fabric(kind, colours, 1).whole())
    values = tile.astype(float)
    seam = np.sqrt(np.mean((values[:, 0] - values[:, -1]) ** 2))
    assert seam <= 1.6 * np.sqrt(np.mean(np.diff(values, axis=1) ** 2)) + 1


def test_unknown_fabric_names_the_nearest():
    with pytest.raises(ConfigError, match="denim"):
        fabric("denm", [[0, 0, 0]], 0)


def test_manifest_lists_every_fabric_with_a_licence():
    manifest = textures.manifest()
    assert set(FABRICS) | {"skin", "hair", "shoe", "user"} == set(manifest)
    assert all({"recipe", "source", "license"} <= set(entry) for entry in manifest.values())


def test_skin_shows_tone_lips_palms_and_eyes(body):
    maps = textures.body_maps(body)
    light, dark = (textures.skin(body, t, HAIR, 0).whole() for t in (2, 9))
    assert light.shape == (textures.SKIN_SIZE, textures.SKIN_SIZE, 4)
    assert light[..., :3].mean() > dark[..., :3].mean() + 40
    flat = light.reshape(-1, 4)[maps.atlas.texel].astype(float)
    plain = flat[maps.plain].mean(0)
    lips = flat[maps.lips > 0.8].mean(0)
    assert lips[0] - lips[1] > plain[0] - plain[1] + 10  # redder than skin
    iris = flat[(maps.eye > 0) & (maps.axis > 18) & (maps.axis < 24)].mean(0)
    assert iris[2] > iris[0]  # blue
    assert (maps.eye > 0).sum() > 2000  # eyes have texels enough
    palms = dark.reshape(-1, 4)[maps.atlas.texel][maps.pale > 0.9].mean()
    assert palms > dark.reshape(-1, 4)[maps.atlas.texel][maps.plain].mean() + 10


def test_skin_is_pooled_and_deterministic(body):
    first = textures.skin(body, 5, HAIR, 7)
    assert textures.skin(body, 5, replace(HAIR), 7 + textures.VARIANTS) is first
    again = first.whole().copy()
    textures._SKINS.clear()
    assert np.array_equal(textures.skin(body, 5, HAIR, 7).whole(), again)


def test_eyes_move_to_a_free_place_and_keep_the_rows(body):
    maps = textures.body_maps(body)
    assert maps.uv.shape == body.mesh.uv.shape
    moved = (maps.uv != body.mesh.uv).any(1)
    assert 50 < moved.sum() < 0.05 * len(moved)


def test_painted_texture_in_the_bodys_layout(tmp_path, body):
    cv2.imwrite(str(tmp_path / "b.png"), np.full((16, 16, 3), (10, 20, 30), np.uint8))
    (tmp_path / "a.png").write_bytes(b"not an image")
    assert textures.painted(str(tmp_path / "b.png"), body)[0, 0].tolist() == [30, 20, 10, 128]
    with pytest.raises(DataError, match=r"a\.png"):
        textures.painted(str(tmp_path / "a.png"), body)


def test_painted_texture_is_carried_over_from_another_layout(tmp_path, body):
    mesh = body.mesh
    turned = 1 - mesh.uv  # a layout turned by half a revolution
    lines = [f"vt {u} {v}" for u, v in turned.tolist()]
    lines += [
        "f " + " ".join(f"{v + 1}/{t + 1}" for v, t in zip(f, r, strict=True))
        for f, r in zip(mesh.faces.tolist(), mesh.face_uv.tolist(), strict=True)
    ]
    (tmp_path / "smpl_uv.obj").write_text("\n".join(lines))
    y, x = np.mgrid[:256, :256].astype(np.uint8)
    cv2.imwrite(str(tmp_path / "p.png"), np.dstack([x, y, 0 * x]))
    out = textures.painted(str(tmp_path / "p.png"), body)
    atlas = build_atlas(mesh, 1024)
    row, col = np.divmod(atlas.texel, 1024)
    found = out.reshape(-1, 4)[atlas.texel].astype(float)
    assert np.abs(found[:, 2] - (255 - col / 4)).max() < 2
    assert np.abs(found[:, 1] - (255 - row / 4)).max() < 2
    (tmp_path / "smpl_uv.obj").write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match=r"body\.model"):
        textures.read_painted(str(tmp_path / "p.png"), body)


def test_pool_is_bounded_and_keeps_what_was_used_last():
    pool: Pool[int] = Pool(2)
    for key in ("a", "b", "a", "c"):
        pool.get(key, lambda key=key: ord(key))
    assert len(pool) == 2
    assert pool.get("a", lambda: 0) == ord("a")
    assert pool.get("b", lambda: 0) == 0


def test_textures_of_an_unknown_layout_are_spoken_of(tmp_path):
    folder = str(tmp_path)
    assert "holds no smpl_uv.obj" in painted.layout_note(folder, "smpl")
    assert "\n" not in painted.layout_note(folder, "smpl")
    assert painted.layout_note("", "smpl") == painted.layout_note(folder, "anny") == ""
    (tmp_path / painted.SMPL_UV).touch()
    assert painted.layout_note(folder, "smpl") == ""


def test_the_tone_of_a_painted_person_is_read_off_the_face(body):
    for tone in (1, 4, 6, 8, 10):
        texture = np.full((64, 64, 4), 128, np.uint8)
        texture[..., :3] = to_srgb(monk_albedo(tone))
        assert abs(painted.painted_tone(texture, body) - tone) <= (tone < 5)  # the light tones differ by little
