"""One sequence of motion capture as a task: read, convert, write its part; and what the parts depend on."""

from __future__ import annotations

import errno
import functools
import hashlib
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from a3dgen.bodies import body_digest, load_body
from a3dgen.bodies.smplh import SOFT, fold_amass_model, fold_open_body, model_file, read_regressor, soft_file
from a3dgen.core import files
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import A3dgenError, ConfigError, DataError
from a3dgen.engine.digests import digest
from a3dgen.geometry.skeleton import NUM_JOINTS
from a3dgen.io.file_digest import contents
from a3dgen.io.object_npz import ArrayFile
from a3dgen.motion.convert import BLOCK, BadFrame, Conversion, Converted, convert_frames
from a3dgen.motion.evaluate import Frames
from a3dgen.motion.joint_model import JointModel
from a3dgen.motion.rates import frame_count, rational
from a3dgen.sources.amass_sequence import GENDERS, SMPLX_FACE, Sequence, open_sequence, smpl_joints
from a3dgen.sources.amass_tree import SequenceFile

VERSION = 1
"""Raised when the same input is to give other numbers."""
SMPLX_WIDTH, SMPLX_VERTICES = 165, 10475
OK, SKIPPED, FAILED = "ok", "skipped", "failed"
ARRAYS = ("positions", "skeleton", "rotations")


@dataclass(frozen=True)
class BodySpec:
    """Which body turns poses into joints.

    Attributes:
        kind: ``smplh`` (with SMPL-X where there is one), or ``anny``.
        models: folder of the licensed models. regressor: .npy file; empty = the open body's own 17 joints.
    """

    kind: Literal["smplh", "anny"]
    models: str = ""
    regressor: str = ""

    def digest(self) -> str:
        """Return a hash of everything the joints depend on besides the sequences."""
        files = [self.regressor] if self.regressor else []
        if self.kind == "anny":
            return digest([self.kind, body_digest(BodyConfig()), contents(files)])
        folder = Path(self.models)
        found = {
            f"{kind} {gender}": model_file(folder, kind, gender) for kind in ("smplh", "smplx") for gender in GENDERS
        }
        found |= {f"dmpls {gender}": soft_file(folder, gender) for gender in GENDERS}
        return digest({name: contents([path]) for name, path in found.items() if path} | {"rows": contents(files)})


@dataclass(frozen=True)
class Job:
    """One sequence to convert; small and picklable.

    Attributes:
        file: the sequence. part: its part's path without suffix. body: see there. depends: hash of all but the file.
        fps: of the result. interp, rotations, skeleton: what is wanted. block: frames read at a time.
    """

    file: SequenceFile
    part: Path
    body: BodySpec
    depends: str
    fps: Fraction
    interp: str
    rotations: bool
    skeleton: bool
    block: int = BLOCK


def run_job(job: Job) -> dict[str, Any]:
    """Convert one sequence into its part, unless that is there already; return its row of the report.

    Never raises for what lies in the sequence: such a file is ``skipped`` (no sequence, damaged, values that are not
    finite) or ``failed`` (a fault of this program), with a reason.

    Raises:
        A3dgenError: if the body cannot be used, or the disk is full.
    """
    row: dict[str, Any] = {"sequence": job.file.name, "status": OK}
    try:
        key = digest([job.depends, _sha256(job.file.path)])
        known = finished(job.part)
        if known is not None and known["digest"] == key:
            return row | known
        files.remove(_sidecar(job.part))  # of other settings: what follows writes over its arrays
        facts = _convert(job) | {"digest": key}
        files.write_whole(_sidecar(job.part), json.dumps(facts).encode())
        return row | facts
    except DataError as error:
        reason = str(error).removeprefix(f"{job.file.path}: ")
        return row | {"status": SKIPPED, "reason": reason.replace(str(job.file.path.parent) + "/", "")}
    except A3dgenError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise A3dgenError(f"{job.part.parent}: cannot be written ({error.strerror})") from error
        return row | {"status": SKIPPED, "reason": f"cannot be read ({error.strerror or error})"}
    except Exception as error:
        return row | {"status": FAILED, "reason": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}


def part_arrays(part: Path, facts: dict[str, Any]) -> dict[str, ArrayFile]:
    """Return the arrays of a finished part by name: positions, and skeleton and rotations if they were wanted."""
    return {name: ArrayFile(_raw(part, name), "<f4", tuple(shape)) for name, shape in facts["arrays"].items()}


def part_files(part: Path) -> list[Path]:
    """Return every file that a part may consist of, the sidecar first."""
    return [_sidecar(part), *(_raw(part, name) for name in ARRAYS)]


def part_name(subject: str, stem: str) -> str:
    """Return the file name of a part; subjects and sequences may be named as they like."""
    return hashlib.blake2b(f"{subject}/{stem}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def finished(part: Path) -> dict[str, Any] | None:
    """Return what is known of a part whose files are all there, None if it is not finished."""
    try:
        facts = json.loads(_sidecar(part).read_bytes())
        whole = all(a.path.stat().st_size == 4 * int(np.prod(a.shape)) for a in part_arrays(part, facts).values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return facts if whole else None


def _raw(part: Path, name: str) -> Path:
    return part.with_name(f"{part.name}.{name}")


def _sidecar(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _convert(job: Job) -> dict[str, Any]:
    wanted = ["positions", *(["skeleton"] if job.skeleton else []), *(["rotations"] if job.rotations else [])]
    job.part.parent.mkdir(parents=True, exist_ok=True)
    with open_sequence(job.file.path, SOFT if job.body.kind == "smplh" else 0) as (said, poses, trans, dmpls):
        kind, how, remarks = _conversion(job, said)
        soft = how.model.num_soft

        def rows(count: int) -> Frames:
            given = dmpls.read(count)[:, :soft] if dmpls is not None else np.zeros((count, soft))
            return Frames(poses.read(count), trans.read(count), given)

        raw = {name: _raw(job.part, name).open("wb") for name in wanted}
        try:
            for piece in convert_frames(how, said.frames, rows):
                _append(raw, piece)
        except BadFrame as error:
            raise DataError(str(error)) from error
        finally:
            for file in raw.values():
                file.close()
    count = frame_count(said.frames, how.src, how.dst)
    shapes = {"positions": (how.model.rows, 3), "skeleton": (NUM_JOINTS, 3), "rotations": (NUM_JOINTS, 3, 3)}
    return {
        "rate": str(said.rate), "frames_in": said.frames, "frames_out": count, "gender": said.gender, "model": kind,
        "remarks": [*said.remarks, *remarks], "arrays": {name: (count, *shapes[name]) for name in wanted},
    }  # fmt: skip


def _append(files: dict[str, Any], piece: Converted) -> None:
    for name, file in files.items():
        file.write(np.ascontiguousarray(getattr(piece, name), "<f4").data)


def _conversion(job: Job, said: Sequence) -> tuple[str, Conversion, list[str]]:
    """Choose the body of a sequence; return its kind, how it is converted, and what had to be assumed."""
    betas, remarks = said.betas, []
    kind, joints = _kind(job.body, said), list(range(said.width // 3))
    if kind == "anny":
        joints, betas = smpl_joints(said.width), np.zeros(0)
    elif said.width == SMPLX_WIDTH and kind == "smplh":
        joints, betas = [j for j in joints if j not in SMPLX_FACE], np.zeros(0)
        remarks.append("SMPL-X's betas are not SMPL+H's: the mean shape")
    model = model_of(job.body, kind, said.gender)
    src, dst = said.rate, rational(job.fps)
    return kind, Conversion(model, betas, np.array(joints), src, dst, job.interp, job.rotations, job.block), remarks


def _kind(body: BodySpec, said: Sequence) -> str:
    """Return which model a sequence is evaluated with: its own where the user has it and the regressor fits it."""
    if body.kind == "anny":
        return body.kind
    if said.width == SMPLX_WIDTH:
        path = model_file(Path(body.models), "smplx", said.gender)
        if path is not None and _regressor(body.regressor).shape[1] == SMPLX_VERTICES:
            return "smplx"
    return "smplh"


def model_of(body: BodySpec, kind: str, gender: str) -> JointModel:
    """Return the joint model that a sequence is evaluated with."""
    return open_body_model(body.regressor) if kind == "anny" else amass_model(body, kind, gender)


@functools.lru_cache(maxsize=1)
def _regressor(path: str) -> np.ndarray:
    return read_regressor(Path(path))


@functools.lru_cache(maxsize=6)
def amass_model(body: BodySpec, kind: str, gender: str) -> JointModel:
    """Return the regressor folded into one of the user's models; kept by the process.

    Raises:
        ConfigError: if the model is not there, or cannot be used.
    """
    folder = Path(body.models)
    path = model_file(folder, kind, gender)
    if path is None:
        raise DataError(f"no {kind} model of gender {gender} in {folder.name}/ ({kind}/{gender}/model.npz)")
    try:
        soft = soft_file(folder, gender) if kind == "smplh" else None
        return fold_amass_model(path, soft, _regressor(body.regressor), kind)
    except DataError as error:
        raise ConfigError(str(error)) from error


@functools.lru_cache(maxsize=1)
def open_body_model(regressor: str) -> JointModel:
    """Return the open body's model; kept by the process."""
    return fold_open_body(load_body(BodyConfig()), read_regressor(Path(regressor)) if regressor else None)
