"""Frames by the names of their pictures: order, gaps, and names that count nothing."""

from __future__ import annotations

import pytest

from a3dgen.io.frame_numbers import in_order, last_number, places_of, recording_of, track_of


def test_names_sort_as_people_count():
    assert sorted(["f10", "f2", "a/f1", "f1b"], key=in_order) == ["a/f1", "f1b", "f2", "f10"]
    assert [last_number(n) for n in ("v2/f007.jpg", "clip.mp4@12", "a_3.part", "none")] == [7, 12, 3, None]


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (["f1", "f2", "f5"], [0, 1, 4]),
        (["a10.jpg", "a15.jpg", "a30.jpg"], [0, 1, 4]),
        (["f3"], [0]),
        (["000000397133", "000000433980", "000000433981"], [0, 1, 2]),
        (["1_left", "1_right"], [0, 1]),
        (["x", "y"], [0, 1]),
    ],
)
def test_a_number_that_is_missing_is_a_frame_without_anybody(names, places):
    assert places_of(names) == places


def test_entries_of_tools():
    assert recording_of({"file_name": "v/0007.jpg"}) == ("v", 7)
    assert recording_of({"file_name": "v/0007.jpg", "vid_id": "000342", "frame_id": "3"}) == ("000342", 3)
    assert recording_of({"file_name": "x.jpg", "video_id": 5}) == ("5", None)
    assert [track_of({"track_id": v}) for v in (3, 3.0, "a", -1, None, [1])] == ["3", "3", "a", "", "", ""]
