"""Can an amputee be told from the intact twin by the filled background alone? A classifier that sees no limb.

It sees the luminance of the filled hole and of its rim after JPEG. What was drawn or pasted in either twin is covered
with the amputee's pixels in both before, so that no block knows of the limb, and nothing within ``REACH`` of it counts.
Maps of noise, sharpness and correlation are described by their means and spreads in the hole, and by how far these are
from the rim's: a fill that is softer or quieter than what is around it shows whatever the scene. Ridge logistic
regression, cross-validated by person, in two forms: one picture at a time (``auc``), and the harder test that shows it
both pictures of a pair and asks which is which (``choice``). Two controls: both are asked the same of amputee and
untouched photo, and of amputee and a twin whose hole was softened on purpose (``softened``): what they cannot see there
they could not see in the twin either.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from scipy.optimize import minimize

from a3dgen.removal.mask_ops import dilate

PATCH, RIM = 3, 20.0
"""Statistics are gathered over patches this wide; the rim reaches this far around the hole, px."""
REACH = 3
"""A map's pixel depends on pixels this far away."""
COVER = 2.0
"""What was drawn is covered this far around, px: its soft edge with it."""
SOFTENED = 0.7
"""Blur of the control, px."""
FOLDS = 5
JPEG = 90
LEAST = 48
"""Fewer pixels of hole or rim are not worth a description."""


def visible_background(hole: Bool[ndarray, "h w"], drawn: Bool[ndarray, "h w"]) -> tuple[ndarray, ndarray]:
    """Return what is looked at, of the hole and of its rim: pixels whose surroundings hold nothing that was drawn or
    pasted in either twin."""
    clean = ~dilate(drawn, REACH + 0.5)
    clean[:REACH] = clean[-REACH:] = False
    clean[:, :REACH] = clean[:, -REACH:] = False
    return hole & clean, dilate(hole, RIM) & ~dilate(hole, 2.0) & clean


def covered(
    rgb: UInt8[ndarray, "h w 3"], drawn: Bool[ndarray, "h w"], cover: UInt8[ndarray, "h w 3"]
) -> UInt8[ndarray, "h w 3"]:
    """Return a picture with ``cover`` where either twin was drawn."""
    out = rgb.copy()
    under = dilate(drawn, COVER)
    out[under] = cover[under]
    return out


def softened(rgb: UInt8[ndarray, "h w 3"], hole: Bool[ndarray, "h w"]) -> UInt8[ndarray, "h w 3"]:
    """Return a picture with a leak put in on purpose: its hole a little blurred."""
    out = rgb.copy()
    out[hole] = cv2.GaussianBlur(rgb, (0, 0), SOFTENED)[hole]
    return out


def describe(
    rgb: UInt8[ndarray, "h w 3"], hole: Bool[ndarray, "h w"], rim: Bool[ndarray, "h w"]
) -> Float[ndarray, " f"] | None:
    """Return the statistics of a JPEG of the picture; None where there is too little to see."""
    if hole.sum() < LEAST or rim.sum() < LEAST:
        return None
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, JPEG])
    light = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2YCrCb)[..., 0].astype(np.float32)
    y, x = np.nonzero(hole | rim)
    pad = 2 * REACH + 1
    box = np.s_[max(0, y.min() - pad) : y.max() + pad + 1, max(0, x.min() - pad) : x.max() + pad + 1]
    maps = np.stack(_maps(light[box]))
    inside, around = maps[:, hole[box]], maps[:, rim[box]]
    of = [np.concatenate([m.mean(1), m.std(1)]) for m in (inside, around)]
    return np.concatenate([of[0], of[0] - of[1]])


def _maps(light: Float[ndarray, "h w"]) -> list[Float[ndarray, "h w"]]:
    """Return maps of local statistics: noise at two scales, its correlation, second differences, gradients."""
    fine = light - cv2.GaussianBlur(light, (3, 3), 0)
    coarse = cv2.GaussianBlur(light, (3, 3), 0) - cv2.blur(light, (5, 5))

    def mean(v: ndarray) -> ndarray:
        return cv2.blur(v.astype(np.float32), (PATCH, PATCH))

    energy = mean(fine**2)
    beside, below = (mean(fine * np.roll(fine, 1, k)) / (energy + 0.05) for k in (1, 0))
    laplace = np.log(cv2.Laplacian(light, cv2.CV_32F) ** 2 + 0.5)
    second = [np.abs(cv2.filter2D(light, -1, np.array(k, np.float32))) for k in ([[1, -2, 1]], [[1], [-2], [1]])]
    third = [
        np.abs(cv2.filter2D(light, -1, np.array(k, np.float32))) for k in ([[1, -3, 3, -1]], [[1], [-3], [3], [-1]])
    ]
    slope = np.log(cv2.Sobel(light, -1, 1, 0) ** 2 + cv2.Sobel(light, -1, 0, 1) ** 2 + 1)
    peaked = mean(fine**4) / (energy**2 + 0.05)
    ratio = np.log((energy + 0.05) / (mean(coarse**2) + 0.05))
    tails = [np.minimum(s, 8.0) for s in (*second, *third)]
    return [np.log(energy + 0.05), np.log(mean(coarse**2) + 0.05), ratio, beside, below, laplace, slope,
            np.log(peaked + 1), *tails]  # fmt: skip


def auc(first: list[Float[ndarray, " f"]], second: list[Float[ndarray, " f"]], people: list[str]) -> float:
    """Return the area under the ROC curve of telling ``second`` from ``first``, cross-validated over people.

    Args:
        first, second: descriptions of the two samples of each pair. people: whose they are.
    """
    fold = np.tile(_folds(people), 2)
    x = np.concatenate([np.stack(first), np.stack(second)]).astype(np.float64)
    y = np.repeat([0.0, 1.0], len(first))
    score = np.zeros(len(y))
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        if not test.any() or not train.any():
            continue
        middle, spread = x[train].mean(0), x[train].std(0) + 1e-6
        weight = _logistic(np.c_[(x[train] - middle) / spread, np.ones(train.sum())], y[train], free=1)
        score[test] = np.c_[(x[test] - middle) / spread, np.ones(test.sum())] @ weight
        score[test] -= np.median(score[test])  # folds are ranked together
    return _ranked(score[: len(first)], score[len(first) :])


def choice(first: list[Float[ndarray, " f"]], second: list[Float[ndarray, " f"]], people: list[str]) -> float:
    """Return how often a classifier that sees both pictures of an unseen person's pair knows which is ``second``; no
    difference counts half. This is the area under the ROC curve of the paired test."""
    fold = _folds(people)
    d = np.stack(second).astype(np.float64) - np.stack(first)
    right = np.full(len(d), 0.5)
    for k in range(FOLDS):
        train, test = fold != k, fold == k
        if not test.any() or not train.any():
            continue
        spread = d[train].std(0) + 1e-6
        x = d[train] / spread
        weight = _logistic(np.concatenate([x, -x]), np.repeat([1.0, 0.0], len(x)), free=0)
        score = (d[test] / spread) @ weight
        right[test] = np.where(np.abs(score) < 1e-9, 0.5, score > 0)
    return float(right.mean())


def _folds(people: list[str]) -> ndarray:
    names = sorted(set(people))
    return np.array([names.index(p) % FOLDS for p in people])


def _ranked(low: Float[ndarray, " n"], high: Float[ndarray, " m"]) -> float:
    """Return the share of pairs in which ``high`` scores above ``low``, ties half."""
    difference = high[:, None] - low
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())


def _logistic(design: Float[ndarray, "n f"], y: Float[ndarray, " n"], free: int, ridge: float = 1.0) -> ndarray:
    """Return the weights of a ridge logistic regression; the last ``free`` ones are not penalised."""
    sign, held = 2 * y - 1, np.ones(design.shape[1])
    held[len(held) - free :] = 0

    def loss(w: ndarray) -> tuple[float, ndarray]:
        margin = sign * (design @ w)
        gradient = -(design * (sign / (1 + np.exp(np.clip(margin, -50, 50))))[:, None]).sum(0)
        penalty = held * w
        return float(np.logaddexp(0, -margin).sum() + 0.5 * ridge * penalty @ penalty), gradient + ridge * penalty

    return minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
