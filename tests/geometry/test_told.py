"""Whether a picture shows that a limb is missing."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.appearance.look import LINER
from a3dgen.appearance.looks import LooksConfig, draw_look
from a3dgen.compositing.told import told_share
from a3dgen.core.records import Plans
from a3dgen.core.rng import generator_for
from a3dgen.stages.drawing import intact

CALM = np.zeros(3)


def two_pictures(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return pictures that differ by ``step`` grey levels in the upper half of a limb, and the limb."""
    one = np.full((60, 40, 3), 90, np.uint8)
    other, limb = one.copy(), np.zeros((60, 40), bool)
    limb[10:50, 15:25] = True
    other[:30] += np.uint8(step)
    return one, other, limb


def test_the_share_of_the_limb_that_differs() -> None:
    one, other, limb = two_pictures(60)
    assert told_share(one, other, limb, CALM) == pytest.approx(0.5, abs=0.03)
    assert told_share(one, one, limb, CALM) == 0
    assert told_share(one, np.full_like(one, 250), limb, CALM) == 1
    assert told_share(one, other, np.zeros_like(limb), CALM) == 0


def test_small_steps_and_grain_do_not_count() -> None:
    one, other, limb = two_pictures(6)
    assert told_share(one, other, limb, CALM) == 0
    rng = np.random.default_rng(0)
    noisy = [np.clip(90 + rng.normal(0, 12, one.shape), 0, 255).astype(np.uint8) for _ in range(2)]
    assert told_share(*noisy, limb, np.full(3, 12.0)) < 0.05
    assert told_share(*noisy, limb, CALM) > 0.2


@pytest.mark.parametrize("variant", range(12))
def test_the_intact_plan_of_an_amputee_is_the_twins(variant: int) -> None:
    """Sleeves have their length again, and nobody wears a liner on a whole limb."""
    removed, residual = np.zeros(12, bool), np.ones(12)
    removed[[3, 7]], residual[[3, 7]] = True, 0.5
    rows = []
    for gone, at in ((removed, residual), (np.zeros(12, bool), np.ones(12))):
        look = draw_look(generator_for(variant, "look", "p"), LooksConfig(), gone, at)
        rows.append({"key": "k", "parent": "p", "removed": gone, "residual": at, **look.columns()})
    amputee, twin = (Plans.from_rows([row]).row(0) for row in rows)
    assert {k: str(v) for k, v in intact(amputee).items()} == {k: str(v) for k, v in twin.items()}


def test_some_of_these_looks_have_endings_and_liners() -> None:
    """Or the test above would show nothing."""
    removed, residual = np.zeros(12, bool), np.ones(12)
    removed[[3, 7]], residual[[3, 7]] = True, 0.5
    garments = [
        g
        for v in range(12)
        for g in draw_look(generator_for(v, "look", "p"), LooksConfig(), removed, residual).garments
    ]
    assert any(g.ending for g in garments)
    assert any(g.kind == LINER for g in garments)
