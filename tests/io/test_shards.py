from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from a3dgen.core import files
from a3dgen.core.errors import DataError
from a3dgen.core.records import RECORDS, Bodies, Outcome, Persons
from a3dgen.io import shards


def person(i: int) -> dict:
    rng = np.random.default_rng(i)
    return {
        "key": f"k/ü{i}",
        "subset": "MPII",
        "stem": "",
        "image": "日本.jpg",
        "image_size": (3, 4),
        "bbox": (0, 0, 1, 1),
        "keypoints": rng.normal(size=(44, 3)),
        "state": rng.integers(0, 5, 44),
        "K": np.eye(3),
        "mask": "[" + "1," * i * 50 + "]",
        "cloud": rng.normal(size=(i % 3, 3)),
    }


@pytest.fixture
def records() -> dict:
    persons = Persons.from_rows([person(i) for i in range(20)])
    outcome = Outcome.from_rows([{"key": k, "status": "ok"} for k in persons.key])
    return {"Persons": persons, "Bodies": Bodies.from_rows([], B=7), "Outcome": outcome}


def test_round_trip(tmp_path, records):
    shards.write_shard(tmp_path / "a" / "0.h5", records, {"depends": {"x": 1}})
    back = shards.read_shard(tmp_path / "a" / "0.h5")
    assert set(back) == set(records)
    for name, record in records.items():
        for column, spec in record.columns().items():
            was, now = getattr(record, column), getattr(back[name], column)
            assert was.dtype == now.dtype
            if spec.ragged:
                assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(was, now, strict=True))
            else:
                assert was.shape == now.shape
                assert np.array_equal(was, now), column


@pytest.mark.parametrize("name", RECORDS)
def test_empty_records(tmp_path, name):
    record = RECORDS[name].from_rows([], B=10)
    shards.write_shard(tmp_path / "0.h5", {name: record})
    back = shards.read_shard(tmp_path / "0.h5")[name]
    assert len(back) == 0
    assert all(getattr(back, c).shape == getattr(record, c).shape for c in record.columns())


def test_same_records_same_bytes(tmp_path, records):
    for name in ("a.h5", "b.h5"):
        shards.write_shard(tmp_path / name, records)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_same_bytes_whoever_holds_on_to_frames(tmp_path, records):
    """As a profiler does that looks at them from another thread: what they refer to is closed later."""
    shards.write_shard(tmp_path / "a.h5", records)
    held = []
    sys.setprofile(lambda frame, event, _: held.append(frame) if event == "return" else None)
    try:
        shards.write_shard(tmp_path / "b.h5", records)
    finally:
        sys.setprofile(None)
    assert held
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_reads_only_what_is_asked_for(tmp_path, records):
    shards.write_shard(tmp_path / "0.h5", records)
    assert set(shards.read_shard(tmp_path / "0.h5", ["Outcome"])) == {"Outcome"}


def test_no_sidecar_no_shard(tmp_path, records):
    path = tmp_path / "0.h5"
    shards.write_shard(path, records)
    shards.sidecar_path(path).unlink()
    with pytest.raises(DataError, match="no valid sidecar"):
        shards.read_shard(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 0, "sha256": "x"}', '{"schema": 1}', "\xff\xfe"])
def test_damaged_sidecar_is_none(tmp_path, records, text):
    path = tmp_path / "0.h5"
    shards.write_shard(path, records)
    shards.sidecar_path(path).write_bytes(text.encode("latin1"))
    assert shards.read_sidecar(path) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_corruption_is_found(tmp_path, records, damage):
    path = tmp_path / "0.h5"
    facts = shards.write_shard(path, records)
    assert shards.is_intact(path, facts)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data if damage == "flip" else data[:100])
    assert not shards.is_intact(path, facts)
    with pytest.raises(DataError, match="run the build again"):
        shards.read_shard(path)


def test_a_foreign_file_with_a_matching_digest_is_a_data_error(tmp_path):
    import hashlib

    path = tmp_path / "0.h5"
    path.write_bytes(b"not hdf5")
    facts = {"schema": shards.SCHEMA_VERSION, "sha256": hashlib.sha256(b"not hdf5").hexdigest(), "bytes": 8}
    shards.sidecar_path(path).write_text(json.dumps(facts))
    with pytest.raises(DataError, match="not a shard"):
        shards.read_shard(path)


def test_full_disk_leaves_no_shard_and_no_temporary(tmp_path, records, monkeypatch):
    path = tmp_path / "0.h5"
    shards.write_shard(path, records)

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        shards.write_shard(path, records)
    assert shards.read_sidecar(path) is None
    assert not list(tmp_path.glob(".*"))


def test_what_is_read_again_is_checked_again_and_belongs_to_nobody_else(tmp_path):
    path = tmp_path / "000000.h5"
    outcome = Outcome.from_rows([{"key": "a", "status": "ok"}, {"key": "b", "status": "failed", "reason": "ü"}])
    shards.write_shard(path, {"Outcome": outcome})
    shards._READ.clear()
    first = shards.read_shard(path)["Outcome"]
    first.reason[1] = "spoilt"
    again = shards.read_shard(path)["Outcome"]
    assert again.reason.tolist() == ["", "ü"]
    assert again.reason is not shards.read_shard(path)["Outcome"].reason
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="corrupted"):
        shards.read_shard(path)
