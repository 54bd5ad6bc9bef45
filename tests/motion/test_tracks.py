"""People linked over frames: who crosses, who is lost and found, who is somebody else."""

from __future__ import annotations

import numpy as np

from a3dgen.geometry.boxes import overlap
from a3dgen.motion.tracks import FAR, Detected, frame_places, link


def person(x, y=100.0, size=100.0, seen=10):
    rng = np.random.default_rng(0)
    keypoints = np.zeros((44, 3))
    for row, (a, b) in enumerate(rng.uniform(0, 1, (seen, 2))):
        keypoints[row] = x + size * a, y + size * b, 1.0
    return Detected(np.array([x, y, x + size / 2, y + size]), keypoints)


def numbers(frames, *seconds):
    return link(frames, [float(s) for s in seconds])


def test_two_people_keep_their_numbers_in_whatever_order_they_are_found():
    left, right = (lambda t: person(10 + 3 * t)), (lambda t: person(300 - 3 * t))
    frames = [[left(0), right(0)], [right(1), left(1)], [right(2), left(2)]]
    assert numbers(frames, 0, 0.04, 0.08) == [[0, 1], [1, 0], [1, 0]]


def test_lost_and_found_but_not_after_too_long():
    frames = [[person(0)], [], [], [person(5)]]
    assert numbers(frames, 0, 0.04, 0.08, 0.12) == [[0], [], [], [0]]
    assert numbers(frames, 0, 2, 4, 6) == [[0], [], [], [1]]


def test_somebody_who_cannot_have_moved_there_is_somebody_else():
    assert numbers([[person(0)], [person(90)]], 0, 0.04) == [[0], [1]]
    assert numbers([[person(0)], [person(70)]], 0, 1.0) == [[0], [0]], "in a second they can"
    assert numbers([[person(0)], [person(0, size=250.0)]], 0, 0.04) == [[0], [1]]


def test_the_one_seen_last_comes_before_the_one_who_was_lost():
    gone, here = person(0), person(20)
    assert numbers([[gone, here], [person(21)], [person(12)]], 0, 0.04, 0.08) == [[0, 1], [1], [1]]


def test_boxes_alone_link_people_without_keypoints():
    assert numbers([[person(0, seen=0)], [person(4, seen=0), person(300, seen=0)]], 0, 0.04) == [[0], [0, 1]]
    assert overlap(np.array([0.0, 0, 2, 2]), np.array([1.0, 0, 3, 2])) == 1 / 3
    assert FAR > 10


def test_frames_have_the_rate_of_the_recording_however_few_of_them_show_somebody():
    numbers = np.array([0, 1, 2, 3, 5, 6, 9])
    jitter = 0.001 * np.random.default_rng(0).uniform(-1, 1, len(numbers))
    places, step = frame_places(numbers / 30 + jitter)
    assert places.tolist() == numbers.tolist()
    assert abs(step - 1 / 30) < 0.001
    few = np.array([0, 10, 13, 16, 17, 43])  # two frames beside each other: the median step is three frames
    places, step = frame_places(few / 25)
    assert places.tolist() == few.tolist()
    assert abs(step - 0.04) < 1e-9
    uneven = np.array([0, 0.04, 0.07, 0.11, 0.16])
    assert frame_places(uneven)[0].tolist() == [0, 1, 2, 3, 4]
