"""Configuration of the source ``coco``, and which annotation files and picture folders it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.user_paths import user_path
from a3dgen.sources.common import existing_file, root_folder
from a3dgen.sources.exif import check_exif

SPLITS = ("val2017", "val2014", "train2017", "train2014")
"""In reading order: a person who is in several files comes from the first."""


@dataclass(frozen=True)
class CocoFile:
    """One annotation file of one's own.

    Attributes:
        annotations: the JSON file, below root unless absolute.
        images: folder of its pictures, below root unless absolute; empty = looked for below root.
        split: train or val, the subset its people are written to.
    """

    annotations: str = ""
    images: str = ""
    split: str = "train"

    def __post_init__(self) -> None:
        if not self.annotations:
            raise ConfigError("annotations: name the JSON file")
        if self.split not in ("train", "val"):
            raise ConfigError(f"split: '{self.split}' is neither train nor val")


@dataclass(frozen=True)
class KeypointsConfig:
    """Keypoints of files that do not name them.

    Attributes:
        map: names of the keypoints in the order of the file, e.g. [left_ankle, right_ankle]; empty = the file's
            own names, else the layout that has as many.
    """

    map: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """A COCO folder.

    Attributes:
        root: the folder that holds ``annotations/`` and the image folders.
        splits: of train2017, val2017, train2014, val2014; empty = all whose person_keypoints file is there.
        files: files of one's own instead: a list of annotations, images and split (see docs/your_data.md).
        annotations: folder of the annotation files, below root.
        images: folder that holds the image folders, below root; empty = root itself or root/images.
        keypoints: names of keypoints, where the files give none.
        exif: labels are in ``shown`` pixels (EXIF orientation applied), in ``stored`` pixels, or ``auto``: as sizes and
            points tell.
        wholebody: ``auto`` uses coco_wholebody_*.json for the feet where it is there; ``off`` does not; else a path.
        objects: ``auto`` uses instances_*.json for objects in front of people where it is there; or ``off``.
        clouds: folder of point clouds and depth pictures, named as the images are (see ``sources.clouds``).
        licenses: numbers of the image licences to keep (4 is CC BY); empty = all.
        fps: frame numbers a second, where annotations have a ``track_id``.
    """

    root: str = ""
    splits: tuple[str, ...] = ()
    files: tuple[CocoFile, ...] = ()
    annotations: str = "annotations"
    images: str = ""
    keypoints: KeypointsConfig = field(default_factory=KeypointsConfig)
    exif: str = "auto"
    wholebody: str = "auto"
    objects: str = "auto"
    clouds: str = ""
    licenses: tuple[int, ...] = ()
    fps: float = 25.0

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise ConfigError(f"sources.coco.fps: above 0, found {self.fps}")
        check_exif(self.exif)


@dataclass(frozen=True)
class AnnotationFile:
    """One annotation file to read: the name in its keys, where it lies, its subset, its pictures' folder (or None)."""

    name: str
    path: Path
    subset: str
    images: Path | None = None


def annotation_files(config: Config) -> list[AnnotationFile]:
    """Return the annotation files in reading order."""
    root = root_folder("sources.coco", config.root)
    for split in config.splits:
        if split not in SPLITS:
            raise ConfigError(f"sources.coco.splits: unknown split '{split}'{nearest(str(split), SPLITS)}")
    if config.files:
        return _own_files(config, root)
    folder = root / config.annotations
    found = {s: folder / f"person_keypoints_{s}.json" for s in SPLITS if s in config.splits or not config.splits}
    if config.splits:
        found = {s: existing_file("sources.coco.splits", root, str(path)) for s, path in found.items()}
    else:
        found = {s: path for s, path in found.items() if path.is_file()}
    if not found:
        raise ConfigError(_nothing_there(root, folder))
    return [AnnotationFile(s, path, _subset("val" if s.startswith("val") else "train")) for s, path in found.items()]


def _subset(split: str) -> str:
    return "COCO_val" if split == "val" else "COCO_train"


def _own_files(config: Config, root: Path) -> list[AnnotationFile]:
    out: list[AnnotationFile] = []
    for entry in config.files:
        path = existing_file("sources.coco.files", root, entry.annotations)
        images = root / user_path(entry.images) if entry.images else None
        if images is not None and not images.is_dir():
            raise ConfigError(f"sources.coco.files: no folder '{images}'")
        name, taken = path.stem, {f.name for f in out}
        if name in taken:  # train/_annotations.coco.json and valid/_annotations.coco.json
            name = f"{path.parent.name}_{name}" if f"{path.parent.name}_{name}" not in taken else f"{name}_{len(out)}"
        out.append(AnnotationFile(name, path, _subset(entry.split), images))
    return out


def _nothing_there(root: Path, folder: Path) -> str:
    found = (p for p in sorted(root.rglob("*.json")) if not p.name.startswith(".") and _may_be_coco(p))
    there = [p.relative_to(root).as_posix() for p in islice(found, 6)]
    text = f"sources.coco.root: no person_keypoints_{{train,val}}{{2014,2017}}.json in '{folder}'"
    if not there:
        return f"{text}, and no other file of COCO's kind below the root"
    entry = f"{{annotations: {there[0]}, split: train}}"
    return (f"{text}. JSON files there: {', '.join(there)}; name them, e.g. --set 'sources.coco.files=[{entry}]' "
            f"(docs/your_data.md), or use 'a3dgen custom {root} --keypoints FILE'")  # fmt: skip


def _may_be_coco(path: Path) -> bool:
    """Whether the beginning of a JSON file names one of COCO's tables."""
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except OSError:
        return False
    return any(word in head for word in (b'"images"', b'"annotations"', b'"categories"'))


def objects_file(config: Config, path: Path) -> Path | None:
    """Return the instances file beside a person_keypoints file, None where there is none or it is switched off."""
    if config.objects not in ("auto", "off"):
        raise ConfigError(f"sources.coco.objects: '{config.objects}' is neither 'auto' nor 'off'")
    beside = path.with_name(path.name.replace("person_keypoints", "instances"))
    return beside if config.objects == "auto" and beside != path and beside.is_file() else None


def feet_files(config: Config, split: str, path: Path) -> list[Path]:
    """Return the WholeBody files that may hold people of a split (2014 was cut differently: both)."""
    if config.wholebody == "off":
        return []
    if config.wholebody != "auto":
        return [existing_file("sources.coco.wholebody", user_path(config.root), config.wholebody)]
    roles = [split[:-4]] if split.endswith("2017") else ["train", "val"]
    return [p for role in roles if (p := path.with_name(f"coco_wholebody_{role}_v1.0.json")).is_file()]


def image_folders(config: Config, root: Path, file: AnnotationFile) -> list[Path]:
    """Return the folders in which an annotation file's pictures should be, likeliest first."""
    if file.images is not None:
        return [file.images]
    tops = [root / config.images] if config.images else [root, root / "images"]
    return [top / inner for inner in (file.name, "") for top in tops]
