"""Open video files of others: a container is opened, a playlist that names other files or addresses is not.

FFmpeg decides by content what a file is, and its playlists (HLS, concat, DASH, SDP) open whatever they name, also where
the file is called ``walk.mp4``. Containers begin with binary marks, playlists with text.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2

from a3dgen.core.errors import DataError
from a3dgen.io.damage import is_not_the_file
from a3dgen.io.images import MAX_PIXELS
from a3dgen.io.regular import open_regular

_TEXT = 5
"""So many printable characters at the start make a text; only RIFF (AVI) may begin so, by chance of its size."""


def open_video(path: Path) -> cv2.VideoCapture:
    """Open a video; the caller releases it.

    Raises:
        DataError: if it is missing, no ordinary file, no video that can be opened, or its frames are too large.
    """
    try:
        with open_regular(path) as file:
            head = file.read(512)
    except FileNotFoundError:
        raise DataError(f"{path.name}: no such video") from None
    if why := is_not_the_file(head):
        raise DataError(f"{path.name}: {why}")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:_TEXT]
    if all(32 <= c < 127 or c in b"\t\r\n" for c in start) and not start.startswith(b"RIFF"):
        raise DataError(f"{path.name}: a text or playlist, not a video; what it names is not opened")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong with a video is said in words
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        capture.release()
        raise DataError(f"{path.name}: the video cannot be opened")
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > MAX_PIXELS:
        capture.release()
        raise DataError(f"{path.name}: frames of {width:.0f}x{height:.0f} px are too large; scale the video down")
    return capture
