"""What ``a3dgen mocap`` converts, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from a3dgen.amputation.sampling import PlanConfig
from a3dgen.core.errors import ConfigError
from a3dgen.core.user_paths import user_path
from a3dgen.engine.mocap_job import BodySpec
from a3dgen.motion.amputees import ABSENT
from a3dgen.motion.convert import BLOCK, INTERPOLATIONS
from a3dgen.motion.rates import rational


@dataclass(frozen=True)
class MocapConfig:
    """What is converted, and how.

    Attributes:
        amass_dir: folder of AMASS's datasets. out: folder for the results.
        regressor: .npy file (J, V) of the joints wanted; needed unless ``body`` is ``anny``.
        smplh: folder that holds ``smplh/{female,male,neutral}/model.npz``, and ``dmpls/`` (and ``smplx/``) if any.
        body: ``smplh``, or ``anny``: the open body in its own shape, with Human3.6M's 17 joints.
        datasets: only these; all if empty.
        fps: of the result.
        interp: ``linear`` between joints, or ``slerp`` between poses, which keeps the lengths of bones.
        rotations: write ``<dataset>_rot.npz`` too.
        amputees: copies with limb loss of each sequence, in ``<dataset>_amp.npz``.
        regions, residual: what the copies lose, as ``amputate.regions`` and ``amputate.residual`` of a build.
        absent: what rows of absent joints hold: ``tip`` of the residual limb, ``nan`` or ``zero``.
        seed: of the drawing of regions.
        workers: processes; 0 = in this one, -1 = one a core, none for little input.
        block: source frames in memory at a time.
        overwrite: replace results of other settings or files in ``out``. force: write beside things of somebody else's.

    Raises:
        ConfigError: for values that cannot be.
    """

    amass_dir: Path
    out: Path
    regressor: Path | None = None
    smplh: Path | None = None
    body: Literal["smplh", "anny"] = "smplh"
    datasets: tuple[str, ...] = ()
    fps: float | int = 50.0
    interp: Literal["linear", "slerp"] = "linear"
    rotations: bool = False
    amputees: int = 0
    regions: str | tuple[str, ...] = "uniform"
    residual: str | float = "clinical"
    absent: Literal["tip", "nan", "zero"] = "tip"
    seed: int = 0
    workers: int = -1
    block: int = BLOCK
    overwrite: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        for name, value, valid in (("interp", self.interp, INTERPOLATIONS), ("absent", self.absent, ABSENT),
                                   ("body", self.body, ("smplh", "anny"))):  # fmt: skip
            if value not in valid:
                raise ConfigError(f"--{name} {value}: one of {', '.join(valid)}")
        if self.amputees < 0 or self.block < 2 or self.workers < -1:
            raise ConfigError("--amputees: at least 0, --batch_size: at least 2, --workers: at least -1")
        try:
            rational(self.fps)
        except ValueError as error:
            raise ConfigError(f"--fps: {error}") from None
        PlanConfig(regions=self.regions, residual=self.residual)


def body_of(config: MocapConfig) -> BodySpec:
    """Return the body that a configuration names.

    Raises:
        ConfigError: if its files are not there.
    """
    regressor = user_path(config.regressor) if config.regressor else None
    if regressor is not None and not regressor.is_file():
        raise ConfigError(f"--regressor {regressor}: no such file")
    if config.body == "anny":
        return BodySpec("anny", "", str(regressor.resolve()) if regressor else "")
    folder = user_path(config.smplh) if config.smplh else Path("body_models")
    if not folder.is_dir():
        raise ConfigError(
            f"--smplh {folder}: no such folder; it holds smplh/{{female,male,neutral}}/model.npz (download SMPL+H from "
            "mano.is.tue.mpg.de), or use --body anny, which needs no licensed file"
        )
    if regressor is None:
        raise ConfigError("--regressor: name the .npy file (J, 6890) of the joints, or use --body anny")
    return BodySpec("smplh", str(folder.resolve()), str(regressor.resolve()))
