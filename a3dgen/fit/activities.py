"""Activities of the pose distribution: trunk and leg angles in degrees, as clinicians give them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy import ndarray

Angles = dict[str, ndarray]
Number = float | int


class Draw:
    """n draws at a time of the few distributions used here."""

    def __init__(self, rng: np.random.Generator, n: int) -> None:
        self.rng, self.n = rng, n

    def about(self, mean: Number | ndarray, sd: Number, low: Number = -180, high: Number = 180) -> ndarray:
        """Normal, clipped to [low, high]."""
        return np.clip(mean + sd * self.rng.standard_normal(self.n), low, high)

    def between(self, low: Number, high: Number) -> ndarray:
        return self.rng.uniform(low, high, self.n)

    def bent(self, sd: Number) -> ndarray:
        """Half normal: a hinge that is mostly straight."""
        return np.abs(sd * self.rng.standard_normal(self.n))

    def chance(self, p: float) -> ndarray:
        return self.rng.random(self.n) < p


def _trunk(
    d: Draw, tilt: Number, tilt_sd: Number, flex: Number, flex_sd: Number, twist: Number = 9, side: Number = 6
) -> Angles:
    lean = d.about(tilt, tilt_sd)
    return {
        "tilt": lean, "heel": d.about(0, 0.5 * side), "flex": d.about(flex, flex_sd, -30, 80),
        "twist": d.about(0, twist, -70, 70), "side": d.about(0, side, -40, 40),
        "nod": d.about(-0.45 * lean + 4, 14, -55, 60), "turn": d.about(0, 24, -75, 75), "cock": d.about(0, 8, -35, 35),
    }  # fmt: skip


def _leg(d: Draw, flex: ndarray, abduct: ndarray, rotate: ndarray, knee: ndarray) -> Angles:
    return {
        "flex": np.clip(flex, -28, 128), "abduct": np.clip(abduct, -22, 60), "rotate": np.clip(rotate, -40, 55),
        "knee": np.clip(knee, 0, 150), "point": d.about(0, 10, -28, 45), "roll": d.about(0, 5, -20, 20),
        "toes": d.bent(7),
    }  # fmt: skip


def _stand(d: Draw) -> tuple[Angles, Angles, Angles]:
    lazy = d.chance(0.5)  # one knee gives way, as people wait

    def leg(bends: ndarray) -> Angles:
        knee = d.bent(5) + bends * d.bent(16)
        return _leg(d, 1 + 0.5 * knee + d.about(0, 6), d.about(6, 5), d.about(9, 10), knee)

    return _trunk(d, 2, 5, 4, 7), leg(lazy), leg(~lazy & d.chance(0.4))


def _stride(
    d: Draw, reach: Number, swing_knee: Number, stance_knee: Number, tilt: Number
) -> tuple[Angles, Angles, Angles]:
    phase, size = d.between(0, 2 * np.pi), d.between(0.5, 1.25)

    def leg(phi: ndarray) -> Angles:
        swing = np.clip(np.sin(phi), 0, None)  # the leg is off the ground while it travels forward
        flex = 6 + size * reach * np.sin(phi + 0.9) + d.about(0, 5)
        return _leg(d, flex, d.about(2, 4), d.about(5, 8), stance_knee + size * swing_knee * swing + d.bent(7))

    return _trunk(d, tilt, 6, 4, 7, 10), leg(phase), leg(phase + np.pi)


def _walk(d: Draw) -> tuple[Angles, Angles, Angles]:
    return _stride(d, 25, 52, 6, 4)


def _run(d: Draw) -> tuple[Angles, Angles, Angles]:
    return _stride(d, 44, 88, 18, 12)


def _sit(d: Draw) -> tuple[Angles, Angles, Angles]:
    stretched = d.about(84, 24, 5, 130)

    def leg() -> Angles:
        return _leg(d, d.about(82, 13), d.about(9, 11), d.about(4, 13), stretched + d.about(0, 11))

    return _trunk(d, -6, 11, 12, 14, 10), leg(), leg()


def _sit_low(d: Draw) -> tuple[Angles, Angles, Angles]:
    crossed = d.chance(0.45)

    def leg() -> Angles:
        knee = np.where(crossed, d.about(120, 16), d.between(5, 135))
        flex = np.where(crossed, d.about(82, 14), 68 + 0.28 * knee + d.about(0, 15))
        return _leg(
            d,
            flex,
            np.where(crossed, d.about(32, 11), d.about(10, 13)),
            np.where(crossed, 32, 6) + d.about(0, 13),
            knee,
        )

    return _trunk(d, -8, 14, 18, 16, 12), leg(), leg()


def _crouch(d: Draw) -> tuple[Angles, Angles, Angles]:
    depth = d.between(0.35, 1)

    def leg() -> Angles:
        knee = 128 * depth + d.about(0, 15)
        return _leg(d, 108 * depth + d.about(0, 15), d.about(14, 11), d.about(12, 12), knee)

    return _trunk(d, 22, 15, 14, 14), leg(), leg()


def _kneel(d: Draw) -> tuple[Angles, Angles, Angles]:
    one = d.chance(0.6)

    def leg(down: ndarray) -> Angles:
        flex = np.where(down, d.about(12, 22), d.about(92, 15))
        return _leg(d, flex, d.about(8, 9), d.about(4, 10), np.where(down, d.about(100, 20), d.about(92, 17)))

    return _trunk(d, 10, 14, 12, 14), leg(np.ones(d.n, bool)), leg(~one)


def _bend(d: Draw) -> tuple[Angles, Angles, Angles]:
    trunk = _trunk(d, 42, 20, 26, 16, 13)

    def leg() -> Angles:
        knee = d.bent(22)
        return _leg(d, trunk["tilt"] + 0.45 * knee + d.about(0, 9), d.about(8, 7), d.about(6, 9), knee)

    return trunk, leg(), leg()


def _glide(d: Draw) -> tuple[Angles, Angles, Angles]:
    """Skiing, skating, boards: both knees bent, trunk forward, feet apart or one ahead."""
    depth, ahead = d.between(0.15, 1), d.about(0, 13)

    def leg(shift: ndarray) -> Angles:
        knee = 22 + 62 * depth + d.about(0, 13)
        return _leg(d, 14 + 62 * depth + shift + d.about(0, 9), d.about(9, 10), d.about(3, 10), knee)

    return _trunk(d, 14, 12, 16, 12, 16, 10), leg(ahead), leg(-ahead)


def _play(d: Draw) -> tuple[Angles, Angles, Angles]:
    """Batting, tennis, throwing, fielding: a wide stance, trunk twisted and inclined."""
    ahead = d.about(0, 20)

    def leg(shift: ndarray) -> Angles:
        knee = d.about(32, 20, 0)
        return _leg(d, 8 + 0.55 * knee + shift + d.about(0, 10), d.about(18, 10), d.about(8, 14), knee)

    return _trunk(d, 12, 14, 12, 14, 26, 11), leg(ahead), leg(-ahead)


def _spring(d: Draw) -> tuple[Angles, Angles, Angles]:
    """Lunges, kicks, climbing, jumps: each leg for itself."""

    def leg() -> Angles:
        knee = d.between(0, 125)
        return _leg(d, 0.55 * knee + d.about(5, 25), d.about(10, 13), d.about(6, 13), knee)

    return _trunk(d, 8, 17, 6, 14, 16, 11), leg(), leg()


def _lie(d: Draw) -> tuple[Angles, Angles, Angles]:
    def leg() -> Angles:
        knee = d.bent(45)
        return _leg(d, 0.6 * knee + d.about(4, 13), d.about(8, 10), d.about(8, 13), knee)

    trunk = _trunk(d, 0, 1, 8, 14, 12, 9)
    face_up = d.chance(0.55)
    trunk["tilt"] = np.where(face_up, -1, 1) * d.about(82, 14)
    trunk["spin"] = np.where(d.chance(0.4), d.about(0, 16), d.between(-110, 110))
    return trunk, leg(), leg()


ACTIVITIES: tuple[tuple[float, Callable[[Draw], tuple[Angles, Angles, Angles]]], ...] = (
    (0.24, _stand), (0.13, _walk), (0.08, _run), (0.13, _sit), (0.04, _sit_low), (0.05, _crouch), (0.03, _kneel),
    (0.06, _bend), (0.07, _glide), (0.08, _play), (0.05, _spring), (0.04, _lie),
)  # fmt: skip
