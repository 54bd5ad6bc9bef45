"""Frames of videos are taken by the clock, whatever the container says of its frame rate."""

from __future__ import annotations

import json
import struct

import cv2
import numpy as np
import pytest

from a3dgen.core.errors import DataError
from a3dgen.detectors import DetectorConfig, get_detector
from a3dgen.sources.photos import SOURCE
from a3dgen.sources.photos.config import Config
from a3dgen.sources.photos.videos import TOLERANCE, _sampled, sampled_frames


class Capture:
    """``cv2.VideoCapture`` with times of its own; frame k is a picture of the number k."""

    def __init__(self, stamps, fps=25.0, count=0.0, bad=()):
        self._stamps, self._fps, self._count, self._bad, self._at = stamps, fps, count, bad, -1

    def grab(self):
        self._at += 1
        return self._at < len(self._stamps)

    def retrieve(self):
        return (False, None) if self._at in self._bad else (True, np.full((4, 4, 3), self._at, np.uint8))

    def get(self, what):
        now = self._stamps[min(self._at, len(self._stamps) - 1)] * 1000
        return {cv2.CAP_PROP_FPS: self._fps, cv2.CAP_PROP_POS_MSEC: now, cv2.CAP_PROP_FRAME_COUNT: self._count}[what]


def numbers(capture, rate=1.0, most=300):
    return [f.number for f in _sampled(capture, rate, most)]


EVEN = np.arange(76) / 25


@pytest.mark.parametrize("fps", [25.0, 1000.0, 90000.0, 0.0, float("nan"), 12.5])
def test_the_frame_rate_that_is_said_does_not_matter(fps):
    assert numbers(Capture(EVEN, fps)) == [0, 25, 50, 75]


def test_uneven_times():
    stamps = np.sort(np.random.default_rng(3).uniform(0.01, 10, 200))
    stamps[0] = 0
    taken = numbers(Capture(stamps, 1000.0), rate=2.0)
    late = stamps + TOLERANCE
    wanted = sorted({int(np.argmax(late >= due)) for due in np.arange(0, 10, 0.5) if (late >= due).any()})
    assert taken == wanted
    assert len(taken) in (19, 20)


def test_times_that_start_late_or_start_again():
    assert numbers(Capture(EVEN + 3600)) == [0, 25, 50, 75]
    assert len(numbers(Capture(np.concatenate([EVEN, EVEN])))) in (6, 7)


def test_a_file_without_times_is_counted_by_its_rate():
    assert numbers(Capture(np.zeros(60), 20.0)) == [0, 20, 40]
    assert numbers(Capture(np.full(90, np.nan), float("nan"))) == [0, 30, 60]


def test_a_gap_gives_one_frame():
    assert numbers(Capture(np.array([0, 0.5, 7.2, 7.4, 8.1]))) == [0, 2, 4]


def test_fewer_frames_than_wanted_are_all_taken():
    assert numbers(Capture(np.arange(5) / 2), rate=10.0) == [0, 1, 2, 3, 4]


def test_a_frame_that_cannot_be_decoded_gives_way_to_the_next():
    assert numbers(Capture(EVEN, bad=(25, 26))) == [0, 27, 50, 75]


def test_what_is_left_out_is_said():
    frames = list(_sampled(Capture(EVEN), 1.0, 2))
    assert [f.number for f in frames] == [0, 25]
    assert "2 frames are taken" in frames[-1].remark
    assert not frames[0].remark
    assert not list(_sampled(Capture(EVEN), 1.0, 4))[-1].remark
    assert "3.0 s of 40.0 s" in list(_sampled(Capture(EVEN, count=1000.0), 1.0, 300))[-1].remark
    assert not list(_sampled(Capture(EVEN, 1000.0, count=3000.0), 1.0, 300))[-1].remark
    assert not list(_sampled(Capture(EVEN, 1000.0, count=-9.2e18), 1.0, 300))[-1].remark


def boxes(data, start, end):
    while start < end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        yield kind, start, size
        start += size


def with_durations(data: bytes, durations: list[int]) -> bytes:
    """Return an MP4 file, its index at the end, with another table of frame durations (ISO/IEC 14496-12, ``stts``)."""
    out, start, end, spots = bytearray(data), 0, len(data), []
    for wanted in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        _, at, size = next(b for b in boxes(data, start, end) if b[0] == wanted)
        spots.append(at)
        start, end = at + 8, at + size
    body = struct.pack(">II", 0, len(durations)) + b"".join(struct.pack(">II", 1, d) for d in durations)
    table = struct.pack(">I4s", len(body) + 8, b"stts") + body
    out[spots[-1] : end] = table
    for at in spots[:-1]:
        size = struct.unpack(">I", data[at : at + 4])[0] + len(table) - (end - spots[-1])
        out[at : at + 4] = struct.pack(">I", size)
    return bytes(out)


def test_a_real_file_of_varying_rate(tmp_path):
    path = tmp_path / "walk.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 100, (64, 64))
    assert writer.isOpened()
    for k in range(40):
        writer.write(np.full((64, 64, 3), 6 * k, np.uint8))
    writer.release()
    assert [f.number for f in sampled_frames(path, 1.0, 300)] == [0]
    data = path.read_bytes().replace(b"edts", b"free")  # an edit list would end the film at its old length
    at = data.index(b"stts") + 16
    (tick,) = struct.unpack(">I", data[at : at + 4])
    path.write_bytes(with_durations(data, [tick * 100 if k % 10 == 9 else tick for k in range(40)]))
    frames = list(sampled_frames(path, 1.0, 300))
    assert [f.number for f in frames] == [0, 10, 20, 30]
    assert frames[3].seconds == pytest.approx(3 * 1.09, abs=0.01)
    assert [round(float(f.rgb.mean()) / 6) for f in frames] == [0, 10, 20, 30]


def test_what_is_no_video(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + b"\1" * 300)
    with pytest.raises(DataError, match="cannot be opened"):
        list(sampled_frames(tmp_path / "a.mp4", 1.0, 9))


@pytest.mark.parametrize(
    ("file", "photo"),
    [("walk_000000000025", "walk.mp4@25"), ("walk_000000000025", "day 1/walk.mov@25"),
     ("w_2_000000000000", "w_2.avi@0"), ("day/walk_000000000007", "day/walk.webm@7")],
)  # fmt: skip
def test_openpose_frames_of_a_video(tmp_path, file, photo):
    points = [[50 + k, 60 + 3 * k, 0.8] for k in range(25)]
    path = tmp_path / "op" / f"{file}_keypoints.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"people": [{"pose_keypoints_2d": np.ravel(points).tolist()}]}))
    detector = get_detector(DetectorConfig("given", keypoints=str(tmp_path / "op")))
    rgb = np.zeros((240, 160, 3), np.uint8)
    assert len(detector.detect(rgb, photo)) == 1
    assert not detector.detect(rgb, photo.replace("@", "@1"))


def test_frames_that_the_detections_do_not_speak_of_are_counted(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("a3dgen.sources.photos.detect._outline", lambda person, rgb: None)
    (tmp_path / "in").mkdir()
    writer = cv2.VideoWriter(str(tmp_path / "in" / "walk.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (160, 240))
    for k in range(35):
        writer.write(np.full((240, 160, 3), 7 * k, np.uint8))
    writer.release()
    points = [[50 + k, 60 + 3 * k, 0.8] for k in range(25)]
    (tmp_path / "op").mkdir()
    for k, people in ((0, [{"pose_keypoints_2d": np.ravel(points).tolist()}]), (10, []), (11, [])):
        (tmp_path / "op" / f"walk_{k:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    work = str(tmp_path / "out" / "ingest" / "photos")
    found = list(SOURCE.read(Config(root=str(tmp_path / "in"), work=work, keypoints=str(tmp_path / "op"))))
    assert [f["stem"] for f in found if isinstance(f, dict)] == ["walk-f000000"]
    assert len(found) == 4
    assert "2 of 4 pictures are not spoken of" in caplog.text
    assert "walk.avi@20, walk.avi@30" in caplog.text
