"""A build that would drop most of a finished dataset asks first: a drive may not be mounted, a filter mistyped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from a3dgen.core.errors import ConfigError
from a3dgen.engine.freshness import read_done
from a3dgen.stages.table import DATASET_FOLDER

PEOPLE, SAMPLES = "people", "samples"


@dataclass(frozen=True)
class Consent:
    """Who says yes.

    Attributes:
        given: beforehand (``--yes``). ask: puts the question to the user; None where nobody can answer.
    """

    given: bool = False
    ask: Callable[[str], bool] | None = None


def require_consent(out: Path, what: str, now: int, consent: Consent) -> None:
    """Stop a build before it drops more than half of what a finished dataset holds.

    Args:
        out: the build folder. what: ``PEOPLE`` or ``SAMPLES``. now: how many the dataset would be made of.

    Raises:
        ConfigError: if nobody says that it is meant. The dataset is as it was.
    """
    done = read_done(out, "annotate")
    before = done.get(what) if done is not None and (out / DATASET_FOLDER).is_dir() else None
    if not isinstance(before, int) or 2 * now >= before or consent.given:
        return
    text = f"{out}: the finished dataset has {before} {what}, this run would leave {now}"
    if consent.ask is not None and consent.ask(text):
        return
    raise ConfigError(f"{text}; the dataset is as it was. If that is meant, add --yes")
