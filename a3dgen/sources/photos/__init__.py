"""A folder of photos and videos without annotations: people are detected, the user may correct what was found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.core.records import OUTSIDE, UNLABELLED
from a3dgen.core.user_paths import user_path
from a3dgen.detectors.calibration import calibrate
from a3dgen.formats.names import safe_stem
from a3dgen.geometry.camera import default_K, inside_image
from a3dgen.io import rle
from a3dgen.io.forgotten import fact, read_forgotten
from a3dgen.sources import Found, Source
from a3dgen.sources.clouds import Cloud, cloud_files, clouds_folder, cut_person, photo_cloud
from a3dgen.sources.common import box_of, digest_files, root_folder
from a3dgen.sources.photos.config import Config
from a3dgen.sources.photos.decode import can_read_heif
from a3dgen.sources.photos.files import PhotoFile, list_files, no_pictures
from a3dgen.sources.photos.followed import follow
from a3dgen.sources.photos.propose import entry
from a3dgen.sources.photos.review import Verdicts
from a3dgen.sources.photos.shots import VERSION, Mapper, Shot, ShotMaker, make_all

log = logging.getLogger("a3dgen")


def fingerprint(config: Config) -> str:
    """Return the digest of all photos, finished detections, weights and what the user said of people."""
    root = _root(config)
    files_found = list(_files(config, root))
    found = [f"{f.name} {f.sha}" if isinstance(f, PhotoFile) else " ".join(f) for f in files_found]
    if any(isinstance(f, PhotoFile) and f.kind == "HEIC" for f in files_found):
        found.append(f"HEIC {can_read_heif()}")
    verdicts = Verdicts(config.present_regions, config.review)
    extra = [user_path(p) for p in (config.keypoints, config.weights, config.person_weights) if p]
    files = sorted(f for p in extra for f in (p.rglob("*") if p.is_dir() else [p]) if f.is_file())
    if config.clouds:
        files += cloud_files(clouds_folder("sources.photos.clouds", config.clouds))
    return digest_files(files, "\n".join([*found, verdicts.digest(), f"version {VERSION}"]))


def prepare(config: Config, mapper: Mapper, report: Callable[[int, int], None]) -> None:
    """Look for people in all photos, wherever ``mapper`` works; ``read`` finds the results on disk.

    Raises:
        ConfigError: for a folder, weights or table that cannot be used.
        MissingDependency: if the detector's package is not installed.
    """
    root = _root(config)
    Verdicts(config.present_regions, config.review)  # a mistake in a table is said before hours of detection
    files = [f for f in _remembered(config, root) if isinstance(f, PhotoFile) and not f.same_as]
    make_all(config, files, mapper, report)


def _remembered(config: Config, root: Path) -> Iterator[PhotoFile | tuple[str, str]]:
    """Yield the files of people who did not ask to be forgotten."""
    forgotten = read_forgotten(_work(config).parent.parent)
    gone: set[str] = set()
    for file in _files(config, root):
        if not isinstance(file, PhotoFile):
            yield file
        elif file.same_as in gone or _facts(config, file) & forgotten:
            gone.add(file.name)
        else:
            yield file


def _facts(config: Config, file: PhotoFile) -> set[str]:
    return {fact("stem", f"{config.subset}/{file.stem}"), fact("photo", file.sha)}


def read(config: Config) -> Iterator[Found]:
    """Yield everybody found in the photos, and a reason for every photo or person that gives nobody.

    Keys look like ``custom/<name>/<photo>/<n>``; people are numbered from the left.

    Raises:
        ConfigError: for a folder, weights or table that cannot be used.
        MissingDependency: if the detector's package is not installed.
    """
    root = _root(config)
    verdicts = Verdicts(config.present_regions, config.review)
    studio = ShotMaker(config)
    start = f"custom/{config.subset.split('/', 1)[1]}"
    stems: dict[str, str] = {}
    remembered = list(_remembered(config, root))
    photos = [f for f in remembered if isinstance(f, PhotoFile) and not f.is_video and not f.same_as]
    unclear = studio.claimed_twice(f.name for f in photos)
    for file in remembered:
        if not isinstance(file, PhotoFile):
            name, why = file
            studio.note(name, safe_stem(name.replace("/", "_")), why)
            yield f"{start}/{name}", why
            continue
        if file.same_as:
            why = f"the same picture as '{file.same_as}'"
            studio.note(file.name, stems[file.same_as], why, file.sha)
            yield f"{start}/{file.name}", why
            continue
        stems[file.name] = file.stem
        try:
            shots = studio.shots(file)
        except DataError as error:
            studio.note(file.name, file.stem, str(error), file.sha)
            yield f"{start}/{file.stem}", str(error)
            continue
        shots, tracks = follow(config, file, shots)
        for shot in shots:
            if not shot.people:
                yield f"{start}/{shot.stem}", "nobody found in the photo"
            elif shot.name in unclear:
                yield (
                    f"{start}/{shot.stem}",
                    (f"several photos fit '{unclear[shot.name]}' in the detections: write the folder before it there"),
                )
                continue
            cloud = photo_cloud("sources.photos.clouds", config.clouds, shot.name) if shot.people else None
            for number in range(1, len(shot.people) + 1):
                found = _row(config, shot, number, f"{start}/{shot.stem}/{number}", verdicts, cloud)
                yield found | tracks.get((shot.name, number), {}) if isinstance(found, dict) else found
    studio.finish()
    passed = {} if config.only else no_pictures(root, _inside(config))
    if passed:
        some = ", ".join(f"{n} x {suffix}" for suffix, n in list(passed.items())[:8])
        log.warning("also in the folder, and neither pictures nor videos: %s%s", some, ", ..." * (len(passed) > 8))
    for name in verdicts.unused():
        log.warning("nobody is called '%s': what present-regions or review.csv say of them is not used", name)


def _root(config: Config) -> Path:
    root = root_folder("sources.photos", config.root)
    if next(_files(config, root), None) is None:
        raise ConfigError(f"sources.photos.root: no photo or video in '{config.root}'")
    return root


def _files(config: Config, root: Path) -> Iterator[PhotoFile | tuple[str, str]]:
    clouds = user_path(config.clouds).resolve() if config.clouds else None
    for file in list_files(root, _inside(config), config.hash_names, config.only):
        if clouds is None or not isinstance(file, PhotoFile) or not file.path.resolve().is_relative_to(clouds):
            yield file  # a depth picture is no photo


def _inside(config: Config) -> Path | None:
    """Return the build's folder, which may lie inside the photo folder."""
    return Path(config.work).parent.parent if config.work and not config.work.startswith("${") else None


def _work(config: Config) -> Path:
    if not config.work or config.work.startswith("${"):
        raise ConfigError("sources.photos.work: give a folder for copies of photos and detections")
    return Path(config.work)


def _row(config: Config, shot: Shot, number: int, key: str, verdicts: Verdicts, cloud: Cloud | None) -> Found:
    person = shot.people[number - 1]
    if shot.reasons[number - 1]:
        return key, shot.reasons[number - 1]
    size = shot.size
    keypoints, state = calibrate(person.keypoints, config.detection.name)
    off = (state != UNLABELLED) & ~inside_image(keypoints[:, :2], *size)
    state[off] = OUTSIDE
    keypoints[off, 2] = 0.0
    try:
        box = person.box if np.ptp(person.box) > 0 else box_of(keypoints, size)
    except Rejected as error:
        return key, str(error)
    verdict = verdicts.of(key, shot.name, number, len(shot.people))
    if not (verdict.whole or verdict.drop or verdict.removed.any()):
        verdict = entry(shot.proposals(number))
    row: dict[str, Any] = {
        "key": key,
        "subset": config.subset,
        "stem": shot.stem,
        "person_id": str(number),
        "license": "",
        "image": str(shot.images[number - 1]),
        "image_size": size,
        "bbox": box,
        "keypoints": keypoints,
        "state": state,
        "K": default_K(*size),
        "mask": rle.to_json(shot.masks[number - 1]),
        "others": rle.list_to_json([m for i, m in enumerate(shot.masks) if i != number - 1 and m is not None]),
        "present_removed": verdict.removed,
        "present_residual": verdict.residual.astype(np.float32),
        "dropped": "left out in review.csv" if verdict.drop else "",
    }
    if cloud is not None:
        row |= cut_person(cloud, row["bbox"], row["mask"], row["K"], np.zeros(5), number)
    return row


SOURCE = Source(Config, read, fingerprint, prepare)
