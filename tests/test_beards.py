"""Beards of strands: who has one, and that it grows on the chin of the person's own face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from a3dgen.amputation.rebuild import BodyFit, Cut, rebuild
from a3dgen.appearance.beards import FULL, STYLES, build_beard, posed_beard
from a3dgen.appearance.dressed_person import build_subject
from a3dgen.appearance.look import Hair, Look
from a3dgen.appearance.wardrobe import shared_parts
from a3dgen.bodies.faces import face_offsets
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.light import LightAdjust

SEED = 16 * 3 * 5


def standing(body, seed):
    pose = np.zeros((24, 3))
    pose[0, 0], pose[15, 1] = np.pi, 0.4
    fit = BodyFit(pose, np.zeros(body.num_betas), np.array([0.0, -0.2, 2.2]))
    return rebuild(body, fit, Cut(np.zeros(12, bool), np.ones(12)), face_offsets(body, seed))


@pytest.mark.parametrize("style", range(len(STYLES)))
def test_it_grows_on_the_person_s_own_chin(body, style):
    seed = SEED + 16 * style
    amputee = standing(body, seed)
    beard = posed_beard(shared_parts(body), amputee, Hair(stubble=FULL), seed)
    locks = beard.vertices.reshape(-1, 7, 3)
    head = body.mesh.weights[:, JOINT["head"]] > 0.2
    distance, near = cKDTree(amputee.vertices[head]).query(locks[:, :2].mean(1))
    assert np.quantile(distance, 0.95) < 0.009, "roots lie on the face"
    assert (body.masks["beard"][head][near] > 0.1).mean() > 0.97
    length = np.linalg.norm(locks[:, 6] - locks[:, 0], axis=1)
    assert np.median(length) == pytest.approx(STYLES[style].length, rel=0.3)
    assert set(np.unique(beard.part)) == {JOINT["head"]}
    lowest = amputee.posed.rotations[JOINT["head"]].T @ (locks[:, 6] - locks[:, 0]).mean(0)
    assert lowest[1] < -0.3 * STYLES[style].length, "it hangs down"


def test_the_roots_follow_the_face_to_the_millimetre(body):
    """Without the person's own face they would not."""
    worst = []
    for seed in (SEED, SEED + 48, SEED + 96):
        amputee = standing(body, seed)
        beard = posed_beard(shared_parts(body), amputee, Hair(stubble=FULL), seed)
        where = body.masks["beard"] * (1 - body.masks["ears"]) * (1 - body.masks["lips"])
        made = build_beard(body.mesh, where, 0)
        at_rest = made.mesh.vertices - body.mesh.vertices[made.roots]
        turn = amputee.posed.rotations[JOINT["head"]]
        stay = made.mesh.weights[:, JOINT["head"]] > 0.99
        moved = (beard.vertices - amputee.vertices[made.roots])[stay]
        worst.append(np.abs(moved - at_rest[stay] @ turn.T).max())
    assert max(worst) < 0.0015


def test_only_dense_stubble_is_a_beard(body):
    shared, amputee = shared_parts(body), standing(body, SEED)
    assert posed_beard(shared, amputee, Hair(stubble=0.7), SEED) is None
    assert build_beard(body.mesh, np.zeros(len(body.mesh.vertices)), 0) is None
    looks = [Look(5, Hair("bald", stubble=s), (), LightAdjust(), SEED) for s in (0.7, FULL)]
    items = [build_subject(body, amputee, look) for look in looks]
    assert len(items[1]) == len(items[0]) + 1
    other = replace(looks[1], seed=SEED + 16)
    assert not np.array_equal(build_subject(body, amputee, other)[-2].faces, items[1][-2].faces), "another style"
