"""Sample names carry the label, and nothing else in them may look like one."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3dgen.core.errors import DataError
from a3dgen.formats.names import NameBook, parse_label, safe_stem, sample_name
from a3dgen.geometry.regions import REGIONS


def _removed(*regions: int) -> np.ndarray:
    flags = np.zeros(12, bool)
    flags[list(regions)] = True
    return flags


@pytest.mark.parametrize(
    ("regions", "stem", "person", "variant", "name"),
    [
        ((7,), "000000000785", "442619", 0, "amp_7_000000000785_442619_v0.jpg"),
        ((), "000000000785", "442619", 1, "full_000000000785_442619_v1.jpg"),
        ((3,), "Directions_1.54138969_000001", "", 0, "amp_3_Directions_1.54138969_000001_v0.jpg"),
        ((3, 11), "x", "0", 2, "amp_3_x_0_v2.jpg"),
        ((0,), "stamp_10", "", 0, "amp_0_stamp-10_v0.jpg"),
        ((), "amp_3_old", "5", 0, "full_amp-3_old_5_v0.jpg"),
        ((), "ramp", "7", 0, "full_ramp-7_v0.jpg"),
        ((), "my photo/ä", "", 0, "full_my_photo_v0.jpg"),
    ],
)
def test_names(regions, stem, person, variant, name):
    assert sample_name(_removed(*regions), stem, person, variant, ".jpg") == name
    assert parse_label(f"S1/{name}") == (regions[0] if regions else 12)


STEMS = st.text(max_size=30) | st.sampled_from(["amp", "ramp_", "amp_1_amp_2", "amp_amp_1"])
PEOPLE = st.sampled_from(["", "0", "amp_3", "442619", "x y"])


@given(STEMS, PEOPLE, st.integers(0, 12), st.integers(0, 99))
def test_any_stem_leaves_one_label(stem, person, label, variant):
    removed = _removed(label) if label < 12 else _removed()
    name = sample_name(removed, stem, person, variant, "png")
    assert re.findall(r"amp_(\d+)", name) == ([str(label)] if label < 12 else [])
    assert parse_label(name) == label
    assert re.fullmatch(r"[A-Za-z0-9._+-]+", name)


def test_stems_stay_readable_and_bounded():
    assert safe_stem("000000000785") == "000000000785"
    assert safe_stem("") == "photo"
    assert len(safe_stem("x" * 999)) == 100
    assert safe_stem("x" * 999) != safe_stem("x" * 998)


@pytest.mark.parametrize(
    "name",
    [
        "x.jpg",
        "amp_x_v0.jpg",
        "full_amp_3_v0.jpg",
        "amp_13_x_v0.jpg",
        "amp_1_x.jpg",
        "amp_1_amp_2_v0.jpg",
        "full__v.jpg",
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(DataError):
        parse_label(name)


def test_labels_are_ajahr_regions():
    for region in REGIONS:
        assert parse_label(sample_name(_removed(region.index), "a", "b", 0, "jpg")) == region.index


def test_a_clash_is_an_error():
    book = NameBook()
    assert book.take("MPII/full_a_v0.jpg", "one") == "MPII/full_a_v0.jpg"
    book.take("COCO_val/full_a_v0.jpg", "two")
    with pytest.raises(DataError, match=r"'three' and another sample.*FULL_A"):
        book.take("MPII/FULL_A_v0.jpg", "three")
