"""Outlines a hand by its colours where a segmenter sees it: what lies behind it, a chair's back, is no part of it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray

from a3dgen.core.channels import largest_channel
from a3dgen.core.records import UNLABELLED
from a3dgen.removal.mask_ops import ELBOWS, WRISTS, around, dilate, each_hand, limb_capsules
from a3dgen.removal.photo import RemovalScene
from a3dgen.removal.pieces import touching

# Hand-set on the real sample frames.
ROOM = 0.035
"""Around the disc that holds a hand, share of the height, outlines by segmenters are too wide."""
BEYOND = 0.05
"""Colours of what lies behind are learned so far around that, share of the height."""
SURE, MAYBE = 0.9, 0.3
"""Claims on pixels that are the arm's, in its middle, and that may be."""
CERTAIN = 0.95
"""What is claimed so much is the hand's, whatever its colour: fingers in the shade."""
FINGER, LONGEST, STANDS_OUT = 0.022, 0.06, 28
"""A finger is narrower than, and ends within this share of the height, and differs so many grey levels from its
sides."""
RIM, GREY_RIM, LEAST_RIM, HEAD = 0.012, 0.032, 4.0, 0.08
"""A hand has a rim of this share of the height (the second in grey photos, where shade hides fingers), at least so many
px; around the fitted head, share of the height, nothing is said."""
GREY = 6.0
"""Channels of a grey photo differ by at most this on the mean, grey levels."""
ALONE, RIVAL = 0.05, 0.1
"""Other parts of the person cover at most this share of the disc; nobody else claims so much of it."""
CLOTHES = 0.045
"""Clothes stand off the other limbs and the trunk by this share of the height."""
MIDDLE = 0.016
"""Half the width of the middle of a forearm, share of the height."""
LEAST = 40
"""So many pixels of the forearm, and of what is beyond, tell its colours."""
ALL, NOTHING = 0.75, 0.08
"""The hand is between these shares of what is surely claimed of the disc; else colours do not tell it."""
APART = 24.0
"""Mean colours of the forearm and of what may be behind differ at least by this, grey levels (mean of the channels)."""


@dataclass(frozen=True)
class HandOutline:
    """A hand outlined by its colours: ``hand`` within ``room``; outside of that nothing is said."""

    hand: Bool[ndarray, "h w"]
    room: Bool[ndarray, "h w"]


def behind_hands(scene: RemovalScene) -> Bool[ndarray, "h w"]:
    """Return what by its colours is behind the hands of somebody whom a segmenter has outlined: it stays."""
    labelled, height, out = scene.state != UNLABELLED, scene.height, np.zeros(scene.own.shape, bool)
    others = labelled.copy()
    others[list(WRISTS)] = False
    own = dilate(limb_capsules(scene.keypoints, others, height, out.shape), CLOTHES * height)
    own = own if scene.head is None else own | dilate(scene.head, HEAD * height)
    for ends in zip(ELBOWS, WRISTS, strict=True):
        arm = np.isin(np.arange(len(labelled)), ends) & labelled
        for disc in each_hand(scene.keypoints, arm, height, out.shape) if arm.sum() == len(ends) else []:
            forearm = scene.keypoints[list(ends)]
            free = disc.any() and not (scene.rival[disc] > RIVAL).any()  # whose is what lies behind is not asked here
            found = outline_hand(scene.rgb, scene.mine, disc, forearm, own, height) if free else None
            if found is not None:
                grey = np.ptp(scene.rgb[found.room].astype(np.int16), axis=-1).mean() < GREY
                out |= found.room & ~dilate(found.hand, max(LEAST_RIM, (GREY_RIM if grey else RIM) * height))
    return out


def outline_hand(
    rgb: UInt8[ndarray, "h w 3"],
    claim: Float[ndarray, "h w"],
    disc: Bool[ndarray, "h w"],
    forearm: Float[ndarray, "2 2"],
    own: Bool[ndarray, "h w"],
    height: float,
) -> HandOutline | None:
    """Outline a hand (GrabCut; Rother et al. 2004) from the forearm's colours and those around; None if unclear.

    Args:
        rgb: photo. claim: the person's, by a segmenter. disc: holds the hand. forearm: elbow and wrist, px.
        own: other parts of the person, of which nothing is taken. height: of the person, px.
    """
    part = around(dilate(disc, (ROOM + BEYOND) * height), 2)
    room = dilate(disc[part], ROOM * height) & ~own[part]
    picture, mine = rgb[part], claim[part]
    middle = np.zeros(disc.shape, np.uint8)
    elbow, wrist = (tuple(round(float(v)) for v in p) for p in forearm)
    cv2.line(middle, elbow, wrist, 1, max(1, round(2 * MIDDLE * height)))
    arm = (middle[part] > 0) & (mine > SURE)
    around_it = ~room & ~own[part] & (mine < 1 - SURE)
    if own[part][disc[part]].mean() > ALONE or min(int(arm.sum()), int(around_it.sum())) < LEAST:
        return None
    labels = np.where(mine > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[arm], labels[around_it] = cv2.GC_FGD, cv2.GC_BGD
    labels[own[part]] = cv2.GC_FGD
    cv2.setRNGSeed(0)  # GrabCut starts from k-means with OpenCV's own generator
    cv2.grabCut(picture, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_MASK)
    found = touching(((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)) & room, arm & room)
    surely = disc[part] & (mine > 0.5)
    share = float((found & surely).sum()) / max(int(surely.sum()), 1)
    behind = surely & ~found
    if not NOTHING < share < ALL or not behind.any():
        return None
    apart = np.abs(np.median(picture[arm], axis=0) - np.median(picture[behind], axis=0)).mean()
    if apart < APART:
        return None
    hand, where = np.zeros_like(disc), np.zeros_like(disc)
    hand[part], where[part] = _fingers(picture, found, room, height) | (disc[part] & (mine > CERTAIN)), room
    return HandOutline(hand, where)


def _fingers(
    rgb: UInt8[ndarray, "h w 3"], hand: Bool[ndarray, "h w"], room: Bool[ndarray, "h w"], height: float
) -> Bool[ndarray, "h w"]:
    """Return a hand with the narrow things at it that stand out: fingers in the shade."""
    side = 2 * max(2, round(0.5 * FINGER * height)) + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    white, black = (cv2.morphologyEx(rgb, op, disc) for op in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
    narrow = (largest_channel(np.maximum(white, black)) > STANDS_OUT) & room & dilate(hand, LONGEST * height)
    return touching(hand | narrow, hand)
