"""Settings of the fit stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from a3dgen.core.errors import ConfigError
from a3dgen.fit.cloud_result import CloudOptions
from a3dgen.fit.observation import FitOptions


@dataclass(frozen=True)
class Config:
    """How people are fitted, and what counts as a fit. What the solver has a default for is taken from it.

    Attributes:
        engine: ``numba`` (compiled, one person at a time, the same bytes every time) or ``torch`` (whole shards at
            once; equal to tolerance).
        device: of the torch engine, ``cpu`` or ``cuda``.
        init: npz of predicted poses to start from besides the headings (see ``fit.prediction``); empty = none.
        starts: headings that are tried, of 12.
        max_iterations: trial steps of a full solve.
        tolerance: relative gain of a step at which a person has converged.
        flips: whether limbs are also tried reflected in depth.
        margin: minima that cost at most this much more (natural-log units) than the best are kept as alternatives.
        robust: Geman-McClure scale, in standard deviations of the label noise.
        prior: file of a pose prior made by ``a3dgen fit-prior``; empty = the shipped one.
        prior_weight: factor of the pose prior.
        noise: standard deviation of a label, as a share of the person's size (longer side of the box).
        min_noise_px: least such standard deviation, px.
        occluded: factor of it for a keypoint labelled as occluded.
        visible: what it costs (natural-log units) to hide a joint that is labelled visible behind the body, where the
            photo's labels tell hidden joints from visible ones; 0 = not asked.
        noise_3d: standard deviation (m) of 3D joints that are defined as the body's own are.
        focal_sd: standard deviation of the logarithm of an unknown focal length about its guess; 0 keeps the guess.
        ground: ``on`` estimates gravity and ground of a photo from everybody labelled on it and holds fits to them;
            ``off`` takes gravity to be straight down in the picture.
        cloud: whether point clouds are used: ``off``, ``on`` (where they fit the person, else the fit without them) or
            ``require`` (people without a usable one are rejected).
        cloud_sd: noise (m) of points whose file does not say it.
        cloud_robust: Geman-McClure scale of points, in standard deviations.
        cloud_min_points: a smaller cloud is not used.
        cloud_max_points: a larger one is thinned out.
        cloud_stump: measure residual limbs in the cloud.
        temporal: ``on`` fits the frames of a video or of a Human3.6M sequence together, so that bodies hold still;
            ``off`` fits every frame on its own.
        lifter: weights of ``a3dgen fit-lifter`` that give candidates to frames fitted together; empty = the shipped
            ones, ``none`` = no lifter.
        min_points: least number of distinct anatomical points on the image.
        min_size_px: least size of a person.
        max_reprojection: a fit is refused above this mean reprojection error (share of the person's size).
        max_prior: and above this prior energy (natural-log units).
        max_beta: and above this shape coefficient (standard deviations).
    """

    engine: str = "numba"
    device: str = "cpu"
    init: str = ""
    starts: int = FitOptions.starts
    max_iterations: int = FitOptions.steps
    tolerance: float = FitOptions.tolerance
    flips: bool = True
    margin: float = FitOptions.margin
    robust: float = FitOptions.robust
    prior: str = ""
    prior_weight: float = FitOptions.prior_weight
    noise: float = 0.01
    min_noise_px: float = 2.0
    occluded: float = 2.0
    visible: float = 2.0
    noise_3d: float = 0.006
    focal_sd: float = FitOptions.focal_sd
    ground: Literal["off", "on"] = "on"
    cloud: Literal["off", "on", "require"] = "off"
    cloud_sd: float = 0.02
    cloud_robust: float = CloudOptions.robust
    cloud_min_points: int = CloudOptions.min_points
    cloud_max_points: int = CloudOptions.max_points
    cloud_stump: bool = True
    temporal: Literal["off", "on"] = "off"
    lifter: str = ""
    min_points: int = 6
    min_size_px: float = 20.0
    max_reprojection: float = 0.05
    max_prior: float = 100.0
    max_beta: float = 5.0

    def __post_init__(self) -> None:
        scales = ("noise", "min_noise_px", "robust", "max_reprojection", "occluded", "noise_3d")
        for name in (*scales, "cloud_sd", "cloud_robust"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"fit.{name}: must be above 0, found {getattr(self, name)}")
        if not self.visible >= 0:
            raise ConfigError(f"fit.visible: at least 0, found {self.visible}")
        if not 1 <= self.starts <= 12:
            raise ConfigError(f"fit.starts: 1 to 12 headings can be tried, found {self.starts}")
        if self.engine not in ("numba", "torch"):
            raise ConfigError(f"fit.engine: numba or torch, found '{self.engine}'")
        if self.engine == "torch" and self.init:
            raise ConfigError("fit.init: only the numba engine starts from a file; set fit.engine: numba")
        if self.temporal == "on" and (self.engine == "torch" or self.init):
            raise ConfigError("fit.temporal: on needs the numba engine and no fit.init")
        if not 4 <= self.cloud_min_points <= self.cloud_max_points:
            raise ConfigError("fit.cloud_min_points: at least 4, and at most fit.cloud_max_points")
        if self.max_iterations < 1:
            raise ConfigError(f"fit.max_iterations: at least 1, found {self.max_iterations}")


CLOUD_FOCAL_SD = 0.2
"""A cloud is in metres: an unknown focal length must be free to agree with it, by this much (of its logarithm)."""


def cloud_options(config: Config) -> CloudOptions:
    """Return what of a configuration concerns point clouds."""
    return CloudOptions(
        robust=config.cloud_robust, min_points=config.cloud_min_points, max_points=config.cloud_max_points
    )


def solver_options(config: Config, known_camera: bool, cloud: bool = False) -> FitOptions:
    """Return what of a configuration concerns the solver; a known focal length is never refined, an unknown one is
    wherever there is a point cloud."""
    focal_sd = config.focal_sd or (CLOUD_FOCAL_SD if cloud else 0.0)
    return FitOptions(
        starts=config.starts,
        steps=config.max_iterations,
        tolerance=config.tolerance,
        flip_steps=FitOptions.flip_steps if config.flips else 0,
        margin=config.margin,
        robust=config.robust,
        prior_weight=config.prior_weight,
        focal_sd=0.0 if known_camera else focal_sd,
    )
