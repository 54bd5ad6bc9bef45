"""One thread per process, so that results repeat; processes are the parallelism."""

from __future__ import annotations

import os
import sys

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "LP_NUM_THREADS": "1",
}
"""Read by BLAS, numba and llvmpipe when they are loaded, so set before NumPy is imported."""


def limit_threads() -> None:
    """Allow this process one thread, for libraries that are not loaded yet and for those that can be told."""
    os.environ.update(ONE_THREAD)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
