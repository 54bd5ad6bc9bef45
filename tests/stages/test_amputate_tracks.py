"""One plan for all frames of a track: what most of the frames asked allow."""

from __future__ import annotations

from a3dgen.stages.amputate_tracks import ASKED, Tracks


def test_most_of_the_frames_decide_and_few_are_asked():
    asked = []

    def ask(person, fit):
        asked.append(person["n"])
        return lambda region, residual: "hidden" if (region == 3 and person["n"] > 4) or region == 5 else ""

    tracks = Tracks({"walk/0": [({"n": n}, {}) for n in range(9)], "walk/1": [({"n": 0}, {})]})
    question = tracks.question("walk/0", ask)
    assert asked == [0, 2, 4, 6, 8]
    assert len(asked) == ASKED
    assert question(3, 1.0) == "", "hidden in two of five"
    assert question(5, 1.0) == "hidden"
    assert tracks.question("walk/0", ask) is question
    assert tracks.question("walk/1", ask)(3, 1.0) == ""
