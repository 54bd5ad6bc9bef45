"""Pictures of a COCO file: found by name, known again in another file, and turned as EXIF and labels want it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import DataError, Rejected
from a3dgen.io import rle
from a3dgen.io.images import exif_orientation
from a3dgen.io.orientation import upright_mask, upright_points
from a3dgen.io.partial_pictures import Decodable
from a3dgen.sources.coco_index import CocoImage
from a3dgen.sources.common import ImageFolders, checked_picture
from a3dgen.sources.exif import labels_are_stored, points_fit, stored_size


class Frames:
    """The picture that is read at the moment, and what was noticed about pictures.

    Args:
        root: the data folder. exif: one of ``EXIF``.

    Attributes:
        labelled_size: (width, height) of the pixels that the labels are in. notes: remark -> pictures of the file.
        picture: what can be decoded of the picture; "shown pixels" count from where that begins.
    """

    def __init__(self, root: Path, exif: str) -> None:
        self._root, self._exif = root, exif
        self._seen: dict[int, tuple[str, Path]] = {}
        self._name = ""
        self._orientation = 1
        self.labelled_size = (1, 1)
        self.picture = Decodable((1, 1), (0, 0), (1, 1))
        self.notes: Counter[str] = Counter()

    def start(self, name: str, folders: list[Path]) -> None:
        """Begin with another annotation file, whose pictures are in these folders or somewhere below the root."""
        self._name, self.notes = name, Counter()
        self._folders = ImageFolders(folders, self._root)

    def open(self, image: int, photo: CocoImage, points: Float[ndarray, "n 2"]) -> tuple[Path, tuple[int, int]]:
        """Return a picture's file and shown size, of what can be decoded.

        Args:
            image: its id. points: all labelled points on it, px as in the file.

        Raises:
            Rejected: if it cannot be found or read, is the same as in an earlier file, or has another size.
        """
        path = self._folders.find(photo.file_name)
        before = self._seen.get(image)
        if before is not None and before[0] != self._name and _same_file(before[1], path):
            raise Rejected(f"the image is already in {before[0]}: {path.name}")
        self._seen.setdefault(image, (self._name, path))
        self.picture = picture = checked_picture(path)
        shown = picture.whole
        exif = exif_orientation(path)
        stored = stored_size(shown, exif)
        turned = self._turned(path.name, exif, photo.size, shown, points)
        self._orientation = exif if turned else 1
        self.labelled_size = stored if turned else shown
        if picture.remark:
            self.notes[f"{path.name}: {picture.remark}"] += 1
        return path, picture.size

    def _turned(
        self,
        name: str,
        orientation: int,
        said: tuple[int, int] | None,
        shown: tuple[int, int],
        points: Float[ndarray, "n 2"],
    ) -> bool:
        """Whether labels must be turned by the EXIF orientation to be in shown pixels."""
        if orientation == 1:
            swapped = said == shown[::-1] and len(points) and points_fit(points, shown) and not points_fit(points, said)
            if swapped:
                self.notes["width and height are swapped: the points fit the picture as it is"] += 1
            elif said is not None and said != shown:
                raise Rejected(
                    f"the image is {shown[0]}x{shown[1]} px, but its annotation says {said[0]}x{said[1]}: {name}"
                )
            return False
        try:
            return labels_are_stored(orientation, shown, points, self._exif, self.notes, "sources.coco.exif", said)
        except Rejected as error:
            raise Rejected(f"{error}: {name}") from None

    def upright(self, points: Float[ndarray, "n 2"]) -> Float[ndarray, "n 2"]:
        """Return places (px as in the file) in shown pixels."""
        turned = points if self._orientation == 1 else upright_points(points, self._orientation, self.labelled_size)
        return turned - self.picture.origin

    def upright_box(self, box: Float[ndarray, "4"]) -> Float[ndarray, "4"]:
        """Return a box x0, y0, x1, y1 in shown pixels."""
        corners = self.upright(box.reshape(2, 2))
        return np.concatenate([corners.min(0), corners.max(0)])

    def outline(self, annotation: dict[str, Any]) -> rle.Rle | None:
        """Return an annotation's mask in shown pixels, or None where its segmentation is missing or damaged."""
        try:
            found = rle.from_segmentation(annotation.get("segmentation"), *self.labelled_size)
            if self._orientation == 1 and not self.picture.lost:
                return found
            mask = upright_mask(rle.decode(found), self._orientation)[self.picture.window]
            return rle.encode(mask) if mask.any() else None
        except DataError:
            return None


def _same_file(a: Path, b: Path) -> bool:
    """Whether two files hold the same bytes."""
    if a == b or a.stat().st_size != b.stat().st_size:
        return a == b
    return a.read_bytes() == b.read_bytes()
