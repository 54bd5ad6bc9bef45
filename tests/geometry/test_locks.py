"""Locks of hair: they root in the hair, follow it, stay off the face, and break the outline of the cap."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.appearance.hair import LOCKS, STYLES, build_hair
from a3dgen.geometry.head import head_frame


@pytest.fixture(scope="module", params=["short", "afro", "bob"])
def hair(request, body):
    return request.param, build_hair(body.mesh, request.param, 0.6)


def test_every_style_has_locks():
    assert set(LOCKS) == set(STYLES)


def test_locks_root_in_the_hair_and_stick_out_of_it(body, hair):
    style, pieces = hair
    scalp, locks = pieces[0].vertices.astype(float), pieces[1].vertices.reshape(-1, 7, 3).astype(float)
    assert len(locks) == LOCKS[style].count
    roots = (locks[:, 0] + locks[:, 1]) / 2
    gap = lambda p: np.sqrt(((p[:, None] - scalp[None]) ** 2).sum(-1).min(1))  # noqa: E731
    assert np.quantile(gap(roots), 0.95) < 0.011
    assert np.quantile(gap(locks[:, 6]), 0.8) > 0.0035
    reach = np.linalg.norm(locks[:, 6] - roots, axis=1)
    assert 0.5 < np.median(reach) / LOCKS[style].length < 1.1
    frame = head_frame(body.mesh)
    eyes = np.linalg.norm(locks.reshape(-1, 1, 3) - frame.eyes, axis=2)
    assert eyes.min() > 0.02  # nothing hangs over the eyes


def test_locks_move_with_the_surface_they_grow_on(hair):
    _, pieces = hair
    for surface, locks in zip(pieces[::2], pieces[1::2], strict=True):
        known = {row.tobytes() for row in surface.weights}
        assert all(row.tobytes() in known for row in locks.weights[::7])
        assert locks.weights.sum(1) == pytest.approx(1, abs=1e-5)
        assert (locks.faces.max() + 1) == len(locks.vertices)


def test_the_same_style_gives_the_same_locks(body):
    one, two = (build_hair(body.mesh, "short", 0.6)[1].vertices for _ in range(2))
    assert np.array_equal(one, two)
