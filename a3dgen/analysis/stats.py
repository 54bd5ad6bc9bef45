"""``a3dgen stats``: counts of a dataset by class, with a warning where a class is rare."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2

from a3dgen.core.errors import DataError, MissingDependency
from a3dgen.core.rng import seed_for
from a3dgen.devices.device import STATUS_NAMES
from a3dgen.formats.dataset_rows import Row, find_subsets, load_subset, rows
from a3dgen.formats.schema import dataset_folder
from a3dgen.formats.validation.columns import Columns
from a3dgen.geometry.regions import REGION_NAMES, REGIONS
from a3dgen.io.images import image_size

POSE_CLUSTERS = 8
STARVING_SHARE = 0.25
"""A region starves if it has less than this share of an even split."""
RESIDUAL_BINS = (0.0, 0.25, 0.5, 0.75, 0.999, 1.001)
RESIDUAL_NAMES = ("below 0.25", "0.25-0.5", "0.5-0.75", "0.75-1", "1 (at the joint)")


def stats(folder: str | Path) -> dict[str, Any]:
    """Count the samples of a dataset by region, side, residual length, skin, visibility, pose and picture size.

    Returns:
        Plain JSON: one mapping a property, ``samples``, and ``warnings``.

    Raises:
        DataError: if the dataset cannot be read or lacks extension keys.
    """
    root = dataset_folder(folder)
    subsets = find_subsets(root)
    columns = [load_subset(root, s) for s in subsets]
    for c in columns:
        if "residual" not in c.extra:
            raise DataError(f"{c.file}: has no extension keys; write the dataset with annotate.strict=false")
    removed = np.concatenate([c.removed for c in columns])
    extra = {k: np.concatenate([c.extra[k] for c in columns]) for k in ("residual", "skin", "removed_visible", "pose")}
    regions = {n: int(v) for n, v in zip(REGION_NAMES, removed.sum(0), strict=True)}
    counts = np.histogram(extra["residual"][removed], RESIDUAL_BINS)[0]
    shares = np.histogram(extra["removed_visible"][removed], 5, (0, 1))[0]
    return {
        "samples": len(removed),
        "subsets": {s: len(c.names) for s, c in zip(subsets, columns, strict=True)},
        "regions": {**regions, "intact": int((~removed.any(1)).sum())},
        "sides": _sides(removed),
        "limbs_removed": {str(k): int(v) for k, v in sorted(Counter(removed.sum(1).tolist()).items())},
        "residual": {n: int(v) for n, v in zip(RESIDUAL_NAMES, counts, strict=True)},
        "skin": {str(t): int((extra["skin"] == t).sum()) for t in range(1, 11)},
        **({"modes": _modes(columns)} if any("mode" in c.extra for c in columns) else {}),
        "stump_visible": {f"{k * 20}-{k * 20 + 20} %": int(v) for k, v in enumerate(shares)},
        "pose_clusters": _pose_clusters(extra["pose"]),
        "image_sizes": _sizes(list(rows(root))),
        **_devices(columns),
        "warnings": _starving(regions, len(removed)),
    }


def _modes(columns: list[Columns]) -> dict[str, int]:
    """Samples by how they were made; a file without the key holds drawn people only."""
    out: Counter[str] = Counter()
    for c in columns:
        out.update([str(m) for m in c.extra["mode"]] if "mode" in c.extra else ["overlay"] * len(c.names))
    return dict(sorted(out.items()))


def _devices(columns: list[Columns]) -> dict[str, dict[str, int]]:
    """Counts of limbs by prosthesis and of devices by type, where the dataset has any."""
    some = [c for c in columns if "devices" in c.extra]
    if not some:
        return {}
    status = np.bincount(np.concatenate([c.extra["prosthesis"].ravel() for c in some]), minlength=len(STATUS_NAMES))
    types = Counter(d["type"] for c in some for text in c.extra["devices"] for d in json.loads(str(text)))
    return {
        "prosthesis": {n: int(v) for n, v in zip(STATUS_NAMES, status, strict=True)},
        "devices": dict(sorted(types.items())),
    }


def _sides(removed: np.ndarray) -> dict[str, int]:
    out: Counter[str] = Counter()
    for region in REGIONS:
        out[f"{region.side} {region.limb}"] += int(removed[:, region.index].sum())
    return dict(sorted(out.items()))


def _pose_clusters(pose: np.ndarray) -> dict[str, int]:
    """Sizes of k-means clusters of body poses (root left out), largest first."""
    flat = pose[:, 1:].reshape(len(pose), -1)
    k = min(POSE_CLUSTERS, len(np.unique(flat, axis=0)))
    seed = seed_for(0, "pose clusters") % (1 << 32)
    _, member = kmeans2(flat, k, minit="++", seed=seed, missing="warn")
    sizes = sorted(np.bincount(member, minlength=k).tolist(), reverse=True)
    return {f"cluster {i + 1}": int(n) for i, n in enumerate(sizes)}


def _sizes(samples: list[Row]) -> dict[str, int]:
    sizes = Counter("x".join(map(str, image_size(row.image))) for row in samples)
    return dict(sizes.most_common(10))


def _starving(regions: dict[str, int], samples: int) -> list[str]:
    total = sum(regions.values())
    if not total:
        return ["no sample has an amputation"] if samples else []
    even = total / len(regions)
    return [
        f"{name} has {n} samples, less than {STARVING_SHARE:.0%} of an even share ({even:.{0 if even >= 10 else 1}f}); "
        "a classifier will not learn it: add people, or weigh it more (amputate.weights)"
        for name, n in regions.items()
        if n < STARVING_SHARE * even
    ]


def plot(facts: dict[str, Any], path: Path) -> None:
    """Draw every count of ``stats`` as bars into one PNG.

    Raises:
        MissingDependency: without matplotlib.
    """
    try:
        import matplotlib
    except ImportError:
        raise MissingDependency("matplotlib", "stats --plot", "pip install 'a3dgen[plot]'") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    tables = {k: v for k, v in facts.items() if isinstance(v, dict)}
    figure, axes = plt.subplots(-(-len(tables) // 3), 3, figsize=(13, 3 * -(-len(tables) // 3)), dpi=100)
    for axis, (name, table) in zip(axes.ravel(), tables.items(), strict=False):
        axis.barh(list(table), list(table.values()), color="#3b7dd8")
        axis.invert_yaxis()
        axis.set_title(name.replace("_", " "), fontsize=10)
        axis.tick_params(labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.ravel()[len(tables) :]:
        axis.set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


def text(facts: dict[str, Any]) -> str:
    """Return the counts as plain text, warnings last."""
    lines = [f"{facts['samples']} samples"]
    for name, table in facts.items():
        if isinstance(table, dict):
            lines.append(f"\n{name.replace('_', ' ')}")
            lines += [f"  {key:<20} {value}" for key, value in table.items()]
    lines += ["", *(f"warning: {w}" for w in facts["warnings"])] if facts["warnings"] else []
    return "\n".join(lines)
