"""Backends of other packages: found by their entry points, checked like those that are built in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from a3dgen.config import build_config
from a3dgen.core import registry
from a3dgen.core.errors import ConfigError
from a3dgen.detectors import DetectorConfig, get_detector
from a3dgen.formats.exports import EXPORTS
from a3dgen.inpainters import get_inpainter
from a3dgen.renderers import get_renderer
from a3dgen.segmenters import SegmenterConfig, get_segmenter
from a3dgen.sources import SOURCES, open_source
from a3dgen.stages import background, render

MODULE = '''
from dataclasses import dataclass
import numpy as np
from a3dgen.renderers import Frame
from a3dgen.sources import Source

@dataclass(frozen=True)
class Config:
    """Toys.

    Attributes:
        count: how many.
    """
    count: int = 2

def read(config):
    for i in range(config.count):
        yield f"toy/{i}", "no person"

SOURCE = Source(Config, read, lambda config: str(config.count))

class Detector:
    def __init__(self, config):
        self.config = config
    def detect(self, rgb, name=""):
        return []

class Segmenter:
    def __init__(self, config):
        self.config = config
    def people(self, rgb, asked):
        return [None for _ in asked]
    def anybody(self, rgb):
        return np.zeros(rgb.shape[:2], bool)
    def things(self, rgb):
        return []

def create(path):
    return lambda rgb, hole, forbidden, rng: rgb

class Renderer:
    def render(self, items, K, width, height, light, crop=None, supersample=2):
        size = (height, width)
        return Frame(np.zeros((*size, 4), np.float32), np.full(size, np.inf, np.float32), np.zeros(size, np.uint8))
    def close(self):
        pass

def export(folder, out, subsets=None, force=False):
    return []
'''
ENTRIES = {
    "a3dgen.sources": "toys = toybox:SOURCE",
    "a3dgen.detectors": "nobody = toybox:Detector",
    "a3dgen.segmenters": "blind = toybox:Segmenter",
    "a3dgen.inpainters": "nothing = toybox:create",
    "a3dgen.renderers": "blank = toybox:Renderer",
    "a3dgen.exports": "void = toybox:export",
}
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that installs a package with these entry points where Python looks."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "toybox.py").write_text(MODULE)

    def write(name: str = "toybox", **groups: str) -> None:
        folder = tmp_path / f"{name}-3.1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.1\n")
        entries = {f"a3dgen.{k}": v for k, v in groups.items()} or ENTRIES
        (folder / "entry_points.txt").write_text("".join(f"[{k}]\n{v}\n" for k, v in entries.items()))
        registry.plugins.cache_clear()

    yield write
    registry.plugins.cache_clear()


def test_every_family_finds_its_plugin(install: Install) -> None:
    install()
    source, config = open_source("mine", {"kind": "toys", "count": 3})
    assert [key for key, _ in source.read(config)] == ["toy/0", "toy/1", "toy/2"]
    assert get_detector(DetectorConfig(name="nobody")).detect(np.zeros((4, 4, 3), np.uint8)) == []
    assert get_segmenter(SegmenterConfig("blind")).people(np.zeros((4, 4, 3), np.uint8), []) == []
    assert background.Config(segmenter="blind").segmenter == "blind"
    assert get_inpainter("nothing") is not None
    assert type(get_renderer("blank")).__module__ == "toybox"
    assert registry.resolve("export", EXPORTS, "void")(None, None) == []
    assert render.Config(renderer="blank").renderer == "blank"
    assert set(registry.GROUPS.values()) == set(ENTRIES)


def test_configuration_keys_are_checked_like_built_in_ones(install: Install) -> None:
    install()
    good = build_config({"sources": {"toys": {"count": 5}}}, "t", "t.yaml")
    assert good.sources["toys"].count == 5
    for keys, said in (({"cuont": 5}, "did you mean 'count'"), ({"count": "many"}, "sources.toys.count")):
        with pytest.raises(ConfigError, match=said):
            build_config({"sources": {"toys": keys}}, "t", "t.yaml")
    with pytest.raises(ConfigError, match="unknown kind 'toyz'; did you mean 'toys'"):
        build_config({"sources": {"toyz": {}}}, "t", "t.yaml")


def test_without_the_package_the_name_is_unknown(install: Install) -> None:
    with pytest.raises(ConfigError, match="unknown source 'toys'; did you mean 'photos'"):
        registry.resolve("source", SOURCES, "toys")


def test_a_built_in_name_is_refused(install: Install) -> None:
    install(sources="coco = toybox:SOURCE")
    with pytest.raises(ConfigError, match=r"source 'coco' of toybox 3\.1 has the name of a built-in one: rename"):
        build_config({"sources": {"coco": {"root": "/data"}}}, "t", "t.yaml")


def test_two_packages_with_one_name_are_refused(install: Install) -> None:
    install()
    install("other", sources="toys = elsewhere:SOURCE")
    with pytest.raises(ConfigError, match=r"two packages offer a source 'toys': .*other 3\.1"):
        open_source("toys", {})


def test_a_broken_package_is_named(install: Install) -> None:
    install(sources="toys = nowhere_to_be_found:SOURCE", exports="void = toybox:missing", detectors="d = toybox")
    with pytest.raises(ConfigError, match=r"source 'toys' of toybox 3\.1 cannot be imported: No module named"):
        open_source("toys", {})
    with pytest.raises(ConfigError, match="export 'void' of toybox"):
        registry.resolve("export", EXPORTS, "void")
    with pytest.raises(ConfigError, match="must be 'module:attribute'"):
        get_detector(DetectorConfig(name="d"))
