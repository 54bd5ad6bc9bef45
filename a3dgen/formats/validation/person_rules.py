"""Rules between the rows of one person, and between twins: what was fitted once, or drawn once, is the same in all."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from a3dgen.formats.validation.columns import Columns
from a3dgen.formats.validation.findings import Findings
from a3dgen.geometry.regions import REGIONS

PER_PERSON = (
    "K", "transl", "root", "pose", "betas", "fit_px", "fit_sigma_m", "height_m", "segment_m", "source_license",
)  # fmt: skip
"""Extension keys that come from the person's fit or photo, whatever is removed."""
_KEY = re.compile(r"(.+)/((?:amp_\d+|full)_v\d+)")
_NAME = re.compile(r"(amp_\d+|full)_.+_(v\d+)\.[^./]+")


def check_people(c: Columns, found: Findings) -> None:
    """Run the rules on one npz that has extension keys."""
    e = c.extra
    _, first, person = np.unique(e["parent"], return_index=True, return_inverse=True)
    reposed = e.get("reposed", np.zeros((len(person), 24), bool))
    moved = reposed.any(1)
    if moved.any():
        standing = np.flatnonzero(~moved)
        usual = {int(person[i]): i for i in standing[::-1]}
        first = np.array([usual.get(p, int(f)) for p, f in enumerate(first)])
    for name in PER_PERSON:
        differs = e[name] != e[name][first][person]
        if name in ("transl", "root"):
            differs &= ~moved[:, None]
        elif name == "pose":
            differs &= ~(reposed | reposed[first][person])[..., None]
        found.rows("person", c.file, _spread(differs, person), c.names, f"rows of one person differ in a3dgen_{name}")
    _names(c, found)
    _twins(c, found)


def _spread(differs: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Return (n,) bool: all rows of a person of whom any row differs; which of them is wrong, nobody knows."""
    rows = differs.reshape(len(differs), -1).any(1)
    return np.isin(person, person[rows])


def _names(c: Columns, found: Findings) -> None:
    """``a3dgen_key`` is ``<parent>/<label>_v<n>``, with the label and number of ``imgname``; files have its base."""
    wrong_parent, wrong_sample, wrong_parts = (np.zeros(len(c.names), bool) for _ in range(3))
    for i, name in enumerate(c.names):
        key, base = _KEY.fullmatch(str(c.extra["key"][i])), _NAME.fullmatch(name.rpartition("/")[2])
        wrong_parent[i] = not key or key[1] != str(c.extra["parent"][i])
        wrong_sample[i] = not key or not base or key[2] != f"{base[1]}_{base[2]}"
        parts = str(c.extra["parts"][i])
        wrong_parts[i] = bool(parts) and parts.rpartition(".")[0] != f"{name.rpartition('.')[0]}_parts"
    found.rows("key", c.file, wrong_parent, c.names, "a3dgen_key does not begin with a3dgen_parent")
    found.rows("key", c.file, wrong_sample, c.names, "a3dgen_key and imgname are of different samples")
    found.rows("files", c.file, wrong_parts, c.names, "a3dgen_parts does not have the base name of the image")
    here = c.extra["parts"] != ""
    found.rows("files", c.file, here != (here.sum() * 2 > len(here)), c.names, "some rows name part labels, some none")


def _twins(c: Columns, found: Findings) -> None:
    e = c.extra
    row = {str(k): i for i, k in enumerate(e["key"])}
    twin = np.array([row.get(str(t), -1) for t in e["twin"]])
    unnamed, clothes, ends = (np.zeros(len(twin), bool) for _ in range(3))
    limbs = [{f"{REGIONS[k].side}_{REGIONS[k].limb}" for k in np.flatnonzero(removed)} for removed in c.removed]
    worn = [_worn(str(g)) for g in e["garments"]]
    for i, other in enumerate(twin):
        ends[i] = not worn[i][1] <= limbs[i]
        if other >= 0:
            unnamed[i] = twin[other] < 0 or e["parent"][twin[other]] != e["parent"][i]
            clothes[i] = worn[i][0] != worn[other][0]
    found.rows("twin", c.file, unnamed, c.names, "the twin names no twin of its own")
    found.rows("twin", c.file, clothes, c.names, "twins wear different garments")
    found.rows("garments", c.file, ends, c.names, "a garment ends over a limb that is whole")


def _worn(garments: str) -> tuple[list[Any], set[str]]:
    """Return what twins share of their garments, and the limbs whose stumps change them."""
    try:
        items = [dict(g) for g in json.loads(garments)]
    except (ValueError, TypeError):
        return [], set()  # the rule on the looks reports it
    limbs = {limb for g in items for limb in (g.pop("ending", None) or {})}
    return [g for g in items if g.get("kind") != "liner"], limbs
