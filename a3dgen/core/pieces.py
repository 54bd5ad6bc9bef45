"""Names of the pieces of a long recording, which are fitted apart and joined where they meet."""

from __future__ import annotations

CLIP_FRAMES = 300
"""Frames of a piece that is fitted together, of a video or a recording in a COCO file."""


def piece_name(recording: str, number: int) -> str:
    """Return what Persons calls the clip of piece ``number`` of a recording."""
    return f"{recording}/{number}"


def piece_beside(clip: str, step: int) -> str:
    """Return the clip of the piece that follows (step 1), or goes before (-1); empty if the name is not of a piece."""
    recording, _, number = clip.rpartition("/")
    return piece_name(recording, int(number) + step) if number.isdecimal() else ""
