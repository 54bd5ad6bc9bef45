"""Wheelchairs by kind: one entry for whoever needs the parts, or the wheels, of a chair."""

from __future__ import annotations

from functools import lru_cache

from numpy import ndarray

from a3dgen.geometry.devices.folding_chair import folding_chair
from a3dgen.geometry.devices.racing_chair import racing_chair
from a3dgen.geometry.devices.sweep import Part
from a3dgen.geometry.devices.wheelchair import ACTIVE, FOLDING, RACING, Seat, Wheel, wheelchair, wheels

CHAIRS = {"active": (wheelchair, ACTIVE), "folding": (folding_chair, FOLDING), "racing": (racing_chair, RACING)}
"""Kind of chair -> what makes it, and its drive wheels."""


@lru_cache(4)
def chair_of(seat: Seat, colour: tuple[int, int, int]) -> tuple[list[Part], dict[str, ndarray]]:
    """Return the parts of a chair in its own frame, and its hubs, footplate and seat; twins share one chair."""
    return CHAIRS[seat.kind][0](seat, colour)


def wheels_of(seat: Seat) -> dict[str, Wheel]:
    """Return the drive wheels of a chair by side."""
    return wheels(seat, CHAIRS[seat.kind][1])
