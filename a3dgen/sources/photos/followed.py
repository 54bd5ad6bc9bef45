"""People followed through a video: who is whom over its frames, and where the detector took left for right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from a3dgen.core.pieces import CLIP_FRAMES, piece_name
from a3dgen.geometry.regions import REGION_FLIP, REGIONS
from a3dgen.geometry.skeleton import EXCHANGES
from a3dgen.motion.sides import exchanged_sides
from a3dgen.motion.tracks import Detected, link
from a3dgen.sources.photos.config import Config
from a3dgen.sources.photos.files import PhotoFile
from a3dgen.sources.photos.propose import Proposal
from a3dgen.sources.photos.shots import Shot

Followed = dict[tuple[str, int], dict[str, Any]]
"""By name of frame and number of person: what Persons says of a person's way through a video."""


def follow(config: Config, file: PhotoFile, shots: list[Shot]) -> tuple[list[Shot], Followed]:
    """Return the frames of a video with left and right put right, and what Persons says of everybody's way through it.

    Photos are returned as they are.
    """
    if not file.is_video:
        return shots, {}
    people = [[Detected(p.box, p.keypoints) for p in shot.people] for shot in shots]
    linked = link(people, [shot.seconds for shot in shots])
    states = _states(shots, linked) if config.video_sides else {}
    ways = {
        (shot.name, number): {
            "track": f"{file.stem}/{track}", "seconds": shot.seconds,
            "clip": piece_name(file.stem, n // CLIP_FRAMES), "exchanged": states.get((n, number - 1), ""),
        }
        for n, (shot, tracks) in enumerate(zip(shots, linked, strict=True))
        for number, track in enumerate(tracks, 1)
    }  # fmt: skip
    return [_put_right(shot, n, states) for n, shot in enumerate(shots)], ways


def _states(shots: list[Shot], linked: list[list[int]]) -> dict[tuple[int, int], str]:
    """Return what is exchanged, by number of frame and place of the person in it."""
    tracks: dict[int, list[tuple[int, int]]] = {}
    for n, numbers in enumerate(linked):
        for place, track in enumerate(numbers):
            tracks.setdefault(track, []).append((n, place))
    out: dict[tuple[int, int], str] = {}
    for places in tracks.values():
        keypoints = np.stack([shots[n].people[place].keypoints for n, place in places])
        seconds = np.array([shots[n].seconds for n, _ in places])
        out |= {at: state for at, state in zip(places, exchanged_sides(keypoints, seconds), strict=True) if state}
    return out


def _put_right(shot: Shot, n: int, states: dict[tuple[int, int], str]) -> Shot:
    found = {place: states[n, place] for place in range(len(shot.people)) if (n, place) in states}
    if not found:
        return shot
    people, proposed = list(shot.people), [list(some) for some in shot.proposed]
    for place, state in found.items():
        people[place] = replace(people[place], keypoints=people[place].keypoints[EXCHANGES[state]])
        if proposed:
            proposed[place] = [_other_side(p) if _concerns(p, state) else p for p in proposed[place]]
    return replace(shot, people=people, proposed=proposed)


def _concerns(proposal: Proposal, state: str) -> bool:
    return state == "labels" or REGIONS[proposal.region].limb == state.removesuffix("s")


def _other_side(proposal: Proposal) -> Proposal:
    return replace(proposal, region=int(REGION_FLIP[proposal.region]))
