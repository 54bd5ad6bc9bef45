"""Own faces of the open body: they differ, and move nothing that labels or clothes are made from."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.bodies.faces import face_offsets
from a3dgen.geometry.head import eyeballs, head_frame


def test_every_person_has_an_own_face_of_some_millimetres(body) -> None:
    faces = [face_offsets(body, seed) for seed in range(12)]
    assert np.array_equal(faces[0], face_offsets(body, 0))
    for a, b in pairwise(faces):
        assert 0.0025 < np.linalg.norm(a - b, axis=1).max() < 0.03
    frame = head_frame(body.mesh)
    azimuth, _ = frame.angles(body.mesh.vertices.astype(np.float64))
    still = eyeballs(body.mesh) | (frame.above_hairline(body.mesh.vertices.astype(np.float64)) > 0) | (azimuth > 85)
    still |= np.linalg.norm(body.mesh.vertices - frame.centre, axis=1) > 0.21
    assert np.abs(np.array(faces)[:, still]).max() < 0.0005
    assert face_offsets(replace(body, name="smpl"), 0) is None


def test_faces_change_no_label(body) -> None:
    fit = BodyFit(np.zeros((24, 3)), np.zeros(body.num_betas), np.array([0.0, 0.0, 3.0]))
    cut = Cut(np.zeros(12, bool), np.ones(12))
    plain, own = rebuild(body, fit, cut), rebuild(body, fit, cut, face_offsets(body, 3))
    assert np.abs(plain.vertices - own.vertices).max() > 0.001
    for name in ("keypoints", "ends", "height", "segment", "stump_length", "stump_girth", "betas"):
        assert np.array_equal(getattr(plain, name), getattr(own, name)), name
