"""People of a COCO file who have a ``track_id``: their recordings, times of frames, and the order to read in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from a3dgen.core.pieces import CLIP_FRAMES, piece_name
from a3dgen.io.frame_numbers import track_of
from a3dgen.sources.coco_index import AnnotationIndex


class Recordings:
    """The recordings of a file; nothing is known of them where no annotation has a ``track_id``."""

    def __init__(self, name: str, people: AnnotationIndex, fps: float) -> None:
        """Find the first frame of every recording.

        Args:
            name: of the file, in keys. fps: frame numbers a second.
        """
        self._name, self._people, self._fps = name, people, fps
        self._first: dict[str, int] = {}
        if people.tracked:
            for photo in people.photos.values():
                if photo.frame is not None:
                    self._first[photo.video] = min(photo.frame, self._first.get(photo.video, photo.frame))

    def in_order(self, images: Iterable[int]) -> Iterable[int]:
        """Return images piece by piece of each recording, recordings in the order of their first image."""
        if not self._first:
            return images
        listed, ranks = list(images), dict[tuple[str, int], int]()
        place = {image: ranks.setdefault(self._piece(image), len(ranks)) for image in listed}
        return sorted(listed, key=place.__getitem__)

    def columns(self, image: int, annotation: Mapping[str, Any]) -> dict[str, Any]:
        """Return what Persons says of a person's way through a recording; nothing where it is not known."""
        photo = self._people.photos.get(image)
        if photo is None or photo.frame is None or photo.video not in self._first:
            return {}
        video, piece = self._piece(image)
        start = f"coco/{self._name}/{video}" if video else f"coco/{self._name}"
        clip = {"clip": piece_name(start, piece)}  # beside others in the frame, with a track or without
        track = track_of(annotation)
        seconds = (photo.frame - self._first[video]) / self._fps
        return clip | {"track": f"{start}/{track}", "seconds": seconds} if track else clip

    def _piece(self, image: int) -> tuple[str, int]:
        photo = self._people.photos.get(image)
        if photo is None or photo.frame is None:
            return "", -1
        return photo.video, (photo.frame - self._first[photo.video]) // CLIP_FRAMES
