"""Finished detections from files, looked up by the photo's name.

A file is recognised by what is in it (``given_files``). Photos are matched by their path below the folder, by name,
by stem, by the end of a longer path, or, for COCO results, by a numeric image id that is the stem; an ``images``
table in the file wins.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.user_paths import user_path
from a3dgen.detectors import DetectorConfig, Person
from a3dgen.detectors.given_files import OPENPOSE, read_file
from a3dgen.detectors.given_people import box_around, make_person
from a3dgen.io.foreign_paths import folded_parts

__all__ = ("GivenDetector", "box_around", "make_person", "read_file")

log = logging.getLogger("a3dgen")


class GivenDetector:
    """Looks people up instead of detecting them.

    Raises:
        ConfigError: if the file or folder is not there.
        DataError: if the file, or every file of the folder, is none of the known kinds.
    """

    def __init__(self, config: DetectorConfig) -> None:
        if not config.keypoints:
            raise ConfigError("detector given: needs --keypoints, a file or folder of finished detections")
        self._path = user_path(config.keypoints)
        self._min_score = config.min_score
        if not self._path.exists():
            raise ConfigError(f"--keypoints: no file or folder '{config.keypoints}'")
        self._people: dict[str, list[Person]] = {}
        files = list(_json_files(self._path))
        if not files:
            raise ConfigError(f"--keypoints: no JSON file in '{config.keypoints}'")
        used, bad = [], []
        for file in files:
            notes: Counter[str] = Counter()
            try:
                found = list(read_file(file, self._path, config.keypoints_map, notes))
            except DataError as error:
                if file == self._path:
                    raise
                bad.append(str(error))
                continue
            used.append(file)
            for name, person in found:
                self._people.setdefault(name, []).append(person)
            for note, count in notes.items():
                log.warning("%s: %s%s", file.name, note, f" ({count} times)" if count > 1 else "")
        if not used:
            raise DataError(f"--keypoints: none of {len(files)} JSON files can be read; the first: {bad[0]}")
        for text in bad:
            log.warning("left out: %s", text)
        own = {file.relative_to(self._path).with_suffix("").as_posix() for file in used if file != self._path}
        self._spoken = set(self._people) | {name.removesuffix(OPENPOSE) for name in own}
        self._ends: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for name in self._spoken:
            for parts in filter(None, folded_parts(name)):
                self._ends.setdefault(PurePosixPath(parts[-1]).stem, []).append((parts, name))

    @property
    def names(self) -> set[str]:
        """What the files call the photos they speak of."""
        return set(self._people)

    def knows(self, name: str) -> bool:
        """Whether the files speak of the photo ``name``, were it only to say that nobody is on it."""
        return self.called(name) is not None

    def detect(self, rgb: UInt8[ndarray, "h w 3"], name: str = "") -> list[Person]:
        """Return the people of the photo ``name``, the best first."""
        found = self._people.get(self.called(name) or "", [])
        kept = [p for p in found if p.score >= self._min_score]
        fits = [p if p.mask is None or p.mask.shape == rgb.shape[:2] else _unmasked(p) for p in kept]
        return sorted(fits, key=lambda p: -p.score)

    def called(self, name: str) -> str | None:
        """Return what the files call a photo: a spelling with people, else one they know, else by the end; or None."""
        spellings = list(_spellings(name))
        for known in (self._people, self._spoken):
            for candidate in spellings:
                if candidate in known:
                    return candidate
        return self._ending_in(name)

    def _ending_in(self, name: str) -> str | None:
        """Return the one name whose end is the photo's whole path below its folder, suffixes and case left out."""
        own = folded_parts(name)[0]
        if not own:
            return None
        stem = PurePosixPath(own[-1]).stem
        found = [
            (parts, full)
            for parts, full in self._ends.get(stem, [])
            if len(parts) >= len(own) and parts[len(parts) - len(own) : -1] == own[:-1]
        ]
        same = [f for f in found if f[0][-1] == own[-1]] or found
        same = same if len({full for _, full in same}) > 1 else same[:1]
        if len(same) > 1:
            listed = ", ".join(sorted(full for _, full in same)[:3])
            log.warning("%s: several entries of the detections end like this photo, none is used: %s", name, listed)
        return same[0][1] if len(same) == 1 else None


def _json_files(path: Path) -> Iterator[Path]:
    """Yield the JSON files of a folder, or the file itself; hidden ones and macOS's side files are passed over."""
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*.json")):
        inner = file.relative_to(path).parts
        if not any(part.startswith(".") or part == "__MACOSX" for part in inner):
            yield file


def _unmasked(person: Person) -> Person:
    return Person(person.box, person.keypoints, person.score)


def _spellings(name: str) -> Iterator[str]:
    """Yield what a file may call the photo, the most exact first."""
    start, at, frame = name.partition("@")
    if at:  # a frame of a video: walk.mp4@120, or walk@120 in mmpose's files
        yield name
        yield f"{PurePosixPath(start).with_suffix('').as_posix()}@{frame}"
        yield f"{PurePosixPath(start).stem}@{frame}"
        for video in dict.fromkeys((PurePosixPath(start).with_suffix("").as_posix(), PurePosixPath(start).stem)):
            yield f"{video}_{int(frame):012d}"  # OpenPose run on a video writes walk_000000000120_keypoints.json
        return
    path = PurePosixPath(name)
    yield name
    yield path.with_suffix("").as_posix()
    yield path.name
    yield path.stem
    if path.stem.rpartition("_")[2].isdigit():  # 000000000785, COCO_val2014_000000000785
        yield str(int(path.stem.rpartition("_")[2]))
