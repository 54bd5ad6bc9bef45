"""Train an amputation classifier on an A3D_Dataset: which limbs are missing, at which of three levels.

    python examples/train_classifier.py build/demo/A3D_Dataset

From pixels alone a network learns nothing of the demo's two dozen people. This one stands on a pose network, as
``a3dgen train absence`` does (docs/recover.md): BlazePose looks at each crop and its mirror image, its inner maps are
read along every limb, and one linear layer for arms and one for legs make four classes of them. A limb is called absent
above the score that 5 % of the whole limbs of other people, the last fifth of the samples, exceed. A minute of CPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from a3dgen.data import A3DDataset
from a3dgen.detectors.blazepose import SIDE, Square
from a3dgen.detectors.pose_features import pose_tensors
from a3dgen.formats.dataset_rows import find_subsets
from a3dgen.learning.limb_features import ARM, LEG, limb_features

EVALUATION = ("COCO_val", "H36M/S11")
LIMBS = ("right arm", "left arm", "left leg", "right leg")
KINDS, MIRRORED = (ARM, ARM, LEG, LEG), (True, False, False, True)
Classifier = Callable[[torch.Tensor], torch.Tensor]
CALIBRATION, FALSE_ALARMS = 0.2, 0.05
CROP = Square((SIDE / 2, SIDE / 2), float(SIDE), 0.0)


def look(data: A3DDataset) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return features of all limbs, (2 n, f) by kind, and classes (n, 4): 0 whole, 1 to 3 distal to proximal."""
    features: dict[str, list] = {ARM: [], LEG: []}
    heads = []
    for item in (data[i] for i in range(len(data))):
        part = np.rint(255 * item["image"].numpy().transpose(1, 2, 0)).astype(np.uint8)
        looks = {mirrored: pose_tensors(part, CROP, mirrored) for mirrored in (False, True)}
        for kind, mirrored in zip(KINDS, MIRRORED, strict=True):
            features[kind].append(limb_features(looks[mirrored], kind))
        heads.append(item["heads"])
    return {k: torch.tensor(np.array(v)) for k, v in features.items()}, torch.stack(heads)


def train(features: torch.Tensor, classes: torch.Tensor, epochs: int, name: str) -> Classifier:
    """Train the layer of one kind of limb; missing limbs count as much in all as whole ones."""
    mean, scale = features.mean(0), features.std(0).clamp_min(1e-2)
    layer = nn.Linear(features.shape[1], 4)
    nn.init.zeros_(layer.weight)
    gone = (classes > 0).float()
    share = float(gone.mean().clamp(0.01, 0.99))
    weight = gone * (1 - share) / share + (1 - gone)
    optimizer = torch.optim.AdamW(layer.parameters(), 1e-3, weight_decay=1.0)

    def classify(new: torch.Tensor) -> torch.Tensor:
        return layer(8 * ((new - mean) / scale).clamp(-4, 4) / new.shape[1] ** 0.5)

    for epoch in range(epochs):
        loss = (weight * F.cross_entropy(classify(features), classes, reduction="none")).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (epoch + 1) % max(epochs // 5, 1) == 0:
            print(f"{name}, epoch {epoch + 1}: loss {loss.item():.3f}", flush=True)
    return classify


@torch.no_grad()
def score(model: Classifier, features: torch.Tensor) -> torch.Tensor:
    """Return how much likelier it is that a limb is missing, at any level, than that it is whole."""
    classes = model(features)
    return classes[:, 1:].logsumexp(-1) - classes[:, 0]


def told_of(
    models: dict[str, Classifier], least: dict[str, float], features: dict[str, torch.Tensor], heads: torch.Tensor
) -> list[str]:
    """Return a line a limb: how many of the absent ones are called absent, and how many of the others."""
    said = torch.cat([(score(models[k], features[k]) > least[k]).reshape(-1, 2) for k in (ARM, LEG)], 1)
    lines = []
    for k, limb in enumerate(LIMBS):
        gone, called = heads[:, k] > 0, said[:, k]
        found, alarms = int((gone & called).sum()), int((~gone & called).sum())
        lines.append(f"{limb}: recall {found} of {int(gone.sum())}, false alarms {alarms} of {int((~gone).sum())}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("dataset")
    parser.add_argument("--epochs", type=int, default=300)
    args = parser.parse_args()
    torch.manual_seed(0)
    subsets = find_subsets(args.dataset)
    features, heads = look(A3DDataset(args.dataset, [s for s in subsets if s not in EVALUATION], size=SIDE))
    columns = {ARM: heads[:, :2].reshape(-1), LEG: heads[:, 2:].reshape(-1)}
    first = 2 * min(round((1 - CALIBRATION) * len(heads)), len(heads) - 1)
    models = {k: train(features[k][:first], columns[k][:first], args.epochs, f"{k}s") for k in (ARM, LEG)}
    least = {
        k: float(score(models[k], features[k][first:])[columns[k][first:] == 0].quantile(1 - FALSE_ALARMS))
        for k in (ARM, LEG)
    }
    for name in EVALUATION:
        if name in subsets:
            for line in told_of(models, least, *look(A3DDataset(args.dataset, [name], size=SIDE))):
                print(f"{name}: {line}")


if __name__ == "__main__":
    main()
