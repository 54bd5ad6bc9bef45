"""Detects people in one photo or video, and writes work copies where the file cannot be used as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.detectors import Detector, Person
from a3dgen.geometry.boxes import mask_box
from a3dgen.io import rle
from a3dgen.io.images import LARGEST, exif_orientation, write_image
from a3dgen.io.partial_pictures import SMALLEST, reaches_cut
from a3dgen.sources.photos.decode import DecodedPhoto, fit_size, load_photo
from a3dgen.sources.photos.files import LOSSLESS, PhotoFile
from a3dgen.sources.photos.given_pixels import given_people
from a3dgen.sources.photos.kinds import suffix_lies
from a3dgen.sources.photos.propose import propose
from a3dgen.sources.photos.videos import sampled_frames

if TYPE_CHECKING:
    from a3dgen.sources.photos.config import Config


def make_facts(config: Config, file: PhotoFile, detector: Detector, work: Path) -> list[dict[str, Any]]:
    """Detect people in a file and write its work copies below ``work``.

    Returns:
        Plain facts, one dict a photo or video frame: name, stem, size, remark, images (of every person the copy to
        use, empty for the photo itself), people from the left.

    Raises:
        DataError: if the file cannot be read.
    """
    maker = _Maker(config, file, detector, work)
    if file.is_video:
        return list(maker.frames())
    photo = load_photo(file.path, config.max_side, file.kind)
    if photo.lost in ("top", "left") and config.detection.name == "given":
        raise DataError(f"{photo.remark}, from where the detections of it count")
    copied = file.kind in ("HEIC", "TIFF") or not file.path_is_text or "cut short" in photo.remark
    if suffix_lies(file.path, file.kind):
        photo = replace(photo, remark=_both(f"read as {file.kind}, which its bytes are", photo.remark))
    return [maker.facts(photo, (file.name, file.stem), copied)]


class _Maker:
    def __init__(self, config: Config, file: PhotoFile, detector: Detector, work: Path) -> None:
        self._config, self._file, self._detector, self._work = config, file, detector, work

    def frames(self) -> Iterator[dict[str, Any]]:
        file, config = self._file, self._config
        for frame in sampled_frames(file.path, config.video_fps, config.video_frames):
            rgb, number = frame.rgb, frame.number
            size = (int(rgb.shape[1]), int(rgb.shape[0]))
            small = fit_size(rgb, config.max_side)
            names = (f"{file.name}@{number}", f"{file.stem}-f{number:06d}")
            yield self.facts(DecodedPhoto(small, size, frame.remark), names, True) | {"seconds": frame.seconds}

    def facts(self, photo: DecodedPhoto, names: tuple[str, str], copied: bool) -> dict[str, Any]:
        """Return what is made of one picture; ``names`` are its name and stem."""
        rgb, size, remark = photo.rgb, photo.size, photo.remark
        h, w = rgb.shape[:2]
        if min(size) < SMALLEST or min(h, w) < 1:
            raise DataError(f"the picture is {size[0]}x{size[1]} px; {SMALLEST} px are the least on either side")
        name, stem = names
        if (w, h) != size:
            scaled, copied = f"scaled down from {size[0]}x{size[1]} to {w}x{h} px", True
            remark = _both(remark, scaled)
        people, noticed = self._people(rgb, size, name)
        remark = _both(remark, noticed)
        people = sorted(people, key=lambda p: p.box[0] + p.box[2])
        people = [replace(p, mask=_outline(p, rgb)) for p in people]
        suffix = ".png" if self._file.kind in LOSSLESS else ".jpg"
        return {
            "name": name, "stem": stem, "size": [w, h], "remark": remark,
            "images": self._pictures(rgb, people, stem, suffix, copied),
            "people": [_plain(p) | self._proposed(rgb, p) | _cut(p, photo) for p in people],
        }  # fmt: skip

    def _people(self, rgb: UInt8[ndarray, "h w 3"], size: tuple[int, int], name: str) -> tuple[list[Person], str]:
        """Return the people of a picture of ``size`` (px, before it was scaled down), and what was noticed."""
        if self._config.detection.name != "given":
            return self._detector.detect(rgb, name), ""
        used = (int(rgb.shape[1]), int(rgb.shape[0]))
        orientation = 1
        if self._file.kind in ("JPEG", "PNG", "WebP"):  # decoders turn videos and HEIC before anybody sees them
            orientation = exif_orientation(self._file.path, LARGEST)
        return given_people(self._detector, name, size, used, orientation, self._config.exif)

    def _pictures(
        self, rgb: UInt8[ndarray, "h w 3"], people: list[Person], stem: str, suffix: str, copied: bool
    ) -> list[str]:
        """Return for every person the copy to use, or an empty text for the photo itself."""
        if not people:
            return []
        shared = ""
        if copied:
            shared = self._write(rgb, stem, suffix)
        if not self._config.blur_bystanders:
            return [shared] * len(people)
        from a3dgen.detectors.faces import blur, of_others, own_limbs, possible_faces

        faces = possible_faces(rgb, people)
        pictures = []
        for i, own in enumerate(people):
            circles = of_others(own, [p for p in people if p is not own], faces)
            if not len(circles):
                pictures.append(shared)
                continue
            pictures.append(
                self._write(blur(rgb, circles, own_limbs(own, *rgb.shape[:2])), f"{stem}_{i + 1}_faces", suffix)
            )
        return pictures

    def _proposed(self, rgb: UInt8[ndarray, "h w 3"], person: Person) -> dict[str, Any]:
        if not self._config.propose:
            return {}
        return {"proposed": [[p.region, p.probability] for p in propose(rgb, person)]}

    def _write(self, rgb: UInt8[ndarray, "h w 3"], name: str, suffix: str) -> str:
        """Write a copy; its name tells its content, so that later stages notice another one."""
        digest = hashlib.blake2b(rgb.tobytes(), digest_size=4).hexdigest()
        path = f"images/{name}-{digest}{suffix}"
        write_image(self._work / path, rgb)
        return path


def _outline(person: Person, rgb: UInt8[ndarray, "h w 3"]) -> Bool[ndarray, "h w"] | None:
    """Return the person's outline; a detector without outlines gets mediapipe's, where its networks are here."""
    if person.mask is not None:
        return person.mask
    from a3dgen.detectors import mediapipe, networks

    return mediapipe.segment(rgb, person.box) if networks.available() else None


def _both(first: str, second: str) -> str:
    return f"{first}; {second}" if first and second else first or second


def _cut(person: Person, photo: DecodedPhoto) -> dict[str, str]:
    """Return the reason why a person of a photo that is cut short is not used: they may go on where it ends."""
    h, w = photo.rgb.shape[:2]
    x0, y0, x1, y1 = person.box
    if person.mask is not None and person.mask.any():
        own = mask_box(person.mask)
        x0, y0, x1, y1 = *np.minimum((x0, y0), own[:2]), *np.maximum((x1, y1), own[2:])
    why = reaches_cut(photo.lost, (x0, y0, x1, y1), (w, h))
    return {"reason": why} if why else {}


def _plain(person: Person) -> dict[str, Any]:
    return {
        "box": person.box.round(3).tolist(),
        "keypoints": person.keypoints.round(3).tolist(),
        "score": round(float(person.score), 4),
        "mask": rle.encode(person.mask) if person.mask is not None and person.mask.any() else None,
    }
