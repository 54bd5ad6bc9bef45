"""Stage ``ingest``: every person of every configured source, checked, as rows of Persons."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import ConfigError, Rejected
from a3dgen.core.stage import Context
from a3dgen.fit.observe import usable_labels
from a3dgen.geometry.regions import NUM_REGIONS
from a3dgen.geometry.skeleton import ANATOMICAL, NUM_ROWS
from a3dgen.io.forgotten import fact, facts_of, read_forgotten
from a3dgen.io.portable import portable
from a3dgen.sources import Found, open_source

VERSION = 3


@dataclass(frozen=True)
class Config:
    """What to read, and whom to keep.

    Attributes:
        sources: name -> settings of the source of that kind (``{"coco": {"root": "/data/coco"}}``); a second one of
            a kind has another name and says ``kind``.
        min_keypoints: least number of distinct anatomical points labelled.
        hips_or_shoulders: besides, both hips or both shoulders must be labelled.
    """

    sources: Mapping[str, Any] = field(default_factory=dict)
    min_keypoints: int = 8
    hips_or_shoulders: bool = True


def fingerprint(config: Config) -> str:
    """Return a digest of the contents of all annotation files, for noticing that they changed.

    Raises:
        ConfigError: if a source is set up wrongly.
        DataError: if a file cannot be read.
    """
    found = {}
    for name, settings in _sources(config).items():
        source, own = open_source(name, settings)
        found[name] = source.fingerprint(own)
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def prepare(config: Config, mapper: Callable[..., Any], report: Callable[[int, int], None]) -> None:
    """Let sources do what takes long (looking for people in photos) through a parallel ``map``, ahead of ``run``.

    Args:
        config: as for ``run``. mapper: like ``map``, in order. report: called with (done, total).

    Raises:
        ConfigError: if a source is set up wrongly.
    """
    for name, settings in _sources(config).items():
        source, own = open_source(name, settings)
        if source.prepare is not None:
            source.prepare(own, mapper, report)


def run(config: Config, context: Context) -> Iterator[Found]:
    """Yield a row of Persons, or (key, reason), for everybody in the sources, in their order.

    A key that comes a second time is refused under ``<key>#2``.

    Raises:
        ConfigError: if a source is set up wrongly.
        DataError: if an annotation file cannot be read.
    """
    opened = [open_source(name, settings) for name, settings in _sources(config).items()]
    seen: dict[bytes, int] = {}
    forgotten = read_forgotten(context.out)
    for source, own in opened:
        for row in with_company(source.read(own)):
            found = {**row, "image": portable(str(row["image"]), context.out)} if isinstance(row, dict) else row
            if forgotten and _is_forgotten(found, forgotten):
                continue
            key = found["key"] if isinstance(found, dict) else found[0]
            digest = hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()
            seen[digest] = seen.get(digest, 0) + 1
            if seen[digest] > 1:
                yield f"{key}#{seen[digest]}", f"the person '{key}' was already read"
            elif isinstance(found, dict):
                yield _checked(config, found)
            else:
                yield found


def with_company(rows: Iterator[Found]) -> Iterator[Found]:
    """Yield rows as they come, those of one photo with the labels of everybody on it, which tell its ground.

    A photo is a run of rows with the same image; refused people between them do not end it.
    """
    here: list[Found] = []
    image = ""
    for row in rows:
        if isinstance(row, dict):
            if str(row["image"]) != image or "joints3d" in row:
                yield from _together(here)
                here = []
            image = str(row["image"])
        here.append(row)
    yield from _together(here)


def _together(here: list[Found]) -> Iterator[Found]:
    people = [row for row in here if isinstance(row, dict) and "joints3d" not in row and not row.get("dropped")]
    company = np.stack([_labels(row) for row in people]) if people else np.zeros((0, NUM_ROWS, 4), np.float32)
    yield from ({**row, "company": company} if isinstance(row, dict) else row for row in here)


def _labels(row: dict[str, Any]) -> Float[ndarray, "44 4"]:
    """Return x, y, confidence and state of a person's keypoints, zero where they cannot be used."""
    keypoints, state = np.asarray(row["keypoints"]), np.asarray(row["state"])
    removed = np.asarray(row.get("present_removed", np.zeros(NUM_REGIONS)), bool)
    used = usable_labels(keypoints, state, removed)
    return np.where(used[:, None], np.column_stack([keypoints, state]), 0.0).astype(np.float32)


def _is_forgotten(found: Found, forgotten: frozenset[str]) -> bool:
    """Whether somebody on the photo asked to be forgotten: then nobody on it is read, and nothing is said of it."""
    if not isinstance(found, dict):
        return fact("key", found[0]) in forgotten
    return bool(facts_of(str(found["image"]), found["subset"], found["stem"], found.get("group", "")) & forgotten)


def _sources(config: Config) -> Mapping[str, Any]:
    if not config.sources:
        raise ConfigError("no sources configured: set e.g. sources.coco.root to the folder of a dataset")
    return config.sources


def _checked(config: Config, row: dict[str, Any]) -> Found:
    try:
        require_keypoints(row["keypoints"], config.min_keypoints, config.hips_or_shoulders)
    except Rejected as error:
        return row["key"], str(error)
    return row


def require_keypoints(keypoints: Float[ndarray, "44 3"], least: int, hips_or_shoulders: bool) -> None:
    """Check that a person can be fitted.

    Args:
        keypoints: px, px, confidence; a point counts where its confidence is positive.
        least: number of distinct anatomical points wanted (body and extra rows of one joint are one point).
        hips_or_shoulders: whether both hips or both shoulders must be among them.

    Raises:
        Rejected: saying what is missing.
    """
    have = {ANATOMICAL[row] for row in np.flatnonzero(keypoints[:, 2] > 0)}
    if len(have) < least:
        raise Rejected(f"{len(have)} keypoint{'s' * (len(have) != 1)} labelled, {least} needed")
    pairs = ({"left_hip", "right_hip"}, {"left_shoulder", "right_shoulder"})
    if hips_or_shoulders and not any(pair <= have for pair in pairs):
        raise Rejected("neither both hips nor both shoulders labelled")
