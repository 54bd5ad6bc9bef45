"""``a3dgen build``, the seven stages, and ``retry``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from a3dgen.config import BuildConfig, load_config
from a3dgen.core.errors import ConfigError
from a3dgen.core.user_paths import user_path
from a3dgen.engine.build import Build
from a3dgen.engine.dask_cluster import make_executor
from a3dgen.engine.executor import Executor
from a3dgen.engine.ledger import Ledger, final_table
from a3dgen.engine.progress import Progress, make_progress
from a3dgen.engine.shrinking import Consent
from a3dgen.engine.stored_config import FILE, stored_config
from a3dgen.stages.table import DATASET_FOLDER, REPORT_FILE, STAGE_TABLE


def run(args: argparse.Namespace) -> int:
    """Build; return the exit code."""
    config = configure(args)
    stage = args.command if args.command in STAGE_TABLE else ""
    with showing(args.quiet) as progress:
        _say_layout(config, progress)
        ledger = run_build(
            config,
            progress,
            force=frozenset({stage} - {""}),
            until=stage if stage and args.only else "",
            retry_failed=args.command == "retry",
            beside=args.force,
            consent=consent(progress, args.yes),
            verify=args.verify,
        )
    if not args.quiet:
        show(ledger, config)
    return 1 if ledger.failed else 0


@contextmanager
def showing(quiet: bool) -> Iterator[Progress]:
    """Show progress, and warnings between its bars, while the block runs."""
    progress = make_progress(quiet)
    handler = _show_warnings(progress)
    try:
        yield progress
    finally:
        progress.close()
        logging.getLogger("a3dgen").removeHandler(handler)


def run_build(config: BuildConfig, progress: Progress, **options: Any) -> Ledger:
    """Build; ``options`` are fields of ``Build`` such as ``until``."""
    return Build(config, lambda: executor_for(config), progress, lambda: digest_of_body(config), **options).run()


def consent(progress: Progress, yes: bool) -> Consent:
    """Return who says that a dataset may lose most of its samples: ``--yes``, or whoever sits at the terminal."""
    ask = getattr(progress, "ask", None) if sys.stdin is not None and sys.stdin.isatty() else None
    return Consent(yes, ask)


def configure(args: argparse.Namespace) -> BuildConfig:
    """Read the configuration that the options name; without a name, what the build folder was built with, or the demo.

    So ``a3dgen retry --out build/clinic`` goes on with the clinic's photos, and puts no demo in their place.
    """
    overrides = [*args.set, *getattr(args, "overrides", [])]
    given = {name: getattr(args, name, None) for name in ("out", "workers", "scheduler", "cluster")}
    stored = user_path(args.out).absolute() / FILE if args.out and not args.config else None
    if stored is not None and stored.is_file():
        config = stored_config(stored.parent, overrides, **{k: v for k, v in given.items() if k != "out"})
    else:
        config = load_config(args.config or "demo", overrides, **given)  # type: ignore[arg-type]
    if not config.sources:
        raise ConfigError(f"{args.config or 'demo'}: no sources; set e.g. sources.coco.root=/data/coco")
    return config


def executor_for(config: BuildConfig) -> Executor:
    """Return where the configuration says to run; what local workers print goes to ``workers.log``."""
    return make_executor(config.run, config.out)


def show(ledger: Ledger, config: BuildConfig) -> None:
    """Print the table of what became of everybody, and where the results are."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    if not ledger.made:
        console.print("Nothing to do: everything is up to date.")
    console.print(final_table(ledger, ["demo", *STAGE_TABLE]))
    for name in _results(config):
        console.print(name, soft_wrap=True, markup=False)


def _results(config: BuildConfig) -> Iterable[str]:
    for about, name in (("dataset", DATASET_FOLDER), ("report", REPORT_FILE)):
        path = config.out / name
        if path.exists():
            yield f"{about}: {path}"


def digest_of_body(config: BuildConfig) -> str:
    """Return the hash of the body model, baking it first if need be."""
    from a3dgen.bodies import body_digest

    return body_digest(config.body)


def _say_layout(config: BuildConfig, progress: Progress) -> None:
    """Say in which UV layout the user's textures will be read, if they could be meant in another."""
    from a3dgen.appearance.texture.painted import layout_note

    looks = getattr(config.stages.get("amputate"), "looks", None)
    note = layout_note(looks.textures, config.body.model) if looks is not None else ""
    if note:
        progress.say(note)


class _Shown(logging.Handler):
    """Puts warnings of the package between the progress bars instead of through them."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(logging.WARNING)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.say(record.getMessage())


def _show_warnings(progress: Progress) -> logging.Handler:
    handler = _Shown(progress)
    logger = logging.getLogger("a3dgen")
    logger.addHandler(handler)
    logger.propagate = False
    return handler
