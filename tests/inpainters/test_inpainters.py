"""One contract for every inpainter, and what the default one promises beyond it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from a3dgen.core.errors import ConfigError, Rejected
from a3dgen.inpainters import INPAINTERS, NoSource, get_inpainter

torch = pytest.importorskip("torch")


class _Mean(torch.nn.Module):
    """Fills with the mean of the known pixels."""

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        assert image.shape[2] % 8 == 0
        assert image.shape[3] % 8 == 0
        known = 1 - mask
        mean = (image * known).sum(dim=[2, 3], keepdim=True) / known.sum()
        return image * known + mean * mask


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("lama") / "tiny.pt"
    torch.jit.script(_Mean()).save(str(path))
    return str(path)


def _scene(h: int, w: int) -> np.ndarray:
    """Sky over textured ground, with grain."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:h, :w]
    rgb = np.where((y < h // 2)[..., None], (130.0, 170.0, 220.0), (110.0, 130.0, 70.0))
    rgb = rgb + np.where(y >= h // 2, 25 * np.sin(x / 2.0) * np.sin(y / 1.7), 0)[..., None]
    return np.clip(rgb + rng.normal(0, 5, (h, w, 1)), 0, 255).astype(np.uint8)


def _hole(h: int, w: int) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return ((x - w * 0.45) / (w * 0.1)) ** 2 + ((y - h * 0.55) / (h * 0.32)) ** 2 < 1


def _make(name: str, model: str):
    return get_inpainter(name, model if name == "lama" else "")


@pytest.mark.parametrize("name", sorted(INPAINTERS))
def test_contract(name: str, model: str) -> None:
    rgb, hole = _scene(123, 181), _hole(123, 181)
    person = np.where(hole[..., None], (255, 0, 255), rgb).astype(np.uint8)
    none = np.zeros_like(hole)
    before = person.copy()
    out = _make(name, model)(person, hole, none, np.random.default_rng(1))
    assert out.dtype == np.uint8
    assert out.shape == rgb.shape
    np.testing.assert_array_equal(person, before)
    np.testing.assert_array_equal(out[~hole], person[~hole])
    magenta = (out[hole].astype(int)[:, 0] > 220) & (out[hole][:, 1] < 60)
    assert not magenta.any(), "pixels of the person survive"
    again = _make(name, model)(person, hole, none, np.random.default_rng(1))
    np.testing.assert_array_equal(out, again)
    np.testing.assert_array_equal(_make(name, model)(person, none, none, np.random.default_rng(1)), person)


def test_exemplar_fills_structure_and_texture() -> None:
    rgb, hole = _scene(240, 320), _hole(240, 320)
    grey = np.where(hole[..., None], 128, rgb).astype(np.uint8)
    out = get_inpainter("exemplar")(grey, hole, np.zeros_like(hole), np.random.default_rng(0))
    y = np.mgrid[:240, :320][0]
    sky, ground = hole & (y < 116), hole & (y > 124)
    assert out[sky].mean(0)[2] > 200, "the sky must run through"
    assert out[ground].mean(0)[2] < 100, "the ground must run through"
    for part in (sky, ground):
        outside = np.roll(part, 70, axis=1)
        assert 0.75 < out[part].std(0)[0] / rgb[outside].std(0)[0] < 1.3


def test_exemplar_never_copies_forbidden_pixels() -> None:
    rgb, hole = _scene(160, 240), _hole(160, 240)
    forbidden = np.zeros_like(hole)
    forbidden[60:160, 125:170] = True
    forbidden &= ~hole
    rgb[forbidden] = (255, 0, 0)
    out = get_inpainter("exemplar")(rgb, hole, forbidden, np.random.default_rng(0))
    inside = out[hole].astype(int)
    assert not ((inside[:, 0] > 200) & (inside[:, 1] < 60)).any()
    np.testing.assert_array_equal(out[forbidden], rgb[forbidden])


def test_exemplar_survives_walls_and_says_when_it_cannot() -> None:
    rgb, hole = _scene(120, 200), np.zeros((120, 200), bool)
    hole[40:60, 40:60] = True
    ring = np.zeros_like(hole)
    ring[25:75, 25:75] = True
    out = get_inpainter("exemplar")(rgb, hole, ring & ~hole, np.random.default_rng(0))
    assert out.shape == rgb.shape
    full = np.ones_like(hole)
    full[:, :6] = False
    with pytest.raises(NoSource) as caught:
        get_inpainter("exemplar")(rgb, full, np.zeros_like(hole), np.random.default_rng(0))
    assert isinstance(caught.value, Rejected)


def test_a_narrow_gap_between_people_is_enough_to_copy_from() -> None:
    """Whole patches fit into it at full size, hardly any at the coarsest: the pyramid ends before."""
    rgb, hole, forbidden = _scene(120, 160), np.zeros((120, 160), bool), np.ones((120, 160), bool)
    hole[20:110, 60:100] = True
    forbidden[:, 40:60] = forbidden[:, 100:116] = False
    forbidden &= ~hole
    grey = np.where((hole | forbidden)[..., None], (255, 0, 255), rgb).astype(np.uint8)
    out = get_inpainter("exemplar")(grey, hole, forbidden, np.random.default_rng(0))
    assert not ((out[hole].astype(int)[:, 0] > 220) & (out[hole][:, 1] < 60)).any()


@pytest.mark.parametrize("shape", [(16, 16), (9, 300), (300, 9), (40, 40)])
def test_exemplar_on_odd_shapes(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    hole = np.zeros(shape, bool)
    hole[2:4, 2:4] = True
    try:
        out = get_inpainter("exemplar")(rgb, hole, np.zeros(shape, bool), np.random.default_rng(0))
    except NoSource:
        return
    np.testing.assert_array_equal(out[~hole], rgb[~hole])


def test_exemplar_is_quick() -> None:
    rgb, hole = _scene(480, 640), _hole(480, 640)
    fill = get_inpainter("exemplar")
    fill(rgb[::4, ::4], hole[::4, ::4], np.zeros_like(hole[::4, ::4]), np.random.default_rng(0))
    start = time.process_time()
    fill(rgb, hole, np.zeros_like(hole), np.random.default_rng(0))
    assert 0.08 < hole.mean() < 0.12
    assert time.process_time() - start < 1.5  # 0.5 s on an idle machine; the bar here only catches a lost cache


def test_lama_complains_clearly(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="inpainter_path"):
        get_inpainter("lama")
    (tmp_path / "no.pt").write_bytes(b"nonsense")
    with pytest.raises(ConfigError, match="TorchScript"):
        get_inpainter("lama", str(tmp_path / "no.pt"))
    with pytest.raises(ConfigError, match="did you mean 'lama'"):
        get_inpainter("lamma")


def test_lama_shrinks_large_images(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a3dgen.inpainters.lama.MAX_SIDE", 64)
    rgb, hole = _scene(123, 181), _hole(123, 181)
    out = get_inpainter("lama", model)(rgb, hole, np.zeros_like(hole), np.random.default_rng(0))
    np.testing.assert_array_equal(out[~hole], rgb[~hole])
    assert out[hole].std() < 30


def test_opencv_methods() -> None:
    rgb, hole = _scene(60, 80), _hole(60, 80)
    none = np.zeros_like(hole)
    telea = get_inpainter("opencv", "telea")(rgb, hole, none, np.random.default_rng(0))
    ns = get_inpainter("opencv", "ns")(rgb, hole, none, np.random.default_rng(0))
    assert (telea != ns).any()
    with pytest.raises(ConfigError, match="telea"):
        get_inpainter("opencv", "x")
