"""Photos on disk: what is read is what a person sees, and what is written says nothing but its pixels."""

from __future__ import annotations

import contextlib
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, JpegImagePlugin

from a3dgen.core.errors import DataError
from a3dgen.io import images


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def picture() -> np.ndarray:
    y, x = np.mgrid[:48, :80]
    return np.stack([x * 3, y * 5, (x + y) * 2], -1).astype(np.uint8)


def _jpeg(picture, **options) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    return exif.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_pixels_and_size(tmp_path, picture, orientation):
    path = tmp_path / "photo.jpg"
    path.write_bytes(_jpeg(picture, quality=95, exif=_exif(orientation)))
    with Image.open(path) as image:
        wanted = np.asarray(ImageOps.exif_transpose(image))
    got = images.read_rgb(path)
    assert np.array_equal(got, wanted)
    assert images.image_size(path) == (wanted.shape[1], wanted.shape[0])


def test_every_mode_becomes_rgb(tmp_path, picture):
    grey = picture[..., 0]
    image = Image.fromarray(picture)
    variants = {
        "grey.png": Image.fromarray(grey),
        "deep.png": Image.fromarray(grey.astype(np.uint16) * 257),
        "palette.png": image.quantize(256),
        "alpha.png": image.convert("RGBA"),
        "cmyk.jpg": image.convert("CMYK"),
        "bits.png": Image.fromarray(grey > 128),
        "photo.webp": image,
        "photo.bmp": image,
        "photo.tiff": image,
    }
    for name, variant in variants.items():
        variant.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
        got = images.read_rgb(tmp_path / name)
        assert got.shape == picture.shape, name
        assert got.dtype == np.uint8, name
        assert images.image_size(tmp_path / name) == (80, 48)
    assert np.array_equal(images.read_rgb(tmp_path / "deep.png")[..., 1], grey)
    assert np.array_equal(images.read_rgb(tmp_path / "photo.webp"), picture)


def test_transparent_pixels_lie_over_white(tmp_path, picture):
    rgba = np.dstack([picture, np.zeros(picture.shape[:2], np.uint8)])
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    assert (images.read_rgb(tmp_path / "clear.png") == 255).all()


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95, 0.999])
def test_truncated_jpeg_is_noticed_by_both(tmp_path, rng, share, progressive):
    noise = rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)
    data = _jpeg(noise, quality=90, progressive=progressive)
    path = tmp_path / "cut.jpg"
    path.write_bytes(data[: int(len(data) * share)])
    for read in (images.image_size, images.read_rgb):
        with pytest.raises(DataError, match=r"cut\.jpg"):
            read(path)


def test_thumbnail_end_marker_does_not_hide_a_truncation(tmp_path, rng):
    noise = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    thumbnail = b"Exif\0\0" + _jpeg(noise[:8, :8])
    data = _jpeg(noise, quality=95)
    data = data[:2] + b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + data[2:]
    path = tmp_path / "thumb.jpg"
    path.write_bytes(data)
    assert images.image_size(path) == (64, 64)
    path.write_bytes(data[: len(data) * 3 // 4])
    with pytest.raises(DataError, match="truncated"):
        images.image_size(path)


@pytest.mark.parametrize("appended", [b"\0" * 100, b"x" * 3_000_000])
def test_bytes_behind_the_end_are_allowed(tmp_path, picture, appended):
    path = tmp_path / "live.jpg"
    path.write_bytes(_jpeg(picture) + appended)
    assert images.image_size(path) == (80, 48)
    assert images.read_rgb(path).shape == (48, 80, 3)


def test_truncated_png_is_noticed_by_both(tmp_path, picture):
    images.write_image(tmp_path / "a.png", picture)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:-20])
    for read in (images.image_size, images.read_rgb):
        with pytest.raises(DataError):
            read(tmp_path / "b.png")


def test_giant_image_is_refused_before_decoding(tmp_path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    for side in (9_000, 60_000):
        header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        (tmp_path / "bomb.png").write_bytes(bomb)
        for read in (images.image_size, images.read_rgb):
            with pytest.raises(DataError, match=r"megapixel|too large"):
                read(tmp_path / "bomb.png")


def test_missing_empty_and_foreign_files_say_so(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "folder.jpg").mkdir()
    for name in ("empty.jpg", "text.jpg", "folder.jpg", "none.jpg"):
        with pytest.raises(DataError, match=name) as error:
            images.read_rgb(tmp_path / name)
        assert "\n" not in str(error.value)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_give_a_picture_or_a_data_error(tmp_path, picture, data):
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "TIFF", "BMP", "WEBP"]))
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, kind)
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, min(len(raw) - 1, 400)))] = data.draw(st.integers(0, 255))
    path = tmp_path / "fuzz"
    path.write_bytes(bytes(raw))
    for read in (images.image_size, images.read_rgb, images.jpeg_tables):
        with contextlib.suppress(DataError):
            read(path)


@pytest.mark.parametrize("sampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [75, 83, 92, 98])
def test_a_copy_keeps_tables_and_sampling_of_its_source(tmp_path, picture, quality, sampling):
    source, copy = tmp_path / "source.jpg", tmp_path / "sub" / "copy.jpg"
    source.write_bytes(_jpeg(picture, quality=quality, subsampling=sampling, exif=_exif(6)))
    images.write_image(copy, picture, like=source)
    assert images.jpeg_tables(copy) == images.jpeg_tables(source)
    assert images.jpeg_tables(copy).sampling == sampling


def test_a_copy_is_never_below_quality_75(tmp_path, picture):
    poor, floor, copy = (tmp_path / n for n in ("poor.jpg", "floor.jpg", "copy.jpg"))
    poor.write_bytes(_jpeg(picture, quality=20))
    floor.write_bytes(_jpeg(picture, quality=75))
    images.write_image(copy, picture, like=poor)
    assert images.jpeg_tables(copy).tables == images.jpeg_tables(floor).tables


def test_greyscale_source_and_no_source(tmp_path, picture):
    grey = tmp_path / "grey.jpg"
    grey.write_bytes(_jpeg(picture[..., 0], quality=90))
    images.write_image(tmp_path / "a.jpg", picture, like=grey)
    assert images.jpeg_tables(tmp_path / "a.jpg").tables[0] == images.jpeg_tables(grey).tables[0]
    images.write_image(tmp_path / "b.png", picture)
    images.write_image(tmp_path / "b.jpg", picture, like=tmp_path / "b.png")
    (tmp_path / "c.jpg").write_bytes(_jpeg(picture, quality=95, subsampling=0))
    assert images.jpeg_tables(tmp_path / "b.png") is None
    assert (tmp_path / "b.jpg").read_bytes() == (tmp_path / "c.jpg").read_bytes()


def test_output_has_no_metadata_and_repeats_byte_for_byte(tmp_path, picture):
    source = tmp_path / "source.jpg"
    source.write_bytes(_jpeg(picture, exif=_exif(6), icc_profile=b"profile", comment=b"who"))
    for name in ("x.jpg", "x.png"):
        images.write_image(tmp_path / "1" / name, picture, like=source)
        images.write_image(tmp_path / "2" / name, picture, like=source)
        first = (tmp_path / "1" / name).read_bytes()
        assert first == (tmp_path / "2" / name).read_bytes()
        assert not {b"maker", b"profile", b"who", b"Exif"} & {
            w for w in (b"maker", b"profile", b"who", b"Exif") if w in first
        }
        with Image.open(tmp_path / "1" / name) as image:
            assert not image.getexif()
            assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert np.array_equal(images.read_rgb(tmp_path / "1" / "x.png"), picture)


def test_writing_is_atomic(tmp_path, picture, monkeypatch):
    path = tmp_path / "x.png"
    images.write_image(path, picture)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        images.write_image(path, picture[::-1])
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_unknown_suffix(tmp_path, picture):
    with pytest.raises(DataError, match=r"\.gif"):
        images.write_image(tmp_path / "x.gif", picture)


def test_masks_and_labels_come_back(tmp_path, rng):
    mask = rng.random((33, 47)) > 0.5
    images.write_mask(tmp_path / "m.png", mask)
    assert np.array_equal(images.read_mask(tmp_path / "m.png"), mask)
    labels = rng.integers(0, 25, (33, 47), dtype=np.uint8)
    images.write_labels(tmp_path / "l.png", labels)
    assert np.array_equal(images.read_labels(tmp_path / "l.png"), labels)
    Image.fromarray(mask).save(tmp_path / "bits.png")
    assert np.array_equal(images.read_mask(tmp_path / "bits.png"), mask)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "rgb.png")
    with pytest.raises(DataError, match="greyscale"):
        images.read_mask(tmp_path / "rgb.png")


def test_sampling_of_a_foreign_layout_falls_back(tmp_path, picture, monkeypatch):
    path = tmp_path / "x.jpg"
    path.write_bytes(_jpeg(picture))
    monkeypatch.setattr(JpegImagePlugin, "get_sampling", lambda image: -1)
    assert images.jpeg_tables(path).sampling == 0
