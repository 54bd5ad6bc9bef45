"""Train a small amputation classifier on an A3D_Dataset: four heads (one a limb), four classes each.

    python examples/train_classifier.py build/demo/A3D_Dataset

A few minutes on a CPU. From pixels and the demo's two dozen people it learns little, as its recall shows: it shows how
the pieces of ``A3DDataset`` fit. What does learn from so few people stands on a pose network: ``a3dgen train absence``
(docs/recover.md).
"""

from __future__ import annotations

import argparse
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from a3dgen.data import A3DDataset
from a3dgen.formats.dataset_rows import find_subsets

EVALUATION = ("COCO_val", "H36M/S11")
LIMBS = ("right arm", "left arm", "left leg", "right leg")


class LimbClassifier(nn.Module):
    """A four-block convolutional network: (N, 3, S, S) pictures to (N, 4, 4) logits, limb by class."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 4 * width, 4 * width]
        blocks = [
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise(sizes)
        ]
        self.features = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.heads = nn.Linear(4 * sizes[-1], 16)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.heads(self.features(image - 0.45)).reshape(-1, 4, 4)


@torch.no_grad()
def told_of(model: nn.Module, data: A3DDataset) -> list[str]:
    """Return a line a limb: how many of the absent ones are called absent, and how many of the others."""
    model.eval()
    batches = [(model(b["image"]).argmax(-1) > 0, b["heads"] > 0) for b in DataLoader(data, batch_size=32)]
    said, truth = (torch.cat(parts) for parts in zip(*batches, strict=True))
    lines = []
    for k, limb in enumerate(LIMBS):
        gone, called = truth[:, k], said[:, k]
        found, alarms = int((gone & called).sum()), int((~gone & called).sum())
        lines.append(f"{limb}: recall {found} of {int(gone.sum())}, false alarms {alarms} of {int((~gone).sum())}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("dataset")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--size", type=int, default=128, help="side of the crops, px")
    args = parser.parse_args()
    torch.manual_seed(0)
    subsets = find_subsets(args.dataset)
    train = A3DDataset(args.dataset, [s for s in subsets if s not in EVALUATION], size=args.size, augment=True)
    model = LimbClassifier()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    for epoch in range(args.epochs):
        train.set_epoch(epoch)
        model.train()
        total = 0.0
        for batch in DataLoader(train, batch_size=16, shuffle=True):
            loss = F.cross_entropy(model(batch["image"]).reshape(-1, 4), batch["heads"].reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch["image"])
        print(f"epoch {epoch + 1}: loss {total / len(train):.3f}", flush=True)
    for name in EVALUATION:
        if name in subsets:
            for line in told_of(model, A3DDataset(args.dataset, [name], size=args.size)):
                print(f"{name}: {line}")


if __name__ == "__main__":
    main()
