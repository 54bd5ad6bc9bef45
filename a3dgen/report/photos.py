"""Report section on photo folders: every photo, the people found, and their outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from a3dgen.core.errors import DataError
from a3dgen.core.records import OK, REJECTED, Outcome
from a3dgen.core.stage import Context, Inputs
from a3dgen.core.user_paths import user_path
from a3dgen.geometry.body import BodyData
from a3dgen.removal.leftover import left_over
from a3dgen.report.panels import Window, data_uri, draw_body
from a3dgen.sources.photos.decode import load_photo

PREFIX = "custom/"
"""Keys of people in photo folders begin so."""
SIDE = 480
GOOD, BAD = (40, 200, 60), (240, 90, 30)
STAGES = ("ingest", "fit", "amputate", "background")


@dataclass(frozen=True)
class Found:
    """One person found on a photo: number from the left, key, status, why (with the stage), keypoints, score."""

    number: int
    key: str
    status: str
    why: str
    points: int
    score: float


@dataclass(frozen=True)
class PhotoCard:
    """One photo: name, remark, pictures as (caption, data URI), people."""

    name: str
    remark: str
    panels: list[tuple[str, str]]
    people: list[Found]


@dataclass
class PhotoFacts:
    """What is gathered of photo folders while the shards stream by.

    Attributes:
        refused: key -> (status, why) of everybody and every photo that was not kept, by the first stage that said so.
        images: key -> the picture the person was fitted on. bodies: key -> row of Bodies.
        left: key -> pixels of the person that a plate still shows.
    """

    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    plates: int = 0

    def add(self, context: Context, shard: Inputs) -> None:
        """Take in one shard; people of other sources are passed over."""
        for stage in STAGES:
            if stage in shard.outcomes:
                self._outcome(stage, shard.outcomes[stage])
        if "render" in shard.outcomes:
            for key, why in without_samples(shard.outcomes["render"]).items():
                if key.startswith(PREFIX):
                    self.refused.setdefault(key, (REJECTED, f"render: {why}"))
        mine = [i for i, key in enumerate(shard.persons.key) if str(key).startswith(PREFIX)]
        self.images.update({str(shard.persons.key[i]): str(shard.persons.image[i]) for i in mine})
        rows = {} if shard.bodies is None else shard.bodies.index()
        plates = {} if shard.plates is None else shard.plates.index()
        for i in mine:
            key = str(shard.persons.key[i])
            if key in rows:
                self.bodies[key] = shard.bodies.row(rows[key])
            if key in plates:
                self.plates += 1
                count = left_over(shard.persons.row(i), shard.plates.row(plates[key]), context.out)
                if count:
                    self.left[key] = count

    def _outcome(self, stage: str, outcome: Outcome) -> None:
        for key, status, reason in zip(outcome.key, outcome.status, outcome.reason, strict=True):
            if status != OK and str(key).startswith(PREFIX):
                self.refused.setdefault(str(key), (str(status), f"{stage}: {reason}"))


def without_samples(outcome: Outcome) -> dict[str, str]:
    """Return person -> reason, of everybody of whom ``render`` (whose outcome is given) made no sample at all."""
    people = [str(key).rpartition("/")[0] for key in outcome.key]
    drawn = {person for person, status in zip(people, outcome.status, strict=True) if status == OK}
    reasons: dict[str, str] = {}
    for person, why in zip(people, outcome.reason, strict=True):
        if person not in drawn:
            reasons.setdefault(person, f"no sample could be made: {why}")
    return reasons


def photo_cards(context: Context, facts: PhotoFacts, body: BodyData | None, most: int) -> tuple[list[PhotoCard], int]:
    """Return the cards of the first ``most`` photos in the order of their names, and how many photos there are.

    Without a body no fits are drawn.
    """
    if not facts.images and not facts.refused:
        return [], 0
    keys = {tuple(k.rsplit("/", 2)[1:]): k for k in (*facts.images, *facts.refused)}
    shots = sorted(_shots(context), key=lambda shot: shot["name"])
    known = {shot["stem"] for shot in shots}
    cards = []
    for shot in shots[:most]:
        people = [_found(facts, keys, shot, number) for number in range(1, len(shot["people"]) + 1)]
        remark = shot["remark"] if people else "; ".join(filter(None, (shot["remark"], "nobody found")))
        cards.append(PhotoCard(shot["name"], remark, _panels(context, facts, body, shot, people), people))
    lost = [
        PhotoCard(key.split("/", 2)[2], why.removeprefix("ingest: "), [], [])
        for key, (_, why) in sorted(facts.refused.items())
        if why.startswith("ingest: ") and key.split("/")[2] not in known
    ]
    return cards + lost[: max(0, most - len(cards))], len(shots) + len(lost)


def _shots(context: Context) -> Iterator[dict[str, Any]]:
    """Yield what the photo folders kept of every photo."""
    for work in _works(context):
        for path in sorted((work / "facts").glob("*.json")):
            for shot in json.loads(path.read_text()):
                yield shot | {"work": work}


def _works(context: Context) -> list[Path]:
    sources = context.settings.get("sources", {})
    works = {str(s.get("work", "")) for s in sources.values() if s.get("kind") == "photos"}
    return [Path(text.replace("${out}", str(context.out))) for text in sorted(works) if text]


def _found(facts: PhotoFacts, keys: Mapping[tuple[str, ...], str], shot: dict[str, Any], number: int) -> Found:
    person = shot["people"][number - 1]
    key = keys.get((shot["stem"], str(number)), "")
    status, why = facts.refused.get(key, (OK, ""))
    points = int((np.array(person["keypoints"]).reshape(-1, 3)[:, 2] > 0).sum())
    return Found(number, key, status, why, points, float(person["score"]))


def _panels(
    context: Context, facts: PhotoFacts, body: BodyData | None, shot: dict[str, Any], people: list[Found]
) -> list[tuple[str, str]]:
    try:
        rgb = _picture(context, facts, shot, people)
    except DataError:
        return []
    width, height = shot["size"]
    if rgb.shape[:2] != (height, width):
        rgb = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    window = Window((0, 0, width, height), SIDE / max(width, height))
    small = window.cut(rgb)
    panels = [("detections", data_uri(_draw(small, window, shot, people)))]
    fitted = [facts.bodies[p.key] for p in people if p.key in facts.bodies]
    if fitted and body is not None:
        over = small
        for row in sorted(fitted, key=lambda r: -float(r["transl"][2])):
            over = draw_body(over, body, row, window)
        panels.append(("fits", data_uri(over)))
    return panels


def _picture(context: Context, facts: PhotoFacts, shot: dict[str, Any], people: list[Found]) -> UInt8[ndarray, "h w 3"]:
    """Return the photo, with faces blurred where that was asked for and somebody was found on it."""
    for person in people:
        if person.key in facts.images:
            return load_photo(Path(facts.images[person.key]), max(shot["size"])).rgb
    for image in filter(None, shot["images"]):
        return load_photo(shot["work"] / image, max(shot["size"])).rgb
    for source in context.settings.get("sources", {}).values():
        path = user_path(str(source.get("root", ""))) / shot["name"]
        if source.get("kind") == "photos" and path.is_file():
            return load_photo(path, max(shot["size"])).rgb
    raise DataError(f"{shot['name']}: a frame of a video, or moved")


def _draw(
    panel: UInt8[ndarray, "h w 3"], window: Window, shot: dict[str, Any], people: list[Found]
) -> UInt8[ndarray, "h w 3"]:
    """Draw boxes with numbers, and keypoints: green who was kept, orange who was not."""
    out = panel.copy()
    for person, found in zip(shot["people"], people, strict=True):
        color = GOOD if found.status == OK else BAD
        x0, y0, x1, y1 = np.rint(window.place(np.array(person["box"], np.float64).reshape(2, 2))).astype(int).ravel()
        cv2.rectangle(out, (int(x0), int(y0)), (int(x1), int(y1)), color, 1, cv2.LINE_AA)
        cv2.putText(out, str(found.number), (int(x0) + 3, int(y0) + 14), 0, 0.5, color, 1, cv2.LINE_AA)
        points = np.array(person["keypoints"], np.float64).reshape(-1, 3)
        for x, y in window.place(points[points[:, 2] > 0, :2]):
            if max(abs(x), abs(y)) < 1e4:
                cv2.circle(out, (round(x), round(y)), 2, color, -1, cv2.LINE_AA)
    return out
