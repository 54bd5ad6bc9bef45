import json
from collections import Counter

import numpy as np
import pytest

from a3dgen.amputation.sampling import (
    PlanConfig,
    choices,
    clinical_levels,
    draw_amputation,
    draw_residual,
    draw_stump,
    parse_range,
    residual_range,
    sample_key,
)
from a3dgen.core.errors import ConfigError
from a3dgen.core.rng import generator_for
from a3dgen.geometry.regions import LIMBS, REGIONS


def always(region, residual):
    return ""


def draws(config, n=400, why_not=always, **kw):
    return [draw_amputation(generator_for(1, "test", str(i)), config, why_not, **kw) for i in range(n)]


def region(name):
    return next(r for r in REGIONS if r.name == name)


def test_uniform_reaches_all_regions_evenly():
    count = Counter(next(iter(a.residual)) for a in draws(PlanConfig(multi_limb=0.0), 600))
    assert set(count) == set(range(12))
    assert min(count.values()) > 25
    assert max(count.values()) < 80


def test_clinical_follows_the_preset():
    config = PlanConfig(regions="clinical", multi_limb=0.0)
    weights = np.array([c.weight for c in choices(config)])
    np.testing.assert_allclose(weights, clinical_levels()["presets"]["clinical_major_v0"]["weights"], atol=1e-9)
    assert "engineering" in clinical_levels()["presets"]["clinical_major_v0"]["status"]
    count = Counter(next(iter(a.residual)) for a in draws(config, 700))
    share = np.array([count[i] / 700 for i in range(12)])
    assert np.abs(share - weights).max() < 0.05


@pytest.mark.parametrize("regions", [("left_knee", "right_hand"), "left_knee,right_hand", "left_knee, right_hand"])
def test_lists_of_names(regions):
    config = PlanConfig(regions=regions, multi_limb=0.0)
    assert {next(iter(a.residual)) for a in draws(config, 60)} == {7, 0}


def test_clinical_names_fix_the_kind_of_cut():
    through = draws(PlanConfig(regions="left_transtibial", disarticulation=1.0), 40)
    assert all(a.residual.keys() == {6} and a.residual[6] < 1 for a in through)
    at_joint = draws(PlanConfig(regions="right_knee_disarticulation"), 40)
    assert all(a.residual == {10: 1.0} for a in at_joint)


def test_weights_by_name():
    config = PlanConfig(weights={"left_hip": 3.0, "right_transhumeral": 1.0}, multi_limb=0.0)
    count = Counter(next(iter(a.residual)) for a in draws(config, 400))
    assert set(count) == {8, 1}
    assert 0.67 < count[8] / 400 < 0.83


@pytest.mark.parametrize("preset", ["short", "medium", "long", "clinical", "0.3..0.6", "0.5", 0.5])
@pytest.mark.parametrize("name", ["left_hand", "right_elbow", "left_foot", "right_knee"])
def test_residuals_stay_in_their_range(preset, name):
    config = PlanConfig(residual=preset, disarticulation=0.0)
    low, high = residual_range(config, region(name))
    values = [draw_residual(generator_for(0, "r", str(i)), config, region(name), None) for i in range(80)]
    assert min(values) >= low
    assert max(values) <= high
    assert high == low or np.std(values) > 0.1 * (high - low)


def test_lengths_are_ordered_and_documented():
    for name, level in clinical_levels()["residual_lengths"]["levels"].items():
        assert level["short"][0] < level["short"][1] <= level["medium"][0] < level["medium"][1] <= level["long"][0], (
            name
        )
        assert level["range"][0] >= 0.2
        assert len(level["status"]) > 20


def test_disarticulation_share():
    config = PlanConfig(residual="medium", disarticulation=0.3)
    values = [draw_residual(generator_for(0, "r", str(i)), config, region("left_foot"), None) for i in range(600)]
    assert 0.24 < np.mean(np.array(values) == 1.0) < 0.36
    shares = PlanConfig(residual="medium")
    values = [draw_residual(generator_for(0, "r", str(i)), shares, region("left_hand"), None) for i in range(600)]
    assert 0.06 < np.mean(np.array(values) == 1.0) < 0.15


def test_shoulder_hip_and_collapse_are_at_the_joint():
    for name in ("left_shoulder", "right_hip"):
        assert draw_residual(generator_for(0, "r"), PlanConfig(residual=0.4), region(name), None) == 1.0
    collapsed = draws(PlanConfig(geometry="collapse"), 50)
    assert all(v == 1.0 for a in collapsed for v in a.residual.values())


def test_at_most_one_region_a_limb():
    many = draws(PlanConfig(multi_limb=1.0, max_limbs=4), 100)
    assert all(len(a.residual) == 4 for a in many)
    for a in many:
        assert all(len(set(limb) & set(a.residual)) == 1 for limb in LIMBS)
    share = np.mean([len(a.residual) == 2 for a in draws(PlanConfig(multi_limb=0.3), 600)])
    assert 0.24 < share < 0.36


def test_what_is_absent_already_is_left_alone():
    for a in draws(PlanConfig(multi_limb=1.0, max_limbs=4), 50, taken=[7]):
        assert not set(a.residual) & set(LIMBS[2])
        assert len(a.residual) == 3


def test_falls_back_to_shorter_stumps_then_to_other_regions():
    config = PlanConfig(regions=("left_knee", "right_knee"), residual="0.3..0.8", multi_limb=0.0)

    def why_not(index, residual):
        return "" if index == 7 and residual < 0.5 else "stump tip outside the image"

    found = draws(config, 60, why_not)
    assert all(set(a.residual) == {7} and 0.3 <= a.residual[7] < 0.5 for a in found)
    assert any(a.skipped == ("right_knee: stump tip outside the image",) for a in found)
    nothing = draws(config, 5, lambda r, v: "hidden")
    assert all(not a.residual and len(a.skipped) == 2 for a in nothing)


def test_drawn_residual_is_kept_where_it_is_possible():
    config = PlanConfig(residual="0.3..0.8", multi_limb=0.0)
    free = draws(config, 30)
    some = draws(config, 30, lambda r, v: "" if r % 2 else "hidden")
    for a, b in zip(free, some, strict=True):
        if next(iter(a.residual)) % 2:
            assert a.residual == b.residual


def test_stump_shapes():
    shapes = np.stack([draw_stump(generator_for(0, "s", str(i)), PlanConfig()) for i in range(20)])
    assert shapes.shape == (20, 12, 3)
    assert shapes.dtype == np.float32
    assert (shapes.min((0, 1)) >= np.float32([2.0, 0.75, 0.10]) - 1e-6).all()
    assert (shapes.max((0, 1)) <= np.float32([2.2, 0.85, 0.16]) + 1e-6).all()


def test_sample_keys():
    removed = np.zeros(12, bool)
    assert sample_key("coco/1", removed, 2) == "coco/1/full_v2"
    removed[[7, 9]] = True
    assert sample_key("coco/1", removed, 0) == "coco/1/amp_7_v0"


def test_ranges():
    assert parse_range("0.3..0.6") == (0.3, 0.6)
    assert parse_range(0.5) == (0.5, 0.5)
    assert parse_range("clinical") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"regions": "left_nee"}, "left_knee"),
        ({"regions": "unifrm"}, "uniform"),
        ({"regions": ()}, "nothing to amputate"),
        ({"weights": {"left_knee": -1.0}}, "at least 0"),
        ({"weights": {"left_knee": 0.0}}, "nothing to amputate"),
        ({"residual": "0.6..0.3"}, "0.3..0.6"),
        ({"residual": "tiny"}, "short"),
        ({"residual": "0.1..0.5"}, "between 0.2 and 1"),
        ({"residual": 1.0, "regions": "left_transtibial"}, "through a segment"),
        ({"per_person": -1}, "per_person"),
        ({"per_person": 0, "twins": "none"}, "no samples"),
        ({"multi_limb": 1.5}, "multi_limb"),
        ({"max_limbs": 0}, "max_limbs"),
        ({"disarticulation": 2.0}, "disarticulation"),
        ({"taper": (0.2, 0.1)}, "taper"),
    ],
)
def test_bad_configuration(change, words):
    with pytest.raises(ConfigError, match=words.replace(".", r"\.")) as error:
        PlanConfig(**change)
    assert "\n" not in str(error.value)


def test_levels_file_is_the_published_one():
    presets = clinical_levels()["presets"]
    assert set(presets) == {"uniform", "clinical_major_v0", "inclusivevidpose_single_site"}
    assert (
        json.dumps(clinical_levels()["regions"]["6"]["iso8549_4"]) == '["ankle disarticulation (Syme)", "transtibial"]'
    )


def test_longer_residuals_are_tried_only_when_asked():
    def only_long(region, residual):
        return "" if residual > 0.6 else "too short"

    config = PlanConfig(regions="left_knee", multi_limb=0.0, disarticulation=0.0)
    low, high = residual_range(config, region("left_knee"))
    assert low < 0.6 < high
    drawn = [a.residual.get(7) for a in draws(config, 40, only_long)]
    either = [a.residual.get(7) for a in draws(config, 40, only_long, longer=True)]
    assert None in drawn
    assert all(v is not None and 0.6 < v <= high for v in either)
    assert all(a == b for a, b in zip(drawn, either, strict=True) if a is not None)
