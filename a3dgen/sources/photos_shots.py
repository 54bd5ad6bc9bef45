"""What was made of every photo: detections, and work copies where the photo itself cannot be used. Kept on disk."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from a3dgen.detectors import Detector, DetectorConfig, Person, get_detector
from a3dgen.errors import DataError, MissingDependency
from a3dgen.io import masks
from a3dgen.io.images import replace_file, write_image
from a3dgen.sources.photos_files import LOSSLESS, PhotoFile
from a3dgen.sources.photos_pictures import HEIF, SMALLEST, TIFF, fit_size, load_photo, video_frames

if TYPE_CHECKING:
    from a3dgen.sources.photos import Config

VERSION = 2
"""Of what is kept on disk: detections of another version are made anew."""
log = logging.getLogger("a3dgen")


@dataclass(frozen=True)
class Shot:
    """One photo or video frame.

    Attributes:
        name: the photo's path below its folder (``walk.mp4@120`` for a frame). stem: its name in the dataset.
        size: width, height px. images: for every person the picture to use. people: from the left.
        masks: their outlines as RLE, or None. remark: what was done to the photo.
    """

    name: str
    stem: str
    size: tuple[int, int]
    images: list[Path]
    people: list[Person]
    masks: list[masks.Rle | None]
    remark: str


class Studio:
    """Makes shots of files, or takes them from the work folder.

    Args:
        detection: the detector. work: the work folder. config: of the source.
    """

    def __init__(self, detection: DetectorConfig, work: Path, config: Config) -> None:
        self._detection, self._work, self._config = detection, work, config
        self._names: list[tuple[str, str, int, str]] = []
        self._kept: set[Path] = set()

    @cached_property
    def detector(self) -> Detector:
        return get_detector(self._detection)

    def shots(self, file: PhotoFile) -> list[Shot]:
        """Return the shots of one file: one of a photo, several of a video.

        Raises:
            DataError: if it cannot be read.
        """
        facts_path = self._work / "facts" / f"{file.stem}-{self._digest(file)}.json"
        facts = _stored(facts_path, self._work)
        if facts is None:
            facts = self._make(file)
            replace_file(facts_path, json.dumps(facts).encode())
        self._kept.add(facts_path)
        shots = [self._shot(file, f) for f in facts]
        for shot in shots:
            self._kept.update(shot.images)
            self._names.append((shot.stem, shot.name, len(shot.people), shot.remark))
            if shot.remark:
                log.warning("%s: %s", shot.name, shot.remark)
        return shots

    def finish(self) -> None:
        """Write the list of names, and delete copies and detections that belong to no photo any more."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(("stem", "photo", "people", "remark"))
        writer.writerows(self._names)
        replace_file(self._work / "names.csv", text.getvalue().encode())
        for folder in ("facts", "images"):
            for path in (self._work / folder).glob("*"):
                if path.is_file() and path not in self._kept:
                    path.unlink()

    def _digest(self, file: PhotoFile) -> str:
        c = self._config
        facts = [VERSION, file.sha, file.name, asdict(self._detection), c.max_side, c.video_fps, c.video_frames]
        facts.append(c.blur_bystanders)
        facts += [[p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in _model_files(self._detection)]
        return hashlib.blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()

    def _make(self, file: PhotoFile) -> list[dict[str, Any]]:
        if file.is_video:
            frames = video_frames(file.path, self._config.video_fps, self._config.video_frames)
            return [self._facts(file, rgb, f"{file.name}@{n}", f"{file.stem}-f{n:06d}", True) for n, rgb in frames]
        rgb = load_photo(file.path)
        copied = file.path.suffix.lower() in (*HEIF, *TIFF)
        return [self._facts(file, rgb, file.name, file.stem, copied)]

    def _facts(
        self, file: PhotoFile, rgb: UInt8[ndarray, "h w 3"], name: str, stem: str, copied: bool
    ) -> dict[str, Any]:
        h, w = rgb.shape[:2]
        if min(h, w) < SMALLEST:
            raise DataError(f"the picture is {w}x{h} px; {SMALLEST} px are the least on either side")
        small = fit_size(rgb, self._config.max_side)
        remark = ""
        if small.shape != rgb.shape:
            remark, copied = f"scaled down from {w}x{h} to {small.shape[1]}x{small.shape[0]} px", True
        people = sorted(
            self.detector.detect(small, file.name if not copied else name), key=lambda p: p.box[0] + p.box[2]
        )
        suffix = ".png" if file.path.suffix.lower() in LOSSLESS else ".jpg"
        return {
            "name": name, "stem": stem, "size": [small.shape[1], small.shape[0]], "remark": remark,
            "images": self._pictures(small, people, stem, suffix, copied),
            "people": [_plain(p, _outline(p, small)) for p in people],
        }  # fmt: skip

    def _pictures(
        self, rgb: UInt8[ndarray, "h w 3"], people: list[Person], stem: str, suffix: str, copied: bool
    ) -> list[str]:
        """Return for every person the copy to use, or an empty text for the photo itself."""
        if not people:
            return []
        folder = self._work / "images"
        shared = ""
        if copied:
            shared = f"images/{stem}{suffix}"
            write_image(self._work / shared, rgb)
        if not self._config.blur_bystanders:
            return [shared] * len(people)
        from a3dgen.detectors.faces import blur, face_circles, head_circles

        faces = face_circles(rgb)
        heads = [head_circles([p]) for p in people]
        pictures = []
        for i, own in enumerate(heads):
            others = np.concatenate([np.zeros((0, 3)), *(h for j, h in enumerate(heads) if j != i), _apart(faces, own)])
            if not len(others):
                pictures.append(shared)
                continue
            path = folder / f"{stem}_{i + 1}_faces{suffix}"
            write_image(path, blur(rgb, others))
            pictures.append(f"images/{path.name}")
        return pictures

    def _shot(self, file: PhotoFile, facts: dict[str, Any]) -> Shot:
        images = [self._work / p if p else file.path for p in facts["images"]]
        people = [
            Person(np.array(p["box"]), np.array(p["keypoints"], np.float64).reshape(-1, 3), p["score"])
            for p in facts["people"]
        ]
        size = (int(facts["size"][0]), int(facts["size"][1]))
        return Shot(
            facts["name"], facts["stem"], size, images, people, [p["mask"] for p in facts["people"]], facts["remark"]
        )


def _apart(faces: Float[ndarray, "n 3"], own: Float[ndarray, "m 3"]) -> Float[ndarray, "k 3"]:
    """Return the faces that are not the person's own."""
    if not len(own):
        return faces
    distance = np.linalg.norm(faces[:, :2] - own[0, :2], axis=1)
    return faces[distance > np.maximum(own[0, 2], faces[:, 2])]


def _outline(person: Person, rgb: UInt8[ndarray, "h w 3"]) -> masks.Rle | None:
    """Return the person's mask; a detector without masks gets mediapipe's, where that is installed."""
    mask = person.mask
    if mask is None:
        try:
            from a3dgen.detectors.mediapipe import segment

            mask = segment(rgb, person.box)
        except MissingDependency:
            return None
    return masks.encode(mask) if mask is not None and mask.any() else None


def _plain(person: Person, mask: masks.Rle | None) -> dict[str, Any]:
    return {
        "box": np.round(person.box, 3).tolist(),
        "keypoints": np.round(person.keypoints, 3).tolist(),
        "score": round(float(person.score), 4),
        "mask": mask,
    }


def _stored(path: Path, work: Path) -> list[dict[str, Any]] | None:
    """Return what was kept of a file, None if nothing was or one of its copies is gone."""
    try:
        facts = json.loads(path.read_text())
        whole = all((work / p).is_file() for f in facts for p in f["images"] if p)
        return facts if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _model_files(detection: DetectorConfig) -> list[Path]:
    paths = [Path(p).expanduser() for p in (detection.weights, detection.person_weights, detection.keypoints) if p]
    return sorted(f for p in paths for f in (p.rglob("*") if p.is_dir() else [p]) if f.is_file())
