"""Arguments of the commands that make, read and export datasets; nothing but argparse is imported, for a quick help."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add_config(command: argparse.ArgumentParser) -> None:
    """Add the options that name a configuration and a build folder."""
    command.add_argument(
        "--config", metavar="NAME|FILE", help="packaged name or YAML file (what --out was built with; else demo)"
    )
    command.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a key; may be repeated"
    )
    command.add_argument("--out", metavar="DIR", help="build folder (build/<config name>)")


def add_build(command: argparse.ArgumentParser) -> None:
    """Add the options of ``build`` and of every stage."""
    add_config(command)
    command.add_argument("--workers", type=int, metavar="N", help="processes; 0 = in this one (one a core)")
    command.add_argument("--scheduler", metavar="ADDRESS", help="running Dask scheduler, e.g. tcp://host:8786")
    command.add_argument("--cluster", metavar="NAME", help="slurm: workers are its jobs (keys slurm.*, --workers)")
    command.add_argument("--quiet", action="store_true", help="show nothing but errors and remarks")
    add_consent(command)
    add_verify(command)
    command.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="same as --set")


def add_consent(command: argparse.ArgumentParser) -> None:
    """Add the options by which a person agrees to what cannot be undone."""
    command.add_argument(
        "--force", action="store_true", help="also in a folder that holds other things: beside them, none is touched"
    )
    command.add_argument("--yes", action="store_true", help="even if more than half of a finished dataset is dropped")


def add_verify(command: argparse.ArgumentParser) -> None:
    """Add the option that reads every file again."""
    command.add_argument(
        "--verify", action="store_true", help="read every file, to find damage that leaves its size and time as it was"
    )


def add_custom(command: argparse.ArgumentParser) -> None:
    """Add the options of ``custom``."""
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
    add_consent(command)


def add_recover(command: argparse.ArgumentParser) -> None:
    """Add the options of ``recover``."""
    command.add_argument("photos", metavar="PATH", help="photo, video, or a folder of them")
    command.add_argument("--out", default="build/recovered", metavar="DIR", help="where to (build/recovered)")
    command.add_argument("--glb", action="store_true", help="write the cut, closed mesh of everybody")
    command.add_argument("--json", action="store_true", help="print everything as JSON")
    command.add_argument("--geometry", choices=("residual", "collapse"), default="residual", help="collapse: as in A3D")


def add_validate(command: argparse.ArgumentParser) -> None:
    """Add the options of ``validate``."""
    command.add_argument("folder", metavar="DIR", help="an A3D_Dataset folder, or the build folder that holds it")
    command.add_argument("--smpl", default="", metavar="FILE", help="SMPL file, for the body rules of an SMPL dataset")
    command.add_argument("--strict", action="store_true", help="count warnings as violations")
    command.add_argument("--quick", action="store_true", help="do not read every file to compare it with the manifest")
    command.add_argument("--json", action="store_true", help="print the findings as JSON")


def add_reading(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Add the commands that read a finished dataset; ``add`` makes a command from its name and what it does."""
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


def add_export(command: argparse.ArgumentParser) -> None:
    """Add the options of ``export``."""
    command.add_argument("format", metavar="FORMAT", help="coco, mesh, spin, webdataset, or that of another package")
    command.add_argument("folder", metavar="DIR", help="an A3D_Dataset folder; for mesh, the build folder")
    command.add_argument("to", metavar="OUT", help="file (coco) or folder to write to")
    command.add_argument("--force", action="store_true", help="also beside files that are not an export's")
    command.add_argument("--keys", nargs="+", metavar="KEY", help="mesh: only these samples (all)")
    command.add_argument("--with-prosthesis", action="store_true", help="coco: people's masks cover worn prostheses")
    command.add_argument(
        "--prosthetic-as-joints",
        action="store_true",
        help="coco: joints of worn prostheses for absent ones",
    )


def add_smplify3d(command: argparse.ArgumentParser) -> None:
    """Add the options of ``smplify3d``."""
    command.add_argument("--data", required=True, metavar="DIR", help="folder of data.pkl, or of HumanM3's test")
    command.add_argument("--config", required=True, metavar="FILE", help="its demo.yaml or humanm3.yaml")
    command.add_argument("--out", metavar="DIR", help="where to (where the published code writes)")
    command.add_argument("--smpl", metavar="FILE", help="licensed SMPL file (default: the open body)")
    command.add_argument("--quiet", action="store_true", help="show nothing but errors and remarks")


def add_forget(command: argparse.ArgumentParser) -> None:
    """Add the options of ``forget``."""
    command.add_argument("build", metavar="BUILD", help="the build folder")
    command.add_argument("key", metavar="KEY", help="key of the person, as in review.csv or the report")
    command.add_argument("--workers", type=int, metavar="N", help="processes; 0 = in this one (one a core)")
    command.add_argument("--quiet", action="store_true", help="show nothing but errors and remarks")
