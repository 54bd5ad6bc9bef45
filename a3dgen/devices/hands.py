"""Hands that hold a handle: finger bones of the open body bent round it; other bodies' fingers by a bend deformer."""

from __future__ import annotations

from dataclasses import replace

from a3dgen.bodies.grip import shipped_grip
from a3dgen.core.pool import Cache
from a3dgen.geometry.body import BodyData
from a3dgen.geometry.devices.grip import Grip, wrapped_hands

_GRIPS = Cache(4)


def closed_hands(body: BodyData) -> Grip:
    """Return the closed hands of a body (made once a process).

    The handle lies under the knuckles alike for all bodies, so arms reach it alike.

    Raises:
        DataError: if the packaged file of the open body is damaged.
    """
    return _GRIPS.get(body.mesh, body.name, lambda: _closed(body))


def _closed(body: BodyData) -> Grip:
    grip, offsets = wrapped_hands(body), shipped_grip(body)
    return grip if offsets is None else replace(grip, offsets=offsets)
