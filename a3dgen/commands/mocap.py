"""``a3dgen mocap AMASS_DIR --out DIR``: recorded motion to joints (and rotations, and amputee copies)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from a3dgen.core.errors import ConfigError
from a3dgen.core.user_paths import user_path
from a3dgen.engine.mocap import Report, convert
from a3dgen.engine.mocap_config import MocapConfig
from a3dgen.engine.mocap_job import FAILED, OK, SKIPPED
from a3dgen.engine.progress import make_progress
from a3dgen.motion.convert import BLOCK
from a3dgen.sources.amass_tree import COMPANIONS

_QUIET_REASONS = frozenset(COMPANIONS.values())


def run(args: argparse.Namespace) -> int:
    """Convert, and say what became of every file; return the exit code."""
    config = configure(args)
    if args.gpu_id is not None:
        print("a3dgen: --gpu_id: not needed, no GPU is used", file=sys.stderr)
    progress = make_progress(args.quiet)
    try:
        report = convert(config, progress)
    finally:
        progress.close()
    tell(report, args.quiet)
    return report.exit_code


def configure(args: argparse.Namespace) -> MocapConfig:
    """Return what the options ask for.

    Raises:
        ConfigError: if one is missing or wrong.
    """
    source = args.amass_dir or args.folder
    if not source or not args.out:
        raise ConfigError("give the AMASS folder and --out, e.g. a3dgen mocap AMASS --out joints --body anny")
    names = (part.strip() for part in (args.datasets or "").split(","))
    return MocapConfig(
        amass_dir=user_path(source),
        out=user_path(args.out),
        regressor=Path(args.regressor) if args.regressor else None,
        smplh=Path(args.smplh) if args.smplh else None,
        body=args.body,
        datasets=tuple(name for name in names if name),
        fps=args.fps,
        interp=args.interp,
        rotations=args.rotations,
        amputees=args.amputees,
        regions=args.regions,
        residual=args.residual,
        absent=args.absent,
        seed=args.seed,
        workers=-1 if args.workers is None else args.workers,
        block=args.batch_size or BLOCK,
        overwrite=args.overwrite,
        force=args.force,
    )


def tell(report: Report, quiet: bool) -> None:
    """Print a line for each file that could not be used, and the sums."""
    beside = 0
    for row in report.rows:
        if row["status"] == OK:
            continue
        if row["reason"] in _QUIET_REASONS:
            beside += 1
        else:
            print(f"a3dgen: {row['status']}: {row['sequence']}: {row['reason']}", file=sys.stderr)
    if quiet:
        return
    print(f"{report.count(OK)} sequences, {report.total('frames_in')} frames in, {report.total('frames_out')} out")
    if report.count(SKIPPED) or report.count(FAILED):
        more = f" ({beside} of them stand beside the sequences in AMASS)" if beside else ""
        print(f"{report.count(SKIPPED)} files skipped{more}, {report.count(FAILED)} failed: {report.path} says why")
    for path in report.files:
        print(path)
