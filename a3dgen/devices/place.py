"""Where a device goes on a posed body, and what it is made of there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.amputation.rebuild import Amputee
from a3dgen.appearance.look import Look
from a3dgen.devices.device import Device
from a3dgen.devices.materials import items_of
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.devices.hull import Hull
from a3dgen.geometry.devices.sweep import Part
from a3dgen.geometry.skeleton import JOINT
from a3dgen.renderers import Item


@dataclass(frozen=True)
class Attached:
    """One device on a body.

    Attributes:
        device: what it is. label: of its faces. parts: m, camera frame. extra: further items of it (a shoe).
        points: name -> (3,) m, camera frame. liner: items of what is worn below it, with the body's labels.
        hull: of the socket, wall included, for cloth that lies over it.
    """

    device: Device
    label: int
    parts: tuple[Part, ...]
    points: dict[str, ndarray]
    extra: tuple[Item, ...] = ()
    liner: tuple[Item, ...] = ()
    hull: Hull | None = None

    def items(self) -> list[Item]:
        """Return what to draw of the device itself."""
        return [*items_of(self.parts, self.label), *self.extra]


@dataclass(frozen=True)
class Place:
    """Where one device goes; ``whole``: vertices of the intact body, camera frame, m."""

    body: BodyData
    amputee: Amputee
    look: Look
    device: Device
    label: int
    whole: Float[ndarray, "v 3"] = field(repr=False)

    def joint(self, name: str) -> Float[ndarray, "3"]:
        return self.amputee.posed.joints[JOINT[f"{self.device.side}_{name}"]]

    def turn(self, name: str) -> Float[ndarray, "3 3"]:
        return self.amputee.posed.rotations[JOINT[f"{self.device.side}_{name}"]]

    def owned(self, *names: str) -> Float[ndarray, "n 3"]:
        """Vertices of the intact body that follow these joints of the device's side most."""
        owner = self.body.mesh.owner
        return self.whole[np.isin(owner, [JOINT[f"{self.device.side}_{n}"] for n in names])]
