"""CSV tables that people open in a spreadsheet, and save from one.

A cell that begins with = + - @, a tab or a line break is a formula to a spreadsheet, and formulas start programs and
send data away; names of photos come from strangers. Such cells are written with an apostrophe before them, and read
without it (OWASP, "CSV Injection").
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from a3dgen.core.errors import ConfigError
from a3dgen.io.images import replace_file
from a3dgen.io.regular import read_bytes

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What spreadsheets take for the start of a formula, full-width forms included."""


def harmless(cell: object) -> str:
    """Return a cell that no spreadsheet runs; ``plain`` gives back what it was."""
    text = str(cell)
    return f"'{text}" if text.lstrip("'").startswith(_FORMULA) else text


def plain(cell: str) -> str:
    """Return what ``harmless`` was given; a cell that it never touches is left as it is."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with one line of column names, atomically."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    quoting = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        cells = [harmless(cell) for cell in row]
        # older Pythons do not quote a carriage return, which would then begin a row
        (quoting if any("\r" in cell for cell in cells) else writer).writerow(cells)
    replace_file(path, text.getvalue().encode("utf-8", "replace"))


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a CSV file as spreadsheets write it: with commas, semicolons (then 0,5 is a number) or tabs; UTF-8, or
    Windows' western characters. No file is an empty table; cells that are not there are empty, cells beyond the named
    columns are left out.

    Raises:
        ConfigError: if it is no such file.
    """
    if not path.is_file():
        return []
    try:
        data = read_bytes(path)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252")
        head = text.partition("\n")[0]
        delimiter = max(",;\t", key=head.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
        rows = [{name: plain(cell) for name, cell in row.items() if name is not None} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read as CSV: {error}") from None
    if delimiter == ";":
        for row in rows:
            row["residual"] = (row.get("residual") or "").replace(",", ".")
    return rows
