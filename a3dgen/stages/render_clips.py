"""What frames of a clip need besides: one light for all, the mean of what some say, and ground below their heels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.compositing.scene import load_scene
from a3dgen.core.errors import Rejected
from a3dgen.core.stage import Inputs
from a3dgen.geometry.body import BodyData, keypoints_from_joints, pose_body, rest_joints
from a3dgen.geometry.skeleton import ROW
from a3dgen.lighting.light import Surroundings, mean_surroundings
from a3dgen.lighting.shadow import Ground
from a3dgen.stages.amputate_tracks import rows_of_tracks

ASKED = 7
"""Frames of a track whose light is read."""
DIP = 0.05
"""m; toes may dip below the ground by this much, so that the heel comes down on it."""
_HEELS = [ROW["body_left_heel"], ROW["body_right_heel"]]


class ClipLights:
    """The light of every track of a shard, read when it is first asked for."""

    def __init__(self, inputs: Inputs, body: BodyData, out: Path) -> None:
        """Remember where the frames are.

        Args:
            out: the build folder.
        """
        self._inputs, self._body, self._out = inputs, body, out
        self._found: dict[str, Surroundings | None] = {}

    def of(self, track: str) -> Surroundings | None:
        """Return the light of a track's frames; None for what is in none, or if none of them can be read."""
        if track and track not in self._found:
            self._found[track] = self._read(track)
        return self._found.get(track)

    def _read(self, track: str) -> Surroundings | None:
        plates = self._inputs.plates
        assert plates is not None
        at = plates.index()
        rows: list[tuple[dict[str, Any], dict[str, Any]]] = rows_of_tracks(self._inputs).rows.get(track, [])
        there = [(person, fitted) for person, fitted in rows if str(person["key"]) in at]
        chosen = np.unique(np.linspace(0, len(there) - 1, min(ASKED, len(there))).round().astype(int))
        found = []
        for person, fitted in (there[i] for i in chosen):
            try:
                scene = load_scene(person, fitted, plates.row(at[str(person["key"])]), self._body, self._out)
                found.append(scene.surroundings)
            except Rejected:
                continue  # the frame's own samples are rejected with this reason
        return mean_surroundings(found) if found else None


def under_heels(ground: Ground, fitted: dict[str, Any], body: BodyData) -> Ground:
    """Return the ground at the heel of the lower foot, at most ``DIP`` above that below the toes.

    Frames are fitted together without a ground: feet point a little down, and with the plane below their toes somebody
    who stands hangs above the shadow.

    Args:
        fitted: row of Bodies.
    """
    posed = pose_body(body, fitted["pose"], fitted["betas"], fitted["transl"])
    betas = np.asarray(fitted["betas"], np.float64)
    at_rest = keypoints_from_joints(body, np.tile(np.eye(3), (24, 1, 1)), rest_joints(body, betas), betas)
    sole = at_rest[_HEELS, 1].min() - body.mesh.shaped(betas)[:, 1].min()
    gap = float((posed.keypoints[_HEELS] @ ground.up).min() - ground.level - sole)
    rise = float(np.clip(gap, 0, DIP))
    return replace(ground, level=ground.level + rise, foot=ground.foot + rise * ground.up)
