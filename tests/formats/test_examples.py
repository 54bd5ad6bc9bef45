"""The four examples run as their first lines say, each on something small."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from a3dgen.core.records import VISIBLE
from a3dgen.geometry.skeleton import ROW
from a3dgen.io.shards import read_shard

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"


def run(*command: str, cwd: Path, path: tuple[Path, ...] = ()) -> str:
    """Run Python in another folder, as a user does; return what it prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(source: Path, where: Path) -> Path:
    """Put a package of one module where ``pip install --target`` would: its module beside a dist-info folder."""
    project = tomllib.loads((source / "pyproject.toml").read_text())
    name, version = project["project"]["name"], project["project"]["version"]
    facts = where / f"{name}-{version}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    groups = project["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()) for group, entries in groups.items()]
    (facts / "entry_points.txt").write_text("\n".join(lines))
    for module in project["tool"]["setuptools"]["py-modules"]:
        (where / f"{module}.py").write_text((source / f"{module}.py").read_text())
    return where


def test_keypoints_become_a_stump(tmp_path: Path) -> None:
    told = run(
        str(EXAMPLES / "keypoints_to_stump.py"), "p.glb", "--region", "right_elbow", "--residual", "0.5", cwd=tmp_path
    )
    assert "watertight True" in told
    mesh = trimesh.load(tmp_path / "p.glb", force="mesh")
    assert 1.4 < mesh.extents[1] < 2.1  # upright, in metres, y up
    limb, segment = (float(v) for v in told.split("residual limb ")[1].replace(" cm", "").split(" of "))
    assert limb == pytest.approx(0.5 * segment, rel=0.1)


def test_a_source_of_another_package_is_read(tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), (120, 130, 140)).save(tmp_path / "a.jpg")
    rng = np.random.default_rng(0)
    points = rng.uniform(100, 380, (17, 2)).round(1)
    with open(tmp_path / "people.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["photo", "person", *(f"{a}{i}" for i in range(17) for a in "xy")])
        writer.writerow(["a.jpg", "1", *points.ravel()])
        writer.writerow(["gone.jpg", "1", *points.ravel()])
        writer.writerow(["a.jpg", "2", "left", *points.ravel()[1:]])
    settings = {"table": str(tmp_path / "people.csv"), "photos": str(tmp_path)}
    (tmp_path / "bedside.yaml").write_text(json.dumps({"sources": {"bedside": settings}}))
    site = install(EXAMPLES / "custom_source", tmp_path / "site")
    command = ("-m", "a3dgen", "ingest", "--only", "--config", "bedside.yaml", "--out", "b", "--workers", "0")
    run(*command, cwd=tmp_path, path=(site,))
    shard = read_shard(next((tmp_path / "b/ingest").glob("0*.h5")))
    persons, outcome = shard["Persons"], shard["Outcome"]
    assert persons.key.tolist() == ["bedside/a.jpg/1"]
    np.testing.assert_allclose(persons.keypoints[0, ROW["extra_left_wrist"], :2], points[9])
    assert (persons.state[0] == VISIBLE).sum() == 17
    assert sorted(outcome.status) == ["ok", "rejected", "rejected"]
    assert any("no number" in reason for reason in outcome.reason)


def test_a_classifier_trains(written: Path, tmp_path: Path) -> None:
    told = run(str(EXAMPLES / "train_classifier.py"), str(written), "--epochs", "20", cwd=tmp_path)
    losses = [float(line.rpartition(" ")[2]) for line in told.splitlines() if line.startswith("arms, epoch")]
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    assert "COCO_val: left leg: recall " in told


def test_predictions_are_scored(written: Path, tmp_path: Path) -> None:
    told = json.loads(run(str(EXAMPLES / "evaluate_predictions.py"), str(written), "p.npz", cwd=tmp_path))
    assert told["n"] == 30
    assert told["hallucination_rate"] == 1
    assert 18 < told["mpjpe_mm"] < 40
    assert told["pa_mpjpe_mm"] < told["mpjpe_mm"]
