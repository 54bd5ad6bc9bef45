import cv2
import numpy as np

from a3dgen.core.body_config import BodyConfig
from a3dgen.geometry.regions import REGIONS
from a3dgen.report import body_sheet


def test_every_length_and_both_geometries_are_shown():
    for region in REGIONS:
        shown = list(body_sheet._columns(region))
        assert len(shown) == 10
        assert {length for geometry, length, _ in shown if geometry == "residual"} == (
            set(body_sheet.LENGTHS) if region.cuttable else {1.0}
        )
        assert sum(geometry == "collapse" for geometry, _, _ in shown) == 2


def test_write_sheet(tmp_path, monkeypatch):
    monkeypatch.setattr(body_sheet, "REGIONS", REGIONS[7:9])
    monkeypatch.setattr(body_sheet, "TILE", 64)
    body_sheet.write_sheet(BodyConfig(), tmp_path / "sheet.png")
    picture = cv2.imread(str(tmp_path / "sheet.png"))
    assert picture.shape == (128, 640, 3)
    tiles = picture.reshape(2, 64, 10, 64, 3).swapaxes(1, 2)
    assert (tiles.reshape(20, -1).std(1) > 15).all()  # something is drawn on each
    assert not np.array_equal(tiles[0, 0], tiles[0, 2])
