"""``a3dgen evaluate``: joint errors over present joints, hallucinated limbs, region classification."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.amputation.rebuild import DEFAULT_STUMP, RESIDUAL, Cut, topology_for
from a3dgen.analysis.metrics import classification, hallucination_rate, licc, mpjpe, pa_mpjpe
from a3dgen.bodies import load_body
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import DataError
from a3dgen.formats.dataset_rows import Row, rows
from a3dgen.formats.exports.coco import NAMES, keypoints_25
from a3dgen.formats.schema import dataset_folder
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.regions import REGION_NAMES, absent_rows
from a3dgen.geometry.skeleton import ROOT_ROW
from a3dgen.io.images import image_size
from a3dgen.io.npz import read

MM = 1000.0
SHAPES = {"keypoints_3d": (44, 3), "confidence": (44,), "removed": (12,), "scores_25": (25,)}


def evaluate(folder: str | Path, prediction: str | Path, threshold: float = 0.5, smpl: str = "") -> dict[str, Any]:
    """Compare predictions with a dataset.

    Args:
        folder: an A3D_Dataset with extension keys.
        prediction: npz with ``key`` (N,) text (a3dgen_key) and any of ``keypoints_3d`` (N,44,3) m in camera axes,
            ``confidence`` (N,44), ``removed`` (N,12) scores, ``scores_25`` (N,25) of the 17 + 8 schema, and, with
            ``keypoints_3d``, ``vertices`` (N,V,3) m of the dataset's own body model.
        threshold: confidence or score from which a thing counts as predicted.
        smpl: the SMPL file the dataset was made with, for ``vertices`` of a dataset made with SMPL.

    Returns:
        ``n`` samples compared, ``unpredicted`` samples of the dataset without a prediction (a method that skips hard
        people scores better: state it), ``unknown`` predictions without a sample;
        ``mpjpe_mm`` and ``pa_mpjpe_mm`` over present joints, root-aligned at row 8; ``mve_mm`` over vertices
        of present body parts, likewise; ``hallucination_rate``; ``regions`` with precision, recall and F1; ``licc``.
        Metrics whose arrays are not given are left out.

    Raises:
        DataError: if the prediction file has no key, wrong shapes, or no key of this dataset.
    """
    predicted = _load(Path(prediction))
    at = {str(k): i for i, k in enumerate(predicted["key"])}
    samples = list(rows(folder))
    pairs = [(row, at[str(row.extra("key"))]) for row in samples if str(row.extra("key")) in at]
    if not pairs:
        raise DataError(f"{prediction}: none of its keys is in {folder}; 'key' holds values of a3dgen_key")
    order = np.array([i for _, i in pairs])
    removed = np.stack([row.removed for row, _ in pairs])
    present = ~absent_rows(removed)
    out: dict[str, Any] = {"n": len(pairs), "unpredicted": len(samples) - len(pairs), "unknown": len(at) - len(pairs)}
    if "keypoints_3d" in predicted:
        true = np.stack([row.columns.points_3d[row.index] for row, _ in pairs]).astype(np.float64)
        found = predicted["keypoints_3d"][order].astype(np.float64)
        found = found - found[:, [ROOT_ROW]]
        out["mpjpe_mm"] = MM * float(np.nanmean(mpjpe(found, true, present)))
        out["pa_mpjpe_mm"] = MM * float(np.nanmean(pa_mpjpe(found, true, present)))
        if "vertices" in predicted:
            roots = predicted["keypoints_3d"][order, ROOT_ROW].astype(np.float64)
            body = _body_of(Path(folder), smpl, len(pairs[0][0].extra("betas")))
            errors = [_mve(row, predicted["vertices"][i], roots[n], body) for n, (row, i) in enumerate(pairs)]
            out["mve_mm"] = MM * float(np.mean(errors))
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


def _body_of(folder: Path, smpl: str, betas: int) -> BodyData:
    """Return the body model that dataset.json names."""
    path = dataset_folder(folder) / "dataset.json"
    try:
        name = json.loads(path.read_text())["body_model"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: does not tell the body model ({error}); 'vertices' cannot be compared") from None
    if name == "smpl":
        return load_body(BodyConfig(model="smpl", path=smpl, betas=betas))
    return load_body(BodyConfig(ages=name.rpartition("-")[2], betas=betas))


def _mve(row: Row, predicted: np.ndarray, root: np.ndarray, body: BodyData) -> float:
    """Mean distance (m) of the vertices that the amputation leaves, both meshes centred at keypoint row 8."""
    betas = row.extra("betas")
    posed = pose_body(body, row.extra("pose"), betas, row.extra("transl"))
    true = posed.vertices(body.mesh, betas) - row.extra("root")
    if predicted.shape != true.shape:
        raise DataError(f"'vertices' has {predicted.shape[0]} vertices a body, {body.name} has {true.shape[0]}")
    ends = np.tile(np.float32(DEFAULT_STUMP), (12, 1))
    cut = topology_for(body, Cut(row.removed, row.extra("residual"), RESIDUAL, ends))
    present = np.zeros(len(true), bool)
    present[cut.origin.a[cut.origin.t == 0]] = True
    return float(np.linalg.norm((predicted - root - true)[present], axis=1).mean())


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
