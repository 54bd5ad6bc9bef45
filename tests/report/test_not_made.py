"""Cards of the report say why samples of a person are missing."""

import numpy as np

from a3dgen.core.records import OK, REJECTED, Outcome
from a3dgen.report.gallery import not_made


def _outcome(*rows):
    return Outcome(*(np.array(column) for column in zip(*rows, strict=True)))


def test_samples_that_are_missing_are_counted_by_reason():
    render = _outcome(
        ("coco/1/10/000", REJECTED, "stump hidden"),
        ("coco/1/10/001", OK, ""),
        ("coco/1/10/002", REJECTED, "stump hidden"),
        ("coco/1/10/003", REJECTED, "too dark"),
        ("coco/1/101/000", REJECTED, "of somebody else"),
    )
    lines = not_made({"render": render}, "coco/1/10")
    assert lines == ("2 samples not made: stump hidden", "1 sample not made: too dark")


def test_who_was_refused_whole_has_that_reason_alone():
    outcomes = {
        "background": _outcome(("coco/1/10", REJECTED, "would cut somebody"), ("coco/1/11", OK, "")),
        "render": _outcome(("coco/1/10/000", REJECTED, "no plate"), ("coco/1/11/000", OK, "a remark")),
    }
    assert not_made(outcomes, "coco/1/10") == ("no samples: would cut somebody",)
    assert not_made(outcomes, "coco/1/11") == ()
