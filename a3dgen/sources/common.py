"""Shared by sources: paths below their root, checked numbers, keypoints on the 44 rows."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from a3dgen.core.errors import ConfigError, DataError, Rejected
from a3dgen.core.records import OUTSIDE, UNLABELLED
from a3dgen.core.user_paths import user_path
from a3dgen.geometry.camera import default_K, inside_image
from a3dgen.geometry.skeleton import NUM_ROWS
from a3dgen.io.foreign_paths import common_tail, folded, folded_parts, path_parts
from a3dgen.io.partial_pictures import Decodable, decodable, reaches_cut

BOX_MARGIN = 0.1
"""A box made from keypoints is this share of its larger side wider on every side: joints lie inside the body."""


def root_folder(where: str, root: str) -> Path:
    """Return the data folder of a source.

    Raises:
        ConfigError: if it is not set or not there.
    """
    if not root:
        raise ConfigError(f"{where}.root is not set: give the folder of the dataset, e.g. --set {where}.root=/data/...")
    path = user_path(root)
    if path.is_file():
        raise ConfigError(f"{where}.root: '{root}' is a file; name the folder that holds it (an archive: unpack it)")
    if not path.is_dir():
        raise ConfigError(f"{where}.root: no folder '{root}'")
    return path


def existing_file(where: str, root: Path, given: str) -> Path:
    """Return a file named in the configuration, relative to the data folder unless absolute.

    Raises:
        ConfigError: if it is not there.
    """
    path = root / user_path(given)
    if not path.is_file():
        raise ConfigError(f"{where}: no file '{path}'")
    return path


def below(folder: Path, name: Any) -> Path:
    """Join a path found in an annotation to its folder.

    Raises:
        Rejected: if it is no text, empty, or would leave the folder.
    """
    if not isinstance(name, str) or not name or "\0" in name or len(name) > 1000:
        raise Rejected("the image has no usable file name")
    relative = PurePosixPath(name.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or relative.parts[:1] == () or ":" in relative.parts[0]:
        raise Rejected(f"the image path '{name}' leaves the data folder")
    return folder / relative


def first_existing(folders: Iterable[Path], name: Any) -> Path:
    """Return ``name`` in the first of the folders that holds it.

    Raises:
        Rejected: if none does, or as ``below``.
    """
    paths = [below(folder, name) for folder in folders]
    for path in paths:
        if path.is_file():
            return path
    raise Rejected(f"the image file is missing: {paths[0]}")


class ImageFolders:
    """Finds pictures by the names that annotation files give them, whatever machine these were written on.

    A name is tried as it stands below each folder; then the file below ``root`` is taken whose path ends like it for
    the longest stretch, upper and lower case alike: Windows paths, absolute ones, extra leading folders. It never
    leaves the root, and never guesses: two files that fit equally well are an error.

    Args:
        folders: where the pictures should be. root: the data folder.
    """

    def __init__(self, folders: Sequence[Path], root: Path) -> None:
        self._folders, self._root = list(folders), root
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, name: Any) -> Path:
        """Return the file of a picture.

        Raises:
            Rejected: if there is none, or more than one that fits; the reason names them.
        """
        try:
            return first_existing(self._folders, name)
        except Rejected:
            if not isinstance(name, str) or not name or "\0" in name or len(name) > 1000:
                raise
        found = next(filter(None, map(self._ending_like, folded_parts(name))), [])
        if len(found) == 1:
            return found[0]
        if not found:
            parts = path_parts(name)
            raise Rejected(f"the image file is missing: no '{parts[-1] if parts else name}' below {self._root.name}/")
        shown = ", ".join(p.relative_to(self._root).as_posix() for p in sorted(found)[:3])
        raise Rejected(f"the image '{name}' fits several files: {shown}")

    def _ending_like(self, parts: Sequence[str]) -> list[Path]:
        best, found = 0, []
        for path in self._index().get(parts[-1] if parts else "", []):
            length = common_tail(parts, [folded(p) for p in path.relative_to(self._root).parts])
            if length > best:
                best, found = length, [path]
            elif length == best:
                found.append(path)
        return found

    def _index(self) -> dict[str, list[Path]]:
        if self._by_name is None:
            self._by_name = {}
            tops = [f for f in dict.fromkeys(self._folders) if f.is_dir()] or [self._root]
            if any(self._root != top and self._root not in top.parents for top in tops):
                self._root = Path(os.path.commonpath([self._root.absolute(), *(t.absolute() for t in tops)]))
            for top in tops:
                for folder, inner, files in os.walk(top):
                    inner[:] = sorted(n for n in inner if not n.startswith(".") and n != "__MACOSX")
                    for file in files:
                        path = Path(folder) / file
                        known = self._by_name.setdefault(folded(file), [])
                        if not file.startswith("._") and path not in known:
                            known.append(path)
        return self._by_name


def checked_picture(path: Path) -> Decodable:
    """Return the size of a photo, and how much of it can be decoded.

    Raises:
        Rejected: if nothing to speak of can be.
    """
    try:
        return decodable(path)
    except DataError as error:
        raise Rejected(str(error)) from None


def guessed_K(picture: Decodable) -> Float[ndarray, "3 3"]:
    """Return ``default_K`` of the whole photo, in px of what can be decoded."""
    return shifted_K(default_K(*picture.whole), picture)


def shifted_K(K: Float[ndarray, "3 3"], picture: Decodable) -> Float[ndarray, "3 3"]:
    """Return a whole photo's camera matrix in px of what can be decoded."""
    shifted = K.copy()
    shifted[:2, 2] -= picture.origin
    return shifted


def check_whole(picture: Decodable, points: Float[ndarray, "n 2"], box: Float[ndarray, "4"] | None = None) -> None:
    """Refuse somebody who may reach to where the photo is cut short.

    Args:
        picture: the photo. points: all labelled points of the person, px of what can be decoded.
        box: x0, y0, x1, y1 around the person, or None: then the points', with ``BOX_MARGIN``.

    Raises:
        Rejected: if they do.
    """
    if not picture.lost or not len(points):
        return
    low, high = points.min(0), points.max(0)
    if box is None:
        margin = BOX_MARGIN * float((high - low).max())
        low, high = low - margin, high + margin
    else:
        low, high = np.minimum(low, box[:2]), np.maximum(high, box[2:])
    why = reaches_cut(picture.lost, np.concatenate([low, high]), picture.size)
    if why:
        raise Rejected(why)


def numbers(value: Any, shape: tuple[int, ...], what: str) -> Float[ndarray, "..."]:
    """Return an array of this shape (-1 = any length) from parsed JSON, HDF5 or MATLAB.

    Raises:
        Rejected: if it is anything but numbers of that shape.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise Rejected(f"{what}: not numbers") from None
    fits = array.ndim == len(shape) and all(w in (-1, n) for n, w in zip(array.shape, shape, strict=True))
    if not fits:
        raise Rejected(f"{what}: shape {array.shape}, wanted {shape}")
    return array


def place(
    rows: Sequence[int],
    pixels: Float[ndarray, "n 2"],
    states: Int[ndarray, " n"],
    size: tuple[int, int],
    outside_confidence: float,
) -> tuple[Float[ndarray, "44 3"], UInt8[ndarray, "44"]]:
    """Put a source's keypoints on the 44 rows.

    Args:
        rows: row of each point.
        pixels: x, y; ignored where unlabelled.
        states: UNLABELLED, OCCLUDED or VISIBLE; a labelled point off the image becomes OUTSIDE and keeps its place.
        size: image width and height in px.
        outside_confidence: confidence of points off the image: 1 if they were measured, 0 if they were clicked.

    Returns:
        keypoints (px, px, confidence; zero where unlabelled) and states.

    Raises:
        Rejected: if a labelled coordinate is not finite.
    """
    keypoints, state = np.zeros((NUM_ROWS, 3)), np.zeros(NUM_ROWS, np.uint8)
    labelled = states != UNLABELLED
    if not np.isfinite(pixels[labelled]).all():
        raise Rejected("a keypoint coordinate is not a finite number")
    inside = inside_image(pixels, *size)
    index = np.asarray(rows)[labelled]
    keypoints[index, :2] = pixels[labelled]
    keypoints[index, 2] = np.where(inside[labelled], 1.0, outside_confidence)
    state[index] = np.where(inside[labelled], states[labelled], OUTSIDE)
    return keypoints, state


def box_of(keypoints: Float[ndarray, "44 3"], size: tuple[int, int]) -> Float[ndarray, "4"]:
    """Return x0, y0, x1, y1 around the keypoints with confidence, with ``BOX_MARGIN``, cut to the image.

    Raises:
        Rejected: if there are fewer than two.
    """
    points = keypoints[keypoints[:, 2] > 0, :2]
    if len(points) < 2:
        raise Rejected("fewer than two keypoints in the image")
    low, high = points.min(0), points.max(0)
    margin = BOX_MARGIN * float((high - low).max())
    limit = np.array(size, np.float64)
    return np.concatenate([np.clip(low - margin, 0, limit), np.clip(high + margin, 0, limit)])


def digest_files(paths: Iterable[Path], salt: str = "") -> str:
    """Return the SHA-256 over names and contents of files, read piece by piece.

    Args:
        paths: the files.
        salt: whatever else should change the digest.

    Raises:
        DataError: if one cannot be read.
    """
    total = hashlib.sha256(salt.encode("utf-8", "surrogatepass"))
    for path in paths:
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None
        total.update(f"\0{path.name}\0{content}".encode("utf-8", "surrogatepass"))
    return total.hexdigest()
