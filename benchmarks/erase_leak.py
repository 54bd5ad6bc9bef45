"""Can an amputee be told from the intact twin by the filled background alone? A small classifier that sees no limb.

Patches are drawn from the filled hole and its rim, away from everything that was drawn or pasted; each gives texture
statistics, a sample their mean and spread. Ridge logistic regression, cross-validated by person. As a check that it can
see a fill at all, it is also asked to tell amputees from untouched photos.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy.optimize import minimize

from a3dgen.removal.mask_ops import dilate

PATCH, PATCHES = 9, 200
RIM, AWAY = 5.0, 12.0
"""The rim reaches this far around the hole, px; this near to what was drawn nothing is looked at: a patch and a JPEG
block reach that far, and would show the limb itself."""
FOLDS = 5
JPEG = 90
MIN_PATCHES = 12


def visible_background(hole: Bool[ndarray, "h w"], drawn: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Return the hole and its rim without what was drawn or pasted in either twin, nor the person."""
    return dilate(hole, RIM) & ~dilate(drawn, AWAY)


def describe(
    rgb: UInt8[ndarray, "h w 3"], where: Bool[ndarray, "h w"], rng: np.random.Generator
) -> Float[ndarray, " f"] | None:
    """Return the statistics of patches of a JPEG of the picture; None where there is too little to see."""
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG])
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32)
    inner = cv2.erode(where.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    inner[: PATCH // 2 + 1] = inner[-PATCH // 2 - 1 :] = False
    inner[:, : PATCH // 2 + 1] = inner[:, -PATCH // 2 - 1 :] = False
    y, x = np.nonzero(inner)
    if len(y) < MIN_PATCHES:
        return None
    chosen = rng.permutation(len(y))[:PATCHES]
    features = np.stack([m[y[chosen], x[chosen]] for m in _maps(picture)], 1)
    return np.concatenate([features.mean(0), features.std(0)])


def _maps(picture: Float[ndarray, "h w 3"]) -> list[Float[ndarray, "h w"]]:
    """Return maps of local statistics over patches: noise, its correlation, gradients, colour noise."""
    grey = picture.mean(-1)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)

    def mean(v: ndarray) -> ndarray:
        return cv2.blur(v.astype(np.float32), (PATCH, PATCH))

    energy = mean(fine**2)
    beside, below = (mean(fine * np.roll(fine, 1, k)) / (energy + 0.05) for k in (1, 0))
    laplace = np.log(mean(cv2.Laplacian(grey, cv2.CV_32F) ** 2) + 0.1)
    slope = np.log(mean(cv2.Sobel(grey, -1, 1, 0) ** 2 + cv2.Sobel(grey, -1, 0, 1) ** 2) + 0.1)
    colour = picture - grey[..., None]
    tint = np.log(mean(((colour - cv2.GaussianBlur(colour, (0, 0), 1.0)) ** 2).sum(-1)) + 0.02)
    peaked = mean(fine**4) / (energy**2 + 0.05)
    return [np.log(energy + 0.05), beside, below, laplace, slope, tint, np.log(peaked + 1)]


def auc(first: list[Float[ndarray, " f"]], second: list[Float[ndarray, " f"]], people: list[str]) -> float:
    """Return the area under the ROC curve of telling ``second`` from ``first``, cross-validated over people.

    Args:
        first, second: descriptions of the two samples of each pair. people: whose they are.
    """
    names = sorted(set(people))
    fold = np.array([names.index(p) % FOLDS for p in people] * 2)
    x = np.concatenate([np.stack(first), np.stack(second)]).astype(np.float64)
    y = np.repeat([0.0, 1.0], len(first))
    score = np.zeros(len(y))
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        if not test.any() or not train.any():
            continue
        middle, spread = x[train].mean(0), x[train].std(0) + 1e-6
        weight = _logistic((x[train] - middle) / spread, y[train])
        score[test] = np.c_[(x[test] - middle) / spread, np.ones(test.sum())] @ weight
        score[test] -= np.median(score[test])  # folds are ranked together
    rank = np.empty(len(y))
    rank[np.argsort(score, kind="stable")] = np.arange(1, len(y) + 1)
    for value in np.unique(score):  # ties share their rank
        rank[score == value] = rank[score == value].mean()
    n = len(first)
    return float((rank[n:].sum() - n * (n + 1) / 2) / (n * n))


def _logistic(x: Float[ndarray, "n f"], y: Float[ndarray, " n"], ridge: float = 1.0) -> Float[ndarray, " g"]:
    """Return the weights (bias last) of a ridge logistic regression."""
    design, sign = np.c_[x, np.ones(len(x))], 2 * y - 1

    def loss(w: ndarray) -> tuple[float, ndarray]:
        margin = sign * (design @ w)
        gradient = -(design * (sign / (1 + np.exp(np.clip(margin, -50, 50))))[:, None]).sum(0)
        penalty = np.r_[w[:-1], 0]
        return float(np.logaddexp(0, -margin).sum() + 0.5 * ridge * penalty @ penalty), gradient + ridge * penalty

    return minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
