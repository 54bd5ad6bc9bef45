"""``a3dgen train absence``: the model of limb absence, from pictures that a3dgen makes, by a recipe in ``configs/``."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path

from a3dgen.commands.build import run_build, showing
from a3dgen.config import find_config, load_config
from a3dgen.core.errors import ConfigError
from a3dgen.core.files import write_whole
from a3dgen.core.strict_yaml import read_yaml
from a3dgen.core.typed import construct
from a3dgen.core.user_paths import user_path
from a3dgen.learning.absence import write_model
from a3dgen.learning.head import Training
from a3dgen.recovery.examples import build_examples
from a3dgen.recovery.figures import figures
from a3dgen.recovery.limb_table import (
    AS_IS,
    BORDER,
    COVERED,
    LimbTable,
    joined,
    load_table,
    make_table,
    save_table,
)
from a3dgen.recovery.training import fit_model

DATA = "${data}"
VERSIONS = (AS_IS, BORDER, COVERED)


@dataclass(frozen=True)
class BuildRecipe:
    """One build to learn from: a configuration's name, and ``key=value`` overrides in which ``${data}`` is --data."""

    config: str = "demo"
    set: tuple[str, ...] = ()


@dataclass(frozen=True)
class AbsenceRecipe:
    """How the model of limb absence is made.

    Attributes:
        seed: of the training; each build has its own.
        folds: of the cross-validation that calibrates the model.
        builds: name -> recipe. training: of the heads.
    """

    seed: int = 0
    folds: int = 10
    builds: dict[str, BuildRecipe] = field(default_factory=dict)
    training: Training = field(default_factory=Training)


def run(args: argparse.Namespace) -> int:
    """Build what is missing, look at it, train, and write weights and figures."""
    if args.what != "absence":
        raise ConfigError(f"no model '{args.what}'; there is 'absence'")
    recipe, out = read_recipe(args.config), Path(args.out)
    _check_photos(recipe, out, args.data)
    table = joined([_table(name, recipe, out, args) for name in recipe.builds])
    fitted = fit_model(table, recipe.training, recipe.seed, recipe.folds)
    out.mkdir(parents=True, exist_ok=True)
    write_model(out / "absence.npz", fitted.model)
    told = figures(table, fitted.answers)
    write_whole(out / "figures.json", json.dumps(told, indent=1).encode())
    print(json.dumps(told, indent=1))
    print(f"weights: {out / 'absence.npz'}")
    return 0


def _check_photos(recipe: AbsenceRecipe, out: Path, data: str | None) -> None:
    """Raise ConfigError unless the photographs that builds ask for are there: said before hours of work, not after."""
    asking = [n for n, b in recipe.builds.items() if any(DATA in t for t in b.set) and not _path(out, n).is_file()]
    if asking and not data:
        raise ConfigError(f"the build '{asking[0]}' needs photographs: give their folder with --data")
    if data and not user_path(data).is_dir():
        raise ConfigError(f"--data {data}: no such folder; give the one that holds the photographs")


def read_recipe(name: str) -> AbsenceRecipe:
    """Read a recipe.

    Raises:
        ConfigError: naming file and key of what is wrong.
    """
    path = find_config(name)
    recipe: AbsenceRecipe = construct(AbsenceRecipe, read_yaml(path), "", str(path))
    if not recipe.builds:
        raise ConfigError(f"{path}: no builds; see configs/absence.yaml")
    if recipe.folds < 2:
        raise ConfigError(f"{path}: folds is {recipe.folds}; it must be at least 2")
    return recipe


def load_tables(out: Path, names: list[str]) -> LimbTable:
    """Return what an earlier training looked at.

    Raises:
        ConfigError: if a table is not there.
    """
    paths = [_path(out, name) for name in names]
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"{path}: not there; run 'a3dgen train absence --out {out}' first")
    return joined([load_table(p) for p in paths])


def _path(out: Path, name: str) -> Path:
    return out / "tables" / f"{name}.npz"


def _table(name: str, recipe: AbsenceRecipe, out: Path, args: argparse.Namespace) -> LimbTable:
    """Return what one build teaches: from its table, or by building it and looking at all its people."""
    path = _path(out, name)
    if path.is_file():
        return load_table(path)
    folder, photos = out / "builds" / name, str(user_path(args.data).absolute()) if args.data else ""
    keys = [text.replace(DATA, photos) for text in recipe.builds[name].set]
    config = load_config(recipe.builds[name].config, keys, out=str(folder), workers=args.workers)
    with showing(args.quiet) as progress:
        run_build(config, progress)
    table = make_table(list(build_examples(folder)), name, recipe.seed, VERSIONS)
    save_table(path, table)
    return table
