"""Tables for spreadsheets: no cell is a formula, and every cell comes back as it was."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3dgen.io.tables import harmless, plain, read_table, write_table

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d")
CELLS = (
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "'=1",
    "''+x",
    "'plain",
    "plain",
    "",
    "\uff1d1",
    "a\n=1",
)


@pytest.mark.parametrize("cell", CELLS)
def test_no_cell_is_a_formula(tmp_path, cell):
    write_table(tmp_path / "x.csv", ("key", "photo"), [(cell, 7)])
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        (stored, number) = list(csv.reader(file))[1]
    assert not stored.startswith(FORMULAS)
    assert number == "7"
    assert read_table(tmp_path / "x.csv") == [{"key": cell, "photo": "7"}]


@given(st.text(alphabet="'=+-@\t\rab1 ", max_size=8))
def test_every_cell_comes_back(cell):
    assert plain(harmless(cell)) == cell
    assert not harmless(cell).startswith(FORMULAS)
