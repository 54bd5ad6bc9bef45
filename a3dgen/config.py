"""One YAML file plus ``--set`` overrides make a ``BuildConfig``; every default lives in a stage's own Config."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.package_files import data_folder
from a3dgen.core.registry import available, resolve
from a3dgen.core.run_config import PrivacyConfig, RunConfig
from a3dgen.core.strict_yaml import read_yaml
from a3dgen.core.typed import check_keys, construct, convert, override, plain
from a3dgen.core.user_paths import user_path
from a3dgen.devices.sampling import DevicesConfig
from a3dgen.io.portable import OUT_TOKEN
from a3dgen.sources import SOURCES
from a3dgen.stages.table import INGEST, STAGE_TABLE, StageTable

DEMO_MODULE = "a3dgen.demo"
PHOTO_KEYS = "custom/"
"""Beginning of the keys of people in photo folders."""
_ONLY_ERASING = ("modes", "erase", "erase_else", "overlay_else", "bars", "blur_faces")
"""Keys of ``render`` that decide nothing where nobody is erased."""
DEVICES_STAGE = "amputate"
"""Stage that decides about devices: the key ``devices`` is its."""


@dataclass(frozen=True)
class BuildConfig:
    """Everything a build needs to know.

    Attributes:
        name: stem of the configuration file.
        seed: of the whole build.
        run: how it is run.
        body: which body model.
        demo: the demo generator's configuration, None if no demo data are made.
        sources: name -> the source's own Config, whose kind is in ``kinds``.
        kinds: name -> kind of source.
        stages: stage name -> its Config.
        consent: of the people in photo folders, see ``PrivacyConfig``.
    """

    name: str
    seed: int = 0
    run: RunConfig = field(default_factory=RunConfig)
    body: BodyConfig = field(default_factory=BodyConfig)
    demo: Any = None
    sources: Mapping[str, Any] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, Any] = field(default_factory=dict)
    consent: bool = False

    @property
    def out(self) -> Path:
        """The build folder, absolute."""
        return (user_path(self.run.out) if self.run.out else Path("build") / self.name).absolute()

    @property
    def temporal(self) -> bool:
        """Whether the frames of a recording are fitted together."""
        return getattr(self.stages.get("fit"), "temporal", "off") == "on"

    def settings(self) -> dict[str, Any]:
        """Return what decides the content of the dataset as plain JSON, the same wherever and however it is built."""
        facts: dict[str, Any] = {"seed": self.seed, "body": plain(self.body)}
        if self.demo is not None:
            facts["demo"] = plain(self.demo)
        facts["sources"] = {n: {"kind": self.kinds[n], **plain(s)} for n, s in self.sources.items()}
        facts.update({name: plain(config) for name, config in self.stages.items() if name != "report"})
        facts[INGEST].pop("sources", None)
        facts.get("amputate", {}).pop("erasing", None)  # a copy of what ``render`` says
        erasing = getattr(self.stages.get("amputate"), "erasing", None)
        if erasing is None or not erasing.anywhere:
            for name in _ONLY_ERASING:
                facts.get("render", {}).pop(name, None)
        elif self.consent:
            facts["privacy"] = {"consent": True}
        devices = facts.get(DEVICES_STAGE, {}).get("devices")
        if devices == plain(DevicesConfig()):  # what was built before there were devices is built the same now
            del facts[DEVICES_STAGE]["devices"]
        for source in facts["sources"].values():
            if source.get("only") == "":
                del source["only"]
        if not self.temporal:  # as before there were sequences
            for stage, name in (("fit", "temporal"), ("fit", "lifter"), ("amputate", "per_track"),
                                ("background", "clips"), ("render", "clips")):  # fmt: skip
                facts.get(stage, {}).pop(name, None)
            for source in facts["sources"].values():
                source.pop("fps", None)
        return facts

    def ingest_config(self) -> Any:
        """Return ingest's Config with all sources in it, ``${out}`` in their paths replaced by the build folder."""
        return self._ingest(OUT_TOKEN, str(self.out))

    def portable_ingest_config(self) -> Any:
        """Return the same with ``${out}`` in place of the build folder: alike wherever the build lies."""
        return self._ingest(str(self.out), OUT_TOKEN)

    def _ingest(self, text: str, instead: str) -> Any:
        sources = {name: _replaced(config, text, instead) for name, config in self.sources.items()}
        return dataclasses.replace(self.stages[INGEST], sources=sources)


def packaged_configs() -> dict[str, Path]:
    """Return name -> path of the configurations that come with the package."""
    return {path.stem: path for path in sorted(data_folder("configs").glob("*.yaml"))}


def find_config(name: str) -> Path:
    """Return the file for a path, or for the name of a packaged configuration (``demo``, ``configs/coco.yaml``).

    Raises:
        ConfigError: if there is neither.
    """
    path = user_path(name)
    if path.is_file():
        return path
    packaged = packaged_configs()
    if path.stem in packaged and path.suffix in ("", ".yaml", ".yml") and path.parent.name in ("", "configs"):
        return packaged[path.stem]
    raise ConfigError(f"no configuration '{name}': neither a file nor a packaged one{nearest(path.stem, packaged)}")


def load_config(
    name: str | Path, overrides: Iterable[str] = (), table: StageTable = STAGE_TABLE, **run: Any
) -> BuildConfig:
    """Read a configuration.

    Args:
        name: path of a YAML file, or name of a packaged one.
        overrides: ``a.b.c=value`` assignments, applied in order.
        table: the stages, whose Configs are the valid keys.
        run: fields of RunConfig given by command-line options; None is ignored.

    Raises:
        ConfigError: one line that names file, key and what would be right.
    """
    path = find_config(str(name))
    tree = read_yaml(path)
    for assignment in overrides:
        override(tree, assignment)
    return build_config(tree, path.stem, str(path), table, {k: v for k, v in run.items() if v is not None})


def stored_tree(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tree, as ``build_config`` takes it, of settings that ``BuildConfig.settings`` has told."""
    tree = {k: dict(v) if isinstance(v, Mapping) else v for k, v in settings.items()}
    if "devices" in tree.get(DEVICES_STAGE, {}):
        tree["devices"] = tree[DEVICES_STAGE].pop("devices")
    if tree.get("render", {}).pop("blur_faces", False):
        tree["privacy"] = tree.get("privacy", {}) | {"blur_faces": "self"}
    return tree


def build_config(
    tree: Mapping[str, Any],
    name: str,
    origin: str,
    table: StageTable = STAGE_TABLE,
    run: Mapping[str, Any] | None = None,
) -> BuildConfig:
    """Return the BuildConfig for a nested mapping; ``origin`` stands for the file in messages."""
    if "sources" in (tree.get(INGEST) or {}):
        raise ConfigError(f"{origin}: 'sources' is a key of its own, not one of 'ingest'")
    runner_keys = [f.name for f in dataclasses.fields(RunConfig)]
    valid = ["seed", "body", "demo", "sources", "privacy", "devices", *runner_keys, *table]
    try:
        check_keys(tree, valid, "", origin)
    except ConfigError as error:
        homes = _homes(next(str(k) for k in tree if k not in valid), table)
        if not homes:
            raise
        raise ConfigError(f"{str(error).partition(';')[0]}; did you mean {' or '.join(homes)}?") from None
    if (tree.get(DEVICES_STAGE) or {}).get("devices") is not None:
        raise ConfigError(f"{origin}: 'devices' is a key of its own, not one of '{DEVICES_STAGE}'")
    run_tree = {k: tree[k] for k in runner_keys if k in tree} | dict(run or {})
    sources, kinds = _sources(tree.get("sources"), origin)
    privacy = construct(PrivacyConfig, tree.get("privacy"), "privacy", origin)
    sources = _private(sources, kinds, privacy, origin)
    stages = {s: construct(spec.code().Config, tree.get(s), s, origin) for s, spec in table.items()}
    if tree.get("devices") is not None:
        devices = construct(DevicesConfig, tree["devices"], "devices", origin)
        stages[DEVICES_STAGE] = dataclasses.replace(stages[DEVICES_STAGE], devices=devices)
    return BuildConfig(
        name=name,
        seed=convert(int, tree.get("seed", 0), "seed", origin),
        run=construct(RunConfig, run_tree, "", origin),
        body=construct(BodyConfig, tree.get("body"), "body", origin),
        demo=_demo(tree["demo"], origin) if tree.get("demo") is not None else None,
        sources=sources,
        kinds=kinds,
        stages=_erasing(stages, tree, kinds, privacy, origin),
        consent=privacy.consent,
    )


def _erasing(
    stages: dict[str, Any], tree: Mapping[str, Any], kinds: Mapping[str, str], privacy: PrivacyConfig, origin: str
) -> dict[str, Any]:
    """Return the stages with ``render``'s choice of erased samples told to ``amputate``, which plans them.

    Raises:
        ConfigError: the choice is made in the wrong place, or people in a clinic's photos are to be kept without
            their consent.
    """
    if not {"render", "amputate"} <= set(stages) or not hasattr(stages["render"], "erasing"):
        return stages
    if "erasing" in (tree.get("amputate") or {}):
        raise ConfigError(f"{origin}: 'amputate.erasing' follows render.mode, render.modes, render.erase, "
                          "render.erase_else, render.overlay_else and render.bars; set those")  # fmt: skip
    if "blur_faces" in (tree.get("render") or {}):
        raise ConfigError(f"{origin}: 'render.blur_faces' follows privacy.blur_faces; set that to 'self'")
    render = dataclasses.replace(stages["render"], blur_faces=privacy.blur_faces == "self")
    erasing = render.erasing()
    photos = [name for name, kind in kinds.items() if kind == "photos"]
    if photos and not privacy.consent and erasing.keeps(PHOTO_KEYS):
        what = f"mode '{erasing.mode_of(PHOTO_KEYS)}'" if erasing.share_of(PHOTO_KEYS) else "overlay_else 'erase'"
        raise ConfigError(f"{origin}: render.{what} keeps the people of your photos "
                          "recognisable and shows them with an impairment they do not have: they must have agreed to "
                          "that; then say --consent (privacy.consent=true). See docs/erase.md")  # fmt: skip
    amputate = dataclasses.replace(stages["amputate"], erasing=erasing)
    return {**stages, "render": render, "amputate": amputate}


def _homes(name: str, table: StageTable) -> list[str]:
    """Return the full keys that end in ``name``: somebody who writes ``people`` means ``demo.people``."""
    from a3dgen.demo import Config as DemoConfig

    sections = {"demo": DemoConfig, "body": BodyConfig, "privacy": PrivacyConfig, "devices": DevicesConfig}
    sections |= {stage: spec.code().Config for stage, spec in table.items()}
    return [f"'{s}.{name}'" for s, c in sections.items() if any(f.name == name for f in dataclasses.fields(c))]


def _demo(value: Any, origin: str) -> Any:
    return construct(import_module(DEMO_MODULE).Config, value, "demo", origin)


def _sources(tree: Any, origin: str) -> tuple[dict[str, Any], dict[str, str]]:
    configs: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    if tree is None:
        return configs, kinds
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{origin}: sources must be a mapping of names, e.g. sources: {{coco: {{root: /data/coco}}}}")
    for name, value in tree.items():
        if not isinstance(value, Mapping | None):
            value = convert(dict[str, Any], value, f"sources.{name}", origin)
        fields = dict(value or {})
        kind = convert(str, fields.pop("kind", name), f"sources.{name}.kind", origin)
        kinds_there = available("source", SOURCES)
        if kind not in kinds_there:
            raise ConfigError(f"{origin}: sources.{name}: unknown kind '{kind}'{nearest(kind, kinds_there)}")
        kinds[name] = kind
        configs[name] = construct(resolve("source", SOURCES, kind).Config, fields, f"sources.{name}", origin)
    return configs, kinds


def _private(sources: dict[str, Any], kinds: Mapping[str, str], privacy: PrivacyConfig, origin: str) -> dict[str, Any]:
    """Return the sources with ``privacy`` put into those that are photo folders."""
    on = {name: True for name in ("hash_names", "blur_bystanders") if getattr(privacy, name)}
    if on and sources and "photos" not in kinds.values():
        raise ConfigError(f"{origin}: privacy.{next(iter(on))} works on photo folders; there is no source 'photos'")
    return {n: dataclasses.replace(s, **on) if kinds[n] == "photos" else s for n, s in sources.items()}


def _replaced(value: Any, text: str, instead: str) -> Any:
    """Replace the beginning of every path in a configuration."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changed = {f.name: _replaced(getattr(value, f.name), text, instead) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **changed)
    if isinstance(value, Mapping):
        return {k: _replaced(v, text, instead) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_replaced(v, text, instead) for v in value)
    path = str(value)
    if isinstance(value, str | Path) and (path == text or path.startswith(f"{text}/")):
        return type(value)(instead + path.removeprefix(text))
    return value
