"""The fit of a shard knows the pieces of recordings that go on in the shards beside it, and depends on no others."""

from __future__ import annotations

import numpy as np

from a3dgen.core.records import Outcome, Persons
from a3dgen.core.stage import Output
from a3dgen.engine.pieces_beside import digest_beside, read_beside
from a3dgen.engine.source_shards import SourceShards

PERSON = {
    "image": "x.jpg", "subset": "CUSTOM/x", "stem": "x", "image_size": (9, 9), "bbox": np.zeros(4),
    "keypoints": np.zeros((44, 3)), "state": np.zeros(44, np.uint8), "K": np.eye(3),
}  # fmt: skip


def ingest(folder, *shards):
    """Write shards of people in these clips, two a clip; return the folder."""
    outputs = []
    for n, clips in enumerate(shards):
        rows = [PERSON | {"key": f"{n}/{clip}/{i}", "clip": clip} for clip in clips for i in range(2)]
        done = [{"key": row["key"], "status": "ok"} for row in rows]
        outputs.append(Output(Persons.from_rows(rows), Outcome.from_rows(done)))
    made = SourceShards(folder, "ingest", {}, clips=True)
    list(made.write(outputs))
    made.commit([], 2)
    return folder / "ingest"


def test_the_pieces_before_and_after_are_read_and_nothing_else(tmp_path):
    folder = ingest(tmp_path, ["a/8", "a/9"], ["a/10", "b/0"], ["b/1", "b/2"], ["c/0"], [""])
    assert read_beside(folder, 1).key.tolist() == ["0/a/9/0", "0/a/9/1", "2/b/1/0", "2/b/1/1"]
    assert read_beside(folder, 0).key.tolist() == ["1/a/10/0", "1/a/10/1"]
    assert read_beside(folder, 2).key.tolist() == ["1/b/0/0", "1/b/0/1"]
    assert read_beside(folder, 3) is None
    assert read_beside(folder, 4) is None


def test_only_a_change_where_a_recording_goes_on_makes_a_fit_out_of_date(tmp_path):
    folder = ingest(tmp_path, ["a/0"], ["a/1"], ["b/0"])
    before = [digest_beside(folder, n) for n in range(3)]
    ingest(tmp_path, ["a/0"], ["a/1", "x"], ["b/0", "b/7"])
    after = [digest_beside(folder, n) for n in range(3)]
    assert [a == b for a, b in zip(before, after, strict=True)] == [False, True, True]
