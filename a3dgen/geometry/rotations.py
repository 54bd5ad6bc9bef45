"""Rotations as axis-angle vectors and 3x3 matrices, any batch dimensions. Built on scipy's Rotation."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation


def rotvec_to_matrix(rotvec: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 3 3"]:
    """Convert axis-angle vectors (rad) to rotation matrices."""
    flat = np.asarray(rotvec, np.float64).reshape(-1, 3)
    return Rotation.from_rotvec(flat).as_matrix().reshape(*rotvec.shape[:-1], 3, 3)


def matrix_to_rotvec(matrix: Float[ndarray, "*b 3 3"]) -> Float[ndarray, "*b 3"]:
    """Convert rotation matrices to axis-angle vectors (rad, length at most pi)."""
    flat = np.asarray(matrix, np.float64).reshape(-1, 3, 3)
    return Rotation.from_matrix(flat).as_rotvec().reshape(*matrix.shape[:-2], 3)
