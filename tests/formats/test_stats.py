from __future__ import annotations

from pathlib import Path

from a3dgen.analysis.stats import plot, stats, text


def test_counts_and_warnings(written: Path, tmp_path: Path) -> None:
    facts = stats(written)
    assert facts["samples"] == sum(facts["subsets"].values()) == 30
    assert facts["regions"]["left_knee"] == facts["regions"]["right_hand"] == facts["regions"]["intact"] == 10
    assert facts["sides"] == {"left arm": 0, "left leg": 10, "right arm": 10, "right leg": 0}
    assert facts["residual"]["0.5-0.75"] == 20
    assert sum(facts["pose_clusters"].values()) == 30
    assert facts["image_sizes"] == {"160x120": 30}
    assert len(facts["warnings"]) == 10
    assert "left_hip has 0 samples" in text(facts)
    plot(facts, tmp_path / "stats.png")
    assert (tmp_path / "stats.png").stat().st_size > 10_000
