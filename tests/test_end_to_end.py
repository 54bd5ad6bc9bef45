"""The whole road, as a person walks it: raw demo data to a dataset, through the command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import trimesh
from PIL import Image

from a3dgen import cli
from a3dgen.formats.validation import validate
from a3dgen.geometry.body import BodyData, pose_body
from a3dgen.geometry.camera import project, undistort_image
from a3dgen.geometry.regions import absent_joints
from a3dgen.io import images
from a3dgen.io.npz import read
from a3dgen.io.shards import read_shard
from a3dgen.stages.table import PRODUCES

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
    assert not (out / ".a3dgen").exists()  # what 'a3dgen demo' of an earlier version left
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


def records(out: Path, stage: str, name: str) -> Any:
    """Return a record of all shards of a stage."""
    found = [read_shard(p)[name] for p in sorted((out / stage).glob("[0-9]*.h5"))]
    return type(found[0]).concat(found)


def test_nobody_vanishes(built: Path) -> None:
    """Every key that enters a stage leaves it once, as a row or with a reason, from the raw trees to the dataset."""
    people = set(np.load(built / "truth/truth.npz")["key"].tolist())
    assert len(people) == PEOPLE
    given = {
        "ingest": people,
        "fit": set(records(built, "ingest", "Persons").key),
        "amputate": set(records(built, "fit", "Bodies").key),
        "background": set(records(built, "amputate", "Plans").parent),
        "render": set(records(built, "amputate", "Plans").key),
    }
    for stage, wanted in given.items():
        outcome = records(built, stage, "Outcome")
        assert sorted(outcome.key) == sorted(wanted), stage
        good = set(outcome.key[outcome.status == "ok"])
        made = records(built, stage, PRODUCES[stage].__name__)
        assert len(set(made.key)) == len(made)
        assert set(made.parent if stage == "amputate" else made.key) == good, stage
        assert all(r for r, s in zip(outcome.reason, outcome.status, strict=True) if s != "ok"), stage
    finished = np.concatenate([read(p)["a3dgen_key"] for p in (built / "A3D_Dataset").rglob("annotation/*.npz")])
    assert sorted(finished.tolist()) == sorted(records(built, "render", "Renders").key)
    with_samples = {key.rsplit("/", 1)[0] for key in finished.tolist()}
    told = json.loads((built / "run.json").read_text())["people"]
    assert told["read"] == PEOPLE == told["ok"] + told["rejected"] + told["failed"]
    drawn = records(
        built, "render", "Outcome"
    )  # twins with aids are refused together: somebody may have no sample left
    refused = {k.rsplit("/", 1)[0] for k in drawn.key[drawn.status != "ok"]} - with_samples
    assert told["ok"] == len(with_samples) + len(refused)


@dataclass(frozen=True)
class Removed:
    """One amputee of the build: where in the image the removed limb was, beyond all that is left of the body."""

    key: str
    parent: str
    pixels: tuple[np.ndarray, np.ndarray]


def removed_limbs(built: Path, body: BodyData, clearance: float) -> Iterator[Removed]:
    """Yield where the fitted body's removed skin is seen, ``clearance`` (m) or more beyond the outline of the rest."""
    plans, bodies = records(built, "amputate", "Plans"), records(built, "fit", "Bodies")
    drawn = records(built, "render", "Renders")
    at, row = bodies.index(), plans.index()
    for key in drawn.key[[bool(plans.removed[row[k]].any()) for k in drawn.key]]:
        plan = plans.row(row[key])
        fitted = bodies.row(at[plan["parent"]])
        posed = pose_body(body, fitted["pose"], fitted["betas"], fitted["transl"])
        pixels = project(posed.vertices(body.mesh, fitted["betas"]).astype(float), fitted["K"])
        share = body.mesh.weights[:, absent_joints(plan["removed"])].sum(1)
        with Image.open(built / drawn.mask[drawn.index()[key]]) as picture:
            width, height = picture.size
        outside = np.ones((height, width), np.uint8)
        for face in body.mesh.faces[(share[body.mesh.faces] < 0.5).all(1)]:
            cv2.fillConvexPoly(outside, np.rint(pixels[face]).astype(np.int32), 0)
        beyond = cv2.distanceTransform(outside, cv2.DIST_L2, 5) * fitted["transl"][2] / fitted["K"][0, 0]
        x, y = np.rint(pixels[share > 0.99]).astype(int).T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        x, y = x[inside], y[inside]
        far = beyond[y, x] > clearance
        yield Removed(str(key), str(plan["parent"]), (y[far], x[far]))


def test_no_limb_pixel_remains_beyond_the_stump(built: Path, body: BodyData) -> None:
    """Where the removed limb was there is plate: no mask, and no colour but the plate's, darker at most by a shadow."""
    drawn, plates = records(built, "render", "Renders"), records(built, "background", "Plates")
    checked = 0
    for limb in removed_limbs(built, body, clearance=0.08):
        i, j = drawn.index()[limb.key], plates.index()[limb.parent]
        assert not images.read_mask(built / drawn.mask[i])[limb.pixels].any(), limb.key
        picture, plate = (images.read_rgb(built / p).astype(int) for p in (drawn.image[i], plates.image[j]))
        change = (picture - plate)[limb.pixels]
        if len(change):
            assert np.percentile(change.max(1), 99) < 15, limb.key
            assert np.median(change) > -60, limb.key
        checked += len(change) > 100
    assert checked >= 5


def test_no_pixel_of_the_photographed_person_remains_in_the_plate(built: Path) -> None:
    """The demo knows which pixels are the person's: every one is filled, or in front of the person by the plan."""
    truth = np.load(built / "truth/truth.npz")
    persons, plates = records(built, "ingest", "Persons"), records(built, "background", "Plates")
    assert len(plates) == PEOPLE
    for key, name in zip(truth["key"].tolist(), truth["mask"].tolist(), strict=True):
        person, plate = persons.row(persons.index()[key]), plates.row(plates.index()[key])
        with Image.open(built / "truth" / name) as picture:
            seen = undistort_image(np.asarray(picture), person["K"], person["dist"], nearest=True) > 0
        hole = images.read_mask(built / plate["mask"])
        front = images.read_mask(built / plate["occluders"]) if plate["occluders"] else np.zeros_like(hole)
        assert seen.sum() > 1000
        assert not (seen & ~hole & ~front).any(), key
        filled, photo = (
            images.read_rgb(built / plate["image"]),
            images.read_rgb(str(person["image"]).replace("${out}", str(built))),
        )
        photo = undistort_image(photo, person["K"], person["dist"])
        assert np.abs(filled.astype(int) - photo)[seen & hole].mean() > 10, key


def test_the_report_shows_the_true_error(built: Path) -> None:
    html = (built / "report.html").read_text()
    assert "truth mpjpe mm" in html
    assert html.count("data:image/jpeg") >= 3 * PEOPLE
    assert html.count('class="turn"') == html.count('<div class="card">') > 0, "each shown person can be turned"
    assert len(html) < 10_000_000
    assert "http://" not in html
    assert "https://" not in html
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
    for name in ("raw", "truth", ".a3dgen"):
        (shutil.copytree if (built / name).is_dir() else shutil.copy)(built / name, out / name)
    build(out, "--workers", "2", "--set", "shard_size=2", people=people, command=("annotate", "--only"))
    ours, theirs = files_of(built / "A3D_Dataset"), files_of(out / "A3D_Dataset")
    for counts in ("dataset.json", "README.md", "SHA256SUMS") if people < PEOPLE else ():
        ours.pop(counts), theirs.pop(counts)
    assert sum(name.endswith(".npz") for name in theirs) >= 4
    assert sorted(theirs) == sorted(name for name in ours if people == PEOPLE or "S11" not in name)
    assert [n for n in theirs if ours[n] != theirs[n]] == []


def test_a_moved_build_is_fresh_and_a_damaged_picture_is_made_again_alone(built: Path, tmp_path: Path) -> None:
    """One bit flips in a picture of the dataset, which is the same file as the one in render/."""
    out = tmp_path / "elsewhere"
    subprocess.run(["cp", "-a", str(built), str(out)], check=True)
    before = {p.relative_to(out): (p.read_bytes(), p.stat().st_mtime_ns) for p in out.rglob("*") if p.is_file()}
    picture = sorted((out / "A3D_Dataset").rglob("*.jpg"))[0]
    twin = next(p for p in (out / "render").rglob(picture.name))
    assert os.path.samefile(picture, twin)
    data = bytearray(picture.read_bytes())
    data[-50] ^= 4
    with open(picture, "r+b") as file:
        file.write(data)
    check = ["sha256sum", "--quiet", "-c", "SHA256SUMS"]
    assert subprocess.run(check, cwd=out / "A3D_Dataset", capture_output=True, check=False).returncode == 1
    found = validate(out / "A3D_Dataset").items
    assert {(f.rule, f.file) for f in found} >= {("manifest", picture.relative_to(out / "A3D_Dataset").as_posix())}
    done = build(out, "--workers", "0")
    assert f"{twin.relative_to(out)} is damaged; it is made again" in done.stderr
    after = {p.relative_to(out): (p.read_bytes(), p.stat().st_mtime_ns) for p in out.rglob("*") if p.is_file()}
    drawn = {n for n in before if n.parts[0] in ("render", "background") and before[n] != after[n]}
    alone = {twin.stem, f"{twin.stem}_devices"}  # this sample, its masks included
    assert {n.stem for n in drawn if n.suffix != ".files"} <= alone
    assert [n for n in before if n.parts[0] == "A3D_Dataset" and before[n][0] != after[n][0]] == []
    assert os.path.samefile(picture, twin)
    assert subprocess.run(check, cwd=out / "A3D_Dataset", capture_output=True, check=False).returncode == 0


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
