"""What the validator found: violations, warnings and rules that could not be checked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

MAX_ROWS_NAMED = 3


@dataclass(frozen=True)
class Finding:
    """One violation: which rule, in which file, which sample, and what is wrong."""

    rule: str
    file: str
    message: str
    warning: bool = False

    def line(self) -> str:
        return f"{'warning' if self.warning else 'error'}: {self.file}: {self.message} [{self.rule}]"


@dataclass
class Findings:
    """Collects findings; ``samples`` counts the rows looked at."""

    items: list[Finding] = field(default_factory=list)
    unchecked: dict[str, str] = field(default_factory=dict)
    samples: int = 0

    def error(self, rule: str, file: str, message: str) -> None:
        """Record a violation."""
        self.items.append(Finding(rule, file, message))

    def warn(self, rule: str, file: str, message: str) -> None:
        """Record a doubt; ``--strict`` makes it a violation."""
        self.items.append(Finding(rule, file, message, warning=True))

    def rows(self, rule: str, file: str, bad: np.ndarray, names: Sequence[str], message: str) -> None:
        """Record one line for all rows where ``bad`` (n,) or (n, ...) is true, naming the first few."""
        where = np.flatnonzero(bad.reshape(len(bad), -1).any(1))
        if len(where):
            shown = ", ".join(names[i] for i in where[:MAX_ROWS_NAMED])
            more = f" and {len(where) - MAX_ROWS_NAMED} more" if len(where) > MAX_ROWS_NAMED else ""
            self.error(rule, file, f"{message}: {shown}{more}")

    def skip(self, rule: str, why: str) -> None:
        """Record that a rule could not be checked."""
        self.unchecked[rule] = why

    def failed(self, strict: bool) -> bool:
        """Whether the dataset is invalid."""
        return any(strict or not f.warning for f in self.items)

    def text(self, strict: bool) -> str:
        """Return the report: one line per finding, then what was not checked, then the verdict."""
        lines = [f.line() for f in self.items]
        lines += [f"not checked: {rule}: {why}" for rule, why in sorted(self.unchecked.items())]
        verdict = "invalid" if self.failed(strict) else "valid"
        return "\n".join([*lines, f"{verdict}: {self.samples} samples, {len(self.items)} findings"])

    def as_json(self, strict: bool) -> str:
        """Return the report as JSON."""
        return json.dumps(
            {
                "valid": not self.failed(strict),
                "samples": self.samples,
                "findings": [asdict(f) for f in self.items],
                "not_checked": self.unchecked,
            },
            indent=1,
        )
