"""Benchmark of recovery: ``a3dgen bench recover [--out DIR] [--config NAME] [--bodies BUILD] [--json]``.

The figures of ``a3dgen train absence --out DIR``, cross-validated by scene, beside their bars (made again if its tables
are newer); nobody is judged by a model that saw them or their scene. ``recall`` is at 5 % false alarms of the same kind
of picture; ``by_rule`` is what the model's own threshold gives. Then recovers amputees from their pictures alone and
compares with their truth: people of a demo that no recipe has (``BODIES``), built once into ``DIR/bodies``, or those
of the build ``--bodies``:

- ``present_joint_error``: mean distance of joints that are there, pelvis-centred, of the recovered body over that of
  the body that is fitted as if intact, on people of whom all absent limbs were found. ``_if_told``: on all people,
  their limbs given. ``_with_depths``: the intact fit heeds the network's depths, too: what is left is the absence.
- ``watertight``: closed meshes. ``ends_at_stump``: meshes without a vertex beyond it.
- ``seconds``: CPU of everything but loading and compiling, a picture. ``person_ms``: CPU of judging the limbs of one
  detected person, the network's two passes (``network_ms``) included.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from a3dgen.commands.build import run_build, showing
from a3dgen.commands.train import load_tables, read_recipe
from a3dgen.config import load_config
from a3dgen.core.body_config import BodyConfig
from a3dgen.core.errors import Rejected
from a3dgen.core.records import Persons
from a3dgen.detectors.pose_features import person_square, pose_tensors, square_pixels
from a3dgen.engine.recover import fit_with_looks, recover_people
from a3dgen.fit.config import Config as FitConfig
from a3dgen.formats.dataset_rows import rows
from a3dgen.geometry.regions import absent_joints
from a3dgen.geometry.skeleton import ROW_JOINT
from a3dgen.io.images import read_rgb
from a3dgen.learning.absence import from_tensors, look_twice, packaged_model
from a3dgen.recovery.figures import figures
from a3dgen.recovery.person import beyond_stump
from a3dgen.recovery.training import cross_validate
from a3dgen.stages.fit import fit_row

BARS = {
    "synthetic_auc": 0.94, "synthetic_recall": 0.80, "level": 0.70, "end_median": 0.06, "real_called_absent": 0.05,
    "real_people_flagged": 0.15, "erased_recall": 0.80, "hidden_called_absent": 0.05, "arm_accuracy": 0.88,
    "arm_macro_f1": 0.82, "leg_accuracy": 0.88, "leg_macro_f1": 0.82, "present_joint_error": 0.9, "watertight": 1.0,
    "ends_at_stump": 1.0, "seconds": 3.0, "person_ms": 50.0,
}  # fmt: skip
"""Least of what should be large, most of what should be small."""
PEOPLE = 60
BODIES = ("seed=901", "demo.people=60", "amputate.per_person=1", "amputate.twins=none")
"""Overrides of the demo whose amputees are recovered."""


def table_figures(out: Path, config: str) -> dict[str, Any]:
    """Return the lines that need only the tables: those that training wrote, or made again where tables are newer."""
    recipe, written = read_recipe(config), out / "figures.json"
    tables = [out / "tables" / f"{name}.npz" for name in recipe.builds]
    if written.is_file() and all(p.is_file() and p.stat().st_mtime <= written.stat().st_mtime for p in tables):
        told: Any = json.loads(written.read_text(encoding="utf-8"))
    else:
        table = load_tables(out, list(recipe.builds))
        told = figures(table, cross_validate(table, recipe.training, recipe.seed, recipe.folds))
    groups, classes = told["groups"], told["classes"]
    none = dict.fromkeys(("recall", "recall_at_5", "false_alarms", "auc", "called_of_all_not_absent"))
    synthetic = groups.get("synthetic people in synthetic scenes", none)
    return {
        "synthetic_auc": synthetic["auc"], "synthetic_recall": synthetic["recall_at_5"],
        "synthetic_recall_by_rule": synthetic["recall"], "synthetic_called_by_rule": synthetic["false_alarms"],
        "level": told["level_of_those_found"],
        "end_median": told["end_median"],
        "real_called_absent": groups.get("real people, untouched photos", none)["called_of_all_not_absent"],
        "real_people_flagged": told["real_people_flagged"],
        "erased_recall": groups.get("real people, a limb erased", none)["recall_at_5"],
        "erased_recall_by_rule": groups.get("real people, a limb erased", none)["recall"],
        "erased_recall_beside_all_real": told["erased_recall_beside_all_real"],
        "hidden_called_absent": groups.get("intact, cut by the border or covered", none)["called_of_all_not_absent"],
        **{f"{kind}_{name}": value for kind, scores in classes.items() for name, value in scores.items()},
        "all": told,
    }  # fmt: skip


def bodies_of(out: Path) -> Path:
    """Return the build whose amputees are recovered, made the first time."""
    folder = out / "bodies"
    if not (folder / "A3D_Dataset").is_dir():
        with showing(True) as progress:
            run_build(load_config("demo", list(BODIES), out=str(folder), workers=0), progress)
    return folder


def body_figures(build: Path, most: int) -> dict[str, Any]:
    """Return the lines that need recovered bodies, of the first amputees of a build."""
    errors, told, closed, beyond, seconds, found, missed = [], [], [], [], [], 0, 0
    amputees = [row for row in rows(build) if row.removed.any()][:most]
    for number, row in enumerate(amputees):
        rgb = read_rgb(row.image)
        start = time.process_time()
        people = recover_people(rgb, row.image.stem)
        if number:  # the first loads and compiles
            seconds.append(time.process_time() - start)
        truth = np.asarray(row.extra("keypoints_2d"))
        match = [(r, p) for r, p in people if _same(r.box, truth)]
        closed += [r.mesh().is_watertight for r, _ in people if r.amputee is not None]
        beyond += [beyond_stump(r) for r, _ in people if r.amputee is not None]
        right = bool(match) and not (match[0][0].removed != row.removed).any()
        found, missed = found + right, missed + (not right)
        three = _three_errors(row, rgb, match[0][1]) if match else None
        if three is not None:
            told.append(three)
            errors += [three] * right
    return {
        "present_joint_error": _ratio(errors, 1), "compared": len(errors),
        "present_joint_error_with_depths": _ratio(errors, 2),
        "present_joint_error_if_told": _ratio(told, 1), "compared_if_told": len(told),
        "present_joint_error_if_told_with_depths": _ratio(told, 2),
        "right_regions": found, "others": missed,
        "watertight": float(np.mean(closed)) if closed else None, "meshes": len(closed),
        "ends_at_stump": float(np.mean(np.array(beyond) == 0)) if beyond else None,
        "seconds": float(np.median(seconds)) if seconds else None,
    }  # fmt: skip


_INTACT = {"present_removed": np.zeros(12, bool), "present_residual": np.ones(12, np.float32)}


def _three_errors(row: Any, rgb: np.ndarray, person: dict[str, Any]) -> tuple[float, float, float] | None:
    """Return the errors (m) of the fit of the limbs that are there, of the intact one, and of that with depths."""
    sure = person["keypoints"][person["keypoints"][:, 2] > 0, :2]
    _, looks = look_twice(rgb, sure)
    try:
        present = fit_with_looks(person | {"present_removed": row.removed}, looks, BodyConfig())
        whole = fit_row(FitConfig(), BodyConfig(), Persons.from_rows([person | _INTACT]), 0)
        deep = fit_with_looks(person | _INTACT, looks, BodyConfig())
    except Rejected:
        return None
    return _error(row, present), _error(row, whole), _error(row, deep)


def _ratio(errors: list[tuple[float, float, float]], other: int) -> float | None:
    return float(np.mean([e[0] for e in errors]) / np.mean([e[other] for e in errors])) if errors else None


def _same(box: np.ndarray, points: np.ndarray) -> bool:
    seen = points[points[:, 2] > 0, :2]
    low, high = seen.min(0), seen.max(0)
    common = np.prod(np.clip(np.minimum(box[2:], high) - np.maximum(box[:2], low), 0, None))
    return bool(common / (np.prod(box[2:] - box[:2]) + np.prod(high - low) - common) > 0.4)


def _error(row: Any, fitted: Any) -> float:
    """Return the mean distance (m) of the joints that are there from the truth, both about the pelvis."""
    from a3dgen.bodies import load_body
    from a3dgen.geometry.body import pose_body

    body, columns = load_body(BodyConfig()), row.columns
    joints = pose_body(body, fitted["pose"], fitted["betas"], fitted["transl"]).joints
    gone = absent_joints(row.removed)
    pairs = [(r, j) for r, j in ROW_JOINT.items() if r < 25 and not gone[j]]
    truth = columns.points_3d[row.index]
    return float(np.mean([np.linalg.norm(joints[j] - joints[0] - truth[r]) for r, j in pairs]))


def person_times(picture: Path, repeats: int = 10) -> dict[str, float]:
    """Return CPU milliseconds a person: all from the detector's square on, and the network's two passes of it."""
    rgb = read_rgb(picture)
    height, width = rgb.shape[:2]
    points = np.array([[0.3 * width, 0.1 * height], [0.7 * width, 0.9 * height]])
    model, network, whole = packaged_model(), [], []
    square = person_square(rgb, points)
    for _ in range(repeats + 1):
        start = time.process_time()
        part = square_pixels(rgb, square)
        middle = time.process_time()
        looks = {m: pose_tensors(part, square, m) for m in (False, True)}
        after = time.process_time()
        from_tensors(square, looks, model)
        network.append(after - middle)
        whole.append(time.process_time() - start)
    return {"network_ms": 1e3 * float(np.median(network[1:])), "person_ms": 1e3 * float(np.median(whole[1:]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="build/absence", help="of an earlier 'a3dgen train absence'")
    parser.add_argument("--config", default="absence", help="its recipe")
    parser.add_argument("--bodies", metavar="BUILD", help="whose amputees are recovered; default: a demo of its own")
    parser.add_argument("--people", type=int, default=PEOPLE, help="at most, for --bodies")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    told = table_figures(Path(args.out), args.config)
    bodies = Path(args.bodies) if args.bodies else bodies_of(Path(args.out))
    told |= body_figures(bodies, args.people)
    told |= person_times(next(rows(bodies)).image)
    if args.json:
        print(json.dumps(told | {"bars": BARS}, indent=1))
        return
    for name, value in told.items():
        if name != "all":
            print(f"{name:24} {value if value is None else round(value, 3)!s:10} {BARS.get(name, '')}")


if __name__ == "__main__":
    main()
