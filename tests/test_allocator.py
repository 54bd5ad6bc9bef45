"""The allocator's thresholds: memory freed by one array serves the next without the system."""

import subprocess
import sys

import pytest

from a3dgen.core.worker_memory import keep_freed_memory

RESIDENT = """
import re, sys
import numpy as np
def resident():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
"""
KEPT = (
    RESIDENT
    + """
if sys.argv[1] == "keep":
    from a3dgen.core.worker_memory import keep_freed_memory
    assert keep_freed_memory()
before = resident()
arrays = [np.ones(1 << 18) for _ in range(40)]  # 2 MB each
del arrays
print(resident() - before)
"""
)


def megabytes_kept(how: str) -> float:
    """What stays of 80 MB that were used and freed, in a process as Dask starts its workers."""
    environment = {"MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", KEPT, how], capture_output=True, text=True, env=environment, check=True
    )
    return float(done.stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="this C library has no mallopt")
def test_freed_memory_is_used_again():
    assert megabytes_kept("give back") < 20
    assert megabytes_kept("keep") > 60


HOLES = (
    RESIDENT
    + """
from a3dgen.core import worker_memory as allocator
allocator.keep_freed_memory()
kept = [np.ones(1 << 17) for _ in range(400)]  # 1 MB each
kept = kept[::8]
before = resident()
allocator._released -= 100
allocator.release_holes()
print(before - resident())
"""
)


@pytest.mark.skipif(not keep_freed_memory(), reason="this C library has no mallopt")
def test_holes_between_long_lived_arrays_are_given_back():
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 200
