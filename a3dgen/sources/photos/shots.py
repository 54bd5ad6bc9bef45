"""Cache of detections and work copies, one entry a photo."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from a3dgen.core.errors import A3dgenError, ConfigError, DataError
from a3dgen.core.files import recording, remove_listed
from a3dgen.core.user_paths import user_path
from a3dgen.detectors import Detector, Person, get_detector
from a3dgen.detectors.given import GivenDetector
from a3dgen.io import rle
from a3dgen.io.file_list import read_list, write_list
from a3dgen.io.images import replace_file
from a3dgen.io.tables import write_table
from a3dgen.sources.photos.detect import make_facts
from a3dgen.sources.photos.files import PhotoFile
from a3dgen.sources.photos.propose import Proposal, model_digest

if TYPE_CHECKING:
    from a3dgen.sources.photos.config import Config

VERSION = 10
"""Of what is kept on disk: detections of another version are made anew."""
MADE = "made.files"
"""In the work folder: the list of what was put there."""
NAMES = ("stem", "photo", "people", "remark", "sha256", "proposed")
"""Columns of names.csv; ``proposed`` holds ``<number> <region> <percent> %``, several with ``;``."""
FEW = 3
"""So few photos are not worth handing out."""
log = logging.getLogger("a3dgen")

Mapper = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Like ``map``, in order; a pool's map works in parallel."""


@dataclass(frozen=True)
class Shot:
    """One photo or video frame.

    Attributes:
        name: the photo's path below its folder (``walk.mp4@120`` for a frame). stem: its name in the dataset.
        size: width, height px. images: for every person the picture to use. people: from the left.
        masks: their outlines as RLE, or None. remark: what was done to the photo.
        reasons: for every person why they cannot be used, or empty. seconds: time of a video's frame.
        proposed: for every person the limbs that seem absent.
    """

    name: str
    stem: str
    size: tuple[int, int]
    images: list[Path]
    people: list[Person]
    masks: list[rle.Rle | None]
    remark: str
    reasons: list[str]
    seconds: float = 0.0
    proposed: list[list[Proposal]] = field(default_factory=list)

    def proposals(self, number: int) -> list[Proposal]:
        """Return what is proposed of one person, numbered from 1."""
        return self.proposed[number - 1] if self.proposed else []


class ShotMaker:
    """Makes shots of files, or takes them from the work folder.

    Args:
        config: of the source; its ``work`` is a folder.
    """

    def __init__(self, config: Config) -> None:
        self._config, self._detection, self._work = config, config.detection, Path(config.work)
        self._names: list[tuple[str, str, int, str, str, str]] = []
        self._shown: list[str] = []
        self._kept: set[Path] = set()

    @cached_property
    def detector(self) -> Detector:
        """The detector, loaded at the first photo that needs it.

        Raises:
            ConfigError: if its weights or files cannot be used: no photo is to blame.
        """
        try:
            return get_detector(self._detection)
        except DataError as error:
            raise ConfigError(str(error)) from None

    def make(self, file: PhotoFile) -> list[dict[str, Any]]:
        """Return the facts of a file, made and kept if they are not there yet.

        Raises:
            DataError: if the file cannot be read.
        """
        path = self._facts_path(file)
        facts = _stored(path, self._work)
        if facts is None:
            with recording(self._work, self._work / MADE):
                facts = make_facts(self._config, file, self.detector, self._work)
                replace_file(path, json.dumps(facts).encode())
        return facts

    def missing(self, files: Iterable[PhotoFile]) -> list[PhotoFile]:
        """Return the files of which nothing is kept."""
        return [f for f in files if _stored(self._facts_path(f), self._work) is None]

    def shots(self, file: PhotoFile) -> list[Shot]:
        """Return the shots of one file: one of a photo, several of a video.

        Raises:
            DataError: if it cannot be read.
        """
        facts = self.make(file)
        self._kept.add(self._facts_path(file))
        shots = [self._shot(file, f) for f in facts]
        for shot in shots:
            self._kept.update(shot.images)
            self._shown.append(shot.name)
            told = ";".join(f"{n} {p.text()}" for n in range(1, len(shot.people) + 1) for p in shot.proposals(n))
            self._names.append((shot.stem, shot.name, len(shot.people), shot.remark, file.sha, told))
            if shot.remark:
                log.warning("%s: %s", shot.name, shot.remark)
        return shots

    def claimed_twice(self, names: Iterable[str]) -> dict[str, str]:
        """Return photos whose finished detections fit another photo as well -> what the files call both.

        A photo that is called exactly so keeps them.
        """
        if self._detection.name != "given" or not isinstance(self.detector, GivenDetector):
            return {}
        claims: dict[str, list[str]] = {}
        for name in names:
            entry = self.detector.called(name)
            if entry is not None:
                claims.setdefault(entry, []).append(name)
        return {
            name: entry
            for entry, photos in claims.items()
            for name in photos
            if len(photos) > 1 and name not in (entry, f"{entry}{PurePosixPath(name).suffix}")
        }

    def note(self, name: str, stem: str, remark: str, sha: str = "") -> None:
        """Put a file of which there is no shot into the list of names: ``forget`` must know it."""
        self._names.append((stem, name, 0, remark, sha, ""))

    def finish(self) -> None:
        """Write the list of names, and delete copies and detections that belong to no photo any more."""
        write_table(self._work / "names.csv", NAMES, self._names)
        made = read_list(self._work / MADE)
        kept = {name: time for name, time in made.items() if self._work / name in self._kept}
        remove_listed(self._work, made.keys() - kept.keys())
        write_list(self._work / MADE, kept)
        self._warn_of_other_names()

    def _warn_of_other_names(self) -> None:
        """Say so if finished detections do not speak of some of the photos and frames, or of none."""
        if self._detection.name != "given" or not isinstance(self.detector, GivenDetector) or not self._shown:
            return
        unknown = [name for name in self._shown if not self.detector.knows(name)]
        if len(unknown) == len(self._shown) and self.detector.names:
            log.warning(
                "none of the photos is found in %s: it speaks of '%s', the photos are called e.g. '%s'",
                self._detection.keypoints, sorted(self.detector.names)[0], unknown[0],
            )  # fmt: skip
        elif unknown:
            log.warning(
                "%d of %d pictures are not spoken of in %s: %s%s",
                len(unknown), len(self._shown), self._detection.keypoints, ", ".join(unknown[:3]),
                ", ..." * (len(unknown) > 3),
            )  # fmt: skip

    def _facts_path(self, file: PhotoFile) -> Path:
        return self._work / "facts" / f"{file.stem}-{self._digest(file)}.json"

    def _digest(self, file: PhotoFile) -> str:
        c = self._config
        facts = [VERSION, file.sha, file.name, asdict(self._detection), c.max_side, c.video_fps, c.video_frames]
        facts += [c.blur_bystanders, c.exif, model_digest() if c.propose else ""]
        facts += self._models
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()

    @cached_property
    def _models(self) -> list[list[Any]]:
        """Name, size and time of every file that the detector reads."""
        d = self._detection
        paths = [user_path(p) for p in (d.weights, d.person_weights, d.keypoints, d.config) if p]
        files = sorted(f for p in paths for f in (p.rglob("*") if p.is_dir() else [p]) if f.is_file())
        return [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in files]

    def _shot(self, file: PhotoFile, facts: dict[str, Any]) -> Shot:
        images = [self._work / p if p else file.path for p in facts["images"]]
        people = [
            Person(np.array(p["box"], np.float64), np.array(p["keypoints"], np.float64).reshape(-1, 3), p["score"])
            for p in facts["people"]
        ]
        size = (int(facts["size"][0]), int(facts["size"][1]))
        outlines, reasons = [p["mask"] for p in facts["people"]], [p.get("reason", "") for p in facts["people"]]
        seconds = float(facts.get("seconds", 0.0))
        proposed = [[Proposal(int(k), float(chance)) for k, chance in p.get("proposed", ())] for p in facts["people"]]
        return Shot(
            facts["name"], facts["stem"], size, images, people, outlines, facts["remark"], reasons, seconds, proposed
        )  # fmt: skip


def make_all(config: Config, files: list[PhotoFile], mapper: Mapper, report: Callable[[int, int], None]) -> None:
    """Look for people in all files that need it, wherever ``mapper`` works; what comes of it is kept on disk.

    Every photo is worked on alone: the files are the same bytes whoever makes them. What cannot be read is left to
    ``Studio.shots``, which says so.

    Args:
        config: of the source. files: without copies of another. mapper: like ``map``.
        report: called with (photos done, photos in all).

    Raises:
        ConfigError: if the detector cannot be used.
    """
    studio = ShotMaker(config)
    todo = studio.missing(files)
    if len(todo) <= FEW:
        return
    studio.detector  # noqa: B018  what is wrong with it is said once, before anything is handed out
    report(0, len(todo))
    # the review table and the folder do not matter here: workers need not load the detector anew for another one
    plain = replace(config, review="", present_regions="")
    for done, _ in enumerate(mapper(functools.partial(_make_one, config=plain), todo), 1):
        report(done, len(todo))


def _make_one(file: PhotoFile, config: Config) -> None:
    try:
        _studio(config).make(file)
    except (A3dgenError, OSError):
        return  # the caller comes to this file again, and says what is wrong


@functools.lru_cache(maxsize=1)
def _studio(config: Config) -> ShotMaker:
    return ShotMaker(config)


def _stored(path: Path, work: Path) -> list[dict[str, Any]] | None:
    """Return what was kept of a file, None if nothing was or one of its copies is gone."""
    try:
        facts = json.loads(path.read_text())
        whole = all((work / p).is_file() for f in facts for p in f["images"] if p)
        return facts if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
