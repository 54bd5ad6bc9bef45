"""One light for all frames of a clip, read on few of them; and ground below the heels of feet that point down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from a3dgen.core.errors import Rejected
from a3dgen.core.records import Persons, Plates
from a3dgen.core.stage import Inputs
from a3dgen.geometry.body import pose_body, rest_joints
from a3dgen.geometry.skeleton import JOINT
from a3dgen.lighting.light import Surroundings, read_surroundings
from a3dgen.lighting.shadow import estimate_ground
from a3dgen.stages import render_clips
from a3dgen.stages.amputate_tracks import Tracks
from a3dgen.stages.render_clips import ASKED, DIP, ClipLights, under_heels

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


@pytest.mark.parametrize(
    ("pointed", "least", "most"), [(0.0, 0.0, 0.005), (0.15, 0.015, DIP), (0.35, 0.03, DIP), (1.2, DIP, DIP)]
)
def test_the_ground_of_a_clip_is_below_the_heels(body, pointed, least, most):
    pose = np.zeros((24, 3))
    pose[0], pose[[7, 8], 0] = [np.pi, 0, 0], pointed  # upright before a camera with y down
    fitted = {"pose": pose, "betas": np.zeros(10), "transl": np.array([0, 0, 4.0])}
    posed = pose_body(body, *fitted.values())
    ground = estimate_ground(posed.vertices(body.mesh, fitted["betas"]), np.array([0, -1.0, 0]))
    made = under_heels(ground, fitted, body)
    assert least - 1e-9 <= made.level - ground.level <= most + 1e-9
    assert made.foot @ made.up == pytest.approx(made.level)
    shaped = body.mesh.shaped(fitted["betas"])
    ankle = rest_joints(body, fitted["betas"])[JOINT["left_ankle"]]
    heel = (shaped[:, 1] < shaped[:, 1].min() + 0.006) & (shaped[:, 2] < ankle[2] - 0.02)
    under = (posed.vertices(body.mesh, fitted["betas"]) @ made.up)[heel].mean()
    assert pointed > 0.2 or made.level == pytest.approx(under, abs=0.004)
