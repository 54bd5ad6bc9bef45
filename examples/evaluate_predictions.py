"""Score a method on an A3D_Dataset: write its predictions as one npz, then let a3dgen compare.

    python examples/evaluate_predictions.py build/demo/A3D_Dataset predictions.npz

The method here knows the truth up to 20 mm and believes that every body is whole, as networks do that were trained on
whole bodies: small errors, and every limb that is gone is hallucinated. Put your network in the place of ``predict``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from a3dgen.analysis.evaluate import evaluate
from a3dgen.formats.dataset_rows import Row, rows


def predict(row: Row, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what a method says of one picture (``row.image``): (44, 3) m in camera axes, and confidences (44,)."""
    truth = row.columns.points_3d[row.index]
    return {"keypoints_3d": truth + rng.normal(0, 0.020 / np.sqrt(3), truth.shape), "confidence": np.ones(44)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("predictions", type=Path, help="npz to write")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    samples = list(rows(args.dataset))
    found = [predict(row, rng) for row in samples]
    columns = {name: np.stack([f[name] for f in found]) for name in found[0]}
    np.savez(args.predictions, key=np.array([str(row.extra("key")) for row in samples]), **columns)
    print(json.dumps(evaluate(args.dataset, args.predictions), indent=1))


if __name__ == "__main__":
    main()
