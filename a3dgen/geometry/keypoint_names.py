"""Names that annotation tools give keypoints, mapped to the 44 input rows, and layouts known by their number of points.

``Left Ankle``, ``l_ankle``, ``LAnkle``, ``ankle.L`` and ``left_ankle`` are one point. A name that means different
points in different datasets (``head``, ``hip`` without a side) is not mapped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from a3dgen.geometry.skeleton import COCO_FOOT_ROWS, COCO_ROWS, MPII_ROWS, ROW

_SIDED = {
    "ankle": "extra_{}_ankle", "knee": "extra_{}_knee", "hip": "extra_{}_hip", "wrist": "extra_{}_wrist",
    "elbow": "extra_{}_elbow", "shoulder": "extra_{}_shoulder", "eye": "body_{}_eye", "ear": "body_{}_ear",
    "big_toe": "body_{}_big_toe", "small_toe": "body_{}_small_toe", "heel": "body_{}_heel",
}  # fmt: skip
_SINGLE = {
    "nose": "body_nose", "neck": "extra_neck_lsp", "upper_neck": "extra_neck_lsp", "head_bottom": "extra_neck_lsp",
    "head_top": "extra_head_top_lsp", "top_head": "extra_head_top_lsp", "top_of_head": "extra_head_top_lsp",
    "pelvis": "extra_pelvis_mpii", "mid_hip": "extra_pelvis_mpii", "root": "extra_pelvis_mpii",
    "thorax": "extra_thorax_mpii", "spine": "extra_spine_h36m", "jaw": "extra_jaw_h36m",
}  # fmt: skip
_H36M = {
    "thorax": "extra_neck_lsp", "neck_base": "extra_jaw_h36m", "neck": "extra_jaw_h36m", "neck_nose": "extra_jaw_h36m",
    "head": "extra_head_h36m", "hip": "extra_pelvis_mpii", "left_foot": "extra_left_ankle",
    "right_foot": "extra_right_ankle",
}  # fmt: skip
"""In a file that names Human3.6M's 17 joints, these mean what Human3.6M's do."""
_WORDS = {
    "bigtoe": "big_toe", "smalltoe": "small_toe", "littletoe": "small_toe", "headtop": "head_top",
    "tophead": "top_head", "headbottom": "head_bottom", "midhip": "mid_hip", "upperneck": "upper_neck",
    "neckbase": "neck_base",
    "toe_big": "big_toe", "toe_small": "small_toe", "little_toe": "small_toe", "pinky_toe": "small_toe",
    "foot_index": "big_toe",
    "head_neck": "head_bottom", "bottom_head": "head_bottom",
    "sho": "shoulder", "elb": "elbow", "wri": "wrist", "kne": "knee", "ank": "ankle",
}  # fmt: skip
_NOISE = {"joint", "keypoint", "kpt", "kp", "pt", "point", "body"}
_SIDES = {"left": "left", "l": "left", "lt": "left", "right": "right", "r": "right", "rt": "right"}

H36M_NAMES = (
    "root", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "spine", "thorax",
    "neck_base", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
)  # fmt: skip
WHOLEBODY_ROWS = (*COCO_ROWS, *COCO_FOOT_ROWS)
"""COCO-WholeBody 0-22: body, then feet; face and hands are not used."""
_HALPE_FEET = {20: 0, 22: 1, 24: 2, 21: 3, 23: 4, 25: 5}
HALPE_ROWS: tuple[int | None, ...] = tuple(
    COCO_ROWS[i] if i < 17 else COCO_FOOT_ROWS[_HALPE_FEET[i]] if i in _HALPE_FEET else None for i in range(26)
)
"""Halpe's first 26 points; its head, neck and hip are not used."""
_CROWDPOSE = ("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
              "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "head_top", "neck")  # fmt: skip


def split_name(name: str) -> tuple[str, str]:
    """Return (side, point) of a name: ``("left", "ankle")``; the side is empty where there is none."""
    name = re.sub(r"\([^)]*\)|\[[^]]*\]", " ", name)  # left_wrist (visible)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[LR])(?=[A-Z][a-z])", "_", name.strip())
    words = [w for w in re.split(r"[^a-z0-9]+", text.lower()) if w]
    while len(words) > 1 and words[0].isdigit():  # 05:left_shoulder
        words.pop(0)
    words = [w for w in words if w not in _NOISE] or words
    while len(words) > 1 and words[0].isdigit():  # kpt_5_left_shoulder
        words.pop(0)
    side = ""
    for at in (0, -1):
        if len(words) > 1 and words[at] in _SIDES:
            side = _SIDES[words.pop(at)]
            break
    if not side and words:  # leftankle, lankle, rankle
        for prefix, found in (("left", "left"), ("right", "right"), ("l", "left"), ("r", "right")):
            rest = words[0].removeprefix(prefix)
            if rest != words[0] and "_".join([_WORDS.get(rest, rest), *words[1:]]) in _SIDED:
                side, words[0] = found, rest
                break
    point = "_".join(_WORDS.get(w, w) for w in words)
    return side, _WORDS.get(point, point)


def row_of_name(name: str, h36m: bool = False) -> int | None:
    """Return the input row of a keypoint's name, or None if nobody knows it.

    Args:
        name: as an annotation tool writes it.
        h36m: it stands among the 17 joints of Human3.6M, where some names mean other points.
    """
    side, point = split_name(name)
    if h36m and f"{side}_{point}" in _H36M:
        return ROW[_H36M[f"{side}_{point}"]]
    if side:
        return ROW[_SIDED[point].format(side)] if point in _SIDED else None
    row = _H36M.get(point) if h36m else None
    return ROW[row] if row else ROW[_SINGLE[point]] if point in _SINGLE else None


def rows_of_names(names: Sequence[str]) -> tuple[int | None, ...]:
    """Return the input row of every column of a file, None where it has none; a row is given once, the first wins."""
    points = {split_name(name)[1] for name in names if not split_name(name)[0]}
    h36m = {"spine", "thorax", "head"} <= points and not {"nose", "head_top", "top_head"} & points
    seen: set[int] = set()
    rows: list[int | None] = []
    for name in names:
        row = row_of_name(name, h36m)
        rows.append(None if row in seen else row)
        seen |= {row} if row is not None else set()
    return tuple(rows)


def rows_of_count(count: int) -> tuple[int | None, ...] | None:
    """Return the layout that a number of points without names most likely is, or None.

    17 COCO, 23 with feet, 133 WholeBody, 26 and 136 Halpe, 16 MPII, 14 CrowdPose.
    """
    if count in (17, 23):
        return WHOLEBODY_ROWS[:count]
    if count == 133:
        return (*WHOLEBODY_ROWS, *(None,) * (133 - len(WHOLEBODY_ROWS)))
    if count in (26, 136):
        return (*HALPE_ROWS, *(None,) * (count - len(HALPE_ROWS)))
    if count == 16:
        return MPII_ROWS
    return tuple(row_of_name(name) for name in _CROWDPOSE) if count == 14 else None


LAYOUT_OF_COUNT = {17: "COCO", 23: "COCO with feet", 133: "COCO-WholeBody", 26: "Halpe-26", 136: "Halpe-136",
                   16: "MPII", 14: "CrowdPose"}  # fmt: skip
