"""Progress: one bar a stage on a terminal, plain lines elsewhere, remarks alone with ``--quiet``."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from time import monotonic as clock
from typing import Any, Protocol, runtime_checkable

PLAIN_SECONDS = 10.0
POLL_SECONDS = 0.25
SILENCE_SECONDS = 4.0
"""Without a line for so long, what goes on is said: at first ..."""
LATER_SILENCE_SECONDS = 60.0
FIRST_MINUTES_SECONDS = 900.0
"""... for so long: a new user's first build. Later a log of hours is to stay short."""


@runtime_checkable
class Progress(Protocol):
    """Shows how far each stage is. ``total`` may grow while shards are still being read."""

    def start(self, stage: str, total: int | None = None) -> None: ...
    def advance(self, stage: str, done: int = 1) -> None: ...
    def finish(self, stage: str, note: str = "") -> None: ...
    def say(self, text: str) -> None:
        """Show a remark about the user's data or build."""

    def tell(self, text: str) -> None:
        """Show what goes on; nothing with ``--quiet``."""

    def close(self) -> None: ...


class Quiet:
    """Shows remarks alone: what was noticed about somebody's data must not pass unseen."""

    def start(self, stage: str, total: int | None = None) -> None:
        """Ignore."""

    def advance(self, stage: str, done: int = 1) -> None:
        """Ignore."""

    def finish(self, stage: str, note: str = "") -> None:
        """Ignore."""

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def tell(self, text: str) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""


class Silence:
    """Calls ``speak`` whenever nothing was said for some seconds, from a thread of its own."""

    def __init__(self, speak: Callable[[], None]) -> None:
        self._speak, self._count = speak, 0
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        """Begin, unless it has begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def broken(self) -> None:
        """Note that something was said."""
        self._count += 1

    def close(self) -> None:
        """End."""
        self._closed.set()

    def _run(self) -> None:
        born = last = clock()
        heard = self._count
        while not self._closed.wait(POLL_SECONDS):
            now = clock()
            if self._count != heard:
                heard, last = self._count, now
            elif now - last >= (SILENCE_SECONDS if now - born < FIRST_MINUTES_SECONDS else LATER_SILENCE_SECONDS):
                self._speak()
                last = now


class Lines:
    """One line when a stage ends, one every ten seconds in between, and one after any long silence: for logs.

    Time left is told from the second batch on: the first one holds what is loaded and compiled once.
    """

    def __init__(self, unit: str = "people") -> None:
        self._unit = unit
        self._since: dict[str, float] = {}
        self._done: dict[str, int] = {}
        self._total: dict[str, int | None] = {}
        self._last: dict[str, float] = {}
        self._first: dict[str, tuple[int, float]] = {}
        self._shown = time.monotonic()
        self._over: set[str] = set()
        self._silence = Silence(self._going_on)

    def start(self, stage: str, total: int | None = None) -> None:
        self._last[stage] = time.monotonic()
        self._over.discard(stage)
        self._since.setdefault(stage, self._last[stage])
        self._done.setdefault(stage, 0)
        self._total[stage] = total
        self._silence.watch()

    def advance(self, stage: str, done: int = 1) -> None:
        self._done[stage] += done
        self._last[stage] = time.monotonic()
        if done:
            self._first.setdefault(stage, (self._done[stage], self._last[stage]))
        if self._done[stage] != self._total[stage] and self._last[stage] - self._shown > PLAIN_SECONDS:
            self._shown = self._last[stage]
            self.say(f"{stage}: {self._state(stage)}")

    def finish(self, stage: str, note: str = "") -> None:
        self._over.add(stage)
        self.say(f"{stage}: {self._state(stage)}{f' ({note})' if note else ''}")

    def say(self, text: str) -> None:
        self._silence.broken()
        print(text, file=sys.stderr, flush=True)

    def tell(self, text: str) -> None:
        self.say(text)

    def close(self) -> None:
        """Stop watching for silence."""
        self._silence.close()

    def _going_on(self) -> None:
        stage = next((s for s in tuple(self._total) if s not in self._over), None)
        if stage is not None:
            done, total = self._done[stage], self._total[stage]
            so_far = f"{done} of {total}" if total else str(done) if done else f"no {self._unit} yet"
            self.say(f"{stage}: {so_far} after {clock() - self._since[stage]:.0f} s, going on")

    def _state(self, stage: str) -> str:
        done, total = self._done[stage], self._total[stage]
        seconds = max(1e-6, self._last[stage] - self._since[stage])
        text = f"{done}{f' of {total}' if total and total != done else ''} in {seconds:.1f} s"
        if not done:
            return text
        rate = done / seconds
        text += f", {rate:.1f}/s" if rate >= 0.1 else f", {seconds / done:.0f} s each"
        first, since = self._first.get(stage, (0, self._since[stage]))
        if not total or total <= done or done <= first:
            return text
        return text + f", {(total - done) * (self._last[stage] - since) / (done - first):.0f} s left"


class Bars:
    """One bar a stage with count, rate and time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Any) -> Text:
                rate = task.finished_speed or task.speed
                return Text(f"{rate:.1f}/s" if rate else "", style="dim")

        self._bars = RichProgress(
            TextColumn("{task.description:<11}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            Rate(),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("[dim]{task.fields[note]}"),
            console=Console(stderr=True),
            speed_estimate_period=120,
        )
        self._ids: dict[str, Any] = {}
        self._bars.start()

    def start(self, stage: str, total: int | None = None) -> None:
        if stage not in self._ids:
            self._ids[stage] = self._bars.add_task(stage, total=total, note="")
        else:
            self._bars.update(self._ids[stage], total=total)

    def advance(self, stage: str, done: int = 1) -> None:
        self._bars.advance(self._ids[stage], done)

    def finish(self, stage: str, note: str = "") -> None:
        task = next(t for t in self._bars.tasks if t.id == self._ids[stage])
        self._bars.update(task.id, total=task.completed, note=note)

    def say(self, text: str) -> None:
        self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def tell(self, text: str) -> None:
        self.say(text)

    def ask(self, question: str) -> bool:
        """Put a question to the user, the bars out of the way; only ``y`` or ``yes`` says yes."""
        self._bars.stop()
        try:
            return input(f"{question}. Go on? [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            return False
        finally:
            self._bars.start()

    def close(self) -> None:
        self._bars.stop()


def make_progress(quiet: bool) -> Progress:
    """Return bars on a terminal, lines elsewhere, or remarks alone."""
    if quiet:
        return Quiet()
    return Bars() if sys.stderr.isatty() else Lines()
