"""Human3.6M in the forms people have it; each form is read by its own module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.user_paths import user_path
from a3dgen.sources import Found, Source
from a3dgen.sources.common import digest_files, existing_file, root_folder

FORMATS = ("mmpose", "fetch", "official")
_WHERE = {
    "mmpose": ("annotation_body3d/fps*/h36m_*.npz", "annotation_body3d/h36m_*.npz", "h36m_*.npz"),
    "fetch": ("S*/*/annot.h5", "processed/S*/*/annot.h5"),
    "official": ("S*/MyPoseFeatures/D2_Positions/*.cdf", "S*/Poses_D2_Positions/*.cdf"),
}
"""Patterns of fixed depth: a search of the whole tree would go through millions of frames, and past links."""


@dataclass(frozen=True)
class Config:
    """A Human3.6M folder.

    Attributes:
        root: the folder of the dataset.
        format: ``mmpose`` (annotation_body3d/fps*/h36m_*.npz), ``fetch`` (h36m-fetch: S*/<take>/annot.h5) or
            ``official`` (S*/MyPoseFeatures, S*/Videos, metadata.xml); ``auto`` = the first of them found.
        annotations: mmpose: the .npz files, below root; empty = the h36m_*.npz of one folder, fps10 before fps50.
        cameras: cameras.pkl or cameras.json (official: metadata.xml) below root; empty = found above the annotations.
        images: folder of the frames below root; empty = ``images`` or root itself.
        order: of the 17 joints in an npz: ``right_first`` (official, mmpose), ``left_first`` (SPIN, mmhuman3d) or
            ``auto`` (told from the shoulders, whose order is the same in both).
        subjects: e.g. S1, S9; empty = all.
        camera_ids: e.g. 54138969; empty = all.
        every: keep frames 1, 1 + n, 1 + 2n ...; 0 = all of a converted file, every 5th (10 per second) of videos.
        keep_known_bad: keep the takes of S9 whose 3D is known to be shifted against the video.
        frames: official: where frames taken from the videos are kept; empty = below the cache folder.
    """

    root: str = ""
    format: str = "auto"
    annotations: tuple[str, ...] = ()
    cameras: str = ""
    images: str = ""
    order: str = "auto"
    subjects: tuple[str, ...] = ()
    camera_ids: tuple[str, ...] = ()
    every: int = 0
    keep_known_bad: bool = False
    frames: str = ""

    def __post_init__(self) -> None:
        for key, value, valid in (
            ("format", self.format, ("auto", *FORMATS)),
            ("order", self.order, ("auto", "right_first", "left_first")),
        ):
            if value not in valid:
                raise ConfigError(f"sources.h36m.{key}: unknown value '{value}'{nearest(value, valid)}")
        if self.every < 0:
            raise ConfigError("sources.h36m.every: must be 0 or more")


def _find(config: Config) -> tuple[str, list[Path]]:
    """Return the format and its annotation files, in reading order."""
    root = root_folder("sources.h36m", config.root)
    if config.annotations:
        if config.format not in ("auto", "mmpose"):
            raise ConfigError(f"sources.h36m.annotations: only for format mmpose, not {config.format}")
        return "mmpose", [existing_file("sources.h36m.annotations", root, name) for name in config.annotations]
    for name in FORMATS if config.format == "auto" else (config.format,):
        found = [path for pattern in _WHERE[name] for path in sorted(root.glob(pattern))]
        if found:
            return name, _one_rate(found) if name == "mmpose" else found
    wanted = {"mmpose": "h36m_*.npz", "fetch": "S*/<take>/annot.h5", "official": "S*/MyPoseFeatures/D2_Positions/*.cdf"}
    names = wanted.values() if config.format == "auto" else [wanted[config.format]]
    raise ConfigError(f"sources.h36m.root: no {' or '.join(names)} below '{root}'")


def _one_rate(files: list[Path]) -> list[Path]:
    """Return the npz files of one folder: ``fps50`` holds the frames of ``fps10`` again, and four more for each."""
    folder = min((p.parent for p in files), key=lambda p: (len(p.name), p.name))
    return [p for p in files if p.parent == folder]


def camera_file(config: Config, files: list[Path]) -> Path | None:
    """Return the file of the cameras, or None if there is none.

    Raises:
        ConfigError: if a configured one is not there.
    """
    root = user_path(config.root)
    if config.cameras:
        return existing_file("sources.h36m.cameras", root, config.cameras)
    folders = dict.fromkeys([f.parent for f in files[:1]] + [p for f in files[:1] for p in f.parents] + [root])
    for folder in folders:
        if root != folder and root not in folder.parents:
            continue
        for name in ("cameras.pkl", "cameras.json", "metadata.xml"):
            if (folder / name).is_file():
                return folder / name
    return None


def fingerprint(config: Config) -> str:
    """Return the digest of the annotation and camera files."""
    name, files = _find(config)
    extra = camera_file(config, files)
    return digest_files([*files, *([extra] if extra else [])], salt=name)


def read(config: Config) -> Iterator[Found]:
    """Yield one person a frame; keys look like ``h36m/S1/Directions_1/000001/54138969``.

    The cameras that see one instant follow each other and share ``group``.

    Raises:
        ConfigError: if a folder or file is not there.
        DataError: if a file cannot be read.
        MissingDependency: if the official tree is read without cdflib.
    """
    name, files = _find(config)
    cameras = camera_file(config, files)
    if name == "mmpose":
        from a3dgen.sources.h36m.npz import read_npz

        return read_npz(config, files, cameras)
    if name == "fetch":
        from a3dgen.sources.h36m.fetch import read_fetch

        return read_fetch(config, files, cameras)
    from a3dgen.sources.h36m.official import read_official

    return read_official(config, files, cameras)


SOURCE = Source(Config, read, fingerprint)
