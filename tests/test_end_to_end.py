"""The whole road, as a person walks it: raw demo data to a dataset, through the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from a3dgen import cli
from a3dgen.core.records import Plans
from a3dgen.formats.validation import validate
from a3dgen.io.npz import read
from a3dgen.io.shards import read_shard
from a3dgen.stages.table import STAGES

PEOPLE = 7
"""The first seven people of the demo reach every subset: COCO train and val, MPII, H36M S1 and S11."""


def a3dgen(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does, in an empty folder."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, "-m", "a3dgen", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def build(
    out: Path, *more: str, people: int = PEOPLE, command: tuple[str, ...] = ("build",)
) -> subprocess.CompletedProcess[str]:
    settings = (f"demo.people={people}", "amputate.per_person=1")
    done = a3dgen(*command, "--config", "demo", *settings, "--out", str(out), *more, folder=out.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def built(first_people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Begun with the photos of the first people: the build adds those that are missing."""
    out = tmp_path_factory.mktemp("end_to_end") / "demo"
    shutil.copytree(first_people, out)
    build(out, "--workers", "0")
    return out


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_subset_has_amputees_and_intact_twins_and_is_valid(built: Path) -> None:
    found = validate(built / "A3D_Dataset")
    assert [f.line() for f in found.items] == []
    facts = json.loads((built / "A3D_Dataset/dataset.json").read_text())
    assert set(facts["counts"]["samples"]) == {"COCO_train", "COCO_val", "MPII", "H36M/S1", "H36M/S11"}
    for path in (built / "A3D_Dataset").rglob("annotation/*.npz"):
        removed = read(path)["a3dgen_removed"].any(1)
        assert removed.any(), path
        assert (~removed).any(), path


def test_nobody_vanishes(built: Path) -> None:
    run = json.loads((built / "run.json").read_text())
    people = run["people"]
    assert people["read"] == PEOPLE == people["ok"] + people["rejected"] + people["failed"]
    for stage in STAGES[:5]:
        shards = sorted((built / stage).glob("[0-9]*.h5"))
        assert shards, stage
        for path in shards:
            outcome = read_shard(path)["Outcome"]
            assert len(set(outcome.key)) == len(outcome)
            assert set(outcome.status) <= {"ok", "rejected", "failed"}


def test_no_limb_pixel_remains_beyond_the_stump(built: Path) -> None:
    """An amputee's mask never reaches where only the intact twin's removed limb was: the tip bounds it."""
    plans = Plans.concat([read_shard(p)["Plans"] for p in sorted((built / "amputate").glob("*.h5"))])
    by_key = plans.index()
    smaller = []
    for path in (built / "A3D_Dataset").rglob("annotation/*.npz"):
        data = read(path)
        root = path.parent.parent / "Masks"
        rows = {k: i for i, k in enumerate(data["a3dgen_key"])}
        for key, i in rows.items():
            twin = str(data["a3dgen_twin"][i])
            if not data["a3dgen_removed"][i].any() or twin not in rows:
                continue
            assert by_key[str(key)] >= 0
            mine, other = (np.asarray(Image.open(root / str(data["a3dgen_mask"][j]))) > 0 for j in (i, rows[twin]))
            smaller.append(mine.sum() < other.sum())
    assert len(smaller) >= 4
    assert np.mean(smaller) > 0.9  # a hanging sleeve may cover more than the arm it hides


def test_the_report_shows_the_true_error(built: Path) -> None:
    html = (built / "report.html").read_text()
    assert "truth mpjpe mm" in html
    assert html.count("data:image/jpeg") >= 3 * PEOPLE
    run = json.loads((built / "run.json").read_text())
    assert run["stages"]["fit"]["counts"]["failed"] == 0


def test_run_again_it_does_nothing(built: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in sorted(built.rglob("*.h5"))}
    build(built, "--workers", "0")
    assert {p: p.stat().st_mtime_ns for p in sorted(built.rglob("*.h5"))} == before


@pytest.mark.parametrize("people", [5, pytest.param(PEOPLE, marks=pytest.mark.slow)])
def test_other_workers_and_shard_sizes_give_the_same_bytes(built: Path, tmp_path: Path, people: int) -> None:
    """Five people reach every subset but H36M S11; what is there does not depend on who else is."""
    out = tmp_path / "demo"
    for name in ("raw", "truth"):
        shutil.copytree(built / name, out / name)
    build(out, "--workers", "2", "--set", "shard_size=2", people=people, command=("annotate", "--only"))
    ours, theirs = files_of(built / "A3D_Dataset"), files_of(out / "A3D_Dataset")
    for counts in ("dataset.json", "README.md") if people < PEOPLE else ():
        ours.pop(counts), theirs.pop(counts)
    assert sum(name.endswith(".npz") for name in theirs) >= 4
    assert sorted(theirs) == sorted(name for name in ours if people == PEOPLE or "S11" not in name)
    assert [n for n in theirs if ours[n] != theirs[n]] == []


def test_a_wrong_key_is_one_line_that_names_the_right_one(tmp_path: Path) -> None:
    done = a3dgen("build", "--config", "demo", "--set", "fit.max_iteration=3", folder=tmp_path)
    assert done.returncode == 2
    assert "max_iterations" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_sample_exports_as_a_textured_mesh(built: Path, tmp_path: Path) -> None:
    shard = read_shard(sorted((built / "amputate").glob("*.h5"))[0])["Plans"]
    key = str(shard.key[0])
    assert cli.main(["export", "mesh", str(built), str(tmp_path), "--keys", key]) == 0
    scene = trimesh.load(tmp_path / f"{key.replace('/', '_')}.glb")
    skin = scene.geometry["0_skin"]
    assert skin.visual.material.baseColorTexture.size[0] >= 512
    assert 0.5 < float(scene.extents.max()) < 2.6
