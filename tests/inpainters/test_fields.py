"""Steps between levels of the exemplar fill, against the same in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from a3dgen.inpainters.fields import completed, places, upsampled

PAD = 5


def masks(seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """Return what may be copied from, and the targets, of a level of 41 x 36 px and its frame."""
    rng = np.random.default_rng(seed)
    ok, targets = rng.random((2, 41 + 2 * PAD, 36 + 2 * PAD)) < 0.5
    for mask in (ok, targets):
        mask[:PAD] = mask[-PAD:] = mask[:, :PAD] = mask[:, -PAD:] = False
    return rng, ok, targets


def test_places_are_those_of_the_mask_in_scan_order() -> None:
    _, ok, _ = masks(0)
    assert np.array_equal(places(ok), np.argwhere(ok))
    assert places(ok).dtype == np.int32
    assert places(np.zeros_like(ok)).shape == (0, 2)


def restricted(field: np.ndarray, ok: np.ndarray, where: np.ndarray, targets: np.ndarray, seed: int) -> np.ndarray:
    found = field[targets[:, 0], targets[:, 1]]
    valid = (found >= 0).all(1) & ok[np.maximum(found[:, 0], 0), np.maximum(found[:, 1], 0)]
    chosen = np.random.default_rng(seed).integers(len(where), size=len(targets))
    out = np.full(field.shape, -1, np.int32)
    out[targets[:, 0], targets[:, 1]] = np.where(valid[:, None], found, where[chosen])
    return out


@pytest.mark.parametrize("seed", [1, 2])
def test_fields_are_completed_where_nothing_may_be_copied(seed: int) -> None:
    rng, ok, mask = masks(seed)
    field = rng.integers(-1, 36, (*ok.shape, 2)).astype(np.int32)
    where, targets = places(ok), places(mask)
    found = completed(field, ok, where, targets, np.random.default_rng(7))
    assert np.array_equal(found, restricted(field, ok, where, targets, 7))
    assert ok[tuple(found[mask].T)].all()


@pytest.mark.parametrize("seed", [3, 4])
def test_offsets_are_doubled_on_the_way_down(seed: int) -> None:
    rng, ok, mask = masks(seed)
    where, targets = places(ok), places(mask)
    coarse = rng.integers(-1, 20, (20 + 2 * PAD, 18 + 2 * PAD, 2)).astype(np.int32)
    coarse[(coarse < 0).any(-1)] = -1
    inner = targets - PAD
    parent = np.minimum(inner // 2, (19, 17))
    found = coarse[parent[:, 0] + PAD, parent[:, 1] + PAD]
    child = np.clip(2 * (found - PAD) + inner - 2 * parent + PAD, 0, np.array(ok.shape) - 1)
    field = np.full((*ok.shape, 2), -1, np.int32)
    field[targets[:, 0], targets[:, 1]] = np.where(found >= 0, child, -1)
    carried = upsampled(coarse, ok, where, targets, PAD, np.random.default_rng(9))
    assert np.array_equal(carried, restricted(field, ok, where, targets, 9))
