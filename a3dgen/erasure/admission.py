"""Whether a limb may be erased from a photo: what was measured, and every reason against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Admission:
    """What was measured on one limb (``facts``), and each bar it fails (``reasons``, empty = admitted)."""

    facts: dict[str, float] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.reasons

    def least(self, name: str, value: float, bar: float, why: str) -> None:
        """Note a measure that must be at least ``bar``."""
        self._note(name, value, bool(value >= bar), why, min)

    def most(self, name: str, value: float, bar: float, why: str) -> None:
        """Note a measure that must be at most ``bar``."""
        self._note(name, value, bool(value <= bar), why, max)

    def refuse(self, why: str) -> None:
        """Note a reason that has no measure."""
        self.reasons.append(why)

    def _note(self, name: str, value: float, passed: bool, why: str, worse: Callable[[float, float], float]) -> None:
        self.facts[name] = worse(float(value), self.facts.get(name, float(value)))  # of several limbs the worst
        if not passed or not np.isfinite(value):
            self.reasons.append(f"{why} ({value:.3g})")

    def __str__(self) -> str:
        return "; ".join(self.reasons)
