"""The command line. Nothing heavy is imported before a command needs it; no error of the user's shows a traceback."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import a3dgen
from a3dgen.commands import dataset_arguments as dataset
from a3dgen.commands import learning_arguments as learning
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
            if args.command in (*STAGES, "build", "retry", "custom"):
                from a3dgen.commands.early_start import start_early

                start_early(args)
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
        hint = hint if "did you mean" in hint else f"; see '{own.prog} --help'"
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

    dataset.add_build(
        add("build", "build the dataset: all stages, whatever is missing or out of date", _help("build", asked))
    )
    for name in STAGES:
        command = add(name, f"{ABOUT[name]}; rerun this stage, then what depends on it", _help(name, asked))
        dataset.add_build(command)
        command.add_argument("--only", action="store_true", help="stop after this stage")
    dataset.add_build(add("retry", "build again, and retry the people that failed"))
    status = add("status", "show what a build would make, and why, without making it")
    dataset.add_config(status)
    dataset.add_verify(status)
    dataset.add_validate(add("validate", "check a dataset against every rule of the A3D format, from the files alone"))
    dataset.add_reading(add)
    dataset.add_export(add("export", "write a finished dataset in another format"))
    dataset.add_build(
        add("demo", "write the demo's raw COCO, MPII and Human3.6M trees and nothing else", _help("demo", asked))
    )
    dataset.add_custom(add("custom", "build a dataset from a folder of your own photos", _help("custom", asked)))
    dataset.add_recover(add("recover", "say which limbs people in photos lack, and fit the bodies they have"))
    learning.add_train(add("train", "train a model of a3dgen's own: 'absence' says which limbs a person lacks"))
    dataset.add_smplify3d(
        add("smplify3d", "fit SMPLify-3D's data (images, keypoints, point clouds) and write its result files")
    )
    dataset.add_forget(
        add("forget", "remove every trace of one person, and every sample of that photo, from a finished build")
    )
    learning.add_body(add("body", "the body model: check it, export it, look at it"))
    learning.add_networks(
        add("networks", "get the networks of the default detector now; 'custom' does so by itself otherwise")
    )
    learning.add_uplift(add("uplift", "turn 2D keypoints over time into joints and SMPL rotations, amputees included"))
    learning.add_lifter(add("fit-lifter", "train a lifter on your own motion capture, for uplift and fit.lifter"))
    learning.add_prior(add("fit-prior", "learn a pose prior from recorded or fitted poses, for fit.prior"))
    learning.add_mocap(add("mocap", "turn AMASS motion capture into joint files (and rotations, and amputee copies)"))
    bench = add("bench", "measure; 'a3dgen bench' lists what, 'a3dgen bench <what> --help' its options")
    bench.add_argument("arguments", nargs=argparse.REMAINDER, help="what to measure, and its options")
    return parser


def _add_completion(parser: argparse.ArgumentParser) -> None:
    """``--print-completion bash|zsh|tcsh`` prints a completion script, where the package shtab is installed."""
    from importlib.util import find_spec

    if find_spec("shtab") is not None:
        import shtab

        shtab.add_argument_to(parser, "--print-completion", help="print a script of completions for a shell")


def _help(name: str, asked: str) -> str:
    """Return the configuration keys of a command, only if it is the one asked about."""
    if name != asked:
        return ""
    from a3dgen.commands.config_help import command_help

    return command_help(name, STAGES)
