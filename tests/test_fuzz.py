"""Damaged input of every kind: only errors meant for the user ever come out of a reader.

Each case is a valid file and what reads it; it is damaged as bytes, or, where it is JSON or YAML, node by node. The
readers of raw datasets have further tests of this kind beside their own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from a3dgen.config import load_config, packaged_configs
from a3dgen.core.errors import ConfigError, DataError
from a3dgen.core.records import Bodies, Outcome
from a3dgen.detectors import given as given_detections
from a3dgen.fit.mixture import load_mixture
from a3dgen.fit.prediction import load_predictions
from a3dgen.io import mat5, npz, shards, unpickle
from a3dgen.io.forgotten import FILE as FORGOTTEN
from a3dgen.io.forgotten import read_forgotten
from a3dgen.io.jsonstream import JsonFile
from a3dgen.sources import amass
from a3dgen.sources.h36m import cameras
from a3dgen.sources.photos import review

FEW, MANY = 12, 2000
TOKENS = (
    b"\x00",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"(",
    b"[",
    b"-1",
    b"1e999",
    b"nan",
    b"\n",
    b'"',
    b"PK",
)


@dataclass(frozen=True)
class Case:
    """A kind of file: ``write`` makes a valid one, ``read`` reads it to its end."""

    name: str
    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    text: str = ""


def drain(found: Any) -> None:
    for _ in found:
        pass


def write_npz(path: Path) -> None:
    arrays = {"imgname": np.array(["a.jpg", "b.jpg"]), "pose": np.zeros((2, 72)), "betas": np.ones((2, 10), np.float32)}
    with path.open("wb") as file:
        np.savez(file, names=np.array(["x", "y"], object), **arrays)


def write_prediction(path: Path) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, imgname=np.array(["a.jpg", "b.jpg"]), pose=np.zeros((2, 72)), shape=np.ones((2, 10)))


def write_mixture(path: Path) -> None:
    arrays = {"weights": np.ones(2) / 2, "means": np.zeros((2, 72)), "covariances": np.tile(np.eye(72), (2, 1, 1))}
    with path.open("wb") as file:
        np.savez_compressed(file, **{k: v.astype(np.float32) for k, v in arrays.items()})


def write_motion(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, poses=np.zeros((200, 156)), mocap_framerate=np.array(1.0))


def write_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"v": np.arange(6.0).reshape(2, 3), "kintree": [1, 2], "s": "text"}, protocol=2))


def write_shard(path: Path) -> None:
    row = {"key": "a", "pose": np.zeros((24, 3)), "betas": np.zeros(4), "transl": np.zeros(3), "K": np.eye(3)}
    row |= {"reproj_px": 0.5, "sigma": np.zeros(24), "alt_betas": np.zeros((3, 4))}
    outcome = Outcome.from_rows([{"key": "a", "status": "ok", "reason": ""}])
    shards.write_shard(path, {"Bodies": Bodies.from_rows([row]), "Outcome": outcome})


def read_rehashed_shard(path: Path) -> None:
    """Read a shard whose sidecar vouches for the damage, so that the HDF5 reader itself is met."""
    shards.write_json(shards.sidecar_path(path), {"schema": shards.SCHEMA_VERSION, "sha256": _sha(path), "bytes": 0})
    shards.read_shard(path)


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_mat(path: Path) -> None:
    nested = np.zeros((1, 2), [("x", object), ("y", object)])
    for i in range(2):
        nested[0, i] = (np.arange(i + 1.0), "text")
    savemat(path, {"RELEASE": {"list": nested, "flag": np.uint8([1, 0])}}, do_compression=bool(path.stem == "packed"))


def read_mat(path: Path) -> None:
    with mat5.open_mat(path) as found:
        for value in found.values():
            drain(_walk(value, 0))


def _walk(value: Any, depth: int) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _walk(inner, depth)
    elif value is not None and depth < 6:
        yield value.text()
        yield value.scalar()
        for inner in value.items():
            yield from _walk(inner, depth + 1)


def write_cameras(path: Path) -> None:
    table = {"R": np.eye(3).tolist(), "T": [[0], [0], [5]], "f": [[1000], [1000]], "c": [[500], [500]]}
    path.write_text(json.dumps({"S1_54138969": {**table, "k": [[0], [0], [0]], "p": [[0], [0]], "w": 9, "h": 9}}))


def write_metadata(path: Path) -> None:
    numbers = " ".join(f"{v:g}" for v in np.linspace(0.1, 1, 300))
    path.write_text(f"<?xml version='1.0'?><metadata><w0>[{numbers}]</w0></metadata>")


def write_detections(path: Path) -> None:
    points = [1.0, 2.0, 0.9] * 17
    rows = [{"image_id": 7, "category_id": 1, "keypoints": points, "score": 0.7, "bbox": [1, 2, 3, 4]}]
    path.write_text(json.dumps(rows))


def write_mmpose(path: Path) -> None:
    person = {"keypoints": [[1.0, 2.0]] * 17, "keypoint_scores": [0.9] * 17, "bbox": [[1, 2, 3, 4]], "bbox_score": 0.5}
    path.write_text(json.dumps({"meta_info": {}, "instance_info": [{"frame_id": 1, "instances": [person]}]}))


def write_openpose(path: Path) -> None:
    path.write_text(
        json.dumps({"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [1.0, 2, 0.5] * 25}]})
    )


def write_coco(path: Path) -> None:
    path.write_text(json.dumps({"images": [{"id": 1}], "annotations": [{"id": 5, "keypoints": [0] * 51}]}, indent=1))


def read_json_stream(path: Path) -> None:
    file = JsonFile(path)
    try:
        for _, start, end, _ in list(file.elements()):
            file.at(start, end)
    finally:
        file.close()


def write_review(path: Path) -> None:
    path.write_text("key,photo,keep,removed,residual,note\na#1,a.jpg,yes,left_knee,0.5,x\nb#1,b.jpg,no,,,\n")


def write_forgotten(path: Path) -> None:
    path.write_text(json.dumps({"photos": ["ab", "cd"]}))


def read_forgotten_file(path: Path) -> None:
    (path.parent / FORGOTTEN).write_bytes(path.read_bytes())
    read_forgotten(path.parent)


def write_config(path: Path) -> None:
    path.write_text(packaged_configs()["demo"].read_text() + "fit: {max_iterations: 9}\namputate: {per_person: 2}\n")


CASES = [
    Case("npz", write_npz, npz.read),
    Case("prediction", write_prediction, load_predictions),
    Case("prior", write_mixture, load_mixture),
    Case("motion.npz", write_motion, lambda p: amass.read_features(p, 50, np.random.default_rng(0))),
    Case("pickle", write_pickle, unpickle.read_pickle),
    Case("shard.h5", write_shard, read_rehashed_shard),
    Case("plain.mat", write_mat, read_mat),
    Case("packed.mat", write_mat, read_mat),
    Case("cameras.json", write_cameras, cameras.load_cameras, "json"),
    Case("metadata.xml", write_metadata, cameras.load_cameras),
    Case("coco results.json", write_detections, lambda p: drain(given_detections.read_file(p, p)), "json"),
    Case("mmpose.json", write_mmpose, lambda p: drain(given_detections.read_file(p, p)), "json"),
    Case("openpose.json", write_openpose, lambda p: drain(given_detections.read_file(p, p)), "json"),
    Case("streamed.json", write_coco, read_json_stream, "json"),
    Case("review.csv", write_review, review._read),
    Case("forgotten", write_forgotten, read_forgotten_file, "json"),
    Case("config.yaml", write_config, load_config, "yaml"),
]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def damage_bytes(raw: bytes, data: st.DataObject) -> bytes:
    """Overwrite, insert, repeat, cut out or cut off, one to four times."""
    out = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(out) - 1)))
        kind = data.draw(st.sampled_from(("flip", "token", "insert", "cut", "repeat", "end")))
        if kind == "flip" and out:
            out[at] ^= 1 << data.draw(st.integers(0, 7))
        elif kind in ("token", "insert"):
            token = data.draw(st.sampled_from(TOKENS))
            out[at : at + (len(token) if kind == "token" else 0)] = token
        elif kind == "cut":
            del out[at : at + data.draw(st.integers(1, 64))]
        elif kind == "repeat":
            out[at:at] = out[at : at + 32]
        elif kind == "end":
            del out[at:]
    return bytes(out)


def damage_tree(tree: Any, data: st.DataObject) -> Any:
    """Put junk in the place of one node, wherever it hangs."""
    if isinstance(tree, dict | list) and tree and data.draw(st.integers(0, 4)):
        tree = tree.copy()
        at = data.draw(st.sampled_from(sorted(tree, key=str) if isinstance(tree, dict) else range(len(tree))))
        tree[at] = damage_tree(tree[at], data)
        return tree
    return data.draw(JUNK)


def check(case: Case, folder: Path, data: st.DataObject) -> None:
    path = folder / case.name
    case.write(path)
    if case.text and data.draw(st.booleans()):
        tree = yaml.safe_load(path.read_text())
        for _ in range(data.draw(st.integers(1, 2))):
            tree = damage_tree(tree, data)
        path.write_text(json.dumps(tree) if case.text == "json" else yaml.safe_dump(tree), errors="surrogatepass")
    else:
        path.write_bytes(damage_bytes(path.read_bytes(), data))
    with contextlib.suppress(DataError, ConfigError):
        case.read(path)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_valid_files_are_read(case: Case, tmp_path: Path) -> None:
    case.write(tmp_path / case.name)
    case.read(tmp_path / case.name)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_damage_is_an_error_for_the_user(case: Case, tmp_path: Path) -> None:
    @settings(max_examples=FEW, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(data=st.data())
    def fuzz(data: st.DataObject) -> None:
        check(case, tmp_path, data)

    fuzz()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_much_damage_is_an_error_for_the_user(case: Case, tmp_path: Path) -> None:
    @settings(max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(data=st.data())
    def fuzz(data: st.DataObject) -> None:
        check(case, tmp_path, data)

    fuzz()
