"""Whether samples of a person are to be erased, and whether their photo admits it: asked while they are planned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from a3dgen.amputation.rebuild import RESIDUAL, Cut
from a3dgen.core.errors import Rejected
from a3dgen.core.rng import generator_for
from a3dgen.core.stage import Context
from a3dgen.erasure.config import ERASE, REJECT, Erasing
from a3dgen.erasure.erase import survey
from a3dgen.erasure.licences import forbids_derivatives
from a3dgen.erasure.subject import Subject, load_subject
from a3dgen.geometry.regions import NUM_REGIONS


@dataclass
class Eraser:
    """Asks a person's photo whether limbs may be erased from it; the photo is read when the first question comes.

    Attributes:
        answers: what the photo said, by limbs and residuals. subject: the person prepared, or why they cannot be.
        not_erased: of each variant that is drawn although it was its turn to be erased, why.
    """

    config: Erasing
    context: Context
    person: dict[str, Any]
    fit: dict[str, Any]
    answers: dict[tuple[tuple[int, float], ...], str] = field(default_factory=dict)
    subject: Subject | str | None = None
    not_erased: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return str(self.person["key"])

    @property
    def only(self) -> bool:
        """Whether what the photo does not admit is left out."""
        return self.config.mode_of(self.key) == ERASE and self.config.otherwise == REJECT

    def turn(self, variant: int, geometry: str) -> bool:
        """Return whether a variant is to be erased if the photo admits it."""
        share = self.config.share_of(self.key)
        if not share or geometry != RESIDUAL:
            return False
        return bool(generator_for(self.context.seed, "mode", f"{self.key}#{variant}").random() < share)

    def spare(self, geometry: str) -> bool:
        """Return whether overlay samples are erased instead where their plate cannot be trusted."""
        return self.config.instead == ERASE and geometry == RESIDUAL

    def why_not(self, region: int, residual: float) -> str:
        """Return why one limb may not be erased; empty if it may."""
        return self.refuses({region: residual})

    def refuses(self, residual: dict[int, float]) -> str:
        """Return why these limbs may not be erased together; empty if they may."""
        name = tuple(sorted(residual.items()))
        if name not in self.answers:
            self.answers[name] = self._ask(residual)
        return self.answers[name]

    def _ask(self, residual: dict[int, float]) -> str:
        if forbids_derivatives(str(self.person["license"])):
            return "the photo's licence forbids derivatives"
        if np.asarray(self.person["present_removed"], bool).any():
            return "the person lacks a limb already"
        if self.subject is None:
            try:
                self.subject = load_subject(self.person, self.fit, None, self.context)
            except Rejected as error:
                self.subject = str(error)
        if isinstance(self.subject, str):
            return self.subject
        removed, at = np.zeros(NUM_REGIONS, bool), np.ones(NUM_REGIONS)
        for region, value in residual.items():
            removed[region], at[region] = True, value
        rng = generator_for(self.context.seed, "erase", self.key)
        return str(survey(self.subject, Cut(removed, at), self.config.bars, rng).admission)
