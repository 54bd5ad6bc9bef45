"""The body that is turned in the report: trimesh's page, found and filled by the report, and a small true model."""

from __future__ import annotations

import base64
import gzip
import io
import re

import numpy as np
import pytest
import trimesh

from a3dgen.geometry.body import pose_body
from a3dgen.geometry.regions import REGION_NAMES
from a3dgen.report.turntable import CELL, PLACE, page, turnable


def unpacked(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def fitted(body):
    pose = np.zeros((24, 3))
    pose[0] = np.pi, 0, 0
    row = {"pose": pose, "betas": np.zeros(body.num_betas), "transl": np.array([0.3, 0.2, 4.0])}
    return row | {"K": np.eye(3)}


def plan(*names: str):
    removed = np.isin(REGION_NAMES, names)
    return {
        "removed": removed, "residual": np.where(removed, 0.5, 1.0), "geometry": "residual",
        "stump": np.tile((2.1, 0.8, 0.12), (12, 1)), "devices": "[]", "pose": np.zeros((24, 3)),
        "transl": np.zeros(3), "reposed": np.zeros(24, bool),
    }  # fmt: skip


def model(text: str) -> trimesh.Scene:
    return trimesh.load(io.BytesIO(unpacked(text)), file_type="glb", process=False)


def test_the_page_fetches_nothing_and_has_one_place_for_a_model():
    html = unpacked(page()).decode()
    assert html.count(PLACE) == 1
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?https?:""", html)
    assert "<script src" not in html


@pytest.mark.parametrize("names", [(), ("left_knee",), ("right_elbow", "left_hip")])
def test_the_model_is_the_cut_body(body, names):
    row = fitted(body)
    text = turnable(body, row, plan(*names) if names else None)
    assert len(text) < 150_000, "24 people, their pictures and the page stay under 10 MB"
    assert text == turnable(body, row, plan(*names) if names else None)
    scene = model(text)
    assert len(scene.geometry) == (2 if names else 1)  # skin, and the ends of the limbs in another colour
    skin = pose_body(body, row["pose"], row["betas"], row["transl"]).vertices(body.mesh, row["betas"])
    skin = skin[np.unique(body.mesh.faces)] @ np.diag([1.0, -1.0, -1.0])
    low, high = scene.bounds
    np.testing.assert_allclose((low + high) / 2, 0, atol=CELL)
    if not names:
        np.testing.assert_allclose(high - low, np.ptp(skin, axis=0), atol=2 * CELL)
        assert high[1] - low[1] > 1.4, "y is up"
        points = next(iter(scene.geometry.values())).vertices
        middle = (skin.min(0) + skin.max(0)) / 2
        assert max(np.linalg.norm(skin - middle - p, axis=1).min() for p in points[::97]) < CELL


def test_a_limb_less_is_less(body):
    whole = model(turnable(body, fitted(body), None)).area
    cut = model(turnable(body, fitted(body), plan("left_hip"))).area
    assert 0.7 < cut / whole < 0.95
