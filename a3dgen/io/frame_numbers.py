"""Frames of a recording by the names of their pictures: which recording, which number, in which order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import gcd
from typing import Any

from a3dgen.io.coco_entries import picture_name, whole

_DIGITS = re.compile(r"(\d+)")
_LAST = re.compile(r"(\d{1,15})\D*$")
_SUFFIX = re.compile(r"\.[A-Za-z]\w{0,4}$")
_VIDEOS = ("video_id", "vid_id", "video", "seq_name")
_FRAMES = ("frame_id", "frame_index", "frame_number", "frame")
"""Members of an ``images`` entry that name its recording and its number there (PoseTrack, mmtracking, CVAT ...)."""
SPARSE = 20
"""Numbers that leave more than this many places a picture empty are no frame numbers."""


def in_order(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people count: f2 before f10."""
    return [(int(part[:18]), part) if part.isdecimal() else (-1, part) for part in _DIGITS.split(name)]


def last_number(name: str) -> int | None:
    """Return the last number in a picture's name without its suffix, None without any."""
    stem = name.replace("\\", "/").rpartition("/")[2]
    found = _LAST.search(_SUFFIX.sub("", stem))
    return int(found[1]) if found else None


def folder_of(name: str) -> str:
    """Return the folder in a picture's name, empty without one."""
    return name.replace("\\", "/").rpartition("/")[0]


def places_of(names: Sequence[str]) -> list[int]:
    """Return the place of each picture of a recording on the line of its frames, from 0: by the numbers in the names,
    so that a frame without anybody leaves its gap; one after the other where the names do not count frames.

    Args:
        names: in order (``in_order``).
    """
    numbers = [last_number(name) for name in names]
    plain = list(range(len(names)))
    known = [number for number in numbers if number is not None]
    if len(known) < len(names) or len(set(known)) < len(known) or sorted(known) != known:
        return plain
    step = gcd(*(number - known[0] for number in known)) or 1
    places = [(number - known[0]) // step for number in known]
    return places if places[-1] < SPARSE * len(names) else plain


def recording_of(entry: Mapping[str, Any]) -> tuple[str, int | None]:
    """Return the recording of an ``images`` entry, its folder if it names none, and its number there, if any."""
    video = next((str(entry[k]) for k in _VIDEOS if isinstance(entry.get(k), str | int)), None)
    number = next((n for k in _FRAMES if (n := whole(entry.get(k))) is not None), None)
    name = picture_name(entry)
    return (folder_of(name) if video is None else video), (last_number(name) if number is None else number)


def track_of(annotation: Mapping[str, Any]) -> str:
    """Return an annotation's ``track_id`` as text, empty if it has none (-1 is none)."""
    value = annotation.get("track_id")
    number = whole(value)
    if number is not None:
        return str(number) if number >= 0 else ""
    return value.strip() if isinstance(value, str) else ""
