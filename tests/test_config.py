from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toystages import TABLE

from a3dgen import config as configs
from a3dgen.cli import make_parser
from a3dgen.commands.build import configure
from a3dgen.config import build_config, find_config, load_config, packaged_configs
from a3dgen.core.errors import ConfigError
from a3dgen.core.run_config import RunConfig
from a3dgen.core.strict_yaml import read_yaml
from a3dgen.core.typed import construct, override, plain


@dataclass(frozen=True)
class Inner:
    depth: int = 3
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    rate: float = 0.5
    on: bool = False
    title: str = "x"
    mode: Literal["fast", "slow"] = "fast"
    inner: Inner = field(default_factory=Inner)
    maybe: int | None = None
    sizes: list[int] = field(default_factory=list)
    pair: tuple[int, float] = (1, 2.0)
    free: dict[str, Any] = field(default_factory=dict)
    regions: str | tuple[str, ...] = "uniform"
    path: Path = Path()

    def __post_init__(self) -> None:
        if self.rate > 1:
            raise ValueError("rate is a share, at most 1")


def make(*assignments: str, **tree: Any) -> Outer:
    for assignment in assignments:
        override(tree, assignment)
    return construct(Outer, tree, "fit", "a.yaml")


def test_defaults_and_types():
    assert make() == Outer()
    found = make(rate=1, maybe=4, sizes=[1, 2], pair=[3, 4], inner={"names": ["a"]}, path="/x", regions=["a", "b"])
    assert found.rate == 1.0
    assert isinstance(found.rate, float)
    assert found.pair == (3, 4.0)
    assert found.inner.names == ("a",)
    assert found.path == Path("/x")
    assert found.regions == ("a", "b")
    assert make(rate="1e-3").rate == 1e-3


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("rate=1e-3", "rate", 1e-3),
        ("on=true", "on", True),
        ("title=007", "title", "007"),
        ("title=", "title", ""),
        ("title=a=b", "title", "a=b"),
        ("maybe=null", "maybe", None),
        ("maybe=5", "maybe", 5),
        ("sizes=1,2", "sizes", [1, 2]),
        ("sizes=[1, 2]", "sizes", [1, 2]),
        ("sizes=7", "sizes", [7]),
        ("mode=slow", "mode", "slow"),
        ("regions=clinical", "regions", "clinical"),
        ("regions=left_knee,right_hand", "regions", ("left_knee", "right_hand")),
        ("regions=[left_knee]", "regions", ("left_knee",)),
        ("inner.names=a,b", "inner", Inner(names=("a", "b"))),
        ("inner={depth: 9}", "inner", Inner(depth=9)),
        ("free.x.y=1", "free", {"x": {"y": 1}}),
    ],
)
def test_command_line_values(assignment, key, value):
    assert getattr(make(assignment), key) == value


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"rat": 1}, r"a.yaml: unknown key 'fit.rat'; did you mean 'rate'\?"),
        ({"inner": {"dept": 1}}, r"unknown key 'fit.inner.dept'; did you mean 'depth'\?"),
        ({"rate": "quick"}, "a.yaml: fit.rate must be a number, not 'quick'"),
        ({"rate": True}, "fit.rate must be a number"),
        ({"rate": float("nan")}, "fit.rate must be a number"),
        ({"on": 1}, "fit.on must be true or false, not '1'"),
        ({"title": 7}, r"fit.title must be text \(put it in quotes\), not '7' \(int\)"),
        ({"mode": "fats"}, r"fit.mode cannot be 'fats'; did you mean 'fast'\?"),
        ({"inner": 3}, "fit.inner must be a mapping with depth, names"),
        ({"inner": {"depth": 1.5}}, "fit.inner.depth must be a whole number"),
        ({"sizes": [1, "a"]}, r"fit.sizes\[1\] must be a whole number"),
        ({"sizes": 4}, "fit.sizes must be a list of a whole number"),
        ({"pair": [1]}, "fit.pair must have 2 values, not 1"),
        ({"maybe": "x"}, "fit.maybe must be a whole number"),
        ({"rate": 2}, "a.yaml: fit: rate is a share"),
    ],
)
def test_wrong_values_are_one_clear_line(tree, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make(**tree)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("rate", "write key=value"),
        ("=3", "write key=value"),
        ("rate=quick", "--set rate=quick: fit.rate must be a number, not 'quick'"),
        ("rat=1", "--set rat=1: unknown key 'fit.rat'"),
        ("rate.x=1", "--set rate.x=1: 'rate' is a value"),
    ],
)
def test_wrong_overrides_name_the_option(assignment, message):
    with pytest.raises(ConfigError, match=message):
        make(assignment, rate=0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", r":2: the key 'a' is given twice"),
        ("a: {b: 1, b: 2}", "the key 'b' is given twice"),
        ("- 1", "is a mapping of keys, not a list"),
        ("a: [", ":1"),
        ("a: &x 1\nb: *x", "aliases"),
        ("a: !!python/object/apply:os.system ['echo']", "could not determine a constructor"),
        ("1: 2", "is not text"),
        ("a: 2001-99-99", "not usable YAML"),
        ("[" * 5000, "not usable YAML|cannot"),
    ],
)
def test_bad_yaml(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_mapping_or_a_config_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("yaml") / "c.yaml"
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        assert isinstance(read_yaml(path), dict)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*Outer.__dataclass_fields__, "other"]), _VALUES, max_size=4))
def test_any_tree_gives_a_config_or_a_config_error(tree):
    with contextlib.suppress(ConfigError):
        assert isinstance(make(**tree), Outer)


def test_build_config(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 4\nshard_size: 8\nfit: {max_iterations: 3}\nsources: {coco: {root: '${out}/raw'}}\n")
    found = load_config(path, ["fit.max_iterations=20", "sources.more.kind=coco"], TABLE, workers=0, out=None)
    assert (found.name, found.seed, found.run) == ("mine", 4, RunConfig(shard_size=8, workers=0))
    assert found.stages["fit"].max_iterations == 20
    assert found.out == Path("build/mine").absolute()
    assert found.kinds == {"coco": "coco", "more": "coco"}
    assert found.ingest_config().sources["coco"].root == str(found.out / "raw")


def test_settings_do_not_depend_on_where_and_how():
    tree = {"sources": {"coco": {"root": "${out}/raw"}}}
    one = build_config(tree, "a", "x", TABLE, {"out": "/one", "workers": 1}).settings()
    two = build_config(tree | {"shard_size": 3, "report": {"people": 1}}, "a", "x", TABLE, {"out": "/two"}).settings()
    assert one == two == plain(one)
    assert one["sources"]["coco"]["root"] == "${out}/raw"


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"fitt": {}}, "unknown key 'fitt'; did you mean 'fit'"),
        ({"sources": []}, "sources must be a mapping"),
        ({"sources": {"koko": {}}}, "sources.koko: unknown kind 'koko'; did you mean 'coco'"),
        ({"sources": {"coco": {"rot": "x"}}}, r"unknown key 'sources.coco.rot'; did you mean 'root'\?"),
        ({"sources": {"coco": {"root": 3}}}, "sources.coco.root must be text"),
        ({"ingest": {"sources": {}}}, "'sources' is a key of its own"),
        ({"seed": "a"}, "seed must be a whole number"),
        ({"shard_size": 0}, "x.yaml: shard_size must be at least 1"),
        ({"workers": -2}, "workers must be"),
        ({"body": {"betas": []}}, "body.betas must be a whole number"),
    ],
)
def test_wrong_build_configs(tree, message):
    with pytest.raises(ConfigError, match=message):
        build_config(tree, "a", "x.yaml", TABLE)


def test_packaged_configs_are_found_by_name_and_by_repository_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert {"demo", "coco", "mpii", "h36m"} <= set(packaged_configs())
    for name in ("coco", "coco.yaml", "configs/coco.yaml"):
        assert find_config(name) == packaged_configs()["coco"]
    (tmp_path / "coco.yaml").write_text("")
    assert find_config("coco.yaml") == Path("coco.yaml")
    with pytest.raises(ConfigError, match=r"no configuration 'coko'.*did you mean 'coco'"):
        find_config("coko")


def test_config_does_not_import_dask():
    code = "import sys, a3dgen.config, a3dgen.cli; sys.exit('dask' in sys.modules or 'distributed' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert configs.OUT_TOKEN == "${out}"


@pytest.mark.parametrize(
    "keys",
    [
        ("demo",),
        ("demo", "devices.use=clinical", "devices.exclude=[cane]", "demo.people=3"),
        ("coco", "sources.coco.root=/d", "render.mode=both", "privacy.blur_faces=self", "fit.temporal=on"),
        ("custom", "sources.photos.root=/d", "render.mode=erase", "privacy.consent=true", "devices.use=balanced"),
    ],
)
def test_settings_that_a_build_stores_are_read_back_alike(keys):
    name, *overrides = keys
    before = load_config(name, overrides).settings()
    assert build_config(configs.stored_tree(before), "again", "config.json").settings() == before


def test_a_build_folder_keeps_its_configuration_where_none_is_named(tmp_path):
    # the demo used to take the place of a clinic's photos: ``a3dgen retry --out build/clinic``
    made = load_config("custom", ["sources.photos.root=/d", "seed=5"]).settings()
    (tmp_path / "config.json").write_text(json.dumps(made))
    for words, seed in ((["retry"], 5), (["fit", "--set", "seed=6"], 6)):
        again = configure(make_parser().parse_args([*words, "--out", str(tmp_path), "--workers", "0"]))
        assert again.settings() == made | {"seed": seed}
        assert (again.out, again.run.workers, again.demo) == (tmp_path, 0, None)
    args = make_parser().parse_args(["retry", "--out", str(tmp_path), "--config", "demo"])
    assert configure(args).demo is not None
