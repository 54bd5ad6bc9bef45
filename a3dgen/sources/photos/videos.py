"""Frames of videos, taken by the clock: what a container says of its frame rate need not be so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.io.video import open_video

USUAL_FPS = 30.0
"""Taken where a file tells neither times nor a frame rate."""
FASTEST_FPS = 480.0
"""No camera that people have is faster; browsers' recordings say 1000 and mean that their clock counts milliseconds."""
TOLERANCE = 0.001
"""s; containers keep times in whole milliseconds."""
CUT = 0.8
"""A video that ends before this share of the length it says is taken for one cut short."""


@runtime_checkable
class Capture(Protocol):
    """What is used of ``cv2.VideoCapture``."""

    def grab(self) -> bool: ...
    def retrieve(self) -> Any: ...
    def get(self, propId: int) -> float: ...


@dataclass(frozen=True)
class Frame:
    """One frame: its number in the file (from 0), time s, upright picture, and what is to be said of it."""

    number: int
    seconds: float
    rgb: UInt8[ndarray, "h w 3"]
    remark: str = ""


def sampled_frames(path: Path, rate: float, most: int) -> Iterator[Frame]:
    """Yield the first frame at or after every 1/rate seconds of a video.

    Args:
        path: the file. rate: frames a second wanted; a video with fewer gives all it has.
        most: frames to stop after; the last one's remark says that the video goes on.

    Raises:
        DataError: if the video cannot be opened or has no frame.
    """
    capture = open_video(path)
    try:
        found = False
        for frame in _sampled(capture, rate, most):
            found = True
            yield frame
        if not found:
            raise DataError(f"{path.name}: the video has no frame that can be read")
    finally:
        capture.release()


def _sampled(capture: Capture, rate: float, most: int) -> Iterator[Frame]:
    """Yield one frame late: only what comes after it tells what is to be said of the last."""
    clock = _Clock(capture)
    held: Frame | None = None
    number, given, due = 0, 0, 0.0
    while capture.grab():
        seconds = clock.read()
        if seconds >= due - TOLERANCE:
            if given == most and held is not None:
                why = f"the video goes on; {most} frames are taken of it at most (sources.photos.video_frames)"
                yield Frame(held.number, held.seconds, held.rgb, why)
                return
            ok, image = capture.retrieve()
            if ok and image is not None:
                if held is not None:
                    yield held
                held = Frame(number, seconds, np.ascontiguousarray(image[..., ::-1]))
                given += 1
                due = (np.floor((seconds + TOLERANCE) * rate) + 1) / rate
        number += 1
    if held is not None:
        yield Frame(held.number, held.seconds, held.rgb, clock.cut_short())


class _Clock:
    """Time of the frame just grabbed, s from the first one; never stands still or runs backwards."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        self._fps = fps if np.isfinite(fps) and fps > 0 else 0.0
        self._step = 1 / (self._fps if 0 < self._fps <= FASTEST_FPS else USUAL_FPS)
        self._first = self._shift = 0.0
        self._now: float | None = None

    def read(self) -> float:
        stamp = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        if not np.isfinite(stamp):
            stamp = 0.0
        if self._now is None:
            self._first, self._now = stamp, 0.0
            return 0.0
        time = stamp - self._first + self._shift
        if time <= self._now:  # no times, or two recordings in one file: go on from here
            self._shift += self._now + self._step - time
            time = self._now + self._step
        self._now = time
        return time

    def cut_short(self) -> str:
        """Return a remark if the file says that it is much longer than what could be read."""
        count = float(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if self._now is None or not self._fps or not 0 < count < 1e8:
            return ""
        length = count / self._fps
        if length < 1 or self._now + 2 * self._step >= CUT * length:
            return ""
        return f"the video can be read for {self._now:.1f} s of {length:.1f} s: the file is cut short or damaged"
