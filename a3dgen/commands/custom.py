"""``a3dgen custom``: a dataset from a folder of photos, and the review table that steers the next run."""

from __future__ import annotations

import argparse
import sys

from a3dgen.commands.build import consent, run_build, show, showing
from a3dgen.config import BuildConfig
from a3dgen.engine.build_folder import held
from a3dgen.engine.clip_preview import write_clips
from a3dgen.engine.forget import drop_dataset
from a3dgen.engine.photo_build import OPTION_NAMES, PhotoBuild, build_photos, configure_photos
from a3dgen.stages.table import STAGE_TABLE


def run(args: argparse.Namespace) -> int:
    """Build from photos; return the exit code. A folder without people is no error."""
    config = configure(args)
    done = run_photos(config, args.photos, args.review, args.quiet, beside=args.force, yes=args.yes)
    if done.ledger is None:
        print(f"nobody found in {args.photos}: {done.nobody}")
        return 0
    if not args.quiet:
        _tell(done, config)
    if args.clip:
        clips = write_clips(config.out)
        for path in clips:
            print(f"clip: {path}")
        if not clips:
            print(f"no clip: no video in {args.photos} has two frames of one person with a sample", file=sys.stderr)
    left = done.ledger.stages["report"].facts.get("left_over", {})
    for key, count in left.items():
        print(f"a3dgen: {key}: {count} px of the person removed are left in the background", file=sys.stderr)
    return 1 if done.ledger.failed or left else 0


def configure(args: argparse.Namespace) -> BuildConfig:
    """Return the configuration that the command's options name."""
    options = {name: getattr(args, name) for name in OPTION_NAMES}
    return configure_photos(args.photos, options, args.set, args.out, args.workers)


def run_photos(
    config: BuildConfig, photos: str, review: str | None, quiet: bool, beside: bool = False, yes: bool = False
) -> PhotoBuild:
    """Build from photos; a dataset of earlier photos goes only where the user says so.

    Args:
        config, photos, review: as for ``build_photos``. quiet: show nothing.
        beside: in a folder with things of somebody else's. yes: even if most of an earlier dataset goes.
    """
    with showing(quiet) as progress:
        done = build_photos(
            config,
            photos,
            review or "",
            lambda config: run_build(
                config, progress, stop_if_nobody=True, beside=beside, consent=consent(progress, yes)
            ),
        )
        if done.ledger is None:  # if there was a dataset, the user has agreed to lose it
            with held(config.out, STAGE_TABLE, False, progress.say):
                drop_dataset(config.out)
    return done


def _tell(done: PhotoBuild, config: BuildConfig) -> None:
    ledger = done.ledger
    assert ledger is not None
    show(ledger, config)
    listed = f"{done.people} {'person' if done.people == 1 else 'people'}"
    print(f"review: {done.review} ({listed}: write 'no' under keep, or regions under removed, and run again)")
    if done.proposed:
        print(
            f"limbs that seem absent: of {done.proposed} people, under proposed. Look at them: what stands under "
            "removed counts, 'none' there takes it back"
        )
    drawn, made = ledger.stages["report"].facts.get("drawn_instead", 0), ledger.stages["render"].rows["Renders"]
    if drawn:
        print(
            f"drawn instead of erased: {drawn} of {made} samples show a drawn person, as their photos admit no erasure "
            "(the report says why; --set render.erase_else=reject leaves them out)"
        )
    if not made:
        fit = ledger.stages["fit"]
        print(f"no sample could be made: the fit rejected {fit.counts['rejected']} of {fit.read} people; "
              "the report shows everybody and why")  # fmt: skip
