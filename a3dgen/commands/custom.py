"""``a3dgen custom``: a dataset from a folder of photos, and the review table that steers the next run."""

from __future__ import annotations

import argparse
import shutil
import sys

from a3dgen.commands.build import run_build, show, showing
from a3dgen.config import BuildConfig
from a3dgen.engine.photo_build import OPTION_NAMES, PhotoBuild, build_photos, configure_photos
from a3dgen.stages.table import DATASET_FOLDER


def run(args: argparse.Namespace) -> int:
    """Build from photos; return the exit code. A folder without people is no error."""
    config = configure(args)
    done = run_photos(config, args.photos, args.review, args.quiet)
    if done.ledger is None:
        print(f"nobody found in {args.photos}: {done.nobody}")
        return 0
    if not args.quiet:
        _tell(done, config)
    left = done.ledger.stages["report"].facts.get("left_over", {})
    for key, count in left.items():
        print(f"a3dgen: {key}: {count} px of the person removed are left in the background", file=sys.stderr)
    return 1 if done.ledger.failed or left else 0


def configure(args: argparse.Namespace) -> BuildConfig:
    """Return the configuration that the command's options name."""
    options = {name: getattr(args, name) for name in OPTION_NAMES}
    return configure_photos(args.photos, options, args.set, args.out, args.workers)


def run_photos(config: BuildConfig, photos: str, review: str | None, quiet: bool) -> PhotoBuild:
    """Build from photos; a dataset of earlier photos goes where nobody is found any more."""
    with showing(quiet) as progress:
        done = build_photos(
            config, photos, review or "", lambda config, until: run_build(config, progress, until=until)
        )
    if done.ledger is None:
        shutil.rmtree(config.out / DATASET_FOLDER, ignore_errors=True)
    return done


def _tell(done: PhotoBuild, config: BuildConfig) -> None:
    ledger = done.ledger
    assert ledger is not None
    show(ledger, config)
    print(
        f"review: {done.review} ({done.people} people: write 'no' under keep, or regions under removed, and run again)"
    )
    if not ledger.stages["render"].rows["Renders"]:
        fit = ledger.stages["fit"]
        print(f"no sample could be made: the fit rejected {fit.counts['rejected']} of {fit.read} people; "
              "the report shows everybody and why")  # fmt: skip
