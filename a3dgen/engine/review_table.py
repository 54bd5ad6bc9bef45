"""review.csv: everybody found in the photos, for the user to confirm, correct or leave out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.amputation.sampling import SHORTEST
from a3dgen.core.records import OK, REJECTED, Bodies, Outcome, Persons
from a3dgen.engine.tasks import shard_path
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.io.shards import read_shard
from a3dgen.io.tables import read_table, write_table
from a3dgen.report.photos import without_samples
from a3dgen.sources.photos.review import COLUMNS, UNSAID

SHOWN = ("fit", "amputate", "background")
"""Stages that say something of a person, after ``ingest``."""

NAMES = Path("ingest") / "photos" / "names.csv"


def write_review(out: Path, path: Path) -> int:
    """Write the table of everybody found; what the user wrote in it before stays.

    Returns:
        The number of people.
    """
    photos, proposed = _names(out)
    before, stumps = _rows(path), _stumps(out)
    rows = []
    for person, status, reason in people(out):
        key = str(person["key"])
        removed = [REGION_NAMES[k] for k in np.flatnonzero(person["present_removed"])]
        measured = stumps.get(key, {})
        residual = [_residual(person, k, measured) for k in np.flatnonzero(person["present_removed"])]
        said = before.get(key, {})
        cells = {
            "key": key, "photo": photos.get(str(person["stem"]), ""),
            "keep": said.get("keep") or ("no" if person["dropped"] else "yes"),
            "removed": said.get("removed") or ";".join(removed),
            "residual": said.get("residual") or ";".join(residual),
            "proposed": proposed.get((str(person["stem"]), str(person["person_id"])), ""),
            "found": _found(person, measured), "status": status, "reason": reason,
        }  # fmt: skip
        rows.append([cells[name] for name in COLUMNS])
    write_table(path, COLUMNS, rows)
    return len(rows)


def count_proposed(path: Path) -> int:
    """Return of how many people a review table proposes that they lack a limb."""
    return sum(bool(row.get("proposed")) for row in read_table(path))


def _stumps(out: Path) -> dict[str, dict[int, tuple[float, float]]]:
    """Return key -> region -> residual fraction and standard deviation, as measured in point clouds."""
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for path in sorted((out / "fit").glob("[0-9]*.h5")):
        bodies = read_shard(path)["Bodies"]
        assert isinstance(bodies, Bodies)
        for i in np.flatnonzero(np.isfinite(bodies.stump_fit).any(1)):
            seen = np.flatnonzero(np.isfinite(bodies.stump_fit[i]))
            found[str(bodies.key[i])] = {
                int(k): (float(bodies.stump_fit[i, k]), float(bodies.stump_sd[i, k])) for k in seen
            }
    return found


def _residual(person: dict[str, Any], region: int, measured: dict[int, tuple[float, float]]) -> str:
    """Return the residual fraction to propose: what the cloud shows where nobody has said a length."""
    said = float(person["present_residual"][region])
    if region in measured and any(abs(said - unsaid) < 1e-6 for unsaid in UNSAID):
        return f"{np.clip(measured[region][0], SHORTEST, 1):.2f}"
    return f"{said:g}"


def _found(person: dict[str, Any], measured: dict[int, tuple[float, float]]) -> str:
    parts = [f"{int((person['keypoints'][:, 2] > 0).sum())} keypoints"]
    parts += [f"{REGION_NAMES[k]} stump {m:.2f} +- {sd:.2f} in the point cloud" for k, (m, sd) in measured.items()]
    return ", ".join(parts)


def people(out: Path) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield (row of Persons, status, reason) of everybody whom a build's ingest kept."""
    for path in sorted((out / "ingest").glob("[0-9]*.h5")):
        persons = read_shard(path)["Persons"]
        assert isinstance(persons, Persons)
        verdict: dict[str, tuple[str, str]] = {}
        for stage in SHOWN:
            shard = shard_path(out, stage, int(path.stem))
            outcome = read_shard(shard)["Outcome"] if shard.is_file() else None
            if isinstance(outcome, Outcome):
                for key, status, reason in zip(outcome.key, outcome.status, outcome.reason, strict=True):
                    if verdict.get(str(key), (OK,))[0] == OK:
                        verdict[str(key)] = (str(status), str(reason))
        drawn = shard_path(out, "render", int(path.stem))
        if drawn.is_file():
            refused = without_samples(read_shard(drawn)["Outcome"])
            verdict.update({key: (REJECTED, why) for key, why in refused.items() if verdict.get(key, (OK,))[0] == OK})
        for i, key in enumerate(persons.key):
            yield persons.row(i), *verdict.get(str(key), (OK, ""))


def _names(out: Path) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Return stem -> photo, and (stem, number of the person) -> limbs that seem absent, with their probability."""
    rows = read_table(out / NAMES)
    photos = {row["stem"]: row["photo"] for row in reversed(rows)}  # a copy comes after the photo it is one of
    proposed: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for text in filter(None, (row.get("proposed") or "").split(";")):
            number, _, limb = text.partition(" ")
            proposed.setdefault((row["stem"], number), []).append(limb)
    return photos, {k: "; ".join(limbs) for k, limbs in proposed.items()}


def _rows(path: Path) -> dict[str, dict[str, str]]:
    return {row["key"]: row for row in read_table(path) if row.get("key")}
