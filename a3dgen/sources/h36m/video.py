"""Frames and silhouettes of Human3.6M's official files, fetched one by one when they are wanted."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.home import home
from a3dgen.core.user_paths import user_path
from a3dgen.io import hdf5, rle
from a3dgen.io.hdf5 import child, open_hdf5
from a3dgen.io.images import write_image
from a3dgen.io.video import open_video

MASK_BYTES = 1 << 26
"""Of one silhouette; the camera's pictures have a million pixels."""


def frames_folder(config: Any) -> Path:
    """Return where frames taken from the videos are kept: as configured, or in the cache folder, one per root."""
    if config.frames:
        return user_path(config.frames)
    name = hashlib.sha256(os.fsencode(user_path(config.root).resolve())).hexdigest()[:12]
    return home() / "h36m_frames" / name


class Video:
    """The frames of one camera, from image files that are there already, or from the video, in ascending order."""

    def __init__(self, path: Path, ready: list[Path], cache: Path, name: str) -> None:
        """Nothing is opened yet.

        Args:
            path: the .mp4 file.
            ready: folders in which the frames may lie already, as ``<name>_000001.jpg``.
            cache: folder for frames taken from the video.
            name: stem of the frames' names.
        """
        self._path, self._folders, self._cache, self._name = path, [*ready, cache], cache, name
        self._capture: cv2.VideoCapture | None = None
        self._next = 1

    def frame(self, number: int) -> Path:
        """Return the image file of a frame (from 1), taking it from the video if need be.

        Raises:
            Rejected: if neither image nor video is there, or the video ends before it.
        """
        name = f"{self._name}_{number:06d}.jpg"
        for folder in self._folders:
            if (folder / name).is_file():
                return folder / name
        image = self._decode(number)
        write_image(self._cache / name, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        return self._cache / name

    def _decode(self, number: int) -> np.ndarray:
        if self._capture is None or number < self._next:
            if not self._path.is_file():
                raise Rejected(f"neither the frame nor its video is there: {self._path}")
            self.close()
            try:
                self._capture, self._next = open_video(self._path), 1
            except DataError as error:
                raise Rejected(str(error)) from None
        while self._next < number:
            if not self._capture.grab():
                raise Rejected(f"the video ends after {self._next - 1} frames: {self._path.name}")
            self._next += 1
        good, image = self._capture.read()
        if not good:
            raise Rejected(f"the video ends after {self._next - 1} frames: {self._path.name}")
        self._next += 1
        return image

    def close(self) -> None:
        """Let go of the video file."""
        if self._capture is not None:
            self._capture.release()
        self._capture = None


class Silhouettes:
    """The background-subtraction masks of one camera (MATLAB 7.3 = HDF5, one reference a frame)."""

    def __init__(self, path: Path) -> None:
        """``path`` need not exist: the masks are a separate download."""
        self._path = path
        self._file: h5py.File | None = None
        self._open = ExitStack()

    def at(self, number: int, size: tuple[int, int]) -> rle.Rle | None:
        """Return the mask of a frame (from 1), or None where there is none of that size."""
        if not self._path.is_file():
            return None
        try:
            if self._file is None:
                self._file = self._open.enter_context(open_hdf5(self._path))
            reference = np.ravel(hdf5.numbers(child(self._file, "Masks"), kinds="O"))[number - 1]
            mask = hdf5.numbers(self._file[reference], max_bytes=MASK_BYTES).T > 0  # MATLAB's columns are HDF5's rows
        except (DataError, OSError, KeyError, IndexError, ValueError, TypeError, AttributeError, RuntimeError):
            return None
        return rle.encode(mask) if mask.shape == (size[1], size[0]) and mask.any() else None

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()
        self._file = None
