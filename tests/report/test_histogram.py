"""Histograms of the report: as many values as there are, drawn to one scale, well-formed."""

from __future__ import annotations

import base64
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from a3dgen.analysis import stats
from a3dgen.core.errors import MissingDependency
from a3dgen.report.histogram import histogram_uri


@pytest.mark.parametrize("values", [[3.0], [1.0, 1.0], list(np.random.default_rng(0).normal(20, 5, 400)), [-1e9, 1e9]])
def test_bars_are_as_high_as_their_counts(values):
    uri = histogram_uri("truth < mpjpe & mm", values)
    svg = ElementTree.fromstring(base64.b64decode(uri.removeprefix("data:image/svg+xml;base64,")))
    space = "{http://www.w3.org/2000/svg}"
    heights = np.array([float(bar.get("height")) for bar in svg.iter(f"{space}rect")])
    counts, _ = np.histogram(values, bins=len(heights))
    np.testing.assert_allclose(heights / heights.max(), counts / counts.max(), atol=1e-2)
    assert heights.max() > 150, "the highest bar fills the picture"
    texts = [t.text for t in svg.iter(f"{space}text")]
    assert texts[0] == "truth < mpjpe & mm"
    assert str(counts.max()) in texts


def test_without_matplotlib_the_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependency, match=r"a3dgen\[plot\]"):
        stats.plot({}, tmp_path / "x.png")
