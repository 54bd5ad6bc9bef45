"""What the forms of Human3.6M share: the names of frames, the row of one person in one frame, selection."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from a3dgen.core.errors import Rejected
from a3dgen.core.pieces import piece_name
from a3dgen.core.records import VISIBLE
from a3dgen.geometry.camera import project_distorted
from a3dgen.geometry.skeleton import NUM_ROWS
from a3dgen.sources.common import box_of, check_whole, checked_picture, place, shifted_K
from a3dgen.sources.h36m.cameras import Camera

log = logging.getLogger("a3dgen")

LICENSE = "Human3.6M (academic research only)"
RIGHT_FIRST_32 = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""The 17 joints among the 32 of the original skeleton, in the order of ``skeleton.H36M_RIGHT_FIRST_ROWS``."""
KNOWN_BAD = {"Greeting", "SittingDown_1", "Waiting_1"}
"""Takes of S9 whose 3D is shifted against the video, by the names of the official release and mmpose."""
KNOWN_BAD_FETCH = {"Greeting_2", "SittingDown_2", "Waiting_1"}
"""The same takes by action and subaction, as h36m-fetch names them (``s_09_act_05_subact_02`` and so on)."""
FPS = 50.0
"""Frame rate of the recordings; frames are numbered at it."""
CLIP_FRAMES = 512
"""Frame numbers of a piece that is fitted together."""
MAX_MISFIT = 10.0
"""2D and 3D joints further apart than this on average (px) belong to different cameras or frames."""
_NAME = re.compile(r"(?P<subject>S\d+)_(?P<take>.+)\.(?P<camera>\d{8})_(?P<frame>\d{6})\.(?:jpe?g|png)", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class H36mFrame:
    """One frame: subject ``S1``, take ``Directions_1``, camera ``54138969``, number from 1."""

    subject: str
    take: str
    camera: str
    number: int

    @property
    def stem(self) -> str:
        return f"{self.take}.{self.camera}_{self.number:06d}"

    @property
    def group(self) -> str:
        return f"h36m/{self.subject}/{self.take}/{self.number:06d}"

    @property
    def key(self) -> str:
        return f"{self.group}/{self.camera}"

    @property
    def track(self) -> str:
        return f"h36m/{self.subject}/{self.take}/{self.camera}"

    @property
    def clip(self) -> str:
        return piece_name(f"h36m/{self.subject}/{self.take}", (self.number - 1) // CLIP_FRAMES)

    @staticmethod
    def parse(name: str) -> H36mFrame | None:
        """Return the frame a file name of the converters stands for (``S1_Directions_1.54138969_000001.jpg``)."""
        match = _NAME.fullmatch(name.replace("\\", "/").rpartition("/")[2])
        if match is None:
            return None
        return H36mFrame(
            match["subject"].upper(), match["take"].replace(" ", "_"), match["camera"], int(match["frame"])
        )


@dataclass(frozen=True)
class Selection:
    """Which frames the configuration asks for; empty = all."""

    subjects: frozenset[str]
    cameras: frozenset[str]
    every: int

    def has(self, subject: str, camera: str, number: int) -> bool:
        """Return whether a frame is wanted."""
        return (
            (not self.subjects or subject in self.subjects)
            and (not self.cameras or camera in self.cameras)
            and (number - 1) % self.every == 0
        )


def selection(config: Any, every: int) -> Selection:
    """Return the configured selection; ``every`` is used where the configuration leaves it to the format."""
    return Selection(
        frozenset(str(s) for s in config.subjects),
        frozenset(str(c) for c in config.camera_ids),
        config.every or every,
    )


def person(
    frame: H36mFrame,
    image: Path,
    camera: Camera,
    rows: Sequence[int],
    pixels: Float[ndarray, "k 2"],
    joints: Float[ndarray, "k 3"],
) -> dict[str, Any]:
    """Return the row of Persons of one frame.

    Args:
        frame: which.
        image: the photo; its size is read from it (the camera files are wrong about some heights).
        camera: its calibration.
        rows: row of each joint.
        pixels: measured 2D joints; kept as they are off the image too.
        joints: 3D joints in the camera frame, m.

    Raises:
        Rejected: if the photo cannot be used, or the person reaches to where it is cut short; if no joint is finite, or
            2D and 3D contradict each other.
    """
    picture = checked_picture(image)
    if picture.remark:
        log.warning("%s: %s", image.name, picture.remark)
    there = np.isfinite(joints).all(1) & np.isfinite(pixels).all(1)  # a joint's fault costs the joint
    if not there.any():
        raise Rejected("no joint is finite in 2D and in 3D")
    rows, pixels, joints = np.asarray(rows)[there].tolist(), pixels[there], joints[there]
    with np.errstate(all="ignore"):  # damaged numbers may be astronomical
        misfit = np.linalg.norm(project_distorted(joints, camera.K, camera.dist) - pixels, axis=-1).mean()
    if not misfit <= MAX_MISFIT:
        why = "lie behind the camera" if np.isnan(misfit) else f"project {misfit:.0f} px away from the 2D joints"
        raise Rejected(f"the 3D joints {why}: not this camera's frame")
    pixels = pixels - picture.origin
    check_whole(picture, pixels)
    size = picture.size
    keypoints, state = place(rows, pixels, np.full(len(rows), VISIBLE), size, outside_confidence=1.0)
    joints3d = np.zeros((NUM_ROWS, 4))
    joints3d[list(rows)] = np.column_stack([joints, np.ones(len(rows))])
    return {
        "key": frame.key,
        "subset": f"H36M/{frame.subject}",
        "stem": frame.stem,
        "license": LICENSE,
        "group": frame.group,
        "subject": frame.subject,
        "track": frame.track,
        "seconds": (frame.number - 1) / FPS,
        "clip": frame.clip,
        "image": str(image),
        "image_size": size,
        "bbox": box_of(keypoints, size),
        "keypoints": keypoints,
        "state": state,
        "K": shifted_K(camera.K, picture),
        "dist": camera.dist,
        "K_known": True,
        "joints3d": joints3d,
    }


def refuse_known_bad(config: Any, frame: H36mFrame, takes: Set[str] = KNOWN_BAD) -> None:
    """Raise Rejected for takes whose 3D is known to be shifted against the video, unless they are asked for."""
    if not config.keep_known_bad and frame.subject == "S9" and frame.take in takes:
        raise Rejected("the 3D of this take is shifted against the video (sources.h36m.keep_known_bad: true keeps it)")
