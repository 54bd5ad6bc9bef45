"""Swapped left and right labels: noticed where one view allows it, and right labels left in peace."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.swaps import measure


def test_swaps_are_noticed_without_false_alarms():
    found = measure(10)
    assert found["none"] == 0
    assert found["labels"] >= 0.6
    assert found["arms"] >= 0.5
    assert found["legs"] >= 0.5
