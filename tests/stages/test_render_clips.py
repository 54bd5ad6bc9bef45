"""One light for all frames of a clip, read on few of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from a3dgen.core.errors import Rejected
from a3dgen.core.records import Persons, Plates
from a3dgen.core.stage import Inputs
from a3dgen.lighting.light import Surroundings, read_surroundings
from a3dgen.stages import render_clips
from a3dgen.stages.amputate_tracks import Tracks
from a3dgen.stages.render_clips import ASKED, ClipLights

FRAMES = 20


@dataclass
class Seen:
    surroundings: Surroundings


def test_frames_of_a_track_have_one_light_and_few_are_asked(body, monkeypatch):
    plate = read_surroundings(np.full((40, 60, 3), 120, np.uint8))
    asked = []

    def load(person, fitted, plate_row, body, out):
        asked.append(int(person["key"]))
        if person["key"] == "0":
            raise Rejected("cut short")
        aside = 1.0 if asked[-1] < 10 else -1.0  # the guess flips in the middle of the clip
        return Seen(replace(plate, key_dir=np.array([0.6 * aside, -0.8, 0.0])))

    rows = [({"key": str(n), "track": "walk/0"}, {}) for n in range(FRAMES)]
    monkeypatch.setattr(render_clips, "rows_of_tracks", lambda inputs: Tracks({"walk/0": rows}))
    monkeypatch.setattr(render_clips, "load_scene", load)
    plates = Plates.from_rows(
        [
            dict.fromkeys(("image", "mask", "occluders", "method"), "") | {"key": str(n), "filled": 0.0}
            for n in range(FRAMES - 2)
        ]
    )
    lights = ClipLights(Inputs(Persons.from_rows([]), plates=plates), body, Path("/none"))
    light = lights.of("walk/0")
    assert lights.of("walk/0") is light
    assert len(asked) == ASKED
    assert (min(asked), max(asked)) == (0, FRAMES - 3), "only frames with a plate"
    assert light is not None
    assert np.linalg.norm(light.key_dir) == pytest.approx(1)
    assert abs(light.key_dir[0]) < 0.2
    assert lights.of("") is None
    assert lights.of("nobody") is None
