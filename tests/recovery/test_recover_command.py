"""Photos that ``a3dgen recover`` reads: cut short ones too, with a word about it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from a3dgen.commands.recover import pictures
from a3dgen.core.rng import generator_for


def test_a_photo_that_is_cut_short_is_read_and_said_to_be(tmp_path, caplog):
    noise = generator_for(1, "noise", "").integers(0, 255, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "whole.jpg", quality=90)
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "short.jpg").write_bytes(data[: int(0.8 * len(data))])
    read = dict(pictures(tmp_path, tmp_path / "out"))
    assert read["whole"].shape == (120, 160, 3)
    assert 60 < read["short"].shape[0] < 120
    said = [r.getMessage() for r in caplog.records]
    assert any("short.jpg" in text and "cut short" in text for text in said)
    assert not any("whole" in text for text in said)
