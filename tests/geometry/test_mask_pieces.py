"""Connected pieces of masks, chosen by size and by what they touch."""

from __future__ import annotations

import numpy as np

from a3dgen.removal.pieces import Pieces, touching


def test_pieces_are_counted_and_chosen() -> None:
    mask = np.zeros((6, 8), bool)
    mask[0, :3], mask[1, 3], mask[4:, 5:7] = True, True, True  # a row, a pixel at its corner, a square
    corner, edge = Pieces.of(mask), Pieces.of(mask, 4)
    assert sorted(corner.pixels()[1:].tolist()) == [4, 4]
    assert sorted(edge.pixels()[1:].tolist()) == [1, 3, 4]
    assert edge.chosen(edge.pixels() <= 3).sum() == 4, "what belongs to no piece is never chosen"
    within = np.zeros_like(mask)
    within[4] = True
    assert corner.pixels(within)[1:].tolist() == [0, 2]


def test_touching_keeps_whole_pieces() -> None:
    mask = np.zeros((6, 8), bool)
    mask[0, :3], mask[1, 3], mask[4:, 5:7] = True, True, True
    seed = np.zeros_like(mask)
    seed[0, 0] = seed[3, 3] = True
    np.testing.assert_array_equal(np.argwhere(touching(mask, seed)), [[0, 0], [0, 1], [0, 2], [1, 3]])
    assert touching(mask, seed, 4).sum() == 3
    assert not touching(mask, np.zeros_like(mask)).any()
    assert not touching(np.zeros_like(mask), seed).any()
