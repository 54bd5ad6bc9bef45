"""Configuration of the source ``photos``: a folder of photos and videos."""

from __future__ import annotations

from dataclasses import dataclass

from a3dgen.core.errors import ConfigError, nearest
from a3dgen.core.registry import available
from a3dgen.core.user_paths import user_path
from a3dgen.detectors import DETECTORS, DetectorConfig
from a3dgen.formats.names import safe_stem
from a3dgen.sources.exif import check_exif


@dataclass(frozen=True)
class Config:
    """A folder of photos.

    Attributes:
        root: the folder; folders inside it are read too.
        only: name of the one file below ``root`` that is read; empty = all.
        name: the subset is CUSTOM/<name>; empty = the folder's name.
        detector: mediapipe, given, vitpose, rtmlib, detectron2 or mmpose.
        weights: local weights of the pose network (folder or file), where the detector needs them.
        person_weights: local weights of the network that finds boxes; empty = mediapipe's boxes.
        keypoints: finished detections for the detector ``given``: COCO results, OpenPose, mmpose or detectron2 files.
        keypoints_map: names of the keypoints in the order of those files, where they give none.
        exif: finished detections are in ``shown`` pixels (EXIF orientation applied), in ``stored`` pixels, or ``auto``:
            as the points tell.
        detector_config: configuration file of the pose network (mmpose, detectron2).
        min_score: detections that are less sure of being a person are left out.
        max_side: larger photos (px) are scaled down.
        video_fps: frames a second taken from videos.
        video_frames: most frames taken from one video.
        video_sides: frames of videos are looked for where the detector took left for right.
        present_regions: CSV (key, removed, residual) of people who have lost limbs.
        review: CSV that says whom to leave out and what to correct; need not be there.
        propose: people of whom nothing is said lack the limbs that the model of limb absence calls absent.
        clouds: folder of point clouds and depth pictures, named as the photos are (see ``sources.clouds``).
        hash_names: name samples by a digest of the photo; the map lies in ``work``/names.csv.
        blur_bystanders: make the faces of everybody but the person unrecognisable.
        work: folder for scaled and blurred copies and for what was detected.
    """

    root: str = ""
    only: str = ""
    name: str = ""
    detector: str = "mediapipe"
    weights: str = ""
    person_weights: str = ""
    keypoints: str = ""
    keypoints_map: tuple[str, ...] = ()
    exif: str = "auto"
    detector_config: str = ""
    min_score: float = 0.2
    max_side: int = 4096
    video_fps: float = 1.0
    video_frames: int = 300
    video_sides: bool = True
    present_regions: str = ""
    review: str = "${out}/review.csv"
    propose: bool = True
    clouds: str = ""
    hash_names: bool = False
    blur_bystanders: bool = False
    work: str = "${out}/ingest/photos"

    def __post_init__(self) -> None:
        check_exif(self.exif)
        if self.detector not in (known := available("detector", DETECTORS)):
            raise ConfigError(
                f"sources.photos.detector: unknown detector '{self.detector}'{nearest(self.detector, known)}"
            )
        if self.max_side < 64:
            raise ConfigError(f"sources.photos.max_side: at least 64 px, found {self.max_side}")
        if not self.video_fps > 0 or self.video_frames < 1:
            raise ConfigError("sources.photos.video_fps and video_frames must be above 0")

    @property
    def detection(self) -> DetectorConfig:
        """The detector's own configuration."""
        name = "given" if self.keypoints and self.detector == "mediapipe" else self.detector
        return DetectorConfig(
            name,
            self.weights,
            self.person_weights,
            self.keypoints,
            self.detector_config,
            self.min_score,
            self.keypoints_map,
        )

    @property
    def subset(self) -> str:
        """Folder in the dataset."""
        return f"CUSTOM/{safe_stem(self.name or user_path(self.root).absolute().name)}"
