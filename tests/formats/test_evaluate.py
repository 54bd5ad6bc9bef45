"""Predictions made from the truth score perfectly, and hand-made mistakes cost what they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from a3dgen.analysis.evaluate import evaluate
from a3dgen.core.errors import DataError
from a3dgen.formats.dataset_rows import rows
from a3dgen.formats.exports.coco import keypoints_25
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.regions import REGIONS, absent_rows
from a3dgen.io.images import image_size


def perfect(written: Path) -> dict[str, np.ndarray]:
    samples = list(rows(written))
    removed = np.stack([s.removed for s in samples])
    return {
        "key": np.array([str(s.extra("key")) for s in samples]),
        "keypoints_3d": np.stack([s.columns.points_3d[s.index] for s in samples]) + 0.7,
        "confidence": (~absent_rows(removed)).astype(float),
        "removed": removed.astype(float),
    }


def test_the_truth_scores_perfectly(written: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", **perfect(written))
    result = evaluate(written, tmp_path / "p.npz")
    assert result["n"] == 30
    assert result["mpjpe_mm"] == pytest.approx(0, abs=1e-6)
    assert result["hallucination_rate"] == 0
    assert result["regions"]["left_knee"] == {"precision": 1, "recall": 1, "f1": 1}
    assert result["regions"]["left_hip"]["recall"] is None


def test_an_invented_limb_is_a_hallucination_and_no_position_error(written: Path, tmp_path: Path) -> None:
    data = perfect(written)
    data["confidence"][:] = 1
    data["keypoints_3d"][:, 14] += 5  # the left ankle: absent in a third of the samples
    np.savez(tmp_path / "p.npz", **data)
    result = evaluate(written, tmp_path / "p.npz")
    assert result["hallucination_rate"] == 1
    assert 0 < result["mpjpe_mm"] < 5000 * np.sqrt(3) / 37


def test_licc_of_the_true_scores_is_one(written: Path, tmp_path: Path) -> None:
    data = perfect(written)
    presence = []
    for row in rows(written):
        presence.append(keypoints_25(row, *image_size(row.image))[1])
    data["scores_25"] = np.stack(presence).astype(float)
    np.savez(tmp_path / "p.npz", **data)
    assert evaluate(written, tmp_path / "p.npz")["licc"] == 1
    data["scores_25"][:] = 0.5
    np.savez(tmp_path / "p.npz", **data)
    assert evaluate(written, tmp_path / "p.npz")["licc"] == 0


def test_mve_counts_present_parts_only(written: Path, tmp_path: Path, body: BodyData) -> None:
    data, vertices = perfect(written), []
    absent_part = np.isin(body.mesh.weights.argmax(1), REGIONS[7].joints)
    hip, knee = body.joints_template[list(REGIONS[7].segment), 1]
    thigh = body.mesh.weights.argmax(1) == REGIONS[7].segment[0]
    absent_part |= thigh & (body.mesh.vertices[:, 1] < knee + 0.4 * (hip - knee))  # beyond the stump at one half
    for row in rows(written):
        posed = pose_body(body, row.extra("pose"), row.extra("betas"), row.extra("transl"))
        found = posed.vertices(body.mesh, row.extra("betas")) - row.extra("root") + 0.7
        if row.removed[7]:
            found[absent_part] += 5  # below the removed knee nothing counts
        vertices.append(found)
    np.savez(tmp_path / "p.npz", **data, vertices=np.stack(vertices))
    assert evaluate(written, tmp_path / "p.npz")["mve_mm"] == pytest.approx(0, abs=1e-2)
    np.savez(tmp_path / "q.npz", **data, vertices=np.zeros((30, 9, 3)))
    with pytest.raises(DataError, match="has 9 vertices"):
        evaluate(written, tmp_path / "q.npz")


def test_samples_without_a_prediction_are_counted(written: Path, tmp_path: Path) -> None:
    data = {k: v[:20] for k, v in perfect(written).items()}
    data["key"][0] = "of another dataset"
    np.savez(tmp_path / "p.npz", **data)
    found = evaluate(written, tmp_path / "p.npz")
    assert (found["n"], found["unpredicted"], found["unknown"]) == (19, 11, 1)


def test_wrong_files_are_named(written: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "none.npz", key=np.array(["a"]))
    with pytest.raises(DataError, match="none of its keys"):
        evaluate(written, tmp_path / "none.npz")
    np.savez(tmp_path / "shape.npz", key=np.array(["a"]), removed=np.zeros((1, 5)))
    with pytest.raises(DataError, match="'removed' is"):
        evaluate(written, tmp_path / "shape.npz")
    np.savez(tmp_path / "nokey.npz", removed=np.zeros((1, 12)))
    with pytest.raises(DataError, match="no array 'key'"):
        evaluate(written, tmp_path / "nokey.npz")
