"""``a3dgen custom``: from a folder of photos to a dataset, and the review table that steers the next run."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

from a3dgen.commands.build import _show_warnings, digest_of_body, executor_for, show
from a3dgen.config import BuildConfig, load_config, packaged_configs
from a3dgen.core.errors import ConfigError
from a3dgen.engine.build import Build
from a3dgen.engine.progress import make_progress
from a3dgen.engine.review_table import write_review
from a3dgen.sources.photos.files import PHOTOS, VIDEOS, has_photos

DATASET = "A3D_Dataset"
OPTIONS = {
    "sources.photos.detector": "--detector",
    "amputate: unknown": "--regions: unknown",
    "amputate: residual": "--residual",
    "amputate: per_person": "--per-person",
}
"""Beginning of a message -> the option that it is about."""


def run(args: argparse.Namespace) -> int:
    """Build from photos; return the exit code. A folder without people is no error."""
    config = configure(args)
    if not has_photos(Path(args.photos).expanduser(), config.out):
        shutil.rmtree(config.out / DATASET, ignore_errors=True)
        print(f"nobody found in {args.photos}: no photo or video in it ({', '.join((*PHOTOS, *VIDEOS))} are read)")
        return 0
    progress = make_progress(args.quiet)
    handler = _show_warnings(progress)
    try:
        found = _build(config, progress, "ingest").stages["ingest"]
        if not found.rows["Persons"]:
            shutil.rmtree(config.out / DATASET, ignore_errors=True)
            progress.close()
            print(f"nobody found in {args.photos}: no dataset made ({_why(found)})")
            return 0
        ledger = _build(config, progress, "")
    finally:
        progress.close()
        import logging

        logging.getLogger("a3dgen").removeHandler(handler)
    review = Path(args.review).expanduser() if args.review else config.out / "review.csv"
    count = write_review(config.out, review)
    if not args.quiet:
        show(ledger, config)
        print(f"review: {review} ({count} people: write 'no' under keep, or regions under removed, and run again)")
        if not ledger.stages["render"].rows["Renders"]:
            fit = ledger.stages["fit"]
            print(f"no sample could be made: the fit rejected {fit.counts['rejected']} of {fit.read} people; "
                  "the report shows everybody and why")  # fmt: skip
    left = ledger.stages["report"].facts.get("left_over", {})
    for key, count in left.items():
        print(f"a3dgen: {key}: {count} px of the person removed are left in the background", file=sys.stderr)
    return 1 if ledger.failed or left else 0


def configure(args: argparse.Namespace) -> BuildConfig:
    """Return configs/custom.yaml with the command's options put in.

    Raises:
        ConfigError: if the folder is not there, or an option is wrong.
    """
    folder = Path(args.photos).expanduser()
    if folder.is_file():
        raise ConfigError(f"{args.photos}: a file; give the folder that holds the photos")
    if not folder.is_dir():
        raise ConfigError(f"{args.photos}: no such folder; give the folder that holds the photos")
    given = {
        "detector": args.detector,
        "weights": _path(args.weights),
        "person_weights": _path(args.person_weights),
        "keypoints": _path(args.keypoints),
        "present_regions": _path(args.present_regions),
        "review": _path(args.review),
        "name": args.name,
    }
    sets = [f"sources.photos.root={folder.absolute()}"]
    sets += [f"sources.photos.{key}={value}" for key, value in given.items() if value]
    if args.regions:
        names = [n.strip() for n in args.regions.split(",") if n.strip()]
        sets.append(f"amputate.regions={names[0] if len(names) == 1 else '[' + ', '.join(names) + ']'}")
    if args.residual:
        sets.append(f"amputate.residual={args.residual}")
    if args.per_person is not None:
        sets.append(f"amputate.per_person={args.per_person}")
    try:
        return load_config("custom", [*sets, *args.set], out=args.out, workers=args.workers)
    except ConfigError as error:
        raise ConfigError(_as_option(str(error))) from None


def _as_option(text: str) -> str:
    """Return a message about a configuration key in the words of the command line."""
    text = text.removeprefix(f"{packaged_configs()['custom']}: ").replace("sources.photos: sources.", "sources.")
    for start, option in OPTIONS.items():
        if text.startswith(start):
            return f"{option}{text.removeprefix(start)}"
    return text


def _path(text: str | None) -> str:
    return str(Path(text).expanduser().absolute()) if text else ""


def _build(config: BuildConfig, progress: Any, until: str) -> Any:
    return Build(
        config, lambda: executor_for(config), progress, lambda: digest_of_body(config), until=until
    ).run()  # fmt: skip


def _why(book: Any) -> str:
    reasons = [(n, masked) for group in book.reasons.values() for masked, (n, _) in group.items()]
    return ", ".join(f"{n} x {why}" for n, why in sorted(reasons, reverse=True)[:3])
