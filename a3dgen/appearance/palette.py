"""Colours, fabrics and lengths that looks draw from: the tables of ``textures/garments.yaml`` and ``hair.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from a3dgen.core.errors import ConfigError
from a3dgen.core.package_files import data_folder
from a3dgen.core.strict_yaml import read_yaml

RGB = tuple[int, int, int]
FILES = ("garments.yaml", "hair.yaml")


@dataclass(frozen=True)
class Palette:
    """The tables, in the order of their files (draws depend on it).

    Attributes:
        cloth, trousers, denim, shoes, liner: sRGB colours; one named twice is drawn twice as often.
        camouflage: three colours a pattern.
        lengths: kind of garment -> limb coordinates where sleeves and legs end.
        fabrics: ``top``, ``trousers``, ``skirt`` or ``shoes`` -> fabric -> weight.
        hair, eyes: name -> sRGB.
    """

    cloth: tuple[RGB, ...]
    trousers: tuple[RGB, ...]
    denim: tuple[RGB, ...]
    shoes: tuple[RGB, ...]
    liner: tuple[RGB, ...]
    camouflage: tuple[tuple[RGB, ...], ...]
    lengths: Mapping[str, tuple[float, ...]]
    fabrics: Mapping[str, Mapping[str, float]]
    hair: Mapping[str, RGB]
    eyes: Mapping[str, RGB]


def palette_files() -> list[Path]:
    """Return the files of the tables: what is drawn depends on their bytes."""
    return [data_folder("textures") / name for name in FILES]


@cache
def palette() -> Palette:
    """Return the tables of this installation.

    Raises:
        ConfigError: if a file lacks a table, or a colour is not three numbers from 0 to 255.
    """
    garments_file, hair_file = palette_files()
    garments, hair = read_yaml(garments_file), read_yaml(hair_file)
    try:
        colours = garments["colours"]
        return Palette(
            **{name: _colours(colours[name], f"{garments_file}: colours.{name}")
               for name in ("cloth", "trousers", "denim", "shoes", "liner")},
            camouflage=tuple(_colours(c, f"{garments_file}: camouflage") for c in garments["camouflage"]),
            lengths={kind: tuple(map(float, values)) for kind, values in garments["lengths"].items()},
            fabrics={
                worn: {name: float(weight) for name, weight in weights.items()}
                for worn, weights in garments["fabrics"].items()
            },
            hair={name: _colour(c, f"{hair_file}: hair.{name}") for name, c in hair["hair"].items()},
            eyes={name: _colour(c, f"{hair_file}: eyes.{name}") for name, c in hair["eyes"].items()},
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{garments_file.parent}: {' and '.join(FILES)} lack or misspell a table ({error}); "
            "compare them with those of the repository"
        ) from None


def _colours(values: Any, where: str) -> tuple[RGB, ...]:
    if not isinstance(values, list) or not values:
        raise ConfigError(f"{where}: wanted a list of colours [red, green, blue]")
    return tuple(_colour(value, where) for value in values)


def _colour(value: Any, where: str) -> RGB:
    if not (isinstance(value, list) and len(value) == 3 and all(type(v) is int and 0 <= v <= 255 for v in value)):
        raise ConfigError(f"{where}: {value} is no colour; write [red, green, blue], each 0 to 255")
    return value[0], value[1], value[2]
