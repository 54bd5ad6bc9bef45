"""MPII's people in JSON lists: HRNet's and mmpose's records, and CPM's and pytorch-pose's ``mpii_annotations.json``.

HRNet writes ``image``, ``joints`` and ``joints_vis``, whose 0 means missing: whether a joint is occluded was lost on
the way. CPM writes ``img_paths`` and ``joint_self`` of x, y, is_visible; there 0 is occluded, and missing is (0, 0).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from a3dgen.core.errors import DataError, Rejected
from a3dgen.core.records import OCCLUDED, UNLABELLED, VISIBLE
from a3dgen.io.jsonstream import JsonFile, utf8
from a3dgen.io.keypoint_lists import IN_SHARES, flag_of, in_shares, point_of

log = logging.getLogger("a3dgen")

JOINTS = 16
_IMAGE = ("image", "img_paths", "img_path", "img_name", "imgname", "image_name", "file_name")
_WRAPPED = ("", "root", "annolist", "annotations")
"""Members that may hold the list; savejson of MATLAB puts ``root`` around it."""


def _is_empty_list(path: Path) -> bool:
    """Return whether a file is an empty list: one of nobody, not a wrong one."""
    with path.open("rb") as file:
        return file.read(16).strip() == b"[]"


def read_json(path: Path, record: Callable[..., Any]) -> Iterator[Any]:
    """Yield a record for every person of the file; a damaged entry costs that entry.

    Args:
        path: the file. record: ``mpii.Record``.

    Raises:
        DataError: if it is no JSON, or holds nothing of MPII's.
    """
    counts: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    strangers = 0
    with closing(JsonFile(path)) as file:
        for name, _, _, value in file.elements():
            if name == "images" and not counts:
                raise DataError(f"{path}: a COCO file, not MPII's; name it in sources.coco.files (docs/your_data.md)")
            image = _image(value) if name in _WRAPPED else None
            if image is None:
                strangers += name in _WRAPPED
                continue
            index = counts[str(image)]
            counts[str(image)] += 1
            try:
                pixels, states = _joints(value, notes)
                refused = None if (states != UNLABELLED).any() else "no keypoints"
            except Rejected as error:
                pixels, states, refused = np.zeros((JOINTS, 2)), np.full(JOINTS, UNLABELLED), str(error)
            yield record(image, index, pixels, states, refused)
    if not counts and not _is_empty_list(path):
        raise DataError(
            f"{path}: not MPII's list of records with 'image', 'joints' and 'joints_vis', nor CPM's with 'img_paths' "
            "and 'joint_self'"
        )
    for number in range(strangers):
        nothing = np.zeros((JOINTS, 2)), np.full(JOINTS, UNLABELLED)
        yield record("?", number, *nothing, "the entry is no record of a person: it names no image")
    for note, count in notes.items():
        log.warning("%s: %s (%d people)", path.name, note, count)


def _image(value: Any) -> Any:
    """Return what a record calls its photo, None if it is no record."""
    if not isinstance(value, Mapping):
        return None
    name = next((value[n] for n in _IMAGE if n in value), None)
    return utf8(name) if isinstance(name, str) else name


def _joints(value: Mapping[str, Any], notes: Counter[str]) -> tuple[Float[ndarray, "16 2"], Int[ndarray, "16"]]:
    """Return MATLAB pixels and states of a record's joints; a joint without a place is unlabelled.

    Raises:
        Rejected: if they are not MPII's 16 joints.
    """
    cpm = "joint_self" in value
    joints = value.get("joint_self" if cpm else "joints")
    if not joints:
        raise Rejected("no keypoints")
    table = _table(joints, "joint_self" if cpm else "joints", notes)
    pixels, flags = table[:, :2], table[:, 2]
    known = np.isfinite(pixels).all(1) & ~(pixels == -1).all(1) & ~(pixels == 0).all(1)
    given = value.get("joints_vis")
    if given is not None:
        flags = _flags(given)
    elif np.isnan(flags).all():
        notes["joints without visibility: all that have a place count as visible"] += 1
        flags = np.ones(JOINTS)
    states = np.where(flags > 0, VISIBLE, UNLABELLED)
    if np.nanmax(flags, initial=0) == 2 and given is None:  # as COCO counts: 1 is occluded
        states[flags == 1] = OCCLUDED
    elif cpm:
        states[flags == 0] = OCCLUDED
    states[~known] = UNLABELLED
    if in_shares(pixels[states != UNLABELLED]):
        raise Rejected(IN_SHARES)
    return np.where(known[:, None], pixels, 0.0), states


def _table(joints: Any, what: str, notes: Counter[str]) -> Float[ndarray, "16 3"]:
    """Return x, y, flag of 16 joints; NaN for what is not given."""
    flat = isinstance(joints, list) and not any(isinstance(j, list | tuple | Mapping) for j in joints)
    if flat and len(joints) in (2 * JOINTS, 3 * JOINTS):
        step = len(joints) // JOINTS
        joints = [joints[i : i + step] for i in range(0, len(joints), step)]
    if not isinstance(joints, list):
        raise Rejected(f"{what}: {type(joints).__name__}, wanted a list of {JOINTS} joints")
    if len(joints) != JOINTS:
        raise Rejected(f"{what}: {len(joints)} joints, MPII has {JOINTS}")
    table = np.full((JOINTS, 3), np.nan)
    bad = []
    for row, joint in zip(table, joints, strict=True):
        found = point_of(joint)
        if found is None:
            bad.append(joint)
        else:
            row[:] = found if isinstance(joint, Mapping) or len(joint or ()) == 3 else (*found[:2], np.nan)
    if len(bad) == JOINTS:
        raise Rejected(f"{what}: {str(bad[0])[:40]} is no x, y or x, y, flag")
    if bad:
        notes[f"joints that are no x, y or x, y, flag are left out, such as {str(bad[0])[:40]}"] += 1
    return table


def _flags(given: Any) -> Float[ndarray, "16"]:
    """Return 16 flags from numbers, true and false, or columns that repeat them; NaN where there is none."""
    if not isinstance(given, list) or len(given) != JOINTS:
        raise Rejected(f"joints_vis: not {JOINTS} numbers")
    flags = [flag_of(v[0] if isinstance(v, list) and v else v) for v in given]
    if all(flag is None for flag in flags):
        raise Rejected("joints_vis: not numbers")
    return np.array([np.nan if flag is None else flag for flag in flags])
