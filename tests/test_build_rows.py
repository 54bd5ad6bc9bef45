import numpy as np

from a3dgen.core.records import Persons
from a3dgen.io.portable import OUT_TOKEN
from a3dgen.io.shards import write_shard
from benchmarks.build_rows import read_build


def test_photos_of_a_build_are_named_as_they_lie_on_this_machine(tmp_path):
    row = {"subset": "COCO_val", "stem": "1", "image_size": (8, 6), "bbox": [0, 0, 4, 4],
           "keypoints": np.zeros((44, 3)), "state": np.zeros(44, np.uint8), "K": np.eye(3)}  # fmt: skip
    inside, outside = (
        {"key": "a", "image": f"{OUT_TOKEN}/raw/1.jpg", **row},
        {"key": "b", "image": "/data/2.jpg", **row},
    )
    for name, rows in (("00000.h5", [inside]), ("00001.h5", [outside])):
        write_shard(tmp_path / "ingest" / "coco" / name, {"Persons": Persons.from_rows(rows)})
    found = read_build(tmp_path, {"Persons": "ingest"})["Persons"]
    assert {key: one["image"] for key, one in found.items()} == {"a": f"{tmp_path}/raw/1.jpg", "b": "/data/2.jpg"}
