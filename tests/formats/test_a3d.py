"""The written dataset against the format, read as its readers read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_dataset import SUBSETS, build

from a3dgen.core.errors import DataError
from a3dgen.formats import a3d
from a3dgen.formats.schema import annotation_path, image_root, keys_of
from a3dgen.formats.validation import row_rules, validate
from a3dgen.formats.validation.columns import Columns, view
from a3dgen.formats.validation.findings import Findings
from a3dgen.geometry.regions import find_region
from a3dgen.io.npz import read
from a3dgen.stages import annotate


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("subset", SUBSETS)
def test_keys_shapes_and_dtypes_are_those_of_the_format(written: Path, subset: str) -> None:
    data = np.load(written / annotation_path(subset), allow_pickle=True)  # as the published readers do
    assert set(data) == set(keys_of(subset))
    for name, key in keys_of(subset).items():
        wanted = tuple(10 if s == "B" else s for s in key.shape)
        assert data[name].shape == (6, *wanted), name
        if key.dtype == "object":
            assert data[name].dtype == object
        elif key.dtype.startswith("U"):
            assert data[name].dtype.kind == "U"
        else:
            assert data[name].dtype == np.dtype(key.dtype), name


def test_h36m_names_are_44_wide_and_carry_the_subject(written: Path) -> None:
    names = read(written / annotation_path("H36M/S1"))["imgname"]
    assert names.dtype == np.dtype("<U44")
    assert all(n.startswith("S1/") and (written / "H36M/Images" / n).is_file() for n in names)


def test_a_reader_written_from_the_public_description_iterates_every_npz(written: Path) -> None:
    """scale/200, squeeze(center), (0, 0) gives confidence -1: the reader of the AJAHR / TokenHMR family."""
    for subset in SUBSETS:
        data = np.load(written / annotation_path(subset), allow_pickle=True)
        points = data["gt_2d_kpts"][:, 0] if "gt_2d_kpts" in data else np.concatenate(
            [data["body_keypoints_2d"], data["extra_keypoints_2d"]], 1
        )  # fmt: skip
        for i in range(len(data["imgname"])):
            center, scale = np.squeeze(data["center"][i]), float(data["scale"][i][0] / 200)
            kpts = points[i].copy()
            kpts[(kpts[:, :2] == 0).all(1), 2] = -1
            assert center.shape == (2,)
            assert 0 < scale < 10
            assert set(np.unique(kpts[:, 2])) <= {-1, 1}
            assert (written / image_root(subset) / "Images" / str(data["imgname"][i])).is_file()


def test_the_validator_passes_it_and_says_what_it_looked_at(written: Path) -> None:
    found = validate(written)
    assert [f.line() for f in found.items] == []
    assert found.samples == 6 * len(SUBSETS)
    assert not found.failed(strict=True)


def test_writing_twice_gives_the_same_bytes(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, shards = build(tmp_path)
    stand_in = SimpleNamespace(name="anny24-adults", smpl_betas=False)
    monkeypatch.setattr(annotate, "load_body", lambda config: stand_in)
    annotate.run(annotate.Config(), context, iter(shards))
    assert files_of(tmp_path / annotate.DATASET_FOLDER) == files_of(written)
    assert not list(tmp_path.glob(".A3D*"))


def test_the_shard_size_does_not_show(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same samples in one shard a sample: the lone first row of a subset waits for the second."""
    context, shards = build(tmp_path)
    monkeypatch.setattr(annotate, "load_body", lambda c: SimpleNamespace(name="anny24-adults", smpl_betas=False))
    single = []
    for shard in shards:
        for i, person in enumerate(shard.persons.key):
            plans = shard.plans.take(np.flatnonzero(shard.plans.parent == person))
            renders = shard.renders.take([shard.renders.index()[k] for k in plans.key])
            single.append(
                annotate.Inputs(shard.persons.take([i]), shard.bodies.take([i]), plans, None, renders)
            )  # fmt: skip
    annotate.run(annotate.Config(), context, iter(single))
    assert files_of(tmp_path / annotate.DATASET_FOLDER) == files_of(written)


def test_a_lone_sample_is_left_out_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, shards = build(tmp_path)
    monkeypatch.setattr(annotate, "load_body", lambda c: SimpleNamespace(name="anny24-adults", smpl_betas=False))
    first = shards[0]
    lone = annotate.Inputs(first.persons, first.bodies, first.plans, None, first.renders.take([0]))
    facts = annotate.run(annotate.Config(), context, [lone, *shards[1:]])
    assert list(facts["dropped"]) == [first.renders.key[0]]
    assert not (tmp_path / annotate.DATASET_FOLDER / "COCO_train").exists()


def test_strict_leaves_the_extension_out_and_still_validates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, shards = build(tmp_path)
    monkeypatch.setattr(annotate, "load_body", lambda c: SimpleNamespace(name="anny24-adults", smpl_betas=False))
    annotate.run(annotate.Config(strict=True), context, shards)
    data = read(tmp_path / annotate.DATASET_FOLDER / annotation_path("MPII"))
    assert set(data) == set(keys_of("MPII", strict=True))
    found = validate(tmp_path / annotate.DATASET_FOLDER)
    assert "extension keys" in found.unchecked
    assert [f.line() for f in found.items] == []


def test_kept_occluded_keypoints_keep_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, shards = build(tmp_path)
    monkeypatch.setattr(annotate, "load_body", lambda c: SimpleNamespace(name="anny24-adults", smpl_betas=False))
    annotate.run(annotate.Config(occluded="keep"), context, shards)
    data = read(tmp_path / annotate.DATASET_FOLDER / annotation_path("MPII"))
    occluded = data["a3dgen_state"][:, :25] == 1
    assert occluded.any()
    assert (data["body_keypoints_2d"][occluded][:, 2] == 1).all()
    assert not validate(tmp_path / annotate.DATASET_FOLDER).items


def test_two_samples_of_one_name_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, shards = build(tmp_path)
    monkeypatch.setattr(annotate, "load_body", lambda c: SimpleNamespace(name="anny24-adults", smpl_betas=False))
    with pytest.raises(DataError, match="would both be called"):
        annotate.run(annotate.Config(), context, [shards[0], shards[0]])


def test_dataset_json_names_no_folder_of_the_builder(written: Path) -> None:
    text = (written / "dataset.json").read_text()
    assert "/somewhere" not in text
    facts = json.loads(text)
    assert facts["config"]["root"] == "coco"
    assert set(facts["digests"]["inputs"]) == set(SUBSETS)
    assert len(set(facts["digests"]["inputs"].values())) == len(SUBSETS)


def test_a_collapsed_limb_has_no_stump_to_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, shards = build(tmp_path)
    context.settings["amputate"] = {"geometry": "collapse"}
    for shard in shards:
        shard.renders.stump_girth[:] = 0
        shard.plans.residual[:] = 1
        shard.renders.stump_length[:] = np.where(shard.plans.removed, shard.renders.segment, 0)
    monkeypatch.setattr(annotate, "load_body", lambda c: SimpleNamespace(name="anny24-adults", smpl_betas=False))
    annotate.run(annotate.Config(), context, shards)
    assert not validate(tmp_path / annotate.DATASET_FOLDER).items


def test_who_really_lacks_a_limb_lacks_it_in_both_twins(written: Path) -> None:
    """All lack the right hand; of each pair one lacks the left knee and the rest of the right forearm besides."""
    hand, elbow, knee = (find_region(n)[0].index for n in ("right_hand", "right_elbow", "left_knee"))
    columns = view(read(written / annotation_path("MPII")), "MPII", "x.npz")
    kept = [i for i, n in enumerate(columns.names) if not n.startswith(f"amp_{hand}")]
    gone = columns.removed[kept]
    amputee = gone[:, knee]
    gone[~amputee, hand], gone[amputee, elbow] = True, True
    pairs = replace(
        columns,
        removed=gone,
        names=[columns.names[i] for i in kept],
        extra={k: v[kept] for k, v in columns.extra.items()},
    )
    assert twin_findings(pairs) == []
    gone[amputee, elbow] = False  # now each lacks something that the other has
    assert len(twin_findings(pairs)) == 1


def twin_findings(columns: Columns) -> list[str]:
    found = Findings()
    row_rules._looks(columns, found)
    return [f.line() for f in found.items]


def test_points_behind_the_camera_do_not_stretch_the_box() -> None:
    size, present = np.array([[640, 480]]), np.array([[True, True, False]])
    pixels = np.array([[[345.0, 265.0], [395.0, 315.0], [0.0, 0.0]]])
    center, scale = a3d._boxes(pixels, present, size)
    np.testing.assert_allclose(center[0, 0], [370, 290])
    assert scale[0, 0] == pytest.approx(60)
