"""``a3dgen evaluate``: errors of predictions on a dataset, over what is there, and what was invented."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.errors import DataError
from a3dgen.formats.dataset_rows import Row, rows
from a3dgen.formats.exports.coco import NAMES, keypoints_25
from a3dgen.formats.npz_read import read
from a3dgen.geometry.regions import REGION_NAMES, absent_rows
from a3dgen.geometry.skeleton import ROOT_ROW
from a3dgen.io.images import image_size
from a3dgen.metrics import classification, hallucination_rate, licc, mpjpe, pa_mpjpe

MM = 1000.0
SHAPES = {"keypoints_3d": (44, 3), "confidence": (44,), "removed": (12,), "scores_25": (25,)}


def evaluate(folder: str | Path, prediction: str | Path, threshold: float = 0.5) -> dict[str, Any]:
    """Compare predictions with a dataset.

    Args:
        folder: an A3D_Dataset with extension keys.
        prediction: npz with ``key`` (N,) text (a3dgen_key) and any of ``keypoints_3d`` (N,44,3) m in camera axes,
            ``confidence`` (N,44), ``removed`` (N,12) scores, ``scores_25`` (N,25) of the 17 + 8 schema.
        threshold: confidence or score from which a thing counts as predicted.

    Returns:
        ``n``; ``mpjpe_mm`` and ``pa_mpjpe_mm`` over present joints, root-aligned at row 8; ``hallucination_rate``;
        ``regions`` with precision, recall and F1; ``licc``. Metrics whose arrays are not given are left out.

    Raises:
        DataError: if the prediction file has no key, wrong shapes, or no key of this dataset.
    """
    predicted = _load(Path(prediction))
    at = {str(k): i for i, k in enumerate(predicted["key"])}
    pairs = [(row, at[str(row.extra("key"))]) for row in rows(folder) if str(row.extra("key")) in at]
    if not pairs:
        raise DataError(f"{prediction}: none of its keys is in {folder}; 'key' holds values of a3dgen_key")
    order = np.array([i for _, i in pairs])
    removed = np.stack([row.removed for row, _ in pairs])
    present = ~absent_rows(removed)
    out: dict[str, Any] = {"n": len(pairs), "missing": len(at) - len(pairs)}
    if "keypoints_3d" in predicted:
        true = np.stack([row.columns.points_3d[row.index] for row, _ in pairs]).astype(np.float64)
        found = predicted["keypoints_3d"][order].astype(np.float64)
        found = found - found[:, [ROOT_ROW]]
        out["mpjpe_mm"] = MM * float(np.nanmean(mpjpe(found, true, present)))
        out["pa_mpjpe_mm"] = MM * float(np.nanmean(pa_mpjpe(found, true, present)))
    if "confidence" in predicted:
        out["hallucination_rate"] = hallucination_rate(predicted["confidence"][order], ~present, threshold)
    if "removed" in predicted:
        table = classification(predicted["removed"][order] >= threshold, removed)
        out["regions"] = {
            name: {m: None if np.isnan(v[k]) else round(float(v[k]), 4) for m, v in table.items()}
            for k, name in enumerate(REGION_NAMES)
        }
    if "scores_25" in predicted:
        shown = np.stack([_labelled(row) for row, _ in pairs])
        out["licc"] = licc(predicted["scores_25"][order].astype(np.float64), shown, NAMES)
    return out


def _labelled(row: Row) -> np.ndarray:
    """(25,) bool: points with COCO visibility 1 or 2."""
    return keypoints_25(row, *image_size(row.image))[0][:, 2] > 0


def _load(path: Path) -> dict[str, np.ndarray]:
    data = read(path)
    if "key" not in data:
        raise DataError(f"{path}: has no array 'key' with the samples' a3dgen_key")
    for name, shape in SHAPES.items():
        if name in data and data[name].shape != (len(data["key"]), *shape):
            raise DataError(f"{path}: '{name}' is {data[name].shape}, wanted {(len(data['key']), *shape)}")
    return data
